"""The short filters, and the table of all: see `FILTERS`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from lingualign.constraints import check_limits
from lingualign.errors import InputError
from lingualign.pairs.characters import LETTER, MARK, SPACE, Characters, columns, each_run, kinds, words
from lingualign.pairs.cleaning.judging import either_side, one_array
from lingualign.pairs.cleaning.language import Language
from lingualign.pairs.cleaning.mojibake import Mojibake
from lingualign.pairs.cleaning.near_duplicates import NearDuplicates
from lingualign.pairs.cleaning.script import Script
from lingualign.pairs.normalisation import sentence_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from lingualign.pairs.cleaning.judging import Filter
    from lingualign.pairs.config import CleaningConfig
    from lingualign.pairs.selection import Mask

_ALLOWANCE = 15
_LONGEST_PERIOD = 8
_TIMES = 4
_EXAMPLES = 5

# Only known elements: text about programs has other angle brackets (<module>, vector<int>).
_ELEMENTS = (
    "a|abbr|article|aside|b|big|blockquote|body|br|button|center|cite|code|dd|del|div|dl|dt|em|figure|font|footer|form|"
    "h[1-6]|head|header|hr|html|i|iframe|img|input|ins|label|li|link|meta|nav|nobr|noscript|ol|option|p|pre|q|s|script|"
    "section|select|small|span|strike|strong|style|sub|sup|table|tbody|td|textarea|tfoot|th|thead|title|tr|tt|u|ul|video"
)
_ATTRIBUTES = r"""(?:\s+[a-zA-Z:-]+\s*=\s*["'\w][^<>]*)?"""
_REFERENCES = r"&(?:#\d{2,6}|#x[\da-f]{2,5}|amp|lt|gt|quot|apos|nbsp);"
_MARKUP = rf"(?i)</?(?:{_ELEMENTS}){_ATTRIBUTES}\s*/?>|<!--|<!doctype|{_REFERENCES}"


class IdenticalSides:
    """Pairs whose sides differ only in case, punctuation and white space."""

    reason = "identical sides"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        first, second = (sentence_keys(pairs[side]) for side in ("sentence1", "sentence2"))
        return np.asarray(first == second, np.bool_)


@dataclass(frozen=True)
class Length:
    """Pairs with too few or too many characters or words in a side."""

    characters: tuple[int, int]
    words: tuple[int, int]
    reason = "length"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        return either_side(pairs, self._outside)

    def _outside(self, sentences: pa.LargeStringArray) -> Mask:
        characters = pc.utf8_length(sentences).to_numpy(zero_copy_only=False)
        counted = each_run(sentences, words)
        least, most = self.characters
        least_words, most_words = self.words
        return np.asarray(
            (characters < least) | (characters > most) | (counted < least_words) | (counted > most_words),
            np.bool_,
        )


@dataclass(frozen=True)
class LengthRatio:
    """Pairs with one side much longer than the other.

    Lengths are in columns: see `columns`. A few columns are added to both, so that "No." may translate "Certainly
    not.".
    """

    most: float
    reason = "length ratio"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        first, second = (
            each_run(one_array(pairs[side]), columns) + _ALLOWANCE for side in ("sentence1", "sentence2")
        )
        return np.asarray(np.maximum(first, second) > self.most * np.minimum(first, second), np.bool_)


@dataclass(frozen=True)
class FewLetters:
    """Pairs with too small a share of letters in a side, white space not counted."""

    least: float
    reason = "few letters"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        return either_side(pairs, lambda sentences: each_run(sentences, self._few))

    def _few(self, characters: Characters) -> Mask:
        kind = kinds(characters.points)
        letters = characters.count((kind & (LETTER | MARK)) > 0)
        return np.asarray(letters < self.least * characters.count((kind & SPACE) == 0), np.bool_)


@dataclass(frozen=True)
class Repetition:
    """Pairs with a side that repeats up to eight characters four times or more, over ``most`` characters or more.

    Examples: "aaaaaaaaaaaa", "hahahahahaha" and "no, no, no, no,".
    """

    most: int
    reason = "repeated characters"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        return either_side(pairs, lambda sentences: each_run(sentences, self._repeats))

    def _repeats(self, characters: Characters) -> Mask:
        points = characters.points
        found = np.zeros(len(characters.lengths), np.bool_)
        for period in range(1, min(_LONGEST_PERIOD, len(points) - 1) + 1):
            # A run of `least` equal comparisons is a stretch of `least + period` characters.
            least = max(self.most, _TIMES * period) - period
            differs = np.flatnonzero(points[period:] != points[:-period])
            edges = np.concatenate([[-1], differs, [len(points) - period]])
            long = np.flatnonzero(np.diff(edges) - 1 >= least)
            for begin, end in zip(
                (edges[long] + 1).tolist(), (edges[long + 1] + period).tolist(), strict=True
            ):
                if not (kinds(points[begin : begin + period]) & SPACE).all():
                    _mark(found, characters, begin, end, least + period)
        return found


def _mark(found: Mask, characters: Characters, begin: int, end: int, least: int) -> None:
    """Mark the sentences with ``least`` characters or more in a stretch, which may run over several sentences."""
    ends = characters.ends
    for row in range(int(np.searchsorted(ends, begin, side="right")), len(ends)):
        start = ends[row] - characters.lengths[row]
        if start >= end:
            return
        found[row] |= min(end, ends[row]) - max(begin, start) >= least


class Markup:
    """Pairs with HTML in a side: a tag of a known element, a comment, or a character reference."""

    reason = "markup"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        return either_side(pairs, self._has_markup)

    def _has_markup(self, sentences: pa.LargeStringArray) -> Mask:
        return np.asarray(
            pc.match_substring_regex(sentences, _MARKUP).to_numpy(zero_copy_only=False), np.bool_
        )


@dataclass
class Reported:
    """Counts the hits of another filter, keeps a few examples, and drops nothing."""

    filter: Filter
    found: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)
    """Both sides of some of the pairs found."""

    @property
    def reason(self) -> str:
        """Reason of the other filter."""
        return self.filter.reason

    def __call__(self, pairs: pa.Table) -> Mask:
        """Count hits; returns a mask that drops nothing."""
        mask = self.filter(pairs)
        self.found += int(mask.sum())
        # One per table, so that they come from several corpora.
        for row in np.flatnonzero(mask)[: len(self.examples) < _EXAMPLES].tolist():
            self.examples.append((pairs["sentence1"][row].as_py(), pairs["sentence2"][row].as_py()))
        return np.zeros(len(mask), np.bool_)


@dataclass(frozen=True)
class CleaningFilter:
    """A row of `FILTERS`.

    Parameters
    ----------
    keys
        Settings of `CleaningConfig` that the filter takes. It is off where the first one is false or null.
    make
        Maker of the filter from the values of these settings.
    """

    keys: tuple[str, ...]
    make: Callable[..., Filter]

    def settings(self, config: CleaningConfig) -> list[Any]:
        """Return the values of the keys in a configuration; none if the filter is off."""
        values = [getattr(config, key) for key in self.keys]
        return [] if values[0] is None or values[0] is False else values


FILTERS: tuple[CleaningFilter, ...] = (
    CleaningFilter(("identical_sides",), lambda _: IdenticalSides()),
    CleaningFilter(
        ("min_characters", "max_characters", "min_words", "max_words"),
        lambda least, most, least_words, most_words: Length((least, most), (least_words, most_words)),
    ),
    CleaningFilter(("length_ratio",), LengthRatio),
    CleaningFilter(("letters",), FewLetters),
    CleaningFilter(("repetition",), Repetition),
    CleaningFilter(("script",), Script),
    CleaningFilter(("markup",), lambda _: Markup()),
    CleaningFilter(("mojibake",), lambda _: Mojibake()),
    CleaningFilter(("language",), Language),
    CleaningFilter(("near_duplicates",), NearDuplicates),
)
"""The filters of a configuration in the order of their application, the cheap ones first.

Their help is that of their keys in `CleaningConfig`; docs/pairs.md has a line for each.
"""


def cleaning_filters(config: CleaningConfig) -> list[Filter]:
    """Return the filters of a configuration, the cheap ones first.

    The filter by cosine needs a model: see `lingualign.embedding.CosineFilter`.

    Parameters
    ----------
    config
        Thresholds: see `CleaningConfig`.

    Raises
    ------
    InputError
        If a value is out of range.
    """
    _check(config)
    return [row.make(*settings) for row in FILTERS if (settings := row.settings(config))]


def _check(config: CleaningConfig) -> None:
    check_limits(config, "cleaning")
    for unit in ("characters", "words"):
        least, most = getattr(config, f"min_{unit}"), getattr(config, f"max_{unit}")
        if not 0 <= least <= most:
            raise InputError(
                f"cleaning.min_{unit} is {least} and cleaning.max_{unit} {most}; the first must be 0 or more and "
                "the second no less than it"
            )
    if config.cosine is not None and config.model is None:
        raise InputError(
            "cleaning.cosine is given without cleaning.model; name the model whose cosine is meant"
        )
    if config.cosine is not None and not -1 <= config.cosine <= 1:
        raise InputError(f"cleaning.cosine is {config.cosine}; a cosine is between -1 and 1")
