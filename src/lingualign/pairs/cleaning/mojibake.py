"""Text that was decoded in the wrong encoding."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from lingualign.pairs.characters import Characters, CharacterTable, each_run
from lingualign.pairs.cleaning.filter import either_side

if TYPE_CHECKING:
    import pyarrow as pa

    from lingualign.pairs.selection import Mask


class Mojibake:
    """A side looks as if UTF-8 had been read as another encoding ("cafÃ©"), or holds the replacement character."""

    reason = "mojibake"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        return either_side(pairs, self._is_bad)

    def _is_bad(self, sentences: pa.LargeStringArray) -> Mask:
        from ftfy.badness import is_bad

        found = np.array(pc.match_substring(sentences, "\ufffd").to_numpy(zero_copy_only=False), np.bool_)
        rows = np.flatnonzero(~found & np.asarray(each_run(sentences, _suspicious), np.bool_))
        texts = sentences.take(rows).to_pylist()
        found[rows] |= np.fromiter(map(is_bad, texts), np.bool_, len(texts))
        return found


_COMMON, _OF_MOJIBAKE, _ALONE = 1, 2, 3


def _suspicious(characters: Characters) -> Mask:
    """Which sentences may be bad: looked up, at many times the speed of ftfy's regular expression.

    What that matches has a character of mojibake next to another such or to a common letter of Greek or Cyrillic; or
    one of those that it takes for mojibake beside anything.
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
