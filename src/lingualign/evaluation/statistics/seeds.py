"""Several seeds of one way of training as repeated measures: how far its mean over seeds is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.evaluation.statistics.bootstrap import RESAMPLES, SEED

if TYPE_CHECKING:
    import numpy.typing as npt

DRAWS = 10
"""Draws of seeds for each resample of the sentences."""


def seed_noise(figures: npt.ArrayLike, group: int = 0) -> npt.NDArray[np.float64]:
    """Draw how far the mean of a figure over all seeds may lie from its mean over those at hand.

    Drawing the s seeds themselves with replacement would say too little: three seeds spread over their resamples by
    a third less in variance than they do in truth, and know their own spread badly. The noise is therefore Student's
    t with s - 1 degrees of freedom times the standard error, as in the Behrens-Fisher interval.

    Parameters
    ----------
    figures
        (s,): the figure of each seed.
    group
        Groups with different numbers have independent draws, groups with the same number the same draws.

    Returns
    -------
    numpy.ndarray
        (`RESAMPLES`, `DRAWS`); for a single seed, which says nothing of others, (`RESAMPLES`, 1) zeros.

    References
    ----------
    Kim and Cohen (1998), "On the Behrens-Fisher problem: a review".
    """
    figures = np.asarray(figures, np.float64)
    seeds = len(figures)
    if seeds < 2:
        return np.zeros((RESAMPLES, 1))
    draws = np.random.default_rng([SEED, group, seeds]).standard_t(seeds - 1, size=(RESAMPLES, DRAWS))
    return np.asarray(draws * (figures.std(ddof=1) / np.sqrt(seeds)))


def bootstrap_p(replicates: npt.NDArray[np.float64]) -> float:
    """Two-sided p-value of a difference from its replicates: the level at which an interval would reach 0."""
    replicates = replicates.ravel()
    tail = min((replicates <= 0).sum(), (replicates >= 0).sum())
    return float(min(1.0, 2 * (1 + tail) / (1 + len(replicates))))
