"""Where to look: the path between shortened documents tells where that between the whole ones runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lingualign.errors import InputError
from lingualign.mining.alignment.costs import Costs
from lingualign.mining.alignment.path import Band, best_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from lingualign.mining.alignment.costs import Lengths
    from lingualign.neighbours import Rows

SKIP = 0.5
_WINDOW = 16
_EXACT_CELLS = 1 << 20
_BLOCK_ROWS = 4_096


@dataclass(frozen=True, slots=True)
class Links:
    """An alignment: link by link where it begins in each document, and how many sentences of it it takes.

    Every sentence is in one link, in order; a link without a sentence on one side leaves out one of the other.
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

    Documents are halved, each two sentences in a row becoming their mean vector, until the grid is small; the path
    found there is refined from level to level within a window (Thompson and Koehn, 2019, section 3.2). All but the
    last level know 1-1 links alone.

    Parameters
    ----------
    source, target
        Vectors of all runs of 1, 2, ... sentences in a row: of n sentences n vectors, n - 1, and so on, (rows, d)
        each. As many sentences as there are kinds of run may be linked on a side.
    lengths
        Of both documents: how long each run is, say in `lingualign.pairs.characters.columns`, in the order of the
        vectors; without them links are not judged by lengths.
    skip
        How much more leaving out two sentences costs than linking them typically does; a random link costs 1.
    window
        How far a path may be from that of the coarser level, in sentences.
    exact_cells
        Documents whose lengths have a product up to this are aligned without a window.

    Raises
    ------
    InputError
        If a document has no sentence, vectors are of different width, NaN or infinite, or ``skip`` is out of range.
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
    """Refuse what is no such cost."""
    if not 0 <= skip < math.inf:
        raise InputError(f"skip is {skip:g}; it must be a cost, at least 0, where a random link costs 1")


def _halved(rows: Rows) -> npt.NDArray[np.float32]:
    """Sum each two rows, which are of about equal length; an odd last one stays."""
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
