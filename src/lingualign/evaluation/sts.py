"""Semantic textual similarity: correlations of cosines and people's scores."""

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
    """Return Spearman's rank correlation of the cosines and people's scores.

    Parameters
    ----------
    vectors1, vectors2
        Vectors of both sides, (n, d), float; they need not be normalised.
    gold
        People's scores, (n,), finite and not all equal.

    Returns
    -------
    float
        Correlation in [-1, 1]; NaN if all cosines are equal and thus without order.

    Raises
    ------
    InputError
        If the two sides differ in rows or dimensions.
    """
    return spearman(cosines(*matching_rows(vectors1, vectors2)), gold)


def sts_pearson(vectors1: npt.ArrayLike, vectors2: npt.ArrayLike, gold: npt.ArrayLike) -> float:
    """Return Pearson's correlation of the cosines and people's scores; arguments and result as in `sts_spearman`."""
    return pearson(cosines(*matching_rows(vectors1, vectors2)), gold)


def spearman(predicted: npt.ArrayLike, gold: npt.ArrayLike) -> float:
    """Return Spearman's correlation of cosines and people's scores; NaN if the cosines are `constant`."""
    return math.nan if constant(predicted) else _correlation(midranks(predicted), midranks(gold))


def pearson(predicted: npt.ArrayLike, gold: npt.ArrayLike) -> float:
    """Return Pearson's correlation of cosines and people's scores; NaN if the cosines are `constant`."""
    return math.nan if constant(predicted) else _correlation(predicted, gold)


def spearman_influence(predicted: npt.ArrayLike, gold: npt.ArrayLike) -> Influence:
    """Return the contribution of each row to Spearman's correlation, to first order, with its effect on others' ranks.

    Parameters
    ----------
    predicted, gold
        Cosines and people's scores, (n,), neither constant.
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
    """Return the contribution of each row to Pearson's correlation; parameters as in `spearman_influence`."""
    x, y = (np.asarray(values, np.float64) for values in (predicted, gold))
    x, y = x - x.mean(), y - y.mean()
    return _influence(x, y, x * y, x * x, y * y)


def _of_ranks_above(values: npt.ArrayLike, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the sum of weights of the rows with larger values, and half of those with equal ones, over n: (n,)."""
    _, group = np.unique(np.asarray(values), return_inverse=True)
    group_sums = np.bincount(group, weights)
    return np.asarray((group_sums.sum() - np.cumsum(group_sums) + group_sums / 2)[group] / len(weights))


def _influence(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    product_parts: npt.NDArray[np.float64],
    x_parts: npt.NDArray[np.float64],
    y_parts: npt.NDArray[np.float64],
) -> Influence:
    """Return the influence on a correlation from each row's contributions to its three moments."""
    product, square_x, square_y = (x * y).mean(), (x * x).mean(), (y * y).mean()
    scale = np.sqrt(square_x * square_y)
    moved = product_parts / scale - product / scale / 2 * (x_parts / square_x + y_parts / square_y)
    return Influence((moved - moved.mean()) / len(x))


def _correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    return float(np.corrcoef(np.asarray(x, np.float64), np.asarray(y, np.float64))[0, 1])


def constant(cosines: npt.ArrayLike) -> bool:
    """Return whether all cosines are equal up to the rounding of single-precision vectors."""
    return bool(np.ptp(np.asarray(cosines)) <= _ROUNDING)
