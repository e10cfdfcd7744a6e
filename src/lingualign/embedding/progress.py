"""The progress bar of everything that goes through sentences, and of nothing else."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from lingualign.progress_lines import Lines, draws_bars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def progress_bar(task: str, total: int | None, *, enabled: bool) -> Iterator[Callable[[int], None]]:
    """Show how far a task over sentences is, on standard error; yields the function that moves it on.

    A terminal shows a bar. A log file or a pipe gets plain lines, see `lingualign.progress_lines.Lines`.

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
