"""Sentences by short digests of them, and the rows of digests among millions."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

KEY = np.dtype([("head", "<u8"), ("tail", "<u8")])
"""A sentence's 16-byte BLAKE2b digest. Two sentences with the same one are not to be expected."""


def keys_of(sentences: Sequence[str]) -> NDArray[np.void]:
    """Digest sentences into their keys, shape (sentences,)."""
    digests = b"".join(blake2b(sentence.encode(), digest_size=16).digest() for sentence in sentences)
    return np.frombuffer(digests, dtype=KEY)


class KeyIndex:
    """Rows of keys, found by binary search over the sorted first halves of the keys: 16 bytes of memory a key.

    The second halves stay where the keys are stored and are read for the rows found only.

    Parameters
    ----------
    tails
        Gives the second halves of the keys of some rows.
    """

    def __init__(self, tails: Callable[[NDArray[np.int64]], NDArray[np.uint64]]) -> None:
        self._tails = tails
        self._heads = np.empty(0, dtype=np.uint64)
        self._rows = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._heads)

    def extend(self, keys: NDArray[np.void], first_row: int) -> None:
        """Take in keys whose rows follow one another from ``first_row`` on."""
        order = np.argsort(keys["head"], kind="stable")
        heads = keys["head"][order]
        places = np.searchsorted(self._heads, heads)
        self._heads = np.insert(self._heads, places, heads)
        self._rows = np.insert(self._rows, places, order + first_row)

    def rows(self, keys: NDArray[np.void]) -> NDArray[np.int64]:
        """Find the rows of keys; -1 for a key that is not there."""
        found = np.full(len(keys), -1, dtype=np.int64)
        # Keys still searched for. Heads that agree by chance stand side by side: try one after another.
        open_ = np.arange(len(keys))
        places = np.searchsorted(self._heads, keys["head"])
        while len(open_):
            inside = places[open_] < len(self._heads)
            open_ = open_[inside]
            open_ = open_[self._heads[places[open_]] == keys["head"][open_]]
            rows = self._rows[places[open_]]
            same = self._tails(rows) == keys["tail"][open_]
            found[open_[same]] = rows[same]
            open_ = open_[~same]
            places[open_] += 1
        return found
