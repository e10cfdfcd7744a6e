"""Margin scores of pairs among their neighbours, the selection of pairs, and precision and recall by threshold."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from lingualign.neighbours.options import check_margin, check_retrieval

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.neighbours.options import Margin, Retrieval
    from lingualign.neighbours.search import Neighbours

_BLOCK_PAIRS = 1 << 16
FOUND_BY = ("forward", "backward", "both")
"""Names of the numbers in `Pairs.direction`."""


def margin_scores(
    cosine: npt.ArrayLike, own: npt.ArrayLike, theirs: npt.ArrayLike, margin: Margin = "ratio"
) -> npt.NDArray[np.float64]:
    """Score pairs (x, y) by their margin.

    - ``absolute``: cos(x, y);
    - ``ratio``: cos(x, y) / b and ``distance``: cos(x, y) - b, where b is the mean of ``own`` and ``theirs``.

    Parameters
    ----------
    cosine
        cos(x, y), any shape.
    own
        Mean of the cosines of x and its k nearest neighbours on the other side.
    theirs
        The same of y.
    margin
        Kind of margin.

    Returns
    -------
    ndarray of float64
        Scores of the shape that the three arguments broadcast to. A ratio 0 / 0 comes from zero vectors; its score is
        -inf.

    Raises
    ------
    InputError
        If ``margin`` is unknown.

    References
    ----------
    Artetxe and Schwenk (2019), "Margin-based Parallel Corpus Mining with Multilingual Sentence Embeddings",
    section 3.1.
    """
    check_margin(margin)
    cosine, own, theirs = (np.asarray(value, dtype=np.float64) for value in (cosine, own, theirs))
    if margin == "absolute":
        return np.broadcast_to(cosine, np.broadcast_shapes(cosine.shape, own.shape, theirs.shape)).copy()
    base = (own + theirs) / 2
    if margin == "distance":
        return np.asarray(cosine - base)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.asarray(cosine / base)
    score[np.isnan(score)] = -np.inf
    return score


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of positions with their scores, the best first; equal ones by source, then target."""

    source: npt.NDArray[np.int64]
    target: npt.NDArray[np.int64]
    cosine: npt.NDArray[np.float32]
    score: npt.NDArray[np.float64]
    direction: npt.NDArray[np.int8]
    """Found from the source (0), from the target (1), or from both (2)."""

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, chosen: npt.NDArray[np.bool_ | np.int64]) -> Pairs:
        """Return some of the pairs."""
        return Pairs(
            self.source[chosen],
            self.target[chosen],
            self.cosine[chosen],
            self.score[chosen],
            self.direction[chosen],
        )


def retrieve(
    forward: Neighbours,
    backward: Neighbours,
    *,
    margin: Margin = "ratio",
    retrieval: Retrieval = "max",
    candidates: bool = False,
) -> Pairs:
    """Score the neighbours by their margin and select pairs.

    The best candidate by margin of each source and each target is chosen among its nearest by cosine. Then

    - ``forward`` selects that of each source, ``backward`` that of each target;
    - ``intersect`` selects the pairs that are best for both sentences;
    - ``max`` goes through all of these from the highest score down and selects a pair if neither sentence is in
      one yet: one to one.

    Parameters
    ----------
    forward, backward
        Neighbours of the sources among the targets and the other way round, as `nearest_neighbours` returns them.
    margin
        See `lingualign.neighbours.margin_scores`.
    retrieval
        Choice of pairs.
    candidates
        True to select every neighbour, not only the best; ``max`` then selects those of both directions.

    Raises
    ------
    InputError
        If ``margin`` or ``retrieval`` is unknown.
    """
    check_retrieval(retrieval)
    pairs = _union(_best(forward, backward, margin, candidates), _best(backward, forward, margin, candidates))
    kept = {
        "forward": pairs.direction != 1,
        "backward": pairs.direction != 0,
        "intersect": pairs.direction == 2,
        "max": np.ones(len(pairs), np.bool_),
    }[retrieval]
    pairs = pairs[kept & np.isfinite(pairs.score)]
    pairs = pairs[np.lexsort((pairs.target, pairs.source, -pairs.score))]
    return pairs[_one_to_one(pairs)] if retrieval == "max" and not candidates else pairs


