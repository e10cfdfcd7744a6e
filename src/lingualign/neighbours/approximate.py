"""Approximate nearest neighbours by FAISS's inverted lists, many times as fast for many millions of rows.

The rows of one side are sorted into lists around centres, and each query searches the lists of its nearest centres.
The results are scored as in the exact search, so a neighbour found by both has the same cosine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.errors import InputError
from lingualign.neighbours.options import check_neighbourhood
from lingualign.neighbours.search import (
    MEMORY,
    Neighbours,
    best_first,
    check_widths,
    restore,
)
from lingualign.neighbours.vectors import distinct_rows, dot_pairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from lingualign.neighbours.checkpoint import SearchCheckpoint
    from lingualign.neighbours.vectors import Distinct, Rows

PROBES = 64
"""Number of lists that each query searches."""
_ROWS_OF_A_LIST = 39
"""Number of rows that FAISS requires to find each centre."""
_QUERIES = 8_192
_SPARE = 4
"""Number of candidates beyond k: half precision may change the order of near ones, which exact scores correct."""


@dataclass(frozen=True, slots=True)
class Lists:
    """Options of the search in lists; a resumed search must have the same."""

    probes: int


def approximate_neighbours(
    source: Rows,
    target: Rows,
    k: int = 1,
    *,
    probes: int = PROBES,
    memory: int = MEMORY,
    checkpoint: SearchCheckpoint | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Neighbours, Neighbours]:
    """Find most of the ``k`` rows of largest cosine on the other side, for each source and for each target row.

    An index in memory holds the rows of one side at a time, in half precision and 4 sqrt(n) lists.

    Parameters
    ----------
    source, target, k
        Arguments of `nearest_neighbours`.
    probes
        Number of lists that each query searches. More lists miss fewer neighbours and take longer.
    memory
        Memory limit of the larger index, in bytes.
    checkpoint
        File with the state of the search, from which it resumes; the lists are made again.
    advance
        Progress callback, called with numbers of queries done, of both directions.

    Returns
    -------
    forward, backward : Neighbours
        Neighbours, as `nearest_neighbours` returns them. A query with fewer than ``k`` rows in its lists repeats its
        last neighbour in the remaining places.

    Raises
    ------
    InputError
        As for `nearest_neighbours`, and if ``faiss`` is not installed.
    """
    check_neighbourhood(k)
    check_widths(source, target)
    faiss = import_faiss()
    rows, columns = distinct_rows(source, "source vectors"), distinct_rows(target, "target vectors")
    most = max(len(rows.first), len(columns.first))
    if memory < (least := most * (2 * source.shape[1] + 16) + (256 << 20)):
        raise InputError(
            f"memory is {memory / 2**20:,.0f} MiB, which is too little for an index of {most:,} vectors: give at "
            f"least {-(-least // 2**20):,} MiB"
        )
    sides = ((rows, columns), (columns, rows))
    results = []
    for queries, candidates in sides:
        shape = len(queries.first), min(k, len(candidates.first))
        results.append((np.zeros(shape, np.float32), np.zeros(shape, np.int64)))
    arrays = [array for each in results for array in each]
    plan = Lists(probes)
    done = checkpoint.resume(plan, arrays) if checkpoint else 0
    advance(done)
    passed = 0
    for (queries, candidates), (cosine, index) in zip(sides, results, strict=True):
        lists = None  # frees the lists of the other side before new ones are made
        for start in range(0, len(cosine) if index.size else 0, _QUERIES):
            some = slice(start, min(start + _QUERIES, len(cosine)))
            passed += some.stop - some.start
            if passed <= done:
                continue
            lists = lists or _index(faiss, candidates, probes)
            cosine[some], index[some] = _search(lists, queries, candidates, some, index.shape[1])
            advance(some.stop - some.start)
            if checkpoint:
                checkpoint.save(plan, arrays, passed)
    forward, backward = (
        restore(*each, queries, candidates, k)
        for each, (queries, candidates) in zip(results, sides, strict=True)
    )
    return forward, backward


def import_faiss() -> Any:
    """Import the package ``faiss``.

    Raises
    ------
    InputError
        If it is not installed.
    """
    try:
        import faiss
    except ImportError:
        raise InputError(
            "approximate search and indexes need FAISS, which is not installed: pip install 'lingualign[faiss]'"
        ) from None
    return faiss


def _index(faiss: Any, rows: Distinct, probes: int) -> Any:
    count, width = len(rows.first), rows.rows.shape[1]
    lists = max(1, min(round(4 * math.sqrt(count)), count // _ROWS_OF_A_LIST))
    centres = faiss.IndexFlatIP(width)
    index = faiss.IndexIVFScalarQuantizer(
        centres, width, lists, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    index.by_residual = False
    index.cp.seed = 0
    drawn = np.random.default_rng(0).choice(count, min(count, lists * _ROWS_OF_A_LIST), replace=False)
    drawn.sort()
    index.train(rows.taken(drawn))
    for start in range(0, count, _QUERIES):
        index.add(rows.unit(start, start + _QUERIES))
    index.nprobe = min(probes, lists)
    return index


def _search(index: Any, queries: Distinct, candidates: Distinct, some: slice, k: int) -> tuple[Any, Any]:
    """Return cosine and position of the k best results, (queries, k) each."""
    unit = queries.unit(some.start, some.stop)
    _, near = index.search(unit, k + _SPARE)
    # FAISS returns -1 where a list has too few candidates.
    query, place = np.nonzero(near >= 0)
    position = near[query, place]
    wanted, where = np.unique(position, return_inverse=True)
    cosine = dot_pairs(unit, query, candidates.taken(wanted), where).astype(np.float32)
    order = best_first(query, cosine, position, k)
    query, cosine, position = query[order], cosine[order], position[order]
    counts = np.bincount(query, minlength=len(unit))
    if not counts.all():
        row = some.start + int(np.argmin(counts))
        raise InputError(
            f"no candidate was found for vector {row + 1}: look into more lists, or search exactly"
        )
    begins = np.cumsum(counts) - counts
    taken = begins[:, None] + np.minimum(np.arange(k), counts[:, None] - 1)
    return cosine[taken], position[taken]
