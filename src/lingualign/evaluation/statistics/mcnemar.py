"""McNemar's exact test of two models on the same sentences, and its form for several outcomes a sentence."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_CERTAIN = 40.0
"""Weight of signs from which on none is negative: tanh(40) is 1."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """What decides between two models: the outcomes on which they differ."""

    only_a: int
    """Outcomes that A has right and B wrong."""
    only_b: int
    """Outcomes that B has right and A wrong."""
    p: float
    """Two-sided and exact."""


def mcnemar(a: npt.ArrayLike, b: npt.ArrayLike) -> McNemar:
    """Test whether two models are right equally often, by the sentences that only one of them has right.

    Parameters
    ----------
    a, b
        (n,) bool: whether each model has a sentence right; one outcome a sentence.

    References
    ----------
    McNemar (1947), "Note on the sampling error of the difference between correlated proportions or percentages".
    """
    from scipy.stats import binomtest

    a, b = np.asarray(a, bool), np.asarray(b, bool)
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    p = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return McNemar(only_a, only_b, p)


def exact_sign_flip(differences: npt.ArrayLike) -> float:
    """Test whether paired differences are as often for one model as for the other: two-sided, exact.

    If the models are alike, each sentence's difference might as well have the other sign. All 2**n choices of signs
    are counted, by convolution. With one outcome a sentence (-1, 0, 1) this is McNemar's test; with several, such
    as both directions of retrieval or all language pairs of an n-way set, it takes a sentence as the unit, whose
    outcomes stand or fall together.

    The transform behind the convolution is exact to 1e-16 of the largest term, and the tail of a clear difference lies
    far below that. So the signs are weighed by exp(t sign difference), t being such that what was observed is what is
    expected, and the weight is taken off again.

    Parameters
    ----------
    differences
        (n,) whole numbers: outcomes of a sentence that A has right, less those that B has right.

    Returns
    -------
    float
        The p-value; 1 where nothing differs.

    References
    ----------
    Pitman (1937), "Significance tests which may be applied to samples from any populations"; Esscher (1932), "On the
    probability function in the collective theory of risk", for the weights.
    """
    from scipy.optimize import brentq
    from scipy.signal import oaconvolve
    from scipy.special import expit
    from scipy.stats import binom

    differences = np.asarray(differences, np.int64)
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    observed, total = abs(int(differences.sum())), int((sizes * counts).sum())
    least = max(2.0 ** (1 - int(counts.sum())), sys.float_info.min)
    if observed in (0, total):
        return 1.0 if observed == 0 else least
    weight = brentq(lambda t: (sizes * counts * np.tanh(t * sizes)).sum() - observed, 0, _CERTAIN)
    null = np.ones(1)  # of the sum over the sentences whose sign is positive: from 0 to the total
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        positive = np.zeros(size * count + 1)
        positive[::size] = binom.pmf(np.arange(count + 1), count, expit(2 * weight * size))
        null = np.maximum(oaconvolve(null, positive), 0)
    sums = 2 * np.arange(total + 1) - total
    scale = (counts * (np.logaddexp(weight * sizes, -weight * sizes) - np.log(2))).sum()
    extreme = sums >= observed
    tail = (null[extreme] * np.exp(scale - weight * sums[extreme])).sum()
    return float(min(1.0, max(least, 2 * tail)))
