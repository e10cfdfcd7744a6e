"""Rows of vectors: scaling to length 1, cosines row by row, and distinct rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lingualign.errors import InputError

if TYPE_CHECKING:
    import numpy.typing as npt

_BLOCK_ROWS = 4_096
_BLOCK_PAIRS = 64  # fits into the processor's cache in double precision


class Rows(Protocol):
    """Rows to search: an array, possibly mapped from disk, or any other object that returns some rows at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and width, (n, d)."""

    def __getitem__(self, rows: Any, /) -> npt.NDArray[Any]:
        """Return the rows of a slice, or of an array of positions."""


def unit_rows(vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Scale each row to length 1; a zero row stays zero and has cosine 0 with anything."""
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    unit: npt.NDArray[np.float32] = rows / lengths
    return unit


def cosines(vectors1: npt.ArrayLike, vectors2: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the cosine of row i with row i: (n,). A zero vector has cosine 0 with anything."""
    rows1, rows2 = unit_rows(vectors1), unit_rows(vectors2)
    return dot_pairs(rows1, np.arange(len(rows1)), rows2, np.arange(len(rows2)))


def dot_pairs(
    rows1: npt.NDArray[np.float32],
    index1: npt.NDArray[np.int64],
    rows2: npt.NDArray[np.float32],
    index2: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Return the products of pairs of rows, (pairs,), summed in double precision.

    In it, products of single-precision numbers are exact. A sum rounded to single precision is therefore independent of
    the positions of the two rows; that of a matrix product is not.
    """
    dots = np.empty(len(index1), np.float64)
    for start in range(0, len(dots), _BLOCK_PAIRS):
        some = slice(start, start + _BLOCK_PAIRS)
        one, two = rows1[index1[some]].astype(np.float64), rows2[index2[some]].astype(np.float64)
        np.einsum("id,id->i", one, two, out=dots[some])
    return dots


@dataclass(frozen=True, slots=True)
class Distinct:
    """The distinct rows of a set of vectors, in order of appearance."""

    rows: Rows
    first: npt.NDArray[np.int64]
    """Position of each one's first occurrence, (distinct,)"""
    place: npt.NDArray[np.int64]
    """Number of each row among the distinct ones, (n,)"""

    @property
    def repeated(self) -> bool:
        """True if any row occurs twice."""
        return len(self.first) < len(self.place)

    def unit(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """Return some of the distinct rows, scaled to length 1."""
        return unit_rows(self.rows[self.first[start:stop]] if self.repeated else self.rows[start:stop])

    def taken(self, chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return chosen ones of the distinct rows, scaled to length 1."""
        return unit_rows(self.rows[self.first[chosen]])


def distinct_rows(rows: Rows, name: str) -> Distinct:
    """Find the distinct rows, reading a block at a time.

    Raises
    ------
    InputError
        If a row holds NaN or infinite values; ``name`` is the side in its message.
    """
    count, width = rows.shape
    odd = np.random.default_rng(0).integers(1 << 62, size=width, dtype=np.uint64) * np.uint64(2) + np.uint64(
        1
    )
    hashes = np.empty(count, np.uint64)
    for start in range(0, count, _BLOCK_ROWS):
        block = _comparable(rows[start : start + _BLOCK_ROWS])
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            row = start + int(finite.argmin())
            raise InputError(
                f"{name}, row {row + 1}: NaN or infinite values, which are near nothing; encode it again"
            )
        hashes[start : start + len(block)] = block.view(np.uint32).astype(np.uint64) @ odd
    _, leader, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    leader = leader[inverse]
    followers = np.flatnonzero(leader != np.arange(count))
    for start in range(0, len(followers), _BLOCK_ROWS):
        some = followers[start : start + _BLOCK_ROWS]
        # Different rows with the same hash are both kept.
        differ = (_comparable(rows[some]) != _comparable(rows[leader[some]])).any(axis=1)
        leader[some[differ]] = some[differ]
    first, place = np.unique(leader, return_inverse=True)
    return Distinct(rows, first, place)


def _comparable(rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    # Adding 0 turns -0 into 0: they compare equal but differ in bytes.
    return np.ascontiguousarray(np.asarray(rows, dtype=np.float32) + np.float32(0))
