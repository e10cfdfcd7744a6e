"""Arrays on disk, and how a file that is not what was written is noticed."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.errors import InputError
from lingualign.store import sha256_of, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


_checked: set[tuple[str, str, int, int]] = set()


class DamagedSegmentError(InputError):
    """A file of stored vectors is not the one that was written.

    Attributes
    ----------
    reason
        What is wrong with which file, without the cure.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = f"{path} {reason}"
        super().__init__(
            f"teacher store: {self.reason}: delete {path.name.split('.')[0]}.* in {path.parent} and run the same "
            "command again: only the sentences of that segment are embedded anew"
        )


def write_array(path: Path, array: NDArray[Any]) -> tuple[int, str]:
    """Write an array as ``.npy``, whole or not at all; returns its bytes and their SHA-256."""
    array = np.ascontiguousarray(array)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    return write_atomically(path, header.getvalue(), array.view(np.uint8).data.cast("B"))


def open_array(path: Path, size: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Map an array of a segment into memory, and check that it is the one that the manifest names.

    Raises
    ------
    DamagedSegmentError
        If the file is missing, truncated or something else.
    """
    try:
        bytes_now = path.stat().st_size
    except FileNotFoundError as error:
        raise DamagedSegmentError(path, "is missing") from error
    if bytes_now != size:
        raise DamagedSegmentError(path, f"has {bytes_now} bytes and not the {size} written")
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DamagedSegmentError(path, f"is damaged ({error})") from error
    if array.shape != shape or array.dtype != dtype:
        raise DamagedSegmentError(
            path, f"holds {array.dtype} of shape {array.shape} and not {dtype} of shape {shape}"
        )
    return array


def check_digest(path: Path, digest: str) -> None:
    """Read a file whole and compare its SHA-256.

    Raises
    ------
    DamagedSegmentError
        If it differs.
    """
    digest_now = sha256_of(path)
    if digest_now != digest:
        raise DamagedSegmentError(
            path,
            f"was altered after it was written (its SHA-256 is {digest_now[:12]}... and not {digest[:12]}...)",
        )


def check_digest_once(path: Path, digest: str) -> None:
    """Check a file as `check_digest` does, unless this process has done it and the file was not written since."""
    status = path.stat()
    checked = (str(path.absolute()), digest, status.st_ino, status.st_mtime_ns)
    if checked not in _checked:
        check_digest(path, digest)
        _checked.add(checked)
