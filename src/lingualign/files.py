"""Write a file whole or not at all."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


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
