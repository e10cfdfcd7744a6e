"""How far a task is: a bar on a terminal or in a notebook, plain lines in a log file or a pipe."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FIRST_SECONDS, _MOST_SECONDS = 10.0, 300.0
_SHARE = 0.05
"""Time between two lines, as a share of the time since the task began: a task of days fills no log."""


@contextmanager
def progress_bar(task: str, total: int | None, *, enabled: bool) -> Iterator[Callable[[int], None]]:
    """Show how far a task over sentences is, on standard error; yields the function that moves it on.

    A terminal shows a bar. A log file or a pipe gets plain lines, see `Lines`.

    Parameters
    ----------
    task
        What is being done, shown before the bar.
    total
        Number of sentences; ``None`` where it is not known beforehand.
    enabled
        Whether anything is shown.
    """
    if not enabled:
        yield lambda _: None
        return

    if not draws_bars():
        lines, done = Lines(task, total), 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            lines.show(done)

        try:
            yield advance
            # What stands for another, as a copy of a sentence, is passed over without being counted.
            done = done if total is None else total
        finally:
            if done:  # an error that comes first needs no line beside its own
                lines.end(done)
        return

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        shown = bar.add_task(task, total=total)
        yield lambda count: bar.advance(shown, count)
        bar.update(shown, completed=total)


@contextmanager
def without_tensor_bars() -> Iterator[None]:
    """Hide transformers' bars over the tensors of a model on this disk, which is read and written in a moment."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


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
