"""Text that was decoded in the wrong encoding."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from lingualign.pairs.characters import Characters, CharacterTable, each_run
from lingualign.pairs.cleaning.judging import either_side

if TYPE_CHECKING:
    import pyarrow as pa

    from lingualign.pairs.selection import Mask


# Code pages that UTF-8 is mistaken for: those of Windows and of ISO, whose bytes from C2 to F4 are letters, and others,
# in which they are symbols and punctuation too.
_PAGES = (*(f"cp{number}" for number in range(1250, 1259)), "latin-1", "iso-8859-2")
_OTHER_PAGES = ("mac-roman", "cp437", "cp850", "koi8-r")
_AROUND = 3


class Mojibake:
    """Pairs with a side whose UTF-8 was read as another encoding ("cafÃ©"), or with the replacement character.

    A text counts if ftfy calls it bad, and the bad part is the UTF-8 of a character read in some code page. Without the
    second condition, quotation marks before a capital (»Š, ”Ä) and rare letters (the ƒã of Ewe) would count.
    """

    reason = "mojibake"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        return either_side(pairs, self._is_bad)

    def _is_bad(self, sentences: pa.LargeStringArray) -> Mask:
        bad = np.array(pc.match_substring(sentences, "\ufffd").to_numpy(zero_copy_only=False), np.bool_)
        rows = np.flatnonzero(~bad & np.asarray(each_run(sentences, _suspicious), np.bool_))
        texts = sentences.take(rows).to_pylist()
        bad[rows] |= np.fromiter(map(_is_mojibake, texts), np.bool_, len(texts))
        return bad


def _is_mojibake(text: str) -> bool:
    from ftfy.badness import BADNESS_RE

    misread = _misread(_PAGES)
    matches = list(BADNESS_RE.finditer(text))
    if any(misread.search(text, max(0, m.start() - _AROUND), m.end() + _AROUND) for m in matches):
        return True
    return bool(matches) and any(_is_mostly_misread(text, page) for page in _OTHER_PAGES)


def _is_mostly_misread(text: str, page: str) -> bool:
    """Return whether most of a text beyond ASCII is UTF-8 read in a page, and not a quotation mark before a capital."""
    parts = _misread((page,)).findall(text)
    if sum(map(len, parts)) * 2 <= sum(not char.isascii() for char in text):
        return False
    return len(set(parts)) > 1 or len(parts[0]) > 2 or unicodedata.category(parts[0][0])[0] == "S"


@lru_cache(maxsize=len(_OTHER_PAGES) + 1)
def _misread(pages: tuple[str, ...]) -> re.Pattern[str]:
    """Match a character of UTF-8, beyond ASCII, that was read in one of some code pages."""
    sequences = []
    for page in pages:
        follows = _characters(page, 0x80, 0xBF)
        for first, last, count in ((0xC2, 0xDF, 1), (0xE0, 0xEF, 2), (0xF0, 0xF4, 3)):
            sequences.append(f"[{_characters(page, first, last)}][{follows}]{{{count}}}")
    return re.compile("|".join(sequences))


def _characters(page: str, first: int, last: int) -> str:
    """Return bytes read in a code page, escaped for a class of a pattern; gaps of the page become controls."""
    characters = []
    for byte in range(first, last + 1):
        try:
            characters.append(bytes([byte]).decode(page))
        except UnicodeDecodeError:
            characters.append(chr(byte))
    # Tools often turn a no-break space into a plain one.
    return re.escape("".join(characters)) + " " * ("\xa0" in characters)


_COMMON, _OF_MOJIBAKE, _ALONE = 1, 2, 3


def _suspicious(characters: Characters) -> Mask:
    """Return the mask of sentences that may be bad, at many times the speed of ftfy's regular expression.

    A match of that expression has a character of mojibake next to another one or to a common letter of Greek or
    Cyrillic, or a character that is mojibake beside anything.
    """
    kind = _kinds(characters.points)
    doubtful = kind == _ALONE
    doubtful[1:] |= (np.minimum(kind[1:], kind[:-1]) > 0) & (np.maximum(kind[1:], kind[:-1]) > _COMMON)
    return np.asarray(characters.count(doubtful) > 0, np.bool_)


def _kind(char: str) -> int:
    common, others = _categories()
    if re.match(r"[\x80-\x9fŒœÃÂЂў]", char):
        return _ALONE
    return _OF_MOJIBAKE if others.match(char) else _COMMON * bool(common.match(char))


@lru_cache(maxsize=1)
def _categories() -> tuple[re.Pattern[str], re.Pattern[str]]:
    from ftfy.badness import MOJIBAKE_CATEGORIES

    names = {"lower_common", "upper_common"}
    common = "".join(MOJIBAKE_CATEGORIES[name] for name in sorted(names))
    others = "".join(ranges for name, ranges in MOJIBAKE_CATEGORIES.items() if name not in names)
    return re.compile(f"[{common}]"), re.compile(f"[{others}]")


_kinds = CharacterTable(_kind)
