"""Checkpoints that are whole or not there at all."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_NAME = re.compile(r"checkpoint-(\d+)")
_UNFINISHED = ".unfinished-"


def checkpoints(folder: Path) -> list[Path]:
    """List the finished checkpoints of a run, the oldest first."""
    found = [path for path in folder.glob("checkpoint-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


@contextmanager
def writing(checkpoint: Path) -> Iterator[Path]:
    """Give a folder to write a checkpoint into; it takes its name when all of it is written, by one rename."""
    unfinished = checkpoint.with_name(_UNFINISHED + checkpoint.name)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    unfinished.rename(checkpoint)


def keep_only(folder: Path, names: Collection[str]) -> None:
    """Remove all other checkpoints, and what a killed process has left unfinished."""
    for checkpoint in checkpoints(folder):
        if checkpoint.name not in names:
            # Out of its name first: half of a removed checkpoint must not look like a whole one.
            checkpoint.rename(checkpoint.with_name(_UNFINISHED + checkpoint.name))
    for unfinished in folder.glob(_UNFINISHED + "*"):
        shutil.rmtree(unfinished)
