"""The folder of what is there while an output is made, which an interrupted call leaves for the next one."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.files import alone

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

SIDES = ("source", "target")
TILES = "tiles"
PLANTED = "planted-"
_LOCK = ".lock"
_KNOWN = {*SIDES, TILES, "runs", "search", "evenness", ".search.tmp", _LOCK}


def parts_of(output: str | os.PathLike[str]) -> Path:
    """Name it."""
    return Path(output).with_name(f"{Path(output).name}.parts")


def check_parts(parts: Path) -> None:
    """Refuse a folder of that name that no call has left, since it is removed at the end."""
    if parts.exists() and (
        not parts.is_dir()
        or {path.name for path in parts.iterdir() if not path.name.startswith(PLANTED)} - _KNOWN
    ):
        raise InputError(
            f"{str(parts)!r} is in the way: it is needed for vectors and is not from an interrupted call"
        )


@contextmanager
def hold_parts(output: Path, *, keep: bool = False) -> Iterator[Path]:
    """Make it, or go on with it, with no other process beside.

    It goes with a block that ends well, unless it is kept for other calls, and with one that has left nothing in it.

    Raises
    ------
    InputError
        If another process works in it, or its place is taken or cannot be written to.
    """
    parts = parts_of(output)
    check_parts(parts)
    try:
        parts.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{str(parts.parent)!r} cannot be written to: {error.strerror}; give another output"
        ) from None
    taken = f"output {str(output)!r}: another process is making it; wait for that, or give another output"
    with alone(parts / _LOCK, taken):
        try:
            yield parts
        except BaseException:
            if all(path.name == _LOCK for path in parts.iterdir()):
                shutil.rmtree(parts, ignore_errors=True)
            raise
        if not keep:
            # The output is there: what cannot be removed the next call goes on from.
            shutil.rmtree(parts, ignore_errors=True)
