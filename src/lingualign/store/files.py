"""Files that are written whole or not at all, and what is asked of a path before."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_WRITERS = 100
"""Processes that may write one file at the same time."""
_MOST_NAME_BYTES = 200


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


def named(error: OSError, path: Path) -> OSError:
    """Return an error of writing with the file's name, which the system leaves out, or knows as a temporary one."""
    return error if error.errno is None else OSError(error.errno, error.strerror, str(path))


def discard(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; of a link the link alone, and not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def is_plain_name(name: str) -> bool:
    """Whether a name read from a file names something in a folder itself: no path, no parent, nothing empty."""
    return name not in ("", ".", "..") and not set(name) & {"/", "\\", "\0", os.sep} and not Path(name).drive


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a hidden name to write to; what is written takes the place of a file when the block ends well.

    The file is there whole or not at all, also after a power cut. Every process writes under a name of its own, so of
    several that write the same file the last one wins, with a whole file. A name that a killed process has left is
    used again.

    Parameters
    ----------
    path
        The file; its folder exists. One that is there already is replaced.

    Raises
    ------
    OSError
        If it cannot be written: the old file, if any, is untouched then and nothing else is left.
    """
    try:
        temporary, held = _hidden_file(path)
    except OSError as error:
        raise named(error, path) from None
    try:
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.filename in (None, str(temporary)):
                raise named(error, path) from None
            raise
    finally:
        if held is not None:
            os.close(held)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the rename itself
        finally:
            os.close(folder)


def _hidden_file(path: Path) -> tuple[Path, int | None]:
    """Make an empty file beside a path that no other process writes to; returns its name, and what holds it."""
    stem = os.fsencode(path.name)[:_MOST_NAME_BYTES].decode(errors="ignore")
    for number in range(_MOST_WRITERS):
        temporary = path.with_name(f".{stem}.{number}.tmp" if number else f".{stem}.tmp")
        if sys.platform == "win32":
            # An open file cannot be renamed there, so nothing can hold it.
            return temporary, None
        import fcntl

        try:
            held = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        except OSError:
            if os.path.lexists(temporary):  # something else of this name, or of another user
                continue
            raise
        try:
            # A lock goes with its process, so a name that is not locked is free, whatever is in its file.
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            continue
        except OSError:
            pass  # a file system without locks
        opened = os.fstat(held)
        try:
            ours = stat.S_ISREG(opened.st_mode) and os.path.samestat(opened, temporary.lstat())
        except FileNotFoundError:
            ours = False
        if ours:  # and not what another process has just renamed
            os.ftruncate(held, 0)
            return temporary, held
        os.close(held)
    raise FileExistsError(f"{_MOST_WRITERS} other processes write {path}")


def write_atomically(
    path: Path, content: str | bytes | memoryview, *more: str | bytes | memoryview
) -> tuple[int, str]:
    """Write a file as `whole_file` does.

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
    with whole_file(path) as temporary, temporary.open("wb") as file:
        for part in (content, *more):
            encoded = part.encode() if isinstance(part, str) else part
            digest.update(encoded)
            size += file.write(encoded)
    return size, digest.hexdigest()


@contextmanager
def writing_result(what: str, place: Path, *, folder: bool = False) -> Iterator[None]:
    """Make the folder that a result is written to in the block, and explain what cannot be written.

    Parameters
    ----------
    what
        Name of the result, for the message.
    place
        File of the result, or its folder.
    folder
        True if ``place`` is a folder.

    Raises
    ------
    InputError
        If the folder cannot be made, or the block raises OSError.
    """
    try:
        (place if folder else place.parent).mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        another = "folder" if folder else "file"
        raise InputError(
            f"{what} cannot be written to {place}: {error.strerror}; give another {another}"
        ) from error
