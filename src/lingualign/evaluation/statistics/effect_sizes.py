"""How large a difference is, apart from how sure it is: Cohen's h, g and q, and the odds ratio of pairs.

References
----------
Cohen (1988), "Statistical Power Analysis for the Behavioral Sciences": q in chapter 4, g in 5, h in 6; by his
convention 0.1, 0.3, 0.5 (q), 0.05, 0.15, 0.25 (g) and 0.2, 0.5, 0.8 (h) are small, medium and large.
"""

from __future__ import annotations

import math


def cohens_h(rate_a: float, rate_b: float) -> float:
    """Difference of two rates in [0, 1] on the arcsine scale, where equal steps are equally hard to see."""
    return 2 * math.asin(math.sqrt(rate_a)) - 2 * math.asin(math.sqrt(rate_b))


def cohens_g(only_a: int, only_b: int) -> float | None:
    """Share of A among the outcomes that only one model has right, less a half; None if there are none."""
    return only_a / (only_a + only_b) - 0.5 if only_a + only_b else None


def odds_ratio(only_a: int, only_b: int) -> float | None:
    """Odds that A, not B, has right what only one of them has; None (infinite or unknown) if B has nothing."""
    return only_a / only_b if only_b else None


def cohens_q(correlation_a: float, correlation_b: float) -> float | None:
    """Difference of two correlations on Fisher's scale, artanh; None where one is -1 or 1."""
    if max(abs(correlation_a), abs(correlation_b)) >= 1:
        return None
    return math.atanh(correlation_a) - math.atanh(correlation_b)
