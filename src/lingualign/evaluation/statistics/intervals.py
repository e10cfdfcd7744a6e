"""The uncertainty of figures: intervals, the contributions of the rows of a test set, and the error of few seeds.

A test set is a sample of rows, and a row is both a question and a candidate: a sentence that is near to everything
turns other rows' outcomes from right to wrong. The rows of a test set are therefore not independent, and the error of
a mean over them is not that of independent outcomes. The contribution of a row is its own outcome and the changes of
other rows' outcomes by its presence. The sum of the squares of these contributions is the jackknife's estimate of the
variance. It counts the noise of a single outcome twice: once as the row's own, once as the contribution of the row
that turns it. The squares of the single changes are therefore subtracted; the rest is the covariance of outcomes that
one row turns.

A bootstrap would bias these intervals: drawing rows with replacement puts copies of a row beside it, which changes
figures of pairs of rows, or of the frequency of a row.

References
----------
Efron and Stein (1981), "The Jackknife Estimate of Variance", on the jackknife's excess; Jaeckel (1972), "The
Infinitesimal Jackknife".
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

CONFIDENCE = 0.95

Interval = tuple[float, float]

_LEAST = 0.5
"""Share of the variance of independent rows below which an estimate is noise."""

_ROUNDING = 1e-24


def wilson(successes: float, n: float, freedom: float = math.inf) -> Interval:
    """Return Wilson's score interval of a proportion, which stays sensible at 0% and 100%.

    Parameters
    ----------
    successes
        Number of successes out of ``n``; need not be whole.
    n
        Number of trials, above 0; for dependent outcomes, the equivalent number of independent ones.
    freedom
        Degrees of freedom of that number: Student's t replaces the normal distribution.

    References
    ----------
    Wilson (1927), "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    z2 = t_quantile(freedom) ** 2
    rate = successes / n
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (rate * (1 - rate) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    # Rounding must not exclude the rate itself at the ends.
    return max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half))


def t_quantile(freedom: float) -> float:
    """Return the 97.5th percentile of Student's t; of the normal distribution for infinite degrees of freedom."""
    from scipy.special import ndtri, stdtrit

    level = (1 + CONFIDENCE) / 2
    return float(ndtri(level) if math.isinf(freedom) else stdtrit(freedom, level))


def t_p(ratio: float, freedom: float) -> float:
    """Return the two-sided p-value of a difference by Student's t, from its ratio to its standard error."""
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(ratio)))


def jackknife_interval(value: float, left_out: npt.ArrayLike) -> Interval:
    """Return the interval of a figure, by Student's t, from its values without each row or group of rows.

    Parameters
    ----------
    value
        The figure of all rows.
    left_out
        The figure without the rows of each of g groups, (g,), at least two; their sizes differ by at most one row.

    References
    ----------
    Tukey (1958), "Bias and confidence in not-quite large samples"; Efron and Stein (1981), "The Jackknife Estimate
    of Variance".
    """
    from scipy.special import stdtrit

    left_out = np.asarray(left_out, np.float64)
    groups = len(left_out)
    error = np.sqrt((groups - 1) * np.mean((left_out - left_out.mean()) ** 2))
    half = float(stdtrit(groups - 1, (1 + CONFIDENCE) / 2) * error)
    return value - half, value + half


