"""Two models on the same sentences: McNemar's exact test, permutation tests, and effect sizes.

A permutation exchanges the outcomes of the two models for some sentences. The choice of sentences depends only on the
number of rows, so that files of the same rows are permuted together and the mean over files has its own null
distribution.

References
----------
Cohen (1988), "Statistical Power Analysis for the Behavioral Sciences", on effect sizes: q in chapter 4, g in 5, h in 6;
by his convention 0.1, 0.3, 0.5 (q), 0.05, 0.15, 0.25 (g) and 0.2, 0.5, 0.8 (h) are small, medium and large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

PERMUTATIONS = 9_999
SEED = 20240608
_BLOCK = 1 << 22
"""Number of rows in memory at once."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """Result of McNemar's test."""

    only_a: int
    """Number of outcomes that A has right and B wrong."""
    only_b: int
    """Number of outcomes that B has right and A wrong."""
    p: float
    """P-value, two-sided and exact."""


def mcnemar(a: npt.ArrayLike, b: npt.ArrayLike) -> McNemar:
    """Test whether two models are right equally often, by the sentences that only one of them has right.

    Parameters
    ----------
    a, b
        Right sentences of each model, (n,) bool; one outcome a sentence.

    References
    ----------
    McNemar (1947), "Note on the sampling error of the difference between correlated proportions or percentages".
    """
    from scipy.stats import binomtest

    a, b = np.asarray(a, bool), np.asarray(b, bool)
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    p = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return McNemar(only_a, only_b, p)


def permuted_f1_differences(
    a: npt.ArrayLike, b: npt.ArrayLike, wanted: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Return the difference of two models' F1 of mined pairs under each permutation.

    Parameters
    ----------
    a, b
        Counts of each model, (n, 2): pairs mined right for a sentence, and pairs mined for it.
    wanted
        Number of pairs of each sentence, (n,). The sum is above 0.

    Returns
    -------
    numpy.ndarray
        A's F1 minus B's, (`PERMUTATIONS`,).

    References
    ----------
    Yeh (2000), "More accurate tests for the statistical significance of result differences".
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    change = np.concatenate([swaps @ (b - a) for swaps in _swaps(len(a))])
    counts_a, counts_b = a.sum(axis=0) + change, b.sum(axis=0) - change
    pairs = np.sum(wanted)
    return np.asarray(
        2 * counts_a[:, 0] / (counts_a[:, 1] + pairs) - 2 * counts_b[:, 0] / (counts_b[:, 1] + pairs)
    )


def permuted_spearman_differences(
    a: npt.ArrayLike, b: npt.ArrayLike, gold: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Return the difference of two models' Spearman correlations with people's scores under each permutation.

    The midranks of the predictions are exchanged, since the cosines of two models may differ in scale. A permuted
    column is not ranked again.

    Parameters
    ----------
    a, b
        Predictions of the two models, (n,); neither constant.
    gold
        People's scores, (n,), not constant.

    Returns
    -------
    numpy.ndarray
        A's correlation minus B's, (`PERMUTATIONS`,).
    """
    rank_a, rank_b, rank_gold = (midranks(values) - (np.size(values) + 1) / 2 for values in (a, b, gold))
    n = len(rank_gold)
    # Each permuted sum is the unpermuted one plus the changes of the exchanged rows.
    changes = np.stack([rank_b - rank_a, rank_b**2 - rank_a**2, (rank_b - rank_a) * rank_gold], axis=1)
    change = np.concatenate([swaps @ changes for swaps in _swaps(n)]).T
    gold_scale = np.sqrt(rank_gold @ rank_gold)

    def correlation(ranks: npt.NDArray[np.float64], sign: int) -> npt.NDArray[np.float64]:
        total, squares, products = sign * change
        scale = np.sqrt(np.maximum(ranks @ ranks + squares - total**2 / n, 1e-12)) * gold_scale
        return np.asarray((ranks @ rank_gold + products) / scale)

    return correlation(rank_a, 1) - correlation(rank_b, -1)


def permutation_p(observed: float, null: npt.NDArray[np.float64]) -> float:
    """Return the two-sided p-value of an observation, which counts as one of the permutations.

    References
    ----------
    Phipson and Smyth (2010), "Permutation P-values should never be zero".
    """
    # A permutation with the same value may differ from the observation by rounding.
    extreme = np.abs(null) >= abs(observed) - 1e-12
    return float((1 + extreme.sum()) / (1 + len(null)))


def _swaps(n: int) -> Iterator[npt.NDArray[np.float64]]:
    """Yield, in blocks, the exchanged rows of each permutation: (b, n), each 0 or 1."""
    random = np.random.default_rng([SEED, n])
    step = max(1, _BLOCK // n)
    for start in range(0, PERMUTATIONS, step):
        size = min(step, PERMUTATIONS - start)
        bits = np.frombuffer(random.bytes(-(-size * n // 8)), np.uint8)
        yield np.unpackbits(bits, count=size * n).reshape(size, n).astype(np.float64)


def cohens_h(rate_a: float, rate_b: float) -> float:
    """Return the difference of two rates in [0, 1] on the arcsine scale, where equal steps are equally hard to see."""
    return 2 * math.asin(math.sqrt(rate_a)) - 2 * math.asin(math.sqrt(rate_b))


def cohens_g(only_a: int, only_b: int) -> float | None:
    """Return A's share of the outcomes that only one model has right, minus a half; None if there are none."""
    return only_a / (only_a + only_b) - 0.5 if only_a + only_b else None


def odds_ratio(only_a: int, only_b: int) -> float | None:
    """Return the odds that A has right an outcome that only one model has; None (infinite or unknown) if B has none."""
    return only_a / only_b if only_b else None


def cohens_q(correlation_a: float, correlation_b: float) -> float | None:
    """Return the difference of two correlations on Fisher's scale, artanh; None if one is -1 or 1."""
    if max(abs(correlation_a), abs(correlation_b)) >= 1:
        return None
    return math.atanh(correlation_a) - math.atanh(correlation_b)


def midranks(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Rank each value from 1 on, (n,); equal values share the mean of their ranks."""
    # Not scipy's: its import takes longer than the rest of the work on a suite.
    _, group, size = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(size) - (size - 1) / 2)[group])
