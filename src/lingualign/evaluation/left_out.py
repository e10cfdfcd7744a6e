"""Retrieval without each sentence: the outcomes that change, computed from the neighbours of one search.

Leaving out a row removes its sentences on both sides. This changes another row's outcome in two ways: a removed
sentence may be the retrieved one, or among the neighbours of a margin. One neighbour more than a margin needs therefore
determines every outcome, without another search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np

from lingualign.evaluation.bitext import margin_retrieved
from lingualign.evaluation.outcomes import Retrieved, Way
from lingualign.evaluation.statistics import Influence
from lingualign.neighbours import NEIGHBOURHOOD, Margin, Neighbours, margin_scores

if TYPE_CHECKING:
    import numpy.typing as npt

SEARCHED = NEIGHBOURHOOD + 1
"""Number of neighbours to search for: those of a margin, and the one that moves up if one of them is left out."""

_BLOCK = 2_048
"""Number of rows whose neighbourhoods are in memory at once."""


def find_retrieval(there: Neighbours, back: Neighbours, rows: int) -> Retrieved:
    """Find the retrieved sentences of two languages, and the outcomes that change without each sentence.

    Parameters
    ----------
    there, back
        `SEARCHED` neighbours of the first language's sentences among the second's, and the other way round.
    rows
        Number of pairs; their sentences come first on both sides.
    """
    firsts, seconds = len(there.index), len(back.index)
    second_numbers = np.arange(seconds)
    first_numbers = np.arange(firsts) + np.where(np.arange(firsts) < rows, 0, seconds - rows)
    return Retrieved(
        _way(there, back, rows, second_numbers, first_numbers),
        _way(back, there, rows, first_numbers, second_numbers),
    )


def neighbourhood(neighbours: Neighbours) -> Neighbours:
    """Return the neighbours of a margin."""
    return Neighbours(neighbours.cosine[:, :NEIGHBOURHOOD], neighbours.index[:, :NEIGHBOURHOOD])


def _way(
    own: Neighbours,
    others: Neighbours,
    rows: int,
    candidates: npt.NDArray[np.int64],
    queries: npt.NDArray[np.int64],
) -> Way:
    margins: tuple[Margin, ...] = get_args(Margin)
    near = neighbourhood(own), neighbourhood(others)
    by_margin = {margin: margin_retrieved(*near, margin)[:rows] for margin in margins}
    return Way(
        {margin: np.where(retrieved < rows, retrieved, -1) for margin, retrieved in by_margin.items()},
        candidates[own.index[:rows, :2]],
        {
            margin: find_turned(own, others, margin, rows, candidates, queries)
            for margin in margins
            if margin != "absolute"
        },
    )


def find_turned(
    own: Neighbours,
    others: Neighbours,
    margin: Margin,
    rows: int,
    candidates: npt.NDArray[np.int64],
    queries: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Find the outcomes that turn, from right to wrong or back, when one sentence is left out.

    Parameters
    ----------
    own, others
        `SEARCHED` neighbours of the queries among the candidates, and the other way round.
    margin
        Margin by which a candidate is retrieved.
    rows
        Number of rows among the queries and among the candidates; they come first.
    candidates, queries
        Number of each candidate and query: a row's position. Sentences of one number are left out together.

    Returns
    -------
    numpy.ndarray
        Rows and the numbers that turn them when left out, (m, 2), in order, each two once. A row left out itself is not
        among them.
    """
    parts = [
        _turned(own, others, margin, np.arange(start, min(start + _BLOCK, rows)), candidates, queries)
        for start in range(0, rows, _BLOCK)
    ]
    return np.concatenate(parts)


def _turned(
    own: Neighbours,
    others: Neighbours,
    margin: Margin,
    block: npt.NDArray[np.int64],
    candidates: npt.NDArray[np.int64],
    queries: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    near, cosine = candidates[own.index[block]], own.cosine[block]
    theirs = own.index[block]
    # Neighbourhood of each candidate, (rows, candidates, neighbours).
    around, around_cosine = queries[others.index[theirs]], others.cosine[theirs]
    gone = np.concatenate(
        [
            near[:, :NEIGHBOURHOOD],
            around[:, :, :NEIGHBOURHOOD].reshape(len(block), -1),
            np.full((len(block), 1), -1),  # nothing left out: the actual retrieval
        ],
        axis=1,
    )
    ours = _mean_without(near[:, None], cosine[:, None], gone)
    base = _mean_without(around[:, None], around_cosine[:, None], gone[:, :, None])
    score = margin_scores(cosine[:, None], ours[:, :, None], base, margin)
    score = np.where(_kept(near[:, None], gone), score, -np.inf)
    # A candidate without evidence has minus infinity too, and precedes those left out.
    first = _kept(near[:, None], gone).argmax(axis=-1)
    best = np.where(np.isneginf(score.max(axis=-1)), first, score.argmax(axis=-1))
    retrieved = np.take_along_axis(np.broadcast_to(near[:, None], score.shape), best[..., None], axis=-1)[
        ..., 0
    ]
    right = retrieved == block[:, None]
    turned = (right != right[:, -1:]) & (gone != block[:, None])
    row, place = np.nonzero(turned)
    return np.unique(np.stack([block[row], gone[row, place]], axis=1), axis=0)


def _kept(numbers: npt.NDArray[np.int64], gone: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Mark the neighbours in the neighbourhood without one number: the first of the remaining ones."""
    left = numbers != gone[..., None]
    return np.asarray(left & (np.cumsum(left, axis=-1) <= NEIGHBOURHOOD))


def _mean_without(
    numbers: npt.NDArray[np.int64], cosine: npt.NDArray[np.float32], gone: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    kept = _kept(numbers, gone)
    return np.asarray(np.where(kept, cosine, 0).sum(axis=-1, dtype=np.float64) / kept.sum(axis=-1))


def hit_influence(right: npt.NDArray[np.bool_], turned: npt.NDArray[np.int64]) -> Influence:
    """Return the influence on the share of rows that are right.

    Parameters
    ----------
    right
        Outcome of each row, (n,).
    turned
        Outcomes that turn, as `find_turned` returns them.
    """
    rows = len(right)
    row, by = turned.T
    return Influence(right / rows, row, by, np.where(right[row], 1, -1) / rows)


def f1_influence(nearest: npt.NDArray[np.int64]) -> Influence:
    """Return the influence on F1, the mean of `f1_shares`, from the two nearest of each row: (n, 2) numbers.

    A row left out no longer retrieves, and rows that retrieved it retrieve their second nearest.
    """
    rows = len(nearest)
    row = np.arange(rows)
    first, second = nearest.T
    right = first == row
    times = np.bincount(first[first < rows], minlength=rows)
    share = np.where(right, 2 / (1 + times), 0)
    # Change of the number of times each target is retrieved without each other: (target, by, times).
    target = np.concatenate([first, second])
    by = np.concatenate([row, first])
    more = np.repeat([-1, 1], rows)
    # Excluded: targets removed with the row itself, and its own share.
    counted = (target < rows) & (target != by) & np.concatenate([np.ones(rows, bool), ~right])
    width = int(nearest.max(initial=rows)) + 1
    key, place = np.unique((target * width + by)[counted], return_inverse=True)
    more = np.bincount(place, more[counted])
    target, by = key // width, key % width
    without = np.where(first[target] == by, second[target] == target, right[target])
    change = share[target] - np.where(without, 2 / (1 + times[target] + more), 0)
    moved = change != 0
    return Influence(share / rows, target[moved], by[moved], change[moved] / rows)