def _none() -> npt.NDArray[np.int64]:
    return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Influence:
    """Contributions of the rows of a test set to a figure, in units of the figure.

    Attributes
    ----------
    own
        Outcome of each row, over n, (n,) float64.
    row, by
        Changes of the outcome of ``row`` by the presence of ``by``, (m,) int64: another row or, from n on, a sentence
        that is in no row. Each two occur once.
    change
        Size of each change, over n, (m,) float64.
    """

    own: npt.NDArray[np.float64]
    row: npt.NDArray[np.int64] = field(default_factory=_none)
    by: npt.NDArray[np.int64] = field(default_factory=_none)
    change: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def contributions(self) -> npt.NDArray[np.float64]:
        """Outcome of each row, then of each other sentence, plus its changes of others' outcomes: (n or more,)."""
        total = self._by(self.change)
        total[: len(self.own)] += self.own
        return total

    def _by(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Sum over the changes by one sentence: (n or more,)."""
        return np.bincount(self.by, values, minlength=len(self.own)).astype(np.float64)

    @property
    def error(self) -> Error:
        """The standard error of the figure, with its degrees of freedom."""
        rows = len(self.own)
        factor = rows / max(1, rows - 1)
        own = self.own - self.own.mean()
        total = self.contributions
        total[:rows] -= total[:rows].mean()
        # The variance of independent rows, and the shared part: contributions to several outcomes at once.
        alone = factor * (own @ own)
        squares = self._by(self.change**2)
        variance = float(max(factor * (total @ total - squares.sum()), _LEAST * alone))
        shared = self._by(self.change) ** 2 - squares
        return Error(
            variance,
            # With few hubs their spread is uncertain: the simulation shows half of the formula's value.
            max(2.0, _freedom(variance, shared, rows) / 2),
            _freedom(float(total @ total), total**2, rows),
        )


@dataclass(frozen=True, slots=True)
class Error:
    """Error of a figure."""

    variance: float
    """Variance of the figure."""
    freedom_of_hubs: float
    """Degrees of freedom of the variance by the uncertainty from hubs, sentences that turn many outcomes."""
    freedom: float
    """Degrees of freedom of the variance."""


def _freedom(variance: float, parts: npt.NDArray[np.float64], rows: int) -> float:
    """Return the degrees of freedom of a variance that is a sum of parts: twice its square over its own variance."""
    fourth = float(parts @ parts)
    return min(rows - 1, max(1.0, 2 * variance**2 / fourth)) if fourth > 0 else rows - 1


def combine(influences: Sequence[Influence], weights: Sequence[float]) -> Influence:
    """Return the influence on a weighted sum of figures over the same rows."""
    rows = max(len(influence.own) for influence in influences)
    own = np.zeros(rows)
    for influence, weight in zip(influences, weights, strict=True):
        own[: len(influence.own)] += weight * influence.own
    row, by = (np.concatenate([getattr(each, name) for each in influences]) for name in ("row", "by"))
    change = np.concatenate([weight * each.change for each, weight in zip(influences, weights, strict=True)])
    if not len(row):
        return Influence(own)
    width = int(by.max()) + 1
    key, place = np.unique(row * width + by, return_inverse=True)
    return Influence(own, key // width, key % width, np.bincount(place, change).astype(np.float64))


def combine_sets(sets: Sequence[dict[int, Influence]], weights: Sequence[float]) -> dict[int, Influence]:
    """Return the influence on a weighted sum of figures, each over one or more sets of rows, by their number of rows.

    Sets with the same number of rows count as the same rows in other languages, whose outcomes are dependent. Unrelated
    sets with the same number of rows have a covariance of zero up to noise.
    """
    return {
        rows: combine(
            [each[rows] for each in sets if rows in each],
            [weight for each, weight in zip(sets, weights, strict=True) if rows in each],
        )
        for rows in dict.fromkeys(rows for each in sets for rows in each)
    }


def error_of_sets(sets: dict[int, Influence]) -> Error:
    """Return the error of a figure over several sets of rows, which are independent of each other."""
    errors = [influence.error for influence in sets.values()]
    variances = [error.variance for error in errors]
    return Error(
        sum(variances),
        pooled_freedom(variances, [error.freedom_of_hubs for error in errors]),
        pooled_freedom(variances, [error.freedom for error in errors]),
    )


def pooled_freedom(variances: Sequence[float], freedoms: Sequence[float]) -> float:
    """Return the degrees of freedom of a sum of independent variances.

    References
    ----------
    Satterthwaite (1946), "An Approximate Distribution of Estimates of Variance Components".
    """
    fourth = sum(variance**2 / freedom for variance, freedom in zip(variances, freedoms, strict=True))
    return sum(variances) ** 2 / fourth if fourth > 0 else sum(freedoms)


def rate_interval(rate: float, error: Error, rows: int) -> Interval:
    """Return the 95% interval of a rate in [0, 1]: Wilson's, for the number of independent outcomes of the same error.

    If all outcomes are equal, no error is observable, and ``rows`` replaces that number. Away from the nearer end, 0 or
    1, the variance grows at least as that of ``rows`` outcomes: the few that differ may have small shares (as in F1),
    and others whole ones.
    """
    spread = rate * (1 - rate)
    if spread <= 0 or error.variance <= _ROUNDING:
        return wilson(rate * rows, rows)
    independent = spread / error.variance
    low, high = wilson(rate * independent, independent, error.freedom_of_hubs)
    # Wilson's bound x has (x - rate)^2 = t^2 (variance + slope (x - rate) - (x - rate)^2 / independent).
    t2 = t_quantile(error.freedom_of_hubs) ** 2
    slope = t2 * abs(1 - 2 * rate) / min(independent, rows)
    bend = 1 + t2 / independent
    far = (slope + math.sqrt(slope**2 + 4 * bend * t2 * error.variance)) / (2 * bend)
    if rate <= 0.5:
        return low, min(1.0, max(high, rate + far))
    return max(0.0, min(low, rate - far)), high


def correlation_interval(correlation: float, error: Error) -> Interval:
    """Return the 95% interval of a correlation, by Student's t on the scale of its inverse hyperbolic tangent.

    References
    ----------
    Fisher (1921), "On the 'probable error' of a coefficient of correlation deduced from a small sample".
    """
    room = 1 - correlation**2
    if room <= 0:
        return correlation, correlation
    half = t_quantile(error.freedom) * math.sqrt(error.variance) / room
    middle = math.atanh(correlation)
    return math.tanh(middle - half), math.tanh(middle + half)


@dataclass(frozen=True, slots=True)
class SeedError:
    """Error of the mean over a few seeds as an estimate of the mean over all."""

    variance: float
    """Variance of the mean, by the spread of the seeds' figures on the rows at hand."""
    of_rows: float
    """Part of the variance due to the rows, not the seeds: outcomes that differ from seed to seed."""
    freedom: float
    """Degrees of freedom of the variance: one less than the seeds."""


def seed_error(figures: Sequence[float], influences: Sequence[dict[int, Influence]]) -> SeedError:
    """Return the error of using a few seeds for all.

    The spread of the seeds' figures includes changes that other rows would cause for one seed and not for another. The
    error over rows includes them too, so this part is returned separately, to be counted once.

    Parameters
    ----------
    figures
        Figure of each seed, (s,), at least two.
    influences
        Influence on each figure.
    """
    seeds = len(figures)
    mean = [1 / seeds] * seeds
    row_variance = 0.0
    for seed in range(seeds):
        weights = [-each for each in mean]
        weights[seed] += 1
        row_variance += error_of_sets(combine_sets(influences, weights)).variance
    return SeedError(float(np.var(figures, ddof=1)) / seeds, row_variance / (seeds - 1) / seeds, seeds - 1.0)
