"""Sentences as one run of code points, and what is known of each character, looked up in a table.

What a character is does not depend on its neighbours, so that a filter over characters is a table look-up and a sum
over each sentence, at tens of millions of characters a second.
"""

from __future__ import annotations

import itertools
import sys
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Numbers = npt.NDArray[np.int64]

_CHARACTERS_AT_ONCE = 1 << 20  # temporary arrays stay near the size of the processor's cache
_UNSEEN = 255

LETTER, MARK, SPACE, WIDE = 1, 2, 4, 8
"""Bits of a character's kind: see `kinds`."""


@dataclass(frozen=True)
class Characters:
    """Sentences laid end to end."""

    points: npt.NDArray[np.uint32]
    """Code points."""
    ends: Numbers
    """Where each sentence ends."""
    lengths: Numbers
    """Characters of each sentence."""

    def count(self, marked: npt.NDArray[Any]) -> Numbers:
        """Sum marks or small numbers, one a character, over each sentence."""
        sums = np.concatenate([[0], np.cumsum(marked, dtype=np.int64)])
        return np.asarray(sums[self.ends] - sums[self.ends - self.lengths], np.int64)

    @property
    def starts(self) -> npt.NDArray[np.bool_]:
        """Which characters begin a sentence."""
        begins = np.zeros(len(self.points) + 1, np.bool_)
        begins[self.ends - self.lengths] = True
        return begins[:-1]


_NONE = Characters(np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0, np.int64))


class CharacterTable:
    """A number below 255 for each character, worked out when the character is first met."""

    def __init__(self, value: Callable[[str], int]) -> None:
        self._value = value
        self._table = np.full(sys.maxunicode + 1, _UNSEEN, np.uint8)

    def __call__(self, points: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
        """Look up code points."""
        values = self._table[points]
        unseen = points[values == _UNSEEN]
        if len(unseen):
            for point in np.unique(unseen).tolist():
                self._table[point] = self._value(chr(point))
            values = self._table[points]
        return np.asarray(values, np.uint8)


def each_run(sentences: pa.LargeStringArray, measure: Callable[[Characters], npt.NDArray[Any]]) -> Any:
    """Measure sentences a few thousand at a time; returns one number a sentence."""
    parts = [measure(run) for run in runs(sentences)]
    return np.concatenate(parts) if parts else measure(_NONE)


def runs(sentences: pa.LargeStringArray) -> Iterator[Characters]:
    """Cut sentences, without nulls, into runs of about a million characters."""
    ends = np.cumsum(pc.binary_length(sentences).to_numpy(zero_copy_only=False))
    if not len(ends):
        return
    cuts = np.searchsorted(ends, np.arange(_CHARACTERS_AT_ONCE, ends[-1] + 1, _CHARACTERS_AT_ONCE))
    bounds = np.unique(np.concatenate([[0], cuts, [len(ends)]])).tolist()
    for first, last in itertools.pairwise(bounds):
        yield _characters(sentences.slice(first, last - first))


def _characters(sentences: pa.LargeStringArray) -> Characters:
    lengths = pc.utf8_length(sentences).to_numpy(zero_copy_only=False).astype(np.int64)
    _, offsets, content = sentences.buffers()
    first, last = np.frombuffer(offsets, np.int64)[[sentences.offset, sentences.offset + len(sentences)]]
    text = str(content[int(first) : int(last)].to_pybytes(), "utf-8") if content else ""
    return Characters(np.frombuffer(text.encode("utf-32-le"), np.uint32), np.cumsum(lengths), lengths)


def _kind(char: str) -> int:
    category = unicodedata.category(char)
    return (
        LETTER * (category[0] == "L")
        | MARK * (category in ("Mn", "Mc", "Me", "Cf"))
        | SPACE * (char.isspace() or category[0] == "Z")
        | WIDE * (unicodedata.east_asian_width(char) in "WF")
    )


kinds = CharacterTable(_kind)
"""What a character is: the sum of LETTER, MARK (combining or invisible), SPACE and WIDE (two columns: CJK, Hangul)."""


def columns(characters: Characters) -> Numbers:
    """Measure sentences in columns: wide characters count two, combining and invisible ones none.

    So measured, the translations of a sentence are nearly as long in Chinese, Japanese and Korean as elsewhere.
    """
    kind = kinds(characters.points)
    return characters.count(1 + ((kind & WIDE) > 0) - ((kind & MARK) > 0).astype(np.int8))


def words(characters: Characters) -> Numbers:
    """Count words: runs between white space; an ideograph or a kana, which stand without spaces, each on its own."""
    kind = kinds(characters.points)
    space = (kind & SPACE) > 0
    alone = _unspaced(characters.points) == 1
    breaks = space | alone
    after_break = np.concatenate([[True], breaks[:-1]])[: len(breaks)] | characters.starts
    return characters.count(alone | (~breaks & after_break))


def _is_unspaced(char: str) -> int:
    name = unicodedata.name(char, "")
    return int(
        name.startswith(("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA LETTER", "KATAKANA LETTER"))
    )


_unspaced = CharacterTable(_is_unspaced)
