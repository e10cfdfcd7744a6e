"""The progress bar."""

from __future__ import annotations

import pytest

from lingualign.embedding.progress import progress_bar
from lingualign.errors import InputError


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


def _broken() -> None:
    with progress_bar("Encoding", 10, enabled=True) as advance:
        advance(3)
        raise InputError("broken off")
