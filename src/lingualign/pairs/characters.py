"""Sentences as one run of code points, properties of characters, and the shingles of sentences.

A character's properties do not depend on its neighbours. A filter over characters is therefore a table look-up and a
sum over each sentence, at tens of millions of characters a second.

Sentences that are nearly the same share shingles: runs of six normalised characters, or of three if the first is a wide
one (an ideograph, a kana, a Hangul syllable). Case, punctuation and white space do not count.
"""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lingualign.pairs.normalisation import Keys, character_values, code_points, mix, sliced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

Numbers = npt.NDArray[np.int64]

_UNSEEN = 255

LETTER, MARK, SPACE, WIDE = 1, 2, 4, 8
"""Bits of a character's kind: see `kinds`."""


@dataclass(frozen=True)
class Characters:
    """Sentences laid end to end."""

    points: npt.NDArray[np.uint32]
    """Code points."""
    ends: Numbers
    """End of each sentence."""
    lengths: Numbers
    """Number of characters of each sentence."""

    def count(self, marked: npt.NDArray[Any]) -> Numbers:
        """Return the sum of marks or small numbers, one per character, over each sentence."""
        sums = np.concatenate([[0], np.cumsum(marked, dtype=np.int64)])
        return np.asarray(sums[self.ends] - sums[self.ends - self.lengths], np.int64)

    @property
    def starts(self) -> npt.NDArray[np.bool_]:
        """Mask of characters that begin a sentence."""
        begins = np.zeros(len(self.points) + 1, np.bool_)
        begins[self.ends - self.lengths] = True
        return begins[:-1]


_NONE = Characters(np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0, np.int64))


class CharacterTable:
    """A number below 255 for each character, computed at first use."""

    def __init__(self, value: Callable[[str], int]) -> None:
        self._value = value
        self._table = np.full(sys.maxunicode + 1, _UNSEEN, np.uint8)

    def __call__(self, points: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
        """Return the numbers of code points."""
        values = self._table[points]
        unseen = points[values == _UNSEEN]
        if len(unseen):
            for point in np.unique(unseen).tolist():
                self._table[point] = self._value(chr(point))
            values = self._table[points]
        return np.asarray(values, np.uint8)


def each_run(sentences: pa.LargeStringArray, measure: Callable[[Characters], npt.NDArray[Any]]) -> Any:
    """Measure sentences a few thousand at a time; returns one number per sentence."""
    parts = [measure(run) for run in runs(sentences)]
    return np.concatenate(parts) if parts else measure(_NONE)


def runs(sentences: pa.LargeStringArray) -> Iterator[Characters]:
    """Cut sentences, without nulls, into runs of about a million characters."""
    for part in sliced(sentences):
        points, lengths = code_points(part)
        yield Characters(points, np.cumsum(lengths), lengths)


@lru_cache(maxsize=1 << 16)
def script_of_letter(char: str) -> str:
    """Return the first word of a letter's Unicode name, its script, such as LATIN or CJK; empty without a name."""
    return unicodedata.name(char, "").partition(" ")[0].partition("-")[0]


def _kind(char: str) -> int:
    category = unicodedata.category(char)
    return (
        LETTER * (category[0] == "L")
        | MARK * (category in ("Mn", "Mc", "Me", "Cf"))
        | SPACE * (char.isspace() or category[0] == "Z")
        | WIDE * (unicodedata.east_asian_width(char) in "WF")
    )


kinds = CharacterTable(_kind)
"""Kind of a character: sum of LETTER, MARK (combining or invisible), SPACE and WIDE (two columns: CJK, Hangul)."""


def columns(characters: Characters) -> Numbers:
    """Return the lengths of sentences in columns: wide characters count two, combining and invisible ones none.

    In columns, translations into Chinese, Japanese and Korean are nearly as long as others.
    """
    kind = kinds(characters.points)
    return characters.count(1 + ((kind & WIDE) > 0) - ((kind & MARK) > 0).astype(np.int8))


def words(characters: Characters) -> Numbers:
    """Return the number of words: runs between white space, and each ideograph or kana."""
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


_NARROW, _WIDE = 6, 3
_MULTIPLIERS = mix(np.arange(1, 5, dtype=np.uint64)) | np.uint64(1)


def shingles(characters: Characters) -> tuple[Keys, Numbers]:
    """Return the shingles of sentences, one for each place where a whole one begins.

    Returns
    -------
    ndarray of uint64, shape (shingles,)
        64-bit hashes, in the order of the text.
    ndarray of int64, shape (shingles,)
        Sentence of each.
    """
    values = character_values(characters.points)
    kept = values != 0
    lengths = characters.count(kept)
    wide = (kinds(characters.points)[kept] & WIDE) > 0
    values = values[kept]
    count = len(values)
    padded = np.concatenate([values, np.zeros(_NARROW, np.uint64)])
    first, second, third, fourth = _MULTIPLIERS
    three = padded[:-2] * first + padded[1:-1] * second + padded[2:] * third
    six = three[:count] * fourth + three[_WIDE : count + _WIDE]
    hashes = mix(np.where(wide, three[:count], six))
    rows = np.repeat(np.arange(len(lengths)), lengths)
    whole = np.arange(count) + np.where(wide, _WIDE, _NARROW) <= np.cumsum(lengths)[rows]
    return hashes[whole], rows[whole]


def distinct(hashes: Keys, rows: Numbers) -> tuple[Keys, Numbers]:
    """Return each sentence's distinct shingles, sorted by sentence, then by hash."""
    # One key sorts several times faster than two; 40 bits of a hash tell the shingles of a sentence apart.
    order = np.argsort((rows.astype(np.uint64) << np.uint64(40)) | (hashes >> np.uint64(24)))
    hashes, rows = hashes[order], rows[order]
    first = np.ones(len(hashes), np.bool_)
    first[1:] = (hashes[1:] != hashes[:-1]) | (rows[1:] != rows[:-1])
    return hashes[first], rows[first]
