"""Measures of pairs, and the probability of a good pair given the measures of good and of damaged pairs.

Evenness, computed here, measures how evenly a translation covers its source: a lost part is hardly covered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lingualign.neighbours import unit_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Encode = Callable[[list[str]], npt.NDArray[np.float16]]
    Numbers = npt.NDArray[np.float64]


PARTS = 4


def cut(sentence: str, parts: int) -> list[str]:
    """Cut a sentence into parts of about equal length, at a nearby blank if there is one.

    The whole sentence replaces an empty part: a sentence too short to be cut is covered evenly.
    """
    size = len(sentence) / parts
    places = [0]
    for number in range(1, parts):
        place = round(number * size)
        blanks = sentence.rfind(" ", 0, place + 1), sentence.find(" ", place)
        near = [blank for blank in blanks if blank >= 0 and abs(blank - place) < size / 2]
        places.append(min(near, key=lambda blank: abs(blank - place)) if near else place)
    ends = [*places[1:], len(sentence)]
    return [sentence[start:end].strip() or sentence for start, end in zip(places, ends, strict=True)]


def encode_parts(encode: Encode, sentences: Sequence[str]) -> npt.NDArray[np.float32]:
    """Encode the parts of sentences: (PARTS, sentences, d), of length 1."""
    texts = [part for sentence in sentences for part in cut(sentence, PARTS)]
    vectors = unit_rows(encode(texts))
    return vectors.reshape(len(sentences), PARTS, -1).swapaxes(0, 1)


def evenness(
    parts: npt.NDArray[np.float32], own: npt.NDArray[np.float32], other: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    r"""Return how evenly translations cover the parts of sentences: (sentences,), 0 for evenly, lower for less.

    The coverage of a part p of a sentence x by its translation y is ``cos(p, y) - cos(p, x) cos(x, y)``: the cosine of
    p and y minus that which p's share in x explains. The measure is the negative standard deviation of the coverage
    over the parts.

    Parameters
    ----------
    parts
        Vectors of the parts, (PARTS, sentences, d).
    own, other
        Vectors of the sentences and of their translations, (sentences, d). All vectors have length 1.
    """
    alike = np.einsum("id,id->i", own, other)
    covered = np.einsum("pid,id->pi", parts, other) - np.einsum("pid,id->pi", parts, own) * alike
    spread: npt.NDArray[np.float64] = covered.std(axis=0, dtype=np.float64)
    return -spread


_NORMAL = 1.4826  # a normal distribution's standard deviation in median absolute deviations


@dataclass(frozen=True, slots=True)
class Contrast:
    """Difference of one measure between the pairs of a corpus and damaged ones.

    Both distributions are modelled as normal about their medians with one scale: the root mean square of both median
    absolute deviations and of the measure's resolution. The log of the ratio of their densities is then linear in the
    measure (linear discriminant analysis of one variable). A few damaged pairs in the corpus hardly move the median or
    the scale.

    Parameters
    ----------
    usual, damaged
        Medians of the corpus and of the damaged pairs.
    scale
        Common scale, above 0.
    """

    usual: float
    damaged: float
    scale: float

    @classmethod
    def between(
        cls, usual: npt.NDArray[np.float64], damaged: npt.NDArray[np.float64], resolution: float
    ) -> Contrast | None:
        """Fit a contrast to values, ignoring NaN; None if one side has no other values.

        Parameters
        ----------
        usual, damaged
            Values of the pairs of a corpus, and of damaged ones.
        resolution
            Least meaningful difference. The scale is at least half of it, also where most values are equal.
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
        """Return the log odds that pairs are usual, not damaged, with equal priors; NaN for NaN."""
        odds: npt.NDArray[np.float64] = (
            (self.usual - self.damaged) / self.scale**2 * (values - (self.usual + self.damaged) / 2)
        )
        return odds


def log_probability(*odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the log probability that no fault is present, where at most one of several can be.

    Parameters
    ----------
    odds
        Log odds against each fault, with equal priors; a fault whose odds are NaN is ignored.
    """
    total = np.zeros(len(odds[0]))
    for each in odds:
        total = np.logaddexp(total, np.where(np.isnan(each), -np.inf, -each))
    return -total


_COSINE = 1e-3  # of vectors in half precision
_LOG_ODDS = 1.0


@dataclass(frozen=True, slots=True)
class Measures:
    """Measures of some pairs, (pairs,) each."""

    margin: Numbers
    length: Numbers
    """Log of the ratio of the second side's length to the first's, in columns"""
    evenness: tuple[Numbers, Numbers]
    """Evenness of the second side's cover of the first, and of the first's of the second"""
    language: tuple[Numbers, Numbers]
    """Log odds that each side is in its language; NaN if unknown"""

    def of(self, rows: npt.NDArray[np.int64]) -> Measures:
        """Return the measures of some of the pairs."""
        evenness, language = ((one[rows], two[rows]) for one, two in (self.evenness, self.language))
        return Measures(self.margin[rows], self.length[rows], evenness, language)


@dataclass(frozen=True, slots=True)
class Copies:
    """Measures of damaged pairs of a corpus: for each kind of damage those that it changes."""

    margin: Numbers
    """Margins of random pairs"""
    half_target: tuple[Numbers, Numbers]
    """Length ratio, and evenness of the cover of the first side by half of the second"""
    half_source: tuple[Numbers, Numbers]
    """The same with the sides exchanged"""
    language: tuple[Numbers, Numbers]
    """Log odds that each side's language is that of the other side"""


def log_probabilities(
    pairs: Measures, usual: Measures, copies: Copies, columns: float
) -> tuple[Numbers, Numbers, Numbers]:
    """Return the log probabilities that pairs mean the same, are whole, and are in their languages.

    Parameters
    ----------
    pairs
        Measures of the pairs to judge.
    usual, copies
        Measures of the reference corpus, and of damaged copies of its pairs.
    columns
        Typical length of its sentences; one column of it is the resolution of a length ratio.

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
        separable = spoken is not None and spoken.usual > spoken.damaged
        sides.append(log_probability(_rising(spoken, judged)) if separable else np.zeros(len(judged)))
    return same, whole, sides[0] + sides[1]


def _rising(contrast: Contrast | None, values: Numbers) -> Numbers:
    """Return log odds by a measure that damage lowers; 0 if it does not lower it in the corpus."""
    if contrast is None or contrast.usual <= contrast.damaged:
        return np.zeros(len(values))
    return contrast.log_odds(values)
