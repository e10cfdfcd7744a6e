"""Sentences that are mostly digits, punctuation and symbols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lingualign.pairs.characters import LETTER, MARK, SPACE, Characters, each_run, kinds
from lingualign.pairs.cleaning.filter import either_side

if TYPE_CHECKING:
    import pyarrow as pa

    from lingualign.pairs.selection import Mask


@dataclass(frozen=True)
class FewLetters:
    """Of a side's characters, white space left out, less than a share are letters."""

    least: float
    reason = "few letters"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        return either_side(pairs, lambda sentences: each_run(sentences, self._few))

    def _few(self, characters: Characters) -> Mask:
        kind = kinds(characters.points)
        letters = characters.count((kind & (LETTER | MARK)) > 0)
        return np.asarray(letters < self.least * characters.count((kind & SPACE) == 0), np.bool_)
