"""Wilson's interval of one proportion, and Student's t."""

from __future__ import annotations

import math

CONFIDENCE = 0.95

Interval = tuple[float, float]


def wilson(successes: float, n: float, freedom: float = math.inf) -> Interval:
    """Give Wilson's score interval of a proportion, which stays sensible at 0% and 100%.

    Parameters
    ----------
    successes
        Out of ``n``; need not be whole.
    n
        Trials, above 0; of outcomes that depend on each other, the number of independent ones that say as much.
    freedom
        Degrees of freedom by which that number is known: Student's t takes the place of the normal distribution.

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
    """Give the 97.5th percentile of Student's t with so many degrees of freedom; of the normal one for infinity."""
    from scipy.special import ndtri, stdtrit

    level = (1 + CONFIDENCE) / 2
    return float(ndtri(level) if math.isinf(freedom) else stdtrit(freedom, level))


def t_p(ratio: float, freedom: float) -> float:
    """Give the two-sided p-value of a difference that is so many times its standard error, by Student's t."""
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(ratio)))
