"""What is measured of pairs, and what it says of them beside damaged copies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lingualign.mining.quality.evidence import Contrast, log_probability

if TYPE_CHECKING:
    import numpy.typing as npt

    Numbers = npt.NDArray[np.float64]

_COSINE = 1e-3  # of vectors in half precision
_LOG_ODDS = 1.0


@dataclass(frozen=True, slots=True)
class Measures:
    """Of some pairs, (pairs,) each."""

    margin: Numbers
    length: Numbers
    """Log of the ratio of the second side's length to the first's, in columns"""
    evenness: tuple[Numbers, Numbers]
    """How evenly the second side covers the first, and the first the second"""
    language: tuple[Numbers, Numbers]
    """Log odds that each side is in its language; NaN where that cannot be told"""

    def of(self, rows: npt.NDArray[np.int64]) -> Measures:
        """Those of some of the pairs."""
        evenness, language = ((one[rows], two[rows]) for one, two in (self.evenness, self.language))
        return Measures(self.margin[rows], self.length[rows], evenness, language)


@dataclass(frozen=True, slots=True)
class Copies:
    """Measures of pairs of a corpus that were damaged, of each kind of damage those that it changes."""

    margin: Numbers
    """Of pairs put together at random"""
    half_target: tuple[Numbers, Numbers]
    """Length ratio, and how evenly half of the second side covers the first"""
    half_source: tuple[Numbers, Numbers]
    """The same with the sides exchanged"""
    language: tuple[Numbers, Numbers]
    """Log odds that each side's language is that of the other side"""


def log_probabilities(
    pairs: Measures, usual: Measures, copies: Copies, columns: float
) -> tuple[Numbers, Numbers, Numbers]:
    """Judge pairs: logs of the probabilities that they mean the same, are whole, and are in their languages.

    Parameters
    ----------
    pairs
        The pairs to judge.
    usual, copies
        Of the corpus that they are judged by, and of damaged copies of its pairs.
    columns
        How long its sentences typically are; a length ratio tells no less than one column of that apart.

    Returns
    -------
    three ndarrays of float64, (pairs,) each
    """
    meaning = Contrast.between(usual.margin, copies.margin, _COSINE)
    same = log_probability(_rising(meaning, pairs.margin))
    shorter = []
    for damaged, length, side in ((copies.half_target, 1, 0), (copies.half_source, -1, 1)):
        ratio = Contrast.between(length * usual.length, length * damaged[0], 1 / max(columns, 1))
        even = Contrast.between(usual.evenness[side], damaged[1], _COSINE)
        shorter.append(_rising(ratio, length * pairs.length) + _rising(even, pairs.evenness[side]))
    whole = log_probability(*shorter)
    sides = []
    for one, two, judged in zip(usual.language, copies.language, pairs.language, strict=True):
        spoken = Contrast.between(one, two, _LOG_ODDS)
        known = spoken is not None and spoken.usual > spoken.damaged
        sides.append(log_probability(_rising(spoken, judged)) if known else np.zeros(len(judged)))
    return same, whole, sides[0] + sides[1]


def _rising(contrast: Contrast | None, values: Numbers) -> Numbers:
    """Log odds by a measure that damage lowers; 0 where the corpus shows nothing of that."""
    if contrast is None or contrast.usual <= contrast.damaged:
        return np.zeros(len(values))
    return contrast.log_odds(values)
