"""Exact nearest neighbours by cosine, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

BLOCK = 1 << 24
"""Similarities held at once: 64 MiB of float32."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """For each of n queries its k nearest candidates, nearest first; equal ones by position."""

    cosine: npt.NDArray[np.float32]
    """(n, k)"""
    index: npt.NDArray[np.int64]
    """(n, k), positions among the candidates"""


def unit_rows(vectors: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Scale each row to length 1; a zero row stays zero, so that its cosine with anything is 0."""
    rows = np.asarray(vectors, dtype=np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    unit: npt.NDArray[np.float32] = rows / lengths
    return unit


def neighbours(queries: npt.ArrayLike, candidates: npt.ArrayLike, k: int = 1) -> Neighbours:
    """Find the ``k`` candidates of largest cosine for each query.

    Candidates with the same vector have exactly the same cosine, and the one that stands first wins, as in
    ``argmax``. (A matrix product alone does not promise that: its last bits depend on where a column falls.)

    Parameters
    ----------
    queries, candidates
        (n, d) and (m, d), float; they need not be normalised.
    k
        Neighbours per query; at most m are returned.

    Returns
    -------
    Neighbours
        Cosines and indices, each (n, min(k, m)).
    """
    rows, columns = unit_rows(queries), unit_rows(candidates)
    k = min(k, len(columns))
    distinct, place = _distinct_rows(columns)
    cosine = np.empty((len(rows), k), dtype=np.float32)
    index = np.empty((len(rows), k), dtype=np.int64)
    step = max(1, BLOCK // max(1, len(columns)))
    for start in range(0, len(rows), step):
        block = slice(start, start + step)
        similarity = rows[block] @ distinct.T
        if len(distinct) < len(columns):
            similarity = similarity[:, place]
        each = np.arange(len(similarity))
        for rank in range(k):
            best = similarity.argmax(axis=1)
            index[block, rank] = best
            cosine[block, rank] = similarity[each, best]
            similarity[each, best] = -np.inf
    return Neighbours(cosine, index)


def _distinct_rows(
    rows: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Give the distinct rows in order of appearance, and for each row its place among them."""
    seen: dict[bytes, int] = {}
    # Adding 0 turns -0 into 0, which compares equal but has other bytes.
    place = np.fromiter((seen.setdefault(row.tobytes(), len(seen)) for row in rows + 0), np.int64, len(rows))
    if len(seen) == len(rows):
        return rows, place
    _, first = np.unique(place, return_index=True)
    return rows[first], place
