"""Equality of sentences: NFKC, lower-cased, without punctuation, white space and invisible characters.

`normalise` is plain Python. `sentence_keys` returns a 64-bit number for each sentence, equal if `normalise` is equal,
at several times the speed of Arrow's string kernels. Most characters normalise independently of their neighbours, so a
table from code point to number replaces the work. Sentences with a character that depends on its neighbours (combining
marks, capital sigma) or becomes several go through `normalise`.
"""

from __future__ import annotations

import itertools
import os
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import re

Keys = npt.NDArray[np.uint64]

_CHARACTERS_AT_ONCE = 1 << 20  # temporary arrays stay near the size of the processor's cache
_DROPPED, _IN_CONTEXT, _UNSEEN = np.uint64(0), np.uint64(1), np.uint64(2)

# Letters or symbols by category, but written for an apostrophe, a quotation mark or a dash.
_PUNCTUATION = "ʹʺʻʼʽʾʿˈˮ˗ꞌߴߵ`−"
# The same, removed before NFKC turns them into a space and a combining mark, or a tilde.
_PUNCTUATION_BEFORE_NFKC = dict.fromkeys(map(ord, "´΄᾽᾿´῾～"))
# The tatweel of Arabic and that of N'Ko stretch a line; they are not letters.
_STRETCHES = "\u0640\u07fa"
_LOOK_ALIKE = {
    # comma below, as a font may draw a cedilla
    "\u0326": "\u0327",
    "ș": "ş",
    "ț": "ţ",
    # Arabic letters that differ by keyboard
    **dict.fromkeys("ىی", "ي"),
    **dict.fromkeys("ہھە", "ه"),
    **dict.fromkeys("ۀۂ", "ه\u0654"),
    "ک": "ك",
    "ٱ": "ا",
    **dict(zip("۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩", strict=True)),
    # Cyrillic (and a Greek) letters that are drawn as Latin ones
    **dict(zip("аеорсухіјѕһԁԛԝәӕёїѐο", "aeopcyxijshdqwəæëïèo", strict=True)),
    # the other i of Turkish, whose capital is I
    "ı": "i",
    # letters of their own that were written with a joiner before
    **dict(zip("ൺൻർൽൾൿৎ", ("ണ്", "ന്", "ര്", "ല്", "ള്", "ക്", "ত্"), strict=True)),
}


def normalise(text: str) -> str:
    r"""Reduce a sentence to its identity.

    NFKC, then lower case, then NFC of the rest without

    - punctuation (the Unicode categories P*, and letters and symbols that are written for an apostrophe, a quotation
      mark or a dash), separators (Z*) and all white space;
    - invisible characters: Default_Ignorable_Code_Point (soft hyphen, zero-width space and joiners, marks of direction,
      variation selectors), and the tatweel;
    - the points of Hebrew and Arabic, with which a text may be vowelled.

    Letters that look alike and are confused are one: ş and ș, ك and ک, the Cyrillic and the Latin a. Other symbols
    (S*: ``+``, ``<``, ``$``, emoji) stay, since "a < b" and "a > b" differ; digits and all other combining marks stay.

    Examples
    --------
    >>> normalise("Ｈello,  “Wor\u00adld”!")
    'helloworld'
    """
    lowered = unicodedata.normalize("NFKC", text.translate(_PUNCTUATION_BEFORE_NFKC)).lower()
    # The lower case of the Turkish capital İ is an i with a second dot.
    return unicodedata.normalize("NFC", lowered.replace("i\u0307", "i").translate(_KEPT))


class _Kept(dict[int, str | None]):
    """Mapping of characters of NFKC in lower case to another, several, or None, computed at first use."""

    def __missing__(self, point: int) -> str | None:
        char = chr(point)
        self[point] = None if self._is_dropped(char) else _LOOK_ALIKE.get(char, char)
        return self[point]

    @staticmethod
    def _is_dropped(char: str) -> bool:
        return (
            char.isspace()
            or unicodedata.category(char)[0] in "PZ"
            or char in _PUNCTUATION
            or char in _STRETCHES
            or bool(_unseen().match(char))
        )


_KEPT = _Kept()


@lru_cache(maxsize=1)
def _unseen() -> re.Pattern[str]:
    """Match a character that is not drawn, or a vowel point of Hebrew or Arabic."""
    import regex

    # Maddah and hamza (U+0653 to U+0655) are parts of letters.
    points = r"[\p{Mn}&&[\p{sc=Hebr}\p{scx=Arab}]--[\u0653-\u0655]]"
    pattern: re.Pattern[str] = regex.compile(rf"\p{{DI}}|{points}", regex.VERSION1)
    return pattern


def sentence_keys(sentences: pa.Array | pa.ChunkedArray) -> Keys:
    """Return a number for each sentence, equal for those that `normalise` to the same text.

    Parameters
    ----------
    sentences
        Strings, no nulls.

    Returns
    -------
    numpy.ndarray
        ``uint64``, shape (sentences,), the same on every machine. Two different texts share a key with a chance of
        about 2**-64.
    """
    chunks = sentences.chunks if isinstance(sentences, pa.ChunkedArray) else [sentences]
    slices = [part for chunk in chunks for part in sliced(chunk.cast(pa.large_string()))]
    if len(slices) < 2:
        return _keys_of(slices[0]) if slices else np.empty(0, np.uint64)
    # numpy releases the interpreter's lock; threads write equal values to what they share.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return np.concatenate(list(threads.map(_keys_of, slices)))


