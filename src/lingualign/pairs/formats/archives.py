"""Zip archives as folders that are read and never unpacked: a member has the path ``ARCHIVE.zip/NAME``."""

from __future__ import annotations

import re
import struct
import zipfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ARCHIVE = ".zip"
_DAMAGED = (
    zipfile.BadZipFile,
    EOFError,
    IndexError,
    OverflowError,
    RuntimeError,  # also a method of compression that zipfile does not know
    ValueError,
    struct.error,
)
_LEAVES_THE_FOLDER = re.compile(r"/|[A-Za-z]:|.*\\|(.*/)?\.\.(/|$)", re.DOTALL)


def leaves_the_folder(name: str) -> bool:
    """Whether a member's name would lead out of the folder that an archive is unpacked in, on any system."""
    return _LEAVES_THE_FOLDER.match(name) is not None


def archive_of(path: Path) -> Path | None:
    """Name the archive that a path leads into, or is."""
    if path.suffix.lower() == ARCHIVE and path.is_file():
        return path
    return next(
        (parent for parent in path.parents if parent.suffix.lower() == ARCHIVE and parent.is_file()), None
    )


def members(archive: Path) -> list[Path]:
    """List the files in an archive, sorted, hidden ones left out.

    Raises
    ------
    InputError
        If it is damaged, encrypted, names a file twice, or one whose path would leave the folder it is unpacked in.
    """
    with _opened(archive) as opened:
        return [archive / name for name in _names(archive, opened)]


@contextmanager
def open_member(path: Path) -> Iterator[IO[bytes]]:
    """Open a file in an archive; of a path to the archive itself, the only file in it.

    Raises
    ------
    InputError
        As `members` does; or if there is not exactly one file in an archive that is to be one.
    """
    archive = archive_of(path)
    if archive is None:
        raise InputError(f"{path}: no such file")
    with _opened(archive) as opened:
        names = _names(archive, opened)
        if path == archive and len(names) != 1:
            found = ", ".join(names[:5]) or "nothing"
            raise InputError(
                f"{path}: as the name of a compressed file it must hold one file, and holds {len(names)} ({found}); "
                "unpack it"
            )
        name = names[0] if path == archive else path.relative_to(archive).as_posix()
        if name not in names:
            raise InputError(f"{path}: there is no such file in the archive")
        with opened.open(name) as file:
            yield file


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(archive) as opened:
            yield opened
    except InputError:
        raise
    except _DAMAGED as error:
        raise InputError(
            f"{archive}: damaged or cut off .zip file ({error}); fetch or pack it again"
        ) from None


def _names(archive: Path, opened: zipfile.ZipFile) -> list[str]:
    infos = [info for info in opened.infolist() if not info.is_dir()]
    names = [info.filename for info in infos]
    for info in infos:
        if leaves_the_folder(info.filename):
            raise InputError(
                f"{archive}: holds a file named {info.filename!r}, which would leave the folder that it is unpacked "
                "in; nothing of such an archive is read"
            )
        if info.flag_bits & 1:
            raise InputError(f"{archive}: {info.filename!r} is encrypted; unpack it and give the folder")
    if len(set(names)) < len(names):
        raise InputError(f"{archive}: holds two files of one name; nothing of such an archive is read")
    return sorted(name for name in names if not re.search(r"(^|/)(\.|__MACOSX/)", name))
