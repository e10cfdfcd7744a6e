"""Checkpoints that are whole or not there at all, and are known for damaged where a disk has failed them."""

from __future__ import annotations

import json
import logging
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.files import discard, file_damage, follow_umask, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

_NAME = re.compile(r"checkpoint-(\d+)")
UNFINISHED = ".unfinished-"
"""How the names of folders begin that are being written or removed."""
_MANIFEST = "manifest.json"


def checkpoints(folder: Path) -> list[Path]:
    """List the finished checkpoints of a run, the oldest first; their content is not looked at."""
    found = [path for path in folder.glob("checkpoint-*") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def last_whole(folder: Path) -> Path | None:
    """Find the newest checkpoint that is as it was written; damaged ones that are newer are removed, with a warning."""
    for checkpoint in reversed(checkpoints(folder)):
        damage = damage_of(checkpoint)
        if damage is None:
            return checkpoint
        logger.warning("%s is damaged (%s) and is left out; the one before it is used.", checkpoint, damage)
        remove(checkpoint)
    return None


def damage_of(checkpoint: Path) -> str | None:
    """Compare a checkpoint with its manifest; returns what is wrong, None if nothing is."""
    try:
        files = json.loads((checkpoint / _MANIFEST).read_text(encoding="utf-8"))["files"]
        written = [(str(name), int(entry["size"]), str(entry["sha256"])) for name, entry in files.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"no readable {_MANIFEST}"
    for name, size, sha256 in written:
        if damage := file_damage(checkpoint / name, size, sha256):
            return damage
    return None


def unfinished_name(checkpoint: Path) -> Path:
    """Name the folder in which a checkpoint is written, and in which it is removed."""
    return checkpoint.with_name(f"{UNFINISHED}{checkpoint.name}")


@contextmanager
def writing(checkpoint: Path) -> Iterator[Path]:
    """Give a folder to write a checkpoint into; it takes its name when all of it is written, by one rename."""
    unfinished = unfinished_name(checkpoint)
    _clear(unfinished)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        files = {
            path.relative_to(unfinished).as_posix(): {"size": path.stat().st_size, "sha256": sha256_of(path)}
            for path in sorted(unfinished.rglob("*"))
            if path.is_file()
        }
        (unfinished / _MANIFEST).write_text(json.dumps({"files": files}, indent=2), encoding="utf-8")
        follow_umask(unfinished)
        unfinished.rename(checkpoint)
    except BaseException:
        _clear(unfinished)
        raise


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
            remove(checkpoint)
    for unfinished in folder.glob(UNFINISHED + "*"):
        _clear(unfinished)


def remove(checkpoint: Path) -> None:
    """Remove a checkpoint, out of its name first: half of a removed one must not look like a whole one."""
    unfinished = unfinished_name(checkpoint)
    _clear(unfinished)
    checkpoint.rename(unfinished)
    _clear(unfinished)


def _clear(unfinished: Path) -> None:
    with suppress(OSError):
        discard(unfinished)
