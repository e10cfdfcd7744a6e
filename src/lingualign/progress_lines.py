"""How far a task is, in plain lines: what a log file or a pipe gets in place of a bar."""

from __future__ import annotations

import sys
import time
from datetime import timedelta

_FIRST_SECONDS, _MOST_SECONDS = 10.0, 300.0
_SHARE = 0.05
"""Time between two lines, as a share of the time since the task began: a task of days fills no log."""


def draws_bars() -> bool:
    """Whether bars can be drawn where standard error goes: on a terminal, or in a notebook."""
    from rich.console import Console

    console = Console(stderr=True)
    return console.is_interactive or console.is_jupyter


class Lines:
    """Lines on standard error about one task: the first after ten seconds, the next ones ever further apart.

    Parameters
    ----------
    task
        What is being done, which begins every line.
    total
        How much there is to do; None where it is not known beforehand.
    done
        How much was done before, which takes no time now.
    """

    def __init__(self, task: str, total: int | None, done: int = 0) -> None:
        self._task, self._total, self._before = task, total, done
        self._began = time.monotonic()
        self._due = self._began + _FIRST_SECONDS

    def show(self, done: int, note: str = "") -> None:
        """Write a line with a note, if it is time for one."""
        now = time.monotonic()
        if now < self._due:
            return
        elapsed = now - self._began
        self._due = now + min(_MOST_SECONDS, max(_FIRST_SECONDS, _SHARE * elapsed))
        left = ""
        if self._total is not None and done > self._before:
            left = f", {_clock(elapsed * (self._total - done) / (done - self._before))} left"
        self._write(done, left, note)

    def end(self, done: int, note: str = "") -> None:
        """Write the last line, with the time that the task took."""
        self._write(done, f", {_clock(time.monotonic() - self._began)}", note)

    def _write(self, done: int, when: str, note: str) -> None:
        total = "?" if self._total is None else f"{self._total:,}"
        # Found anew for each line: whoever captures what is written puts another file there.
        print(f"{self._task} {done:,}/{total}{when}{note and f', {note}'}", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(max(0.0, seconds))))
