"""The near-leak filter: no side of a training pair may be nearly a sentence of an evaluation suite.

Near means that the shingles of both agree in at least a share (their Jaccard similarity): a word changed or moved, a
clause added. The time is linear in the number of sentences: of each suite sentence six shingles, the rarest of each
sixth of its length, are looked for in a side, and only where two of a sentence's are found are both compared in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lingualign.pairs.characters import Numbers, runs
from lingualign.pairs.cleaning.filter import SIDES, one_array
from lingualign.pairs.decontamination import among, suite_columns
from lingualign.pairs.normalisation import Keys, mix, sentence_keys
from lingualign.pairs.shingles import distinct, shingles

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    import numpy.typing as npt

    from lingualign.pairs.selection import Mask

_SEGMENTS = 6
_FOUND = 2
_FEWEST = 6
_CELLS = 64


def near_leaks(suites: Iterable[str | os.PathLike[str]], threshold: float = 0.5) -> NearLeaks:
    """Make the filter for the sentences of evaluation suites: see `read_suites`."""
    columns = [column for _, filled in suite_columns(suites, []) for column in filled]
    return NearLeaks(
        pa.chunked_array([chunk for c in columns for chunk in c.chunks], pa.large_string()), threshold
    )


class NearLeaks:
    """A side is nearly a sentence of an evaluation suite.

    Parameters
    ----------
    sentences
        Of the suites, strings without nulls. Those of fewer than six distinct shingles are too short to tell a near
        copy from another sentence, and are left to the exact filter.
    threshold
        Jaccard similarity from which on a side counts as near, in (0, 1].
    """

    reason = "near a suite"

    def __init__(self, sentences: pa.Array | pa.ChunkedArray, threshold: float) -> None:
        column = one_array(sentences.cast(pa.large_string()))
        self.sentences: pa.LargeStringArray = column.unique()
        self.threshold = threshold
        self._keys = np.unique(sentence_keys(self.sentences))
        hashes, rows, places = self._shingles_of_suites()
        self._hashes = hashes
        self._ends = np.cumsum(np.bincount(rows, minlength=len(self.sentences)))
        self._sizes = np.diff(self._ends, prepend=0)
        chosen = _spread_and_rare(hashes, rows, places, self._sizes)
        order = np.argsort(hashes[chosen], kind="stable")
        self._anchors, self._anchor_rows = hashes[chosen][order], rows[chosen][order]
        self._shift = np.uint64(64 - max(16, (_CELLS * len(self._anchors)).bit_length()))
        self._cells = np.zeros(1 << (64 - int(self._shift)), np.bool_)
        self._cells[(self._anchors >> self._shift).astype(np.int64)] = True

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop; those with a side that equals a suite sentence are the exact filter's."""
        found = np.zeros(pairs.num_rows, np.bool_)
        for side, _ in SIDES:
            found |= self.nearest(pairs[side])[0] >= 0
        rows = np.flatnonzero(found)
        near = pairs.take(pa.array(rows))
        found[rows] = ~among(self._keys, *(sentence_keys(near[side]) for side, _ in SIDES))
        return found

    def nearest(self, sentences: pa.Array | pa.ChunkedArray) -> tuple[Numbers, npt.NDArray[np.float64]]:
        """Find the suite sentence that each sentence is nearest to.

        Returns
        -------
        ndarray of int64, shape (sentences,)
            Its place in ``self.sentences``; -1 where none is near.
        ndarray of float64, shape (sentences,)
            The Jaccard similarity of both; 0 where none is near.
        """
        nearest = np.full(len(sentences), -1)
        similarity = np.zeros(len(sentences))
        row = 0
        column = one_array(sentences) if isinstance(sentences, pa.ChunkedArray) else sentences
        for characters in runs(column.cast(pa.large_string())):
            hashes, rows = shingles(characters)
            sides, suites, shared = self._compare(hashes, rows, len(characters.lengths))
            order = np.lexsort((suites, -shared, sides))
            sides, first = np.unique(sides[order], return_index=True)
            nearest[row + sides] = suites[order][first]
            similarity[row + sides] = shared[order][first]
            row += len(characters.lengths)
        return nearest, similarity

    def _shingles_of_suites(self) -> tuple[Keys, Numbers, Numbers]:
        parts: list[tuple[Keys, Numbers, Numbers]] = [(np.empty(0, np.uint64), *[np.empty(0, np.int64)] * 2)]
        row = 0
        for characters in runs(self.sentences):
            hashes, rows, places = distinct(*shingles(characters))
            parts.append((hashes, rows + row, places))
            row += len(characters.lengths)
        hashes, rows, places = (np.concatenate(column) for column in zip(*parts, strict=True))
        return hashes, rows, places

    def _compare(
        self, hashes: Keys, rows: Numbers, count: int
    ) -> tuple[Numbers, Numbers, npt.NDArray[np.float64]]:
        """Find the near ones among sentences, of which these are the shingles: sentence, suite sentence, similarity."""
        cells = np.flatnonzero(self._cells[(hashes >> self._shift).astype(np.int64)])
        low = np.searchsorted(self._anchors, hashes[cells], side="left")
        times = np.searchsorted(self._anchors, hashes[cells], side="right") - low
        suites = self._anchor_rows[_ranges(low, times)]
        total = max(len(self.sentences), 1)
        candidates, found = np.unique(np.repeat(rows[cells], times) * total + suites, return_counts=True)
        candidates = candidates[found >= _FOUND]
        sides, suites = np.divmod(candidates, total)

        own, places = np.unique(sides, return_inverse=True)
        wanted = np.zeros(count, np.bool_)
        wanted[own] = True
        hashes, rows, _ = distinct(hashes[wanted[rows]], rows[wanted[rows]])
        sizes = np.bincount(rows, minlength=count)[own]
        starts = np.cumsum(sizes) - sizes
        size1, size2 = sizes[places], self._sizes[suites]
        alike = np.minimum(size1, size2) >= self.threshold * np.maximum(size1, size2)
        sides, suites, places, size1, size2 = (part[alike] for part in (sides, suites, places, size1, size2))

        # The shingles that both have are those that come twice among a candidate's.
        which = np.concatenate([np.repeat(np.arange(len(sides)), size) for size in (size1, size2)])
        both = np.concatenate(
            [hashes[_ranges(starts[places], size1)], self._hashes[_ranges(self._ends[suites] - size2, size2)]]
        )
        keys = both ^ mix(which.astype(np.uint64))
        order = np.argsort(keys)
        twice = order[1:][keys[order][1:] == keys[order][:-1]]
        common = np.bincount(which[twice], minlength=len(sides))
        similarity = common / np.maximum(size1 + size2 - common, 1)
        near = similarity >= self.threshold
        return sides[near], suites[near], similarity[near]


def _spread_and_rare(hashes: Keys, rows: Numbers, places: Numbers, sizes: Numbers) -> Numbers:
    """Choose of each sentence's shingles the rarest of every segment, so that one edit leaves some of them whole."""
    _, inverse, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    order = np.lexsort((places, rows))
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[rows[order]]
    segments = rank * _SEGMENTS // np.maximum(sizes[rows], 1) + rows * _SEGMENTS
    order = np.lexsort((hashes, counts[inverse], segments))
    _, first = np.unique(segments[order], return_index=True)
    chosen = order[first]
    return np.asarray(chosen[sizes[rows[chosen]] >= _FEWEST], np.int64)


def _ranges(starts: Numbers, lengths: Numbers) -> Numbers:
    """Lay the ranges ``start .. start + length`` end to end."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
