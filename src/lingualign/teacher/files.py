"""Write the arrays of a teacher store, and notice when one is not what was written."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.errors import InputError
from lingualign.files import sha256_of, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


_checked: set[tuple[str, str, int, int]] = set()


def write_array(path: Path, array: NDArray[Any]) -> tuple[int, str]:
    """Write an array as ``.npy``, as :func:`lingualign.files.write_atomically` does."""
    array = np.ascontiguousarray(array)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    return write_atomically(path, header.getvalue(), array.view(np.uint8).data.cast("B"))


def open_array(path: Path, size: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Map an array of the store into memory, and check that it is the one the manifest speaks of.

    Raises
    ------
    InputError
        If the file is missing, truncated or something else, with the cure.
    """
    cure = _cure(path)
    try:
        found = path.stat().st_size
    except FileNotFoundError as error:
        raise InputError(f"teacher store: {path} is missing: {cure}") from error
    if found != size:
        raise InputError(f"teacher store: {path} has {found} bytes and not the {size} written: {cure}")
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"teacher store: {path} is damaged ({error}): {cure}") from error
    if array.shape != shape or array.dtype != dtype:
        found_array = f"{array.dtype} of shape {array.shape}"
        raise InputError(
            f"teacher store: {path} holds {found_array} and not {dtype} of shape {shape}: {cure}"
        )
    return array


def check_digest(path: Path, digest: str) -> None:
    """Read a file whole and compare its SHA-256.

    Raises
    ------
    InputError
        If it differs, with the cure.
    """
    found = sha256_of(path)
    if found != digest:
        raise InputError(
            f"teacher store: {path} was altered after it was written (its SHA-256 is {found[:12]}... and not "
            f"{digest[:12]}...): {_cure(path)}"
        )


def check_digest_once(path: Path, digest: str) -> None:
    """Do what `check_digest` does, unless this process has done it and the file was not written since."""
    found = path.stat()
    checked = (str(path.absolute()), digest, found.st_ino, found.st_mtime_ns)
    if checked not in _checked:
        check_digest(path, digest)
        _checked.add(checked)


def _cure(path: Path) -> str:
    return (
        f"delete {path.name.split('.')[0]}.* in {path.parent} and run the same command again: "
        "only the sentences of that segment are embedded anew"
    )