def character_values(points: npt.NDArray[np.uint32]) -> Keys:
    """Return a number for each character, equal for those that `normalise` alike; 0 for removed ones."""
    values = _values(points)
    in_context = np.flatnonzero(values == _IN_CONTEXT)
    values[in_context] = _normalised_values(points[in_context])
    return values


def mix(values: Keys) -> Keys:
    """Scramble 64-bit numbers, one to one (the finaliser of SplitMix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def sliced(sentences: pa.LargeStringArray) -> list[pa.LargeStringArray]:
    """Cut sentences, without nulls, into runs of about a million characters."""
    ends = np.cumsum(pc.binary_length(sentences).to_numpy(zero_copy_only=False))
    if not len(ends):
        return []
    cuts = np.searchsorted(ends, np.arange(_CHARACTERS_AT_ONCE, ends[-1] + 1, _CHARACTERS_AT_ONCE))
    bounds = np.unique(np.concatenate([[0], cuts, [len(ends)]]))
    return [sentences.slice(a, b - a) for a, b in itertools.pairwise(bounds)]


def _keys_of(sentences: pa.LargeStringArray) -> Keys:
    points, lengths = code_points(sentences)
    ends = np.cumsum(lengths)
    values = _values(points)
    keys = _hash(values, lengths, ends)

    in_context = np.flatnonzero(values == _IN_CONTEXT)
    for row in np.unique(np.searchsorted(ends, in_context, side="right")):
        plain = normalise(sentences[int(row)].as_py())
        own = _normalised_values(np.frombuffer(plain.encode("utf-32-le"), np.uint32))
        keys[row] = _hash(own, np.array([len(own)]), np.array([len(own)]))[0]
    return keys


def code_points(sentences: pa.LargeStringArray) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Return the code points of all sentences, end to end, and the number of each sentence's."""
    lengths = pc.utf8_length(sentences).to_numpy(zero_copy_only=False).astype(np.int64)
    _, offsets, content = sentences.buffers()
    first, last = np.frombuffer(offsets, np.int64)[[sentences.offset, sentences.offset + len(sentences)]]
    text = str(content[int(first) : int(last)].to_pybytes(), "utf-8") if content else ""
    return np.frombuffer(text.encode("utf-32-le"), np.uint32), lengths


def _hash(values: Keys, lengths: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]) -> Keys:
    """Return the multilinear hash (Lemire and Kaser 2014) of each run of values, without the dropped ones.

    The hash is a sum over the kept values, each multiplied by a fixed odd number of its position among them.
    """
    kept = np.cumsum(values != _DROPPED, dtype=np.int32)
    kept_before = np.concatenate([[0], kept])[ends - lengths].astype(np.int32)
    positions = kept - np.repeat(kept_before, lengths)
    terms = values * _multipliers(int(positions.max(initial=0)))[positions]
    sums = np.zeros(len(lengths), np.uint64)
    filled = np.flatnonzero(lengths)
    if len(filled):
        sums[filled] = np.add.reduceat(terms, (ends - lengths)[filled])
    return mix(sums)


@lru_cache(maxsize=4)
def _multipliers_of(count: int) -> Keys:
    return mix(np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)


def _multipliers(last: int) -> Keys:
    return _multipliers_of(1 << max(10, last.bit_length()))


@lru_cache(maxsize=1)
def _value_table() -> Keys:
    """Cache of `_value` by code point."""
    return np.full(sys.maxunicode + 1, _UNSEEN, np.uint64)


def _values(points: npt.NDArray[np.uint32]) -> Keys:
    table = _value_table()
    values = table[points]
    unseen = np.unique(points[values == _UNSEEN])
    if len(unseen):
        table[unseen] = [_value(chr(point)) for point in unseen.tolist()]
        values = table[points]
    return values


def _normalised_values(points: npt.NDArray[np.uint32]) -> Keys:
    """Return the values of characters that are normalised already."""
    return mix(points.astype(np.uint64) + np.uint64(0x5EED)) | np.uint64(4)


def _value(char: str) -> np.uint64:
    """Return a character's value, `_DROPPED`, or `_IN_CONTEXT` if its neighbours matter."""
    normalised = normalise(char)
    if not normalised and char not in _composing():
        return _DROPPED
    composed = unicodedata.normalize("NFKC", char)
    in_context = composed[0] in _composing() or any(map(unicodedata.combining, composed)) or "Σ" in composed
    if in_context or len(normalised) > 1:
        return _IN_CONTEXT
    return np.uint64(_normalised_values(np.array([ord(normalised)], np.uint32))[0])


@lru_cache(maxsize=1)
def _composing() -> frozenset[str]:
    """Return the characters that may fuse with the one before them (NFC_Quick_Check = Maybe)."""
    jamo = [chr(point) for point in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))]
    seconds = []
    for point in range(sys.maxunicode + 1):
        parts = unicodedata.decomposition(chr(point)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            seconds.append(chr(int(parts[1], 16)))
    return frozenset([*jamo, *seconds])
