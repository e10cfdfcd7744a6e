"""Sentences too short or too long, and pairs of lengths that do not match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from lingualign.pairs.characters import columns, each_run, words
from lingualign.pairs.cleaning.filter import either_side, one_array

if TYPE_CHECKING:
    import pyarrow as pa

    from lingualign.pairs.selection import Mask

_ALLOWANCE = 15


@dataclass(frozen=True)
class Length:
    """A side has too few or too many characters or words."""

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
    """One side is much longer than the other.

    Lengths are in columns, in which an ideograph, a kana or a Hangul syllable counts two: see `columns`. A few columns
    are added to both, so that "No." and "Certainly not." may stand together.
    """

    most: float
    reason = "length ratio"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        first, second = (
            each_run(one_array(pairs[side]), columns) + _ALLOWANCE for side in ("sentence1", "sentence2")
        )
        return np.asarray(np.maximum(first, second) > self.most * np.minimum(first, second), np.bool_)
