"""Two ends of one line: an announced end is none but an end, a closed line is a death."""

from __future__ import annotations

import queue
from concurrent.futures import ThreadPoolExecutor

import pytest

from lingualign.training import lifelines
from lingualign.training.lifelines import Lifelines


@pytest.fixture
def pair():
    """The first process and another one."""
    told = queue.Queue()
    with ThreadPoolExecutor(1) as others:
        other = others.submit(Lifelines, 1, 2, lambda _: [told.get(), None])
        return Lifelines(0, 2, told.put), other.result()


# Some went wrong, and not all, where an end left with words of the first process unread.
@pytest.mark.parametrize("_", range(10))
def test_one_that_ends_well_and_closes_at_once_has_not_died(pair, _) -> None:
    first, other = pair
    first.__enter__()
    with other:
        pass
    other._lines[0].close()
    assert first.failure(0.2) is None
    first.__exit__()


def test_one_that_closes_without_a_word_has_died(pair, monkeypatch) -> None:
    monkeypatch.setattr(lifelines, "_GRACE", 3600)
    first, other = pair
    other.__enter__()
    with first:
        other._lines[0].shutdown(2)
        assert first.failure(10) == (1, "")
    assert not first.all_well


def test_one_that_fails_has_said_why_before_it_closes(pair, monkeypatch) -> None:
    monkeypatch.setattr(lifelines, "_GRACE", 3600)
    first, other = pair
    with first:
        other.__enter__()
        other.fail("no such luck")
        other._lines[0].close()
        assert first.failure(10) == (1, "no such luck")


def test_nobody_waits_for_one_that_is_gone(pair, monkeypatch) -> None:
    monkeypatch.setattr(lifelines, "_LAST_WORD", 3600)
    first, other = pair
    with first:
        other._lines[0].shutdown(2)
