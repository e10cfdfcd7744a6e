"""Ranks of values, for rank correlations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def midranks(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Rank each value from 1 on, (n,); equal values share the mean of their ranks."""
    # Not scipy's: importing it takes longer than all else that is done to a suite.
    _, group, size = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(size) - (size - 1) / 2)[group])
