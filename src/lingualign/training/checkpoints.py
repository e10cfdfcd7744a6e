"""The checkpoints of a run: which there are, which one is whole, and which stay."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.store import UNFINISHED, discard, folder_damage, remove_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

_NAME = re.compile(r"checkpoint-(\d+)")


def checkpoints(folder: Path) -> list[Path]:
    """List the finished checkpoints of a run, the oldest first; their content is not looked at."""
    found = [path for path in folder.glob("checkpoint-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def last_whole(folder: Path) -> Path | None:
    """Find the newest checkpoint that is as it was written; damaged ones that are newer are removed, with a warning."""
    for checkpoint in reversed(checkpoints(folder)):
        damage = folder_damage(checkpoint)
        if damage is None:
            return checkpoint
        logger.warning("%s is damaged (%s) and is left out; the one before it is used.", checkpoint, damage)
        remove_folder(checkpoint)
    return None


@contextmanager
def explained(what: str, cure: Callable[[], str]) -> Iterator[None]:
    """Turn a failure to write weights into an InputError: torch and safetensors have their own words for a full disk.

    Parameters
    ----------
    what
        Cannot be written to where.
    cure
        Gives the end of the message.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        why = " ".join(str(error).split())
        if "inline_container" in why:
            why = "a file could be written in part only; no space left on device, it seems"
        raise InputError(f"{what}: {why}. {cure()}") from error


def keep_only(folder: Path, names: Collection[str]) -> None:
    """Remove all other checkpoints, and what a killed process has left unfinished."""
    for checkpoint in checkpoints(folder):
        if checkpoint.name not in names:
            remove_folder(checkpoint)
    for unfinished in folder.glob(UNFINISHED + "*"):
        with suppress(OSError):
            discard(unfinished)
