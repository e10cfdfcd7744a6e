"""Several seeds of one way of training as repeated measures: how far its mean over seeds is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lingualign.evaluation.statistics.influence import combine_sets, error_of_sets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lingualign.evaluation.statistics.influence import Influence


@dataclass(frozen=True, slots=True)
class SeedError:
    """How far the mean over a few seeds lies from the mean over all."""

    variance: float
    """Variance of the mean, by the spread of the seeds' figures on the rows at hand."""
    of_rows: float
    """The part of it that comes of the rows and not of the seeds: outcomes that differ from seed to seed."""
    freedom: float
    """Degrees of freedom of the variance: one less than the seeds."""


def seed_error(figures: Sequence[float], influences: Sequence[dict[int, Influence]]) -> SeedError:
    """Give the error that comes of taking a few seeds for all.

    The spread of the seeds' figures holds what other rows would have changed for one seed and not for another. The
    error over rows holds it too, so that it is told apart here, to be counted once.

    Parameters
    ----------
    figures
        (s,): the figure of each of two seeds or more.
    influences
        The influence on each.
    """
    seeds = len(figures)
    mean = [1 / seeds] * seeds
    of_rows = 0.0
    for seed in range(seeds):
        weights = [-each for each in mean]
        weights[seed] += 1
        of_rows += error_of_sets(combine_sets(influences, weights)).variance
    return SeedError(float(np.var(figures, ddof=1)) / seeds, of_rows / (seeds - 1) / seeds, seeds - 1.0)
