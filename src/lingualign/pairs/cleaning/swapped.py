"""Pairs whose sides are in each other's language: columns, or the languages in a file's name, in the wrong order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lingualign.pairs.characters import columns, each_run
from lingualign.pairs.cleaning.filter import SIDES, one_array, rows_of_languages
from lingualign.pairs.cleaning.language import SHORTEST, identify, known_languages, same_language

if TYPE_CHECKING:
    import pyarrow as pa

    from lingualign.pairs.selection import Mask, Numbers

_SURE = 0.8
_FIRST, _THEN_EVERY = 200, 64
_FEWEST = 3


@dataclass(frozen=True)
class Swapped:
    """Most pairs of a file or corpus, of those that show it, are in each other's language."""

    where: str
    lang1: str
    lang2: str
    """Languages that the sides were said to be in."""
    swapped: int
    shown: int
    """Pairs looked at that show which side is in which language."""

    def __str__(self) -> str:
        """Word it as a warning."""
        return (
            f"the sides of {self.where} look swapped: {self.swapped:,} of {self.shown:,} pairs looked at are "
            f"{self.lang2}-{self.lang1}, not {self.lang1}-{self.lang2}; exchange the columns, or the languages that "
            "they or the file are named by"
        )


class SwappedSides:
    """Looks for swapped sides as pairs come by: the first 200 of each file and language pair, then every 64th.

    A pair is swapped where a side is identified as the other side's language and neither as its own.
    """

    def __init__(self) -> None:
        self._read: Counter[tuple[str, str, str]] = Counter()
        self._shown: Counter[tuple[str, str, str]] = Counter()
        self._swapped: Counter[tuple[str, str, str]] = Counter()

    def look_at(self, where: str, pairs: pa.Table) -> None:
        """Look at the next pairs of a file or corpus, with the sides as they stand there."""
        for lang1, first in rows_of_languages(pairs["lang1"]):
            for lang2, second in rows_of_languages(pairs["lang2"].take(first)):
                self._look_at_language_pair((where, lang1, lang2), pairs, first[second])

    def _look_at_language_pair(self, group: tuple[str, str, str], pairs: pa.Table, rows: Numbers) -> None:
        _, lang1, lang2 = group
        places = np.arange(len(rows)) + self._read[group]
        self._read[group] += len(rows)
        if same_language(lang1, lang2) or not {lang1, lang2} & known_languages():
            return
        looked_at = pairs.take(rows[(places < _FIRST) | (places % _THEN_EVERY == 0)])
        own = np.zeros(looked_at.num_rows, np.bool_)
        other = own.copy()
        for (side, _), language, others in zip(SIDES, (lang1, lang2), (lang2, lang1), strict=True):
            is_own, is_other = _languages(one_array(looked_at[side]), language, others)
            own |= is_own
            other |= is_other
        self._shown[group] += int((own | other).sum())
        self._swapped[group] += int((other & ~own).sum())

    def found(self) -> list[Swapped]:
        """Name the files or corpora, by language pair, of which most pairs are swapped."""
        return [
            Swapped(*group, self._swapped[group], shown)
            for group, shown in self._shown.items()
            if self._swapped[group] >= _FEWEST and 2 * self._swapped[group] > shown
        ]


def _languages(sentences: pa.LargeStringArray, *languages: str) -> list[Mask]:
    """For each language, which sentences are identified as it."""
    long_enough = each_run(sentences, columns) >= SHORTEST
    _, codes = identify(sentences.filter(long_enough), _SURE)
    masks = []
    for language in languages:
        mask = np.zeros(len(sentences), np.bool_)
        mask[long_enough] = [code is not None and same_language(language, code) for code in codes]
        masks.append(mask)
    return masks
