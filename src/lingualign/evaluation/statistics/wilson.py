"""Wilson's interval of one proportion."""

from __future__ import annotations

CONFIDENCE = 0.95

Interval = tuple[float, float]


def wilson(successes: float, n: int) -> Interval:
    """Give Wilson's score interval of a proportion, which stays sensible at 0% and 100%.

    Parameters
    ----------
    successes
        Out of ``n``; need not be whole.
    n
        At least 1.

    References
    ----------
    Wilson (1927), "Probable Inference, the Law of Succession, and Statistical Inference".
    """
    from scipy.special import ndtri

    z2 = float(ndtri((1 + CONFIDENCE) / 2)) ** 2
    rate = successes / n
    centre = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (rate * (1 - rate) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    # Rounding must not exclude the rate itself at the ends.
    return max(0.0, min(rate, centre - half)), min(1.0, max(rate, centre + half))
