"""The folder of what is there while an output is made, which an interrupted call leaves for the next one."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.store import alone, discard, read_checked, sha256_of, write_checked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SIDES = ("source", "target")
TILES = "tiles"
PLANTED = "planted-"
_LOCK = ".lock"
_STAGED, _WRITTEN = "output", "written"
_TEMPORARY = r"\..*\.tmp"
_KNOWN = {
    "": rf"search|{_WRITTEN}|{re.escape(_LOCK)}|{_TEMPORARY}",
    rf"{'|'.join(SIDES)}|runs|{PLANTED}[a-z]+-[0-9a-f]+": rf"manifest\.json|shard-\d{{6}}\..*|\.lock.*|{_TEMPORARY}",
    TILES: rf"plan\.json|({'|'.join(SIDES)})\.npy|tile-\d+|{_TEMPORARY}",
    "evenness": rf"\d+-[0-9a-f]+.*|{_TEMPORARY}",
    _STAGED: ".*",
}
"""Names of files by those of their folders: what there is in the folder of an interrupted call, and nothing else."""


def parts_of(output: str | os.PathLike[str]) -> Path:
    """Name it."""
    return Path(output).with_name(f"{Path(output).name}.parts")


def check_parts(parts: Path) -> None:
    """Refuse a folder of that name that no call has left, since it is removed at the end."""
    if not os.path.lexists(parts):
        return
    if parts.is_symlink() or not parts.is_dir() or not all(map(_is_known, _files(parts))):
        raise InputError(
            f"{str(parts)!r} is in the way: it is needed for vectors and is not from an interrupted call"
        )


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    """List what is in a folder, as folder and name; of links the link alone."""
    for place, folders, files in os.walk(folder):
        inside = os.path.relpath(place, folder)
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in (*files, *links):
            yield "" if inside == "." else inside, name


def _is_known(file: tuple[str, str]) -> bool:
    return any(
        re.fullmatch(folder, file[0]) and re.fullmatch(name, file[1]) for folder, name in _KNOWN.items()
    )


def was_written(output: Path, files: Sequence[Path]) -> bool:
    """Whether an interrupted call of this output has written its files, or some of them, and nobody has since.

    Then they are no other's, and may be written again by the call that goes on.
    """
    try:
        kept = read_checked(parts_of(output) / _WRITTEN)
        return kept is not None and all(
            sha256_of(file) == kept[0].get(file.name) for file in files if os.path.lexists(file)
        )
    except (OSError, ValueError):
        return False


@contextmanager
def staged(parts: Path, files: Sequence[Path]) -> Iterator[Path]:
    """Give a folder to write the files of an output to; at the end of the block they take their places together.

    What they hold is noted before, for `was_written`.
    """
    folder = parts / _STAGED
    discard(folder)
    folder.mkdir()
    yield folder
    made = {file: folder / file.name for file in files}
    write_checked(parts / _WRITTEN, {file.name: sha256_of(staging) for file, staging in made.items()})
    for file, staging in made.items():
        staging.replace(file)


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
                with suppress(OSError):
                    discard(parts)
            raise
        if not keep:
            # The output is there: what cannot be removed the next call goes on from. What says so goes last.
            with suppress(OSError):
                for path in sorted(parts.iterdir(), key=lambda path: path.name in (_WRITTEN, _LOCK)):
                    discard(path)
                parts.rmdir()
