"""Semantic textual similarity: how far the cosine orders sentence pairs as people do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lingualign.evaluation.bitext import matching_rows
from lingualign.evaluation.statistics import Influence, midranks
from lingualign.neighbours import cosines

if TYPE_CHECKING:
    import numpy.typing as npt

_ROUNDING = 1e-6


def sts_spearman(vectors1: npt.ArrayLike, vectors2: npt.ArrayLike, gold: npt.ArrayLike) -> float:
    """Spearman's rank correlation of the cosines and people's scores.

    Parameters
    ----------
    vectors1, vectors2
        (n, d), float; they need not be normalised.
    gold
        (n,), finite and not all equal.

    Returns
    -------
    float
        In [-1, 1]; NaN where all cosines are equal, which has no order and so no correlation.

    Raises
    ------
    InputError
        If the two sides differ in rows or dimensions.
    """
    return spearman(cosines(*matching_rows(vectors1, vectors2)), gold)


def sts_pearson(vectors1: npt.ArrayLike, vectors2: npt.ArrayLike, gold: npt.ArrayLike) -> float:
    """Pearson's correlation of the cosines and people's scores; arguments and outcome as of `sts_spearman`."""
    return pearson(cosines(*matching_rows(vectors1, vectors2)), gold)


def spearman(predicted: npt.ArrayLike, gold: npt.ArrayLike) -> float:
    """Spearman's correlation of cosines and people's scores; NaN where the cosines are `constant`."""
    return math.nan if constant(predicted) else _correlation(midranks(predicted), midranks(gold))


def pearson(predicted: npt.ArrayLike, gold: npt.ArrayLike) -> float:
    """Pearson's correlation of cosines and people's scores; NaN where the cosines are `constant`."""
    return math.nan if constant(predicted) else _correlation(predicted, gold)


def spearman_influence(predicted: npt.ArrayLike, gold: npt.ArrayLike) -> Influence:
    """Return what each row contributes to Spearman's correlation, to first order: also how it moves the others' ranks.

    Parameters
    ----------
    predicted, gold
        (n,), neither constant.
    """
    x, y = (midranks(values) / np.size(values) for values in (predicted, gold))
    x, y = x - x.mean(), y - y.mean()
    return _influence(
        x,
        y,
        x * y + _of_ranks_above(predicted, y) + _of_ranks_above(gold, x),
        x * x + 2 * _of_ranks_above(predicted, x),
        y * y + 2 * _of_ranks_above(gold, y),
    )


def pearson_influence(predicted: npt.ArrayLike, gold: npt.ArrayLike) -> Influence:
    """Return what each row contributes to Pearson's correlation; parameters as of `spearman_influence`."""
    x, y = (np.asarray(values, np.float64) for values in (predicted, gold))
    x, y = x - x.mean(), y - y.mean()
    return _influence(x, y, x * y, x * x, y * y)


def _of_ranks_above(values: npt.ArrayLike, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean of weights over the rows of larger values, half of them over those of equal ones: (n,)."""
    _, group = np.unique(np.asarray(values), return_inverse=True)
    of_group = np.bincount(group, weights)
    return np.asarray((of_group.sum() - np.cumsum(of_group) + of_group / 2)[group] / len(weights))


def _influence(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    of_product: npt.NDArray[np.float64],
    of_x: npt.NDArray[np.float64],
    of_y: npt.NDArray[np.float64],
) -> Influence:
    """Return the influence on a correlation from what each row contributes to the three moments that it is made of."""
    product, square_x, square_y = (x * y).mean(), (x * x).mean(), (y * y).mean()
    scale = np.sqrt(square_x * square_y)
    moved = of_product / scale - product / scale / 2 * (of_x / square_x + of_y / square_y)
    return Influence((moved - moved.mean()) / len(x))


def _correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    return float(np.corrcoef(np.asarray(x, np.float64), np.asarray(y, np.float64))[0, 1])


def constant(cosines: npt.ArrayLike) -> bool:
    """Return whether cosines are all the same but for the rounding of single-precision vectors."""
    return bool(np.ptp(np.asarray(cosines)) <= _ROUNDING)