def _best(own: Neighbours, others: Neighbours, margin: Margin, every: bool) -> Pairs:
    """Return each query's best candidate, or every one, in the order of queries; the queries are the sources."""
    queries, k = own.index.shape
    if own.index.size:
        ours, theirs = (side.cosine.mean(axis=1, dtype=np.float64) for side in (own, others))
        score = margin_scores(own.cosine, ours[:, None], theirs[own.index], margin)
        taken = np.arange(queries * k) if every else np.arange(queries) * k + score.argmax(axis=1)
    else:
        score, taken = np.empty((queries, k)), np.empty(0, np.int64)
    return Pairs(
        taken // max(1, k),
        own.index.ravel()[taken],
        own.cosine.ravel()[taken],
        score.ravel()[taken],
        np.zeros(len(taken), np.int8),
    )


def _union(from_source: Pairs, from_target: Pairs) -> Pairs:
    """Join the pairs of both directions; a pair found twice has the same score up to rounding."""
    from_target = replace(
        from_target,
        source=from_target.target,
        target=from_target.source,
        direction=np.ones_like(from_target.direction),
    )
    names = [field.name for field in fields(Pairs)]
    pairs = Pairs(
        *(np.concatenate([getattr(side, name) for side in (from_source, from_target)]) for name in names)
    )
    del from_source, from_target
    pairs = pairs[np.lexsort((pairs.direction, pairs.target, pairs.source))]
    again = (np.diff(pairs.source, prepend=-1) == 0) & (np.diff(pairs.target, prepend=-1) == 0)
    pairs.direction[np.flatnonzero(again) - 1] = 2
    return pairs[~again]


def _one_to_one(pairs: Pairs) -> npt.NDArray[np.bool_]:
    """Mark, from the first of the sorted pairs on, each pair whose sentences are in no earlier marked one."""
    taken_sources, taken_targets = (
        bytearray(int(side.max(initial=-1)) + 1) for side in (pairs.source, pairs.target)
    )
    kept = np.zeros(len(pairs), np.bool_)
    # A block at a time, since Python's numbers need several times the memory of an array.
    for start in range(0, len(pairs), _BLOCK_PAIRS):
        some = slice(start, start + _BLOCK_PAIRS)
        rows = zip(pairs.source[some].tolist(), pairs.target[some].tolist(), strict=True)
        for row, (source, target) in enumerate(rows, start):
            if not taken_sources[source] and not taken_targets[target]:
                kept[row] = True
                taken_sources[source] = taken_targets[target] = 1
    return kept


@dataclass(frozen=True, slots=True)
class Calibration:
    """Precision, recall and F1 of every distinct threshold, from the highest down."""

    threshold: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    planted: int
    """Number of known pairs."""

    @property
    def f1(self) -> npt.NDArray[np.float64]:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)

    @property
    def best(self) -> int:
        """Position of the highest F1; of equals the highest threshold."""
        return int(self.f1.argmax())


def judge(
    pairs: Pairs, gold_source: npt.NDArray[np.int64], gold_target: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.bool_], int]:
    """Return for each pair whether it is a known pair, and the number of distinct known pairs."""
    width = int(max([*pairs.target, *gold_target], default=0)) + 1
    gold = np.unique(gold_source * width + gold_target)
    return np.isin(pairs.source * width + pairs.target, gold), len(gold)


def thresholds(
    pairs: Pairs, gold_source: npt.NDArray[np.int64], gold_target: npt.NDArray[np.int64]
) -> Calibration:
    """Compute precision and recall at each threshold; every pair that is not a known pair counts as wrong.

    Parameters
    ----------
    pairs
        Mined pairs, sorted by score; at least one.
    gold_source, gold_target
        Positions of the known pairs' sentences; at least one.
    """
    is_known, planted = judge(pairs, gold_source, gold_target)
    right = np.cumsum(is_known)
    # A threshold keeps all pairs of equal score, so only the last of them is a point of the curve.
    last = np.flatnonzero(np.diff(pairs.score, append=-np.inf))
    return Calibration(pairs.score[last], right[last] / (last + 1), right[last] / planted, planted)
