"""Semantic textual similarity: how far the cosine orders sentence pairs as people do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lingualign.evaluation.bitext import matching_rows
from lingualign.evaluation.statistics import midranks
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


def _correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    return float(np.corrcoef(np.asarray(x, np.float64), np.asarray(y, np.float64))[0, 1])


def constant(cosines: npt.ArrayLike) -> bool:
    """Tell whether cosines are all the same but for the rounding of single-precision vectors."""
    return bool(np.ptp(np.asarray(cosines)) <= _ROUNDING)
