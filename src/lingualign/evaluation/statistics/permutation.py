"""Permutation tests of two models on the same sentences: their outcomes change places, sentence by sentence.

The sentences that change places depend on the number of rows alone, so that files of the
same rows are permuted together and the mean over files has a null distribution of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.evaluation.statistics.ranks import midranks

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

PERMUTATIONS = 9_999
SEED = 20240608

_BLOCK = 1 << 22
"""Rows held at once."""


def permuted_f1_differences(
    a: npt.ArrayLike, b: npt.ArrayLike, wanted: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Give the difference of two models' F1 of mined pairs under each permutation.

    Parameters
    ----------
    a, b
        (n, 2) of each model: how many pairs it mined right for a sentence, and how many it mined for it.
    wanted
        (n,), how many pairs the sentence has. Their sum is above 0.

    Returns
    -------
    numpy.ndarray
        (`PERMUTATIONS`,): A's F1 less B's.

    References
    ----------
    Yeh (2000), "More accurate tests for the statistical significance of result differences".
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    change = np.concatenate([swaps @ (b - a) for swaps in _swaps(len(a))])
    of_a, of_b = a.sum(axis=0) + change, b.sum(axis=0) - change
    pairs = np.sum(wanted)
    return np.asarray(2 * of_a[:, 0] / (of_a[:, 1] + pairs) - 2 * of_b[:, 0] / (of_b[:, 1] + pairs))


def permuted_spearman_differences(
    a: npt.ArrayLike, b: npt.ArrayLike, gold: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Give the difference of two models' Spearman correlations with people's scores under each permutation.

    What changes places are the midranks of a model's predictions, since its cosines may have another scale than the
    other's; a permuted column is correlated as it is, without being ranked once more.

    Parameters
    ----------
    a, b
        (n,) predictions of the two models; neither constant.
    gold
        (n,) people's scores, not constant.

    Returns
    -------
    numpy.ndarray
        (`PERMUTATIONS`,): A's correlation less B's.
    """
    rank_a, rank_b, rank_gold = (midranks(values) - (np.size(values) + 1) / 2 for values in (a, b, gold))
    n = len(rank_gold)
    # Each permuted sum is the unpermuted one and the changes of the rows that change places.
    changes = np.stack([rank_b - rank_a, rank_b**2 - rank_a**2, (rank_b - rank_a) * rank_gold], axis=1)
    change = np.concatenate([swaps @ changes for swaps in _swaps(n)]).T
    gold_scale = np.sqrt(rank_gold @ rank_gold)

    def correlation(ranks: npt.NDArray[np.float64], sign: int) -> npt.NDArray[np.float64]:
        total, squares, products = sign * change
        scale = np.sqrt(np.maximum(ranks @ ranks + squares - total**2 / n, 1e-12)) * gold_scale
        return np.asarray((ranks @ rank_gold + products) / scale)

    return correlation(rank_a, 1) - correlation(rank_b, -1)


def permutation_p(observed: float, null: npt.NDArray[np.float64]) -> float:
    """Give the two-sided p-value of an observation, which itself counts as one of the permutations.

    References
    ----------
    Phipson and Smyth (2010), "Permutation P-values should never be zero".
    """
    # A permutation that gives the observation again may differ by rounding.
    extreme = np.abs(null) >= abs(observed) - 1e-12
    return float((1 + extreme.sum()) / (1 + len(null)))


def _swaps(n: int) -> Iterator[npt.NDArray[np.float64]]:
    """Give, in blocks, which of n rows change places in each permutation: (b, n), each 0 or 1."""
    random = np.random.default_rng([SEED, n])
    step = max(1, _BLOCK // n)
    for start in range(0, PERMUTATIONS, step):
        size = min(step, PERMUTATIONS - start)
        bits = np.frombuffer(random.bytes(-(-size * n // 8)), np.uint8)
        yield np.unpackbits(bits, count=size * n).reshape(size, n).astype(np.float64)
