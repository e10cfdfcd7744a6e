"""The progress bar."""

from __future__ import annotations

from itertools import pairwise

import pytest

from lingualign import progress
from lingualign.errors import InputError
from lingualign.progress import progress_bar


def test_a_task_that_has_ended_is_shown_as_complete_and_a_broken_one_is_not(capsys) -> None:
    with progress_bar("Encoding", 10, enabled=True) as advance:
        advance(3)
    assert "10/10" in capsys.readouterr().err
    with pytest.raises(InputError):
        _broken()
    assert "3/10" in capsys.readouterr().err
    with progress_bar("Encoding", None, enabled=True) as advance:
        advance(7)
    assert "7/?" in capsys.readouterr().err


def test_a_pipe_gets_lines_while_a_task_runs_ever_further_apart(capsys, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress_bar("Encoding", 7_200, enabled=True) as advance:
        for _ in range(7_200):
            now[0] += 1
            advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Encoding 10/7,200, 1:59:50 left"
    assert lines[-1] == "Encoding 7,200/7,200, 2:00:00"
    assert all("\x1b" not in line and "\r" not in line for line in lines)
    places = [int(line.split()[1].partition("/")[0].replace(",", "")) for line in lines]
    assert 50 < len(places) < 120
    assert max(later - earlier for earlier, later in pairwise(places)) <= 301


def test_what_was_done_before_takes_no_time(capsys, monkeypatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    lines = progress.Lines("Training: step", 100, done=80)
    now[0] = 20.0
    lines.show(90, "loss 0.125")
    assert capsys.readouterr().err == "Training: step 90/100, 0:00:20 left, loss 0.125\n"


def _broken() -> None:
    with progress_bar("Encoding", 10, enabled=True) as advance:
        advance(3)
        raise InputError("broken off")
