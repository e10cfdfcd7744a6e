"""Semantic textual similarity: how far the cosine orders sentence pairs as people do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.neighbours import cosines

if TYPE_CHECKING:
    import numpy.typing as npt


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
        In [-1, 1]. Where all cosines are equal the correlation is undefined; such an encoder orders nothing,
        so it is given as 0.
    """
    from scipy.stats import spearmanr

    predicted = cosines(vectors1, vectors2)
    if np.all(predicted == predicted[0]):
        return 0.0
    return float(spearmanr(predicted, gold).statistic)
