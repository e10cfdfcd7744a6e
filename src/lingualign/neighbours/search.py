"""Exact nearest neighbours by cosine in both directions, from one pass of blocked matrix products.

Each tile of products serves its rows and its columns. A product only nominates: a pair whose score comes within the
product's rounding error of the k-th best so far is scored again in double precision, and these scores alone decide.
The result is therefore the same for every size of tile, in single precision and in bf16, on every device.

Several workers can share one search, cut into blocks of rows by blocks of columns. Each finds the nearest neighbours of
a block's rows among a block's columns. The best of these lists, by score and then position, are the best of all, in any
order of work; margins over them are those of the whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.errors import InputError
from lingualign.neighbours.options import check_neighbourhood
from lingualign.neighbours.vectors import Distinct, distinct_rows, dot_pairs

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from lingualign.embedding.options import Precision
    from lingualign.neighbours.checkpoint import SearchCheckpoint
    from lingualign.neighbours.tiles import Block, Products
    from lingualign.neighbours.vectors import Rows

TILE_ROWS = 1_024
TILE_COLUMNS = 2_048
"""A tile of 8 MiB in single precision: large enough for a fast product, small enough for the processor's cache."""
HALF_TILE = 2
GPU_TILE = 16
"""Factors of rows and of columns of the largest tile in bf16, and on a GPU: its product is so fast that the other costs
of a step would dominate."""
MEMORY = 1 << 30

_BLOCKS_PER_WORKER = 8
"""Number of tiles for each worker: enough that all end at about the same time, and that a crash loses little."""

_MOST_ROWS = 1 << 22
"""Largest number of rows of a block: a crash loses at most some hours of one processor."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The k nearest candidates of each of n queries, nearest first; equal ones by position."""

    cosine: npt.NDArray[np.float32]
    """Cosines, (n, k)"""
    index: npt.NDArray[np.int64]
    """Positions among the candidates, (n, k)"""


def check_widths(source: Rows, target: Rows) -> None:
    """Raise InputError for two sides of different widths."""
    if source.shape[1] != target.shape[1]:
        raise InputError(
            f"source vectors have {source.shape[1]} dimensions, target vectors {target.shape[1]}: "
            "encode both sides with the same model"
        )


def nearest_neighbours(
    source: Rows,
    target: Rows,
    k: int = 1,
    *,
    memory: int = MEMORY,
    precision: Precision = "fp32",
    device: str | None = "cpu",
    checkpoint: SearchCheckpoint | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Neighbours, Neighbours]:
    """Find the ``k`` rows of largest cosine on the other side, for each source and for each target row.

    A cosine is summed in double precision and rounded to single; candidates of equal cosine are in the order of their
    positions, as in a stable sort. A zero vector has cosine 0 with anything. If ``target`` is the same object as
    ``source``, each product serves both its rows, which halves the products.

    Parameters
    ----------
    source, target
        Vectors, (n, d) and (m, d), float; they need not be normalised. A block of rows is read at a time, so that they
        may be mapped from disk.
    k
        Number of neighbours of each row; at most the rows of the other side.
    memory
        Memory limit in bytes, beside the vectors themselves and the result.
    precision
        Precision of the matrix product: ``fp32``, ``bf16``, or ``auto`` for bf16 where the device has instructions
        for it. It affects speed only, never the result.
    device
        Device of the products, CUDA such as ``cuda:1`` or the processor; None means a GPU if there is one. It affects
        speed only.
    checkpoint
        File with the state of the search, from which it resumes.
    advance
        Progress callback, called with numbers of products done; one that serves both its rows counts as two.

    Returns
    -------
    forward, backward : Neighbours
        Neighbours of the source rows among the target's, (n, min(k, m)), and the other way round, (m, min(k, n)).

    Raises
    ------
    InputError
        If ``k`` is below 1, the widths differ, a row holds NaN or infinite values, or ``memory`` is too small; the
        message names the least that suffices.
    """
    check_neighbourhood(k)
    check_widths(source, target)
    rows = distinct_rows(source, "source vectors")
    columns = rows if target is source else distinct_rows(target, "target vectors")
    forward = _Best(len(rows.first), len(columns.first), k)
    backward = forward if columns is rows else _Best(len(columns.first), len(rows.first), k)
    if len(rows.first) and len(columns.first):
        from lingualign.neighbours.tiles import Products, exact_sums, search_device

        device = search_device(device)
        times = tile_times(precision, device)
        plan = plan_search(len(rows.first), len(columns.first), source.shape[1], k, memory, times)
        products = Products(precision, device, plan.rows, plan.columns, source.shape[1])
        with exact_sums():
            _scan(rows, columns, forward, backward, plan, products, checkpoint, advance)
    nearest = restore(forward.cosine, forward.index, rows, columns, k)
    return nearest, nearest if columns is rows else restore(backward.cosine, backward.index, columns, rows, k)


