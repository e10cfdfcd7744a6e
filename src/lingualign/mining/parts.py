"""The folder of an unfinished output, ``OUTPUT.parts``, from which an interrupted call resumes."""

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
"""Patterns of all files in the folder of an interrupted call, by folder."""


def parts_of(output: str | os.PathLike[str]) -> Path:
    """Return the parts folder of an output."""
    return Path(output).with_name(f"{Path(output).name}.parts")


def check_parts(parts: Path) -> None:
    """Raise InputError for a folder with other files, since the parts folder is removed at the end."""
    if not os.path.lexists(parts):
        return
    if parts.is_symlink() or not parts.is_dir() or not all(map(_is_known, _files(parts))):
        raise InputError(
            f"{str(parts)!r} is in the way: it is needed for vectors and is not from an interrupted call"
        )


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the files of a folder as (folder, name), without following links."""
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
    """Return whether the existing files of an output are those of an interrupted call, unchanged.

    The call that resumes may then replace them.
    """
    try:
        written = read_checked(parts_of(output) / _WRITTEN)
        return written is not None and all(
            sha256_of(file) == written[0].get(file.name) for file in files if os.path.lexists(file)
        )
    except (OSError, ValueError):
        return False


@contextmanager
def staged(parts: Path, files: Sequence[Path]) -> Iterator[Path]:
    """Yield a folder for the files of an output, and move them to their places at the end of the block.

    Their digests are recorded first, for `was_written`.
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
    """Make or resume the parts folder of an output, and lock it.

    The folder is removed if the block succeeds, unless ``keep`` is set, and if a failed block wrote nothing to it.

    Raises
    ------
    InputError
        If another process has locked it, or its place is taken or not writable.
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
            # The output is complete, so a failed removal is no error. The digests are removed last, for `was_written`.
            with suppress(OSError):
                for path in sorted(parts.iterdir(), key=lambda path: path.name in (_WRITTEN, _LOCK)):
                    discard(path)
                parts.rmdir()
