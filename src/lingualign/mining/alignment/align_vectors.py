"""The cheapest monotone path through the grid of two documents, within a band around the path of shortened ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lingualign.errors import InputError
from lingualign.mining.alignment.costs import Costs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from lingualign.mining.alignment.costs import Lengths
    from lingualign.neighbours import Rows


_TILE_ROWS = 64
_TILE_CELLS = 1 << 18


@dataclass(frozen=True, slots=True)
class Band:
    """Nodes that a path may pass: in row i the columns from ``low[i]`` to before ``high[i]``.

    Node (i, j) has i source and j target sentences before it. Both bounds never decrease, neighbouring rows overlap,
    and the band contains the first and the last node.
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
        """Permit the nodes at most ``window`` sentences, in both directions, from a path of half the resolution.

        Parameters
        ----------
        coarse
            Nodes of the path, (nodes, 2), each one step from the one before.
        sentences
            Number of sentences of both documents: twice that of the path's end, or one less.
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

    Besides ``moves``, a step may leave out one sentence of either side. Of equal steps the earlier move wins, then
    leaving out a sentence of the source, then one of the target.

    Returns
    -------
    ndarray of int64, shape (nodes, 2)
        Nodes of the path, from (0, 0) on.
    """
    # Row i of the grid is row i % depth. The left margin makes a bounds check of each move unnecessary.
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
            # The costs of insertions add up along the row: minus the ramp, they are a running minimum.
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
    row, column = end
    nodes = [end]
    while row or column:
        a, b = steps[taken[begins[row] + column - low[row]]]
        row, column = row - a, column - b
        nodes.append((row, column))
    return np.array(nodes[::-1], np.int64)


SKIP = 0.5
_WINDOW = 16
_EXACT_CELLS = 1 << 20
_BLOCK_ROWS = 4_096


@dataclass(frozen=True, slots=True)
class Links:
    """An alignment: the begin of each link in both documents, and its number of sentences of each.

    Every sentence is in one link, in order; a link without sentences on one side leaves out one of the other.
    """

    source: npt.NDArray[np.int64]
    source_count: npt.NDArray[np.int64]
    target: npt.NDArray[np.int64]
    target_count: npt.NDArray[np.int64]
    cost: npt.NDArray[np.float64]

    def __len__(self) -> int:
        """Count the links."""
        return len(self.cost)


def align_vectors(
    source: Sequence[Rows],
    target: Sequence[Rows],
    *,
    lengths: tuple[Lengths, Lengths] | None = None,
    skip: float = SKIP,
    window: int = _WINDOW,
    exact_cells: int = _EXACT_CELLS,
) -> Links:
    """Align two documents at the least cost, in time and memory linear in their lengths.

    Documents are halved until the grid is small: each two consecutive sentences become their mean vector. The path
    through the small grid is refined from level to level within a window (Thompson and Koehn, 2019, section 3.2). All
    levels but the last have 1-1 links only.

    Parameters
    ----------
    source, target
        Vectors of all runs of 1, 2, ... consecutive sentences: n vectors of n sentences, n - 1, and so on, (rows, d)
        each. A side of a link has at most the sentences of the longest run.
    lengths
        Length of each run of both documents, say in `lingualign.pairs.characters.columns`, in the order of the
        vectors. Without them links are not judged by lengths.
    skip
        Extra cost of leaving out two sentences over typically linking them; a random link costs 1.
    window
        Largest distance of a path from that of the coarser level, in sentences.
    exact_cells
        Largest product of both lengths for which documents are aligned without a window.

    Raises
    ------
    InputError
        If a document has no sentence, vectors differ in width, are NaN or infinite, or ``skip`` is out of range.
    """
    check_skip(skip)
    for side, name in ((source, "source"), (target, "target")):
        if not side or not side[0].shape[0]:
            raise InputError(f"{name}: there is nothing to align in it, not one sentence")
    if source[0].shape[1] != target[0].shape[1]:
        raise InputError(
            f"source has vectors of {source[0].shape[1]} dimensions and target of {target[0].shape[1]}; "
            "encode both with one model"
        )
    levels: list[tuple[Rows, Rows]] = [(source[0], target[0])]
    while np.prod([side.shape[0] for side in levels[-1]]) > exact_cells:
        one, two = levels[-1]
        levels.append((_halved(one), _halved(two)))
    band = None
    while len(levels) > 1:
        one, two = levels.pop()
        coarse = Costs([one], [two], skip)
        path = best_path(coarse, band or Band.everything(coarse.shape), [(1, 1)])
        finer = levels[-1][0].shape[0], levels[-1][1].shape[0]
        band = Band.around(path, finer, window)
    costs = Costs(source, target, skip, lengths)
    moves = [(a, b) for a in range(1, len(source) + 1) for b in range(1, len(target) + 1)]
    moves.sort(key=sum)
    return _links(costs, best_path(costs, band or Band.everything(costs.shape), moves))


def check_skip(skip: float) -> None:
    """Raise InputError for a cost below 0 or an infinite one."""
    if not 0 <= skip < math.inf:
        raise InputError(f"skip is {skip:g}; it must be a cost, at least 0, where a random link costs 1")


def _halved(rows: Rows) -> npt.NDArray[np.float32]:
    # A sum stands for the mean, since all rows have about the same length.
    count = rows.shape[0]
    halved = np.empty(((count + 1) // 2, rows.shape[1]), np.float32)
    for start in range(0, count, _BLOCK_ROWS):
        block = np.asarray(rows[start : start + _BLOCK_ROWS], np.float32)
        sums = np.add.reduceat(block, np.arange(0, len(block), 2), axis=0)
        halved[start // 2 : start // 2 + len(sums)] = sums
    return halved


def _links(costs: Costs, path: npt.NDArray[np.int64]) -> Links:
    (source, target), (source_count, target_count) = path[:-1].T, np.diff(path, axis=0).T
    cost = np.full(len(source), costs.skip)
    kinds = {(a, b) for a, b in zip(source_count.tolist(), target_count.tolist(), strict=True) if a and b}
    for a, b in kinds:
        alike = (source_count == a) & (target_count == b)
        cost[alike] = costs.of(source[alike], target[alike], (a, b))
    return Links(source, source_count, target, target_count, cost)
