"""Files written whole or not at all, processes that take turns, and the folder of what may be made again."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

_SILENT_SECONDS = 3


def cache_folder(name: str) -> Path:
    """Name the user's folder for one kind of thing that is kept from run to run: below ``$XDG_CACHE_HOME``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lingualign" / name


def check_regular(path: Path) -> None:
    """Refuse what only looks like a file: a pipe, a socket or a device, from which one reads for ever.

    Raises
    ------
    InputError
        If it is one.
    OSError
        If there is nothing, or a link that leads nowhere.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
        raise InputError(f"{path}: {kind}, not a file; write its content to a file, and give that")


def check_writable(path: Path, where: str) -> None:
    """Refuse a file that could not be written, before what it is to hold is made.

    Raises
    ------
    InputError
        If its folder takes no file; ``where`` begins the message.
    """
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise InputError(f"{where}: its folder cannot be written to: {error.strerror}") from None


def check_name(path: str | os.PathLike[str]) -> None:
    """Refuse a name that is not UTF-8, where it is to stand in files of text or go to a library that knows no other.

    Raises
    ------
    InputError
        With the name.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        raise InputError(f"{os.fspath(path)}: the name is not UTF-8; rename it") from None


@contextmanager
def taking_turns(lock: Path, waiting: str) -> Iterator[None]:
    """Let one process at a time into a block; a wait that a person would notice is explained.

    Parameters
    ----------
    lock
        A file in a folder that exists; all that take turns name the same.
    waiting
        The explanation.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    from filelock import FileLock, Timeout

    turn = FileLock(lock)
    try:
        turn.acquire(timeout=_SILENT_SECONDS)
    except Timeout:
        logger.warning(waiting)
        turn.acquire()
    try:
        yield
    finally:
        turn.release()


@contextmanager
def alone(lock: Path, taken: str) -> Iterator[None]:
    """Let one process into a block, and refuse any other meanwhile.

    Parameters
    ----------
    lock
        A file in a folder that exists.
    taken
        What the others are told.

    Raises
    ------
    InputError
        If another process is in it.
    """
    from filelock import FileLock, Timeout

    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise InputError(taken) from None
    try:
        yield
    finally:
        held.release()


def named(error: OSError, path: Path) -> OSError:
    """Return an error of writing with the file's name, which the system leaves out, or knows as a temporary one."""
    return error if error.errno is None else OSError(error.errno, error.strerror, str(path))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def follow_umask(folder: Path) -> None:
    """Give all files in a folder the permissions of a file made there now: safetensors keeps its own to their owner."""
    probe = folder / ".permissions"
    probe.touch()
    permissions = stat.S_IMODE(probe.stat().st_mode)
    probe.unlink()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(permissions)


def file_damage(path: Path, size: int, sha256: str) -> str | None:
    """Compare a file with what was written, its size first; returns what is wrong, None if nothing is."""
    try:
        if (found := path.stat().st_size) != size:
            return f"{path} has {found:,} bytes and not the {size:,} written"
        return None if sha256_of(path) == sha256 else f"{path} was altered after it was written"
    except FileNotFoundError:
        return f"{path} is missing"
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"


def write_atomically(
    path: Path, content: str | bytes | memoryview, *more: str | bytes | memoryview
) -> tuple[int, str]:
    """Write a file so that it is there whole or not at all, also after a power cut.

    It is written beside its place, under a hidden name, and renamed; a file that is there already is replaced.
    What a killed process left half-written the next write of the same file replaces; processes that write the same
    file take turns.

    Parameters
    ----------
    path
        The file; its folder exists.
    content, more
        What it will hold, one part after the other; text as UTF-8.

    Returns
    -------
    size, digest
        Bytes written, and their SHA-256 in hexadecimal.

    Raises
    ------
    OSError
        If it cannot be written: the old file, if any, is untouched then and nothing else is left.
    """
    digest = hashlib.sha256()
    size = 0
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            for part in (content, *more):
                encoded = part.encode() if isinstance(part, str) else part
                digest.update(encoded)
                size += file.write(encoded)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise named(error, path) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename itself
        finally:
            os.close(folder)
    return size, digest.hexdigest()
