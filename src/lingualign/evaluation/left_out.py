"""What retrieval would be without each sentence: which outcomes turn, from the neighbours that were found anyway.

A row that is left out takes its sentences on both sides away. That moves another row's outcome in two ways: a sentence
may be what the row retrieves, and it may be among the neighbours that a margin is taken over. One neighbour more than
a margin needs therefore says what every outcome would be, without another search.
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
"""Neighbours to search for: those of a margin, and the one that moves up where one of them is left out."""

_BLOCK = 2_048
"""Rows whose neighbourhoods are held at once."""


def find_retrieval(there: Neighbours, back: Neighbours, rows: int) -> Retrieved:
    """Find what the sentences of two languages retrieve, and what else they would without each sentence.

    Parameters
    ----------
    there, back
        `SEARCHED` neighbours of the first language's sentences among the second's, and the other way round.
    rows
        Number of pairs; their sentences come first on both sides.
    """
    firsts, seconds = len(there.index), len(back.index)
    of_second = np.arange(seconds)
    of_first = np.arange(firsts) + np.where(np.arange(firsts) < rows, 0, seconds - rows)
    return Retrieved(
        _way(there, back, rows, of_second, of_first), _way(back, there, rows, of_first, of_second)
    )


def neighbourhood(neighbours: Neighbours) -> Neighbours:
    """Take the neighbours that a margin is taken over."""
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
    found = {margin: margin_retrieved(*near, margin)[:rows] for margin in margins}
    return Way(
        {margin: np.where(retrieved < rows, retrieved, -1) for margin, retrieved in found.items()},
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
    """Find which outcomes turn, from right to wrong or back, by leaving out which sentence.

    Parameters
    ----------
    own, others
        `SEARCHED` neighbours of the queries among the candidates, and the other way round.
    margin
        By which a candidate is retrieved.
    rows
        Number of rows among the queries and among the candidates; they come first.
    candidates, queries
        The number of each candidate and query: of a row its place. What has one number is left out together.

    Returns
    -------
    numpy.ndarray
        (m, 2): the row, and the number of what turns it when it is left out; in order, each two once. What becomes of a
        row where it is itself left out is not among them.
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
    # Of each candidate, (rows, candidates, neighbours): what its own neighbourhood is made of.
    around, around_cosine = queries[others.index[theirs]], others.cosine[theirs]
    gone = np.concatenate(
        [
            near[:, :NEIGHBOURHOOD],
            around[:, :, :NEIGHBOURHOOD].reshape(len(block), -1),
            np.full((len(block), 1), -1),  # nothing: what is retrieved as it is
        ],
        axis=1,
    )
    ours = _mean_without(near[:, None], cosine[:, None], gone)
    base = _mean_without(around[:, None], around_cosine[:, None], gone[:, :, None])
    score = margin_scores(cosine[:, None], ours[:, :, None], base, margin)
    score = np.where(_kept(near[:, None], gone), score, -np.inf)
    # A candidate without evidence is at minus infinity too, and comes before what is not there.
    first = _kept(near[:, None], gone).argmax(axis=-1)
    best = np.where(np.isneginf(score.max(axis=-1)), first, score.argmax(axis=-1))
    found = np.take_along_axis(np.broadcast_to(near[:, None], score.shape), best[..., None], axis=-1)[..., 0]
    right = found == block[:, None]
    turned = (right != right[:, -1:]) & (gone != block[:, None])
    row, place = np.nonzero(turned)
    return np.unique(np.stack([block[row], gone[row, place]], axis=1), axis=0)


def _kept(numbers: npt.NDArray[np.int64], gone: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Mark each neighbour that is in the neighbourhood when one number is gone: the first that are left."""
    left = numbers != gone[..., None]
    return np.asarray(left & (np.cumsum(left, axis=-1) <= NEIGHBOURHOOD))


def _mean_without(
    numbers: npt.NDArray[np.int64], cosine: npt.NDArray[np.float32], gone: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Mean cosine of a neighbourhood when one number is gone."""
    kept = _kept(numbers, gone)
    return np.asarray(np.where(kept, cosine, 0).sum(axis=-1, dtype=np.float64) / kept.sum(axis=-1))


def hit_influence(right: npt.NDArray[np.bool_], turned: npt.NDArray[np.int64]) -> Influence:
    """Return the influence on the share of rows that are right.

    Parameters
    ----------
    right
        (n,).
    turned
        What `find_turned` returns.
    """
    rows = len(right)
    row, by = turned.T
    return Influence(right / rows, row, by, np.where(right[row], 1, -1) / rows)


def f1_influence(nearest: npt.NDArray[np.int64]) -> Influence:
    """Return the influence on F1, the mean of `f1_shares`, from the two nearest of each row: (n, 2) numbers.

    A row that is left out no longer retrieves, and what retrieved it retrieves its second nearest.
    """
    rows = len(nearest)
    row = np.arange(rows)
    first, second = nearest.T
    right = first == row
    times = np.bincount(first[first < rows], minlength=rows)
    share = np.where(right, 2 / (1 + times), 0)
    # How much more often each target is retrieved without each other: (target, by, times).
    target = np.concatenate([first, second])
    by = np.concatenate([row, first])
    more = np.repeat([-1, 1], rows)
    # A row does not retrieve once more what it takes away itself, and its own share goes with it.
    known = (target < rows) & (target != by) & np.concatenate([np.ones(rows, bool), ~right])
    width = int(nearest.max(initial=rows)) + 1
    key, place = np.unique((target * width + by)[known], return_inverse=True)
    more = np.bincount(place, more[known])
    target, by = key // width, key % width
    without = np.where(first[target] == by, second[target] == target, right[target])
    change = share[target] - np.where(without, 2 / (1 + times[target] + more), 0)
    moved = change != 0
    return Influence(share / rows, target[moved], by[moved], change[moved] / rows)
