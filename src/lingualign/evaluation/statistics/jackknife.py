"""95% intervals by the jackknife, from what a figure is without each row.

A bootstrap would bend them: drawing rows with replacement puts copies of a row beside it, which moves whatever is made
of pairs of rows, or of how often a row occurs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.evaluation.statistics.wilson import CONFIDENCE

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.evaluation.statistics.wilson import Interval


def jackknife_interval(value: float, left_out: npt.ArrayLike) -> Interval:
    """Give the interval of a figure, by Student's t, from what it is without each row or group of rows.

    Parameters
    ----------
    value
        The figure of all rows.
    left_out
        (g,), two or more: the figure without the rows of each of g groups, which are of one size but for one row.

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
