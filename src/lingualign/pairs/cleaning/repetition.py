"""Sentences in which the same few characters come again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lingualign.pairs.characters import SPACE, Characters, each_run, kinds
from lingualign.pairs.cleaning.filter import either_side

if TYPE_CHECKING:
    import pyarrow as pa

    from lingualign.pairs.selection import Mask

_LONGEST_PERIOD = 8
_TIMES = 4


@dataclass(frozen=True)
class Repetition:
    """A side holds a stretch of at least so many characters that repeats up to eight of them four times or more.

    As "aaaaaaaaaaaa", "hahahahahaha" and "no, no, no, no," do.
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
    """Mark the sentences that have at least so many characters in the stretch, which may run over several."""
    ends = characters.ends
    for row in range(int(np.searchsorted(ends, begin, side="right")), len(ends)):
        start = ends[row] - characters.lengths[row]
        if start >= end:
            return
        found[row] |= min(end, ends[row]) - max(begin, start) >= least
