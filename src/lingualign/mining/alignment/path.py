"""The cheapest monotone path through a band of the grid that two documents span."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from lingualign.mining.alignment.costs import Costs

_TILE_ROWS = 64
_TILE_CELLS = 1 << 18


@dataclass(frozen=True, slots=True)
class Band:
    """Nodes that a path may pass: in row i the columns from ``low[i]`` to before ``high[i]``.

    Node (i, j) has i source and j target sentences before it. Neither bound ever falls, neighbouring rows overlap, and
    the first and the last node are in it.
    """

    low: npt.NDArray[np.int64]
    high: npt.NDArray[np.int64]

    @classmethod
    def everything(cls, sentences: tuple[int, int]) -> Band:
        """Permit all nodes."""
        rows, columns = sentences
        return cls(np.zeros(rows + 1, np.int64), np.full(rows + 1, columns + 1, np.int64))

    @classmethod
    def around(cls, coarse: npt.NDArray[np.int64], sentences: tuple[int, int], window: int) -> Band:
        """Permit what lies at most ``window`` sentences, in both directions, from a path of half the resolution.

        Parameters
        ----------
        coarse
            (nodes, 2), each one step from the one before.
        sentences
            Of both documents, twice as many as at the path's end, or one less.
        """
        rows, columns = sentences
        changes = np.flatnonzero(np.diff(coarse[:, 0], prepend=-1))
        first, last = coarse[changes, 1], coarse[np.append(changes[1:], len(coarse)) - 1, 1]
        row = np.arange(rows + 1)
        above = np.maximum((row - window) // 2, 0)
        below = np.minimum(-((row + window) // -2), len(changes) - 1)
        low = (2 * first[above] - window).clip(0, columns)
        high = (2 * last[below] + window).clip(0, columns) + 1
        return cls(low, high)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Cut the rows into blocks whose costs are computed together."""
        start, rows = 0, len(self.low)
        while start < rows:
            widths = self.high[start : start + _TILE_ROWS] - self.low[start]
            fitting = np.arange(1, len(widths) + 1) * widths <= _TILE_CELLS
            stop = start + max(1, int(fitting.sum()))
            yield start, stop
            start = stop


def best_path(costs: Costs, band: Band, moves: Sequence[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """Find the cheapest path from the first node to the last.

    Besides the moves given, a step may leave out one sentence of either side. Of equals an earlier move is taken, and
    any before leaving out a sentence of the source, and that before one of the target.

    Returns
    -------
    ndarray of int64, shape (nodes, 2)
        From (0, 0) on.
    """
    # Row i of the grid is row i % depth; the margin on the left spares every move the question whether it begins there.
    depth, margin = max(a for a, _ in moves) + 1, max(b for _, b in moves)
    reached = np.full((depth, margin + int(band.high[-1])), np.inf)
    low, high = band.low.tolist(), band.high.tolist()
    begins = np.concatenate([[0], np.cumsum(band.high - band.low)])
    taken = np.empty(begins[-1], np.uint8)
    deleted, inserted = len(moves), len(moves) + 1
    ramp = costs.skip * np.arange(int((band.high - band.low).max()))
    for top, bottom in band.blocks():
        left, right = low[top], high[bottom - 1]
        tiles = [costs.tile((top, bottom), (left, right), move) for move in moves]
        for row in range(top, bottom):
            start, stop = low[row], high[row]
            best = np.full(stop - start, np.inf)
            choice = np.zeros(stop - start, np.uint8)
            if row == 0:
                best[0] = 0
            for number, ((a, b), tile) in enumerate(zip(moves, tiles, strict=True)):
                before = reached[(row - a) % depth, margin + start - b : margin + stop - b]
                _improve(best, choice, before + tile[row - top, start - left : stop - left], number)
            above = reached[(row - 1) % depth, margin + start : margin + stop]
            _improve(best, choice, above + costs.skip, deleted)
            # Insertions add up along the row: with the sum so far taken off, they are a running minimum.
            level = best - ramp[: stop - start]
            lowest = np.minimum.accumulate(level)
            choice[lowest < level] = inserted
            np.copyto(best, lowest + ramp[: stop - start], where=lowest < level)
            if row >= depth:
                reached[row % depth, margin + low[row - depth] : margin + high[row - depth]] = np.inf
            reached[row % depth, margin + start : margin + stop] = best
            taken[begins[row] : begins[row + 1]] = choice
    return _traced(taken, begins.tolist(), low, [*moves, (1, 0), (0, 1)], (len(low) - 1, high[-1] - 1))


def _improve(
    best: npt.NDArray[np.float64],
    choice: npt.NDArray[np.uint8],
    candidate: npt.NDArray[np.float64],
    number: int,
) -> None:
    better = candidate < best
    np.copyto(best, candidate, where=better)
    choice[better] = number


def _traced(
    taken: npt.NDArray[np.uint8],
    begins: list[int],
    low: list[int],
    steps: Sequence[tuple[int, int]],
    end: tuple[int, int],
) -> npt.NDArray[np.int64]:
    """Go back from the last node to the first."""
    row, column = end
    nodes = [end]
    while row or column:
        a, b = steps[taken[begins[row] + column - low[row]]]
        row, column = row - a, column - b
        nodes.append((row, column))
    return np.array(nodes[::-1], np.int64)
