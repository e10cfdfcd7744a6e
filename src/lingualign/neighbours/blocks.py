"""A search cut into blocks of rows by blocks of columns, so that several can work on it.

The nearest neighbours of a block's rows among a block's columns are found by themselves. The best of several such
lists, in the order of score and then position, are the best of all, whoever found them and when: margins taken over
them are those of the whole.
"""

from __future__ import annotations

import math

import numpy as np

from lingualign.neighbours.search import TILE_COLUMNS, Neighbours

_BLOCKS_PER_WORKER = 8
"""Tiles for each worker: so many that all end at about the same time, and that little is lost with one."""
_MOST_ROWS = 1 << 22
"""Of a block: what is lost with a worker is some hours of one processor."""


def block_rows(sources: int, targets: int, workers: int) -> int:
    """Choose how many rows a block has, on both sides: few, since every tile keeps k neighbours of all its rows."""
    rows = min(math.isqrt(sources * targets // (_BLOCKS_PER_WORKER * workers)) + 1, _MOST_ROWS)
    return -(-rows // TILE_COLUMNS) * TILE_COLUMNS if rows > TILE_COLUMNS else rows


def blocks(rows: int, edge: int) -> list[tuple[int, int]]:
    """Cut rows into blocks: where each begins and ends."""
    return [(start, min(start + edge, rows)) for start in range(0, rows, edge)]


class BestSoFar:
    """The k nearest candidates of each query among the blocks that were added.

    Parameters
    ----------
    queries, candidates
        How many there are in all.
    k
        Neighbours of each query; at most as many as there are candidates.
    """

    def __init__(self, queries: int, candidates: int, k: int) -> None:
        k = min(k, candidates)
        self._cosine = np.full((queries, k), -np.inf, np.float32)
        self._index = np.full((queries, k), candidates, np.int64)

    def add(self, start: int, found: Neighbours, candidates: int) -> None:
        """Let the neighbours of a block of queries compete.

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
        # Of equal scores the earlier position stays, so that most queries have nothing to gain.
        gaining = np.flatnonzero(found.cosine[:, 0] > self._cosine[start : start + len(found.cosine), -1])
        own = gaining + start
        cosine = np.concatenate([self._cosine[own], found.cosine[gaining]], axis=1)
        index = np.concatenate([self._index[own], found.index[gaining] + candidates], axis=1)
        # Both lists stand in the order of score and position, and all positions of the second are the larger ones:
        # a stable sort by score keeps that order.
        order = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
        self._cosine[own] = np.take_along_axis(cosine, order, axis=1)
        self._index[own] = np.take_along_axis(index, order, axis=1)

    @property
    def neighbours(self) -> Neighbours:
        """What was found, once all blocks were added."""
        return Neighbours(self._cosine, self._index)
