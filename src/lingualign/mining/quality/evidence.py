"""What a measure says of a pair, by how it is spread over good pairs and over damaged ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

_NORMAL = 1.4826  # a normal distribution's standard deviation in median absolute deviations


@dataclass(frozen=True, slots=True)
class Contrast:
    """How one measure differs between the pairs of a corpus and damaged ones.

    Both are taken to be normal, each about its median, with one scale: the root mean square of both median absolute
    deviations, and of what the measure can tell apart at all. The log of the ratio of their densities is then linear
    in the measure (linear discriminant analysis of one variable), and a few damaged pairs among those of the corpus
    move neither the median nor the scale far.

    Parameters
    ----------
    usual, damaged
        Medians.
    scale
        Above 0.
    """

    usual: float
    damaged: float
    scale: float

    @classmethod
    def between(
        cls, usual: npt.NDArray[np.float64], damaged: npt.NDArray[np.float64], resolution: float
    ) -> Contrast | None:
        """Learn it from values, of which NaN are ignored; None where one of the two has no other.

        Parameters
        ----------
        usual, damaged
            Of the pairs of a corpus, and of damaged ones.
        resolution
            The least difference that means anything; the scale never falls below half of it, also where most values
            are equal.
        """
        one, two = (values[~np.isnan(values)] for values in (usual, damaged))
        if not len(one) or not len(two):
            return None
        medians = [float(np.median(values)) for values in (one, two)]
        spreads = [
            _NORMAL * float(np.median(np.abs(values - median)))
            for values, median in zip((one, two), medians, strict=True)
        ]
        return cls(
            medians[0],
            medians[1],
            float(np.sqrt((spreads[0] ** 2 + spreads[1] ** 2) / 2 + (resolution / 2) ** 2)),
        )

    def log_odds(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Log odds that pairs are as usual and not damaged, where both are as likely beforehand; NaN of NaN."""
        odds: npt.NDArray[np.float64] = (
            (self.usual - self.damaged) / self.scale**2 * (values - (self.usual + self.damaged) / 2)
        )
        return odds


def log_probability(*odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Log of the probability that none of several things is wrong, of which one at most is.

    Parameters
    ----------
    odds
        For each, the log odds that it is not, all being as likely beforehand. Where it is NaN nothing is known, and it
        counts for nothing.
    """
    total = np.zeros(len(odds[0]))
    for each in odds:
        total = np.logaddexp(total, np.where(np.isnan(each), -np.inf, -each))
    return -total
