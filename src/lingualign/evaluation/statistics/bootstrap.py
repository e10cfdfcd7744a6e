"""95% intervals by the percentile bootstrap over sentences.

A bootstrap here draws `RESAMPLES` times n rows out of n with replacement and takes the 2.5th and 97.5th
percentile of the statistic. The draws depend on n alone, so whatever is measured on the same rows is
resampled together: both directions of a bitext, all language pairs of an n-way set, and files that hold the
same rows in several languages. The correlation between them enters the interval of their mean by itself; for
files of unrelated rows it is nil on average and so are its effects. Two models are resampled together likewise:
the difference of their replicates is the paired bootstrap of their difference. Mined pairs are resampled by the place
of their sentences, a Poisson number of times each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.evaluation.statistics.wilson import CONFIDENCE, wilson

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from lingualign.evaluation.statistics.wilson import Interval

RESAMPLES = 1000
SEED = 20240607

_BLOCK = 1 << 20
"""Drawn rows held at once."""
_NOTHING = 1e-12
"""Share of a column's variance below which a resample of it is constant but for rounding."""


def bootstrap_means(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Resample rows and take the means.

    Parameters
    ----------
    values
        (n,) or (n, m): one row a sentence, one column a quantity measured on it.

    Returns
    -------
    numpy.ndarray
        (`RESAMPLES`,) or (`RESAMPLES`, m), float64; row b of two calls with the same n is the same resample.
    """
    values = np.asarray(values, dtype=np.float64)
    return np.concatenate([weights @ values for weights in _resamples(len(values))]) / len(values)


def bootstrap_sums(values: npt.ArrayLike, numbers: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Resample sentences of which few count, such as those mined from a text, and take the sums.

    How often a sentence is drawn follows from its number alone: two models that each have mined sentences of their own
    are resampled together nevertheless.

    Parameters
    ----------
    values
        (n, m): one row a sentence, one column a quantity measured on it. Sentences left out count as zeros.
    numbers
        (n,) int, each sentence's place in its text.

    Returns
    -------
    numpy.ndarray
        (`RESAMPLES`, m), float64.

    References
    ----------
    Hanley and MacGibbon (2006), "Creating non-parametric bootstrap samples using Poisson frequencies".
    """
    values = np.asarray(values, dtype=np.float64)
    sums = np.zeros((RESAMPLES, values.shape[1]))
    for row, number in zip(values, np.asarray(numbers), strict=True):
        drawn = np.random.default_rng([SEED, int(number)]).poisson(1, RESAMPLES)
        sums += drawn[:, None] * row
    return sums


def bootstrap_spearman(x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Resample rows and take Spearman's correlation of two columns.

    A resample only repeats or omits rows, so one sort serves all of them: a value's midrank in a resample is
    the number of drawn rows with smaller values plus half of one more than those that share it, which
    cumulative sums over the sorted rows give. The result is exactly Spearman's correlation of each resample,
    ties included.

    Parameters
    ----------
    x, y
        (n,), float.

    Returns
    -------
    numpy.ndarray
        (`RESAMPLES`,), float64. A resample where one column is constant has no correlation and counts as 0.
    """
    x, y = np.asarray(x), np.asarray(y)
    n = len(x)
    orders = [_Order(x), _Order(y)]
    correlations = []
    for weights in _resamples(n):
        # Midranks have the mean (n + 1) / 2 whatever the ties.
        a, b = (order.midranks(weights) - (n + 1) / 2 for order in orders)
        covariance = np.einsum("bi,bi,bi->b", weights, a, b)
        variance_a = np.einsum("bi,bi,bi->b", weights, a, a)
        variance_b = np.einsum("bi,bi,bi->b", weights, b, b)
        scale = np.sqrt(variance_a * variance_b)
        correlations.append(covariance / np.where(scale > 0, scale, 1))
    return np.concatenate(correlations)


def bootstrap_pearson(x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Resample rows and take Pearson's correlation of two columns.

    Parameters
    ----------
    x, y
        (n,), float.

    Returns
    -------
    numpy.ndarray
        (`RESAMPLES`,), float64. A resample where one column is constant has no correlation and counts as 0.
    """
    # Centred first, so that the moments below lose no digits.
    one, two = (array - array.mean() for array in (np.asarray(x, np.float64), np.asarray(y, np.float64)))
    moments = bootstrap_means(np.stack([one, two, one * one, two * two, one * two], axis=1))
    mean_x, mean_y, xx, yy, xy = moments.T
    variance_x, variance_y = xx - mean_x**2, yy - mean_y**2
    varied = (variance_x > _NOTHING * np.mean(one * one)) & (variance_y > _NOTHING * np.mean(two * two))
    scale = np.sqrt(np.where(varied, variance_x * variance_y, 1))
    correlation: npt.NDArray[np.float64] = np.where(varied, (xy - mean_x * mean_y) / scale, 0)
    return correlation


def interval(replicates: npt.NDArray[np.float64]) -> Interval:
    """Take the percentile interval of the bootstrap's replicates, (`RESAMPLES`,)."""
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(replicates, [tail, 100 - tail])
    return float(low), float(high)


def unvaried(replicates: npt.NDArray[np.float64]) -> bool:
    """Whether a figure is the same in every resample but for rounding, of which the bootstrap would be certain."""
    return bool(np.ptp(replicates) <= 1e-12)


def rate_interval(rate: float, replicates: npt.NDArray[np.float64], n: int) -> Interval:
    """Take the percentile interval of a rate in [0, 1] over ``n`` rows.

    Where every row has the same outcome the bootstrap sees no variation and would claim certainty; Wilson's
    interval for ``n`` trials stands in.
    """
    if rate <= 0 or rate >= 1 or unvaried(replicates):
        return wilson(rate * n, n)
    return interval(replicates)


class _Order:
    """The sorted order of a column, and which of its values are ties."""

    def __init__(self, values: npt.NDArray[np.float64]) -> None:
        _, self.group = np.unique(values, return_inverse=True)
        self.order = np.argsort(self.group, kind="stable")
        self.starts = np.flatnonzero(np.diff(self.group[self.order], prepend=-1))

    def midranks(self, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Rank of each row in each resample, from (b, n) counts of how often a row was drawn."""
        drawn = np.add.reduceat(weights[:, self.order], self.starts, axis=1)
        ranks = np.cumsum(drawn, axis=1) - (drawn - 1) / 2
        return ranks[:, self.group]


def _resamples(n: int) -> Iterator[npt.NDArray[np.float64]]:
    """Give, in blocks, how often each of n rows is drawn in each resample: (b, n)."""
    random = np.random.default_rng([SEED, n])
    step = max(1, _BLOCK // n)
    for start in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - start)
        drawn = random.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