@dataclass(frozen=True, slots=True)
class Plan:
    """Sizes of the parts of the table of all products: rows of a panel, and rows and columns of its tiles."""

    panel: int
    rows: int
    columns: int


def tile_times(precision: Precision, device: str) -> int:
    """Return the factor of rows, and of columns, between the largest tile and the smallest."""
    import torch

    from lingualign.embedding.encode import resolve_precision

    if device != "cpu":
        return GPU_TILE
    return HALF_TILE if resolve_precision(precision, torch.device(device)) == "bf16" else 1


def plan_search(sources: int, targets: int, width: int, k: int, memory: int, times: int = 1) -> Plan:
    """Choose the sizes: as many source rows in a panel as fit, since target rows are read again for each panel.

    The largest tiles have ``times`` as many rows, and columns, as the smallest.

    Raises
    ------
    InputError
        If not even one tile fits.
    """
    while (least := least_memory(sources, targets, width, k, times)) > memory:
        if times == 1:
            raise InputError(
                f"memory is {memory / 2**20:,.0f} MiB, which is too little for one tile of "
                f"{sources:,} x {targets:,} products: give at least {-(-least // 2**20):,} MiB"
            )
        times //= 2
    rows, columns = _tile(sources, targets, times)
    panel_bytes = rows * width * 12
    panel = rows * max(1, (memory - least + panel_bytes) // panel_bytes)
    return Plan(min(panel, -(-sources // rows) * rows), rows, columns)


def least_memory(sources: int, targets: int, width: int, k: int, times: int = 1) -> int:
    """Return the least memory of a search in bytes, with tiles of ``times`` as many rows, and columns."""
    rows, columns = _tile(sources, targets, times)
    kept = (sources + targets) * (12 * k + 24)
    # The tile with its maxima, at worst with every score nominated, and a block of targets in two precisions.
    tile = rows * columns * 8 + columns * width * 12 + (1 << 24)
    return kept + tile + rows * width * 12


def _tile(sources: int, targets: int, times: int) -> tuple[int, int]:
    return min(times * TILE_ROWS, max(1, sources)), min(times * TILE_COLUMNS, max(1, targets))


def _scan(
    rows: Distinct,
    columns: Distinct,
    forward: _Best,
    backward: _Best,
    plan: Plan,
    products: Products,
    checkpoint: SearchCheckpoint | None,
    advance: Callable[[int], None],
) -> None:
    sources, targets = len(rows.first), len(columns.first)
    itself = columns is rows
    # If a set is searched in itself, tiles below the diagonal repeat those above it.
    width = plan.columns // plan.rows * plan.rows if itself else plan.columns
    arrays: list[npt.NDArray[Any]] = [forward.cosine, forward.index, backward.cosine, backward.index]
    done = checkpoint.resume(plan, arrays) if checkpoint else 0
    advance(done)
    passed = 0
    for top in range(0, sources, plan.panel):
        bottom = min(top + plan.panel, sources)
        panel: list[tuple[int, Block]] = []
        for left in range(0, targets, width):
            right = min(left + width, targets)
            passed += (bottom - top) * (right - left)
            if passed <= done:
                continue
            panel = panel or [
                (start, products.block(rows.unit(start, min(start + plan.rows, bottom))))
                for start in range(top, bottom, plan.rows)
            ]
            across = products.block(columns.unit(left, right))
            for start, down in panel:
                if itself and start >= right:
                    break
                tile = products.tile(down, across)
                for best, axis in ((forward, 0), (backward, 1)):
                    if axis == 1 and itself and start >= left:
                        continue
                    own = slice(start, start + len(down)) if axis == 0 else slice(left, right)
                    row, column = tile.nominate(axis, best.cosine[own, -1], best.k)
                    cosine = dot_pairs(down.unit, row, across.unit, column).astype(np.float32)
                    each = (row + start, column + left)
                    best.add(each[axis], each[1 - axis], cosine)
                del tile  # its memory is reused by the next one
                advance(len(down) * len(across) * (2 if itself and start < left else 1))
            if checkpoint:
                checkpoint.save(plan, arrays, passed)


class _Best:
    """The k best candidates of each query so far."""

    def __init__(self, queries: int, candidates: int, k: int) -> None:
        self.k = min(k, candidates)
        self.cosine = np.full((queries, self.k), -np.inf, np.float32)
        self.index = np.full((queries, self.k), -1, np.int64)

    def add(
        self, query: npt.NDArray[np.int64], candidate: npt.NDArray[np.int64], cosine: npt.NDArray[np.float32]
    ) -> None:
        """Add new candidates; each comes once."""
        better = cosine >= self.cosine[query, -1]
        query, candidate, cosine = query[better], candidate[better], cosine[better]
        if not len(query):
            return
        low = query.min()
        touched = np.flatnonzero(np.bincount(query - low)) + low
        queries = np.concatenate([np.repeat(touched, self.k), query])
        candidates = np.concatenate([self.index[touched].ravel(), candidate])
        scores = np.concatenate([self.cosine[touched].ravel(), cosine])
        order = best_first(queries, scores, candidates, self.k)
        self.index[touched] = candidates[order].reshape(-1, self.k)
        self.cosine[touched] = scores[order].reshape(-1, self.k)


def best_first(
    group: npt.NDArray[np.int64], score: npt.NDArray[Any], position: npt.NDArray[np.int64], k: int
) -> npt.NDArray[np.int64]:
    """Return the order by group, then score, the best first, then position, with the k first of each group.

    Groups are numbers below 2**31.
    """
    # Group and score are packed into one integer, which falls as the score rises: one fast sort.
    bits = score.view(np.int32)
    falling = bits ^ ((bits >> 31) & 0x7FFFFFFF) ^ 0x7FFFFFFF
    key = group << 32 | falling.view(np.uint32)
    order = np.argsort(key)
    ordered = key[order]
    if (ordered[1:] == ordered[:-1]).any():
        order = np.lexsort((position, key))
    group = group[order]
    first = np.ones(len(group), bool)
    first[k:] = group[k:] != group[:-k]
    return order[first]


def restore(
    cosine: npt.NDArray[np.float32],
    index: npt.NDArray[np.int64],
    queries: Distinct,
    candidates: Distinct,
    k: int,
) -> Neighbours:
    """Expand the neighbours of distinct rows to all rows: (distinct, k) in, (n, k) out."""
    k = min(k, len(candidates.place))
    if not index.size:
        shape = (len(queries.place), k)
        return Neighbours(np.empty(shape, np.float32), np.empty(shape, np.int64))
    if candidates.repeated:
        copies = np.argsort(candidates.place, kind="stable")
        counts = np.bincount(candidates.place)
        begins = np.cumsum(counts) - counts
        many = np.minimum(counts[index.ravel()], k)
        entry = np.repeat(np.arange(index.size), many)
        within = np.arange(len(entry)) - np.repeat(np.cumsum(many) - many, many)
        position = copies[begins[index.ravel()[entry]] + within]
        order = best_first(entry // index.shape[1], cosine.ravel()[entry], position, k)
        cosine, index = cosine.ravel()[entry[order]].reshape(-1, k), position[order].reshape(-1, k)
    if queries.repeated:
        cosine, index = cosine[queries.place], index[queries.place]
    return Neighbours(cosine, index)


def block_rows(sources: int, targets: int, workers: int) -> int:
    """Return the number of rows of a block, on both sides: small, since every tile keeps k neighbours of its rows."""
    rows = min(math.isqrt(sources * targets // (_BLOCKS_PER_WORKER * workers)) + 1, _MOST_ROWS)
    return -(-rows // TILE_COLUMNS) * TILE_COLUMNS if rows > TILE_COLUMNS else rows


def blocks(rows: int, edge: int) -> list[tuple[int, int]]:
    """Cut rows into blocks (start, stop)."""
    return [(start, min(start + edge, rows)) for start in range(0, rows, edge)]


class BestSoFar:
    """The k nearest candidates of each query among the blocks that were added.

    Parameters
    ----------
    queries, candidates
        Number of queries and of candidates in all.
    k
        Number of neighbours of each query; at most that of the candidates.
    """

    def __init__(self, queries: int, candidates: int, k: int) -> None:
        k = min(k, candidates)
        self._cosine = np.full((queries, k), -np.inf, np.float32)
        self._index = np.full((queries, k), candidates, np.int64)

    def add(self, start: int, found: Neighbours, candidates: int) -> None:
        """Merge the neighbours of a block of queries.

        Parameters
        ----------
        start
            The first query of the block.
        found
            Its neighbours within a block of candidates.
        candidates
            The first of these candidates; blocks of candidates are added in their order.
        """
        k = self._cosine.shape[1]
        # Only a strictly higher score replaces an earlier position, so most queries stay unchanged.
        gaining = np.flatnonzero(found.cosine[:, 0] > self._cosine[start : start + len(found.cosine), -1])
        own = gaining + start
        cosine = np.concatenate([self._cosine[own], found.cosine[gaining]], axis=1)
        index = np.concatenate([self._index[own], found.index[gaining] + candidates], axis=1)
        # Both lists are ordered by score and position, and all positions of the second are larger: a stable sort by
        # score keeps that order.
        order = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
        self._cosine[own] = np.take_along_axis(cosine, order, axis=1)
        self._index[own] = np.take_along_axis(index, order, axis=1)

    @property
    def neighbours(self) -> Neighbours:
        """Neighbours among all blocks that were added."""
        return Neighbours(self._cosine, self._index)
