"""The near-leak filter: no side of a training pair may be nearly a sentence of an evaluation suite.

Near means that the shingles of both agree in at least a share (their Jaccard similarity): a word changed or moved, a
clause added. The time is linear in the number of sentences: of each suite sentence six shingles, the rarest of each
sixth of its length, are looked for in a side, and only where three of a sentence's are found are both compared in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lingualign.pairs.characters import Numbers, runs
from lingualign.pairs.cleaning.judging import SIDES, one_array
from lingualign.pairs.decontamination import among, suite_columns
from lingualign.pairs.normalisation import Keys, mix, sentence_keys
from lingualign.pairs.shingles import distinct, shingles

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    import numpy.typing as npt

    from lingualign.pairs.selection import Mask

_SEGMENTS = 6
_FOUND = 3
_FEWEST = 6
_CELLS = 64


def near_leak_filter(suites: Iterable[str | os.PathLike[str]], threshold: float = 0.6) -> NearLeaks:
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
        Of the suites, strings without nulls. Those of fewer than six shingles are too short to tell a near
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
        hashes, rows = self._shingles_of_suites()
        chosen = _rare_and_spread(hashes, rows, len(self.sentences))
        order = np.argsort(hashes[chosen], kind="stable")
        self._anchors, self._anchor_starts = np.unique(hashes[chosen][order], return_index=True)
        self._anchor_counts = np.diff(self._anchor_starts, append=len(chosen))
        self._anchor_rows = rows[chosen][order]
        self._shift = np.uint64(64 - max(16, (_CELLS * len(self._anchors)).bit_length()))
        self._cells = np.zeros(1 << (64 - int(self._shift)), np.bool_)
        self._cells[(self._anchors >> self._shift).astype(np.int64)] = True
        self._hashes, rows = distinct(hashes, rows)
        self._sizes = np.bincount(rows, minlength=len(self.sentences))
        self._ends = np.cumsum(self._sizes)

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

    def _shingles_of_suites(self) -> tuple[Keys, Numbers]:
        parts: list[tuple[Keys, Numbers]] = [(np.empty(0, np.uint64), np.empty(0, np.int64))]
        row = 0
        for characters in runs(self.sentences):
            hashes, rows = shingles(characters)
            parts.append((hashes, rows + row))
            row += len(characters.lengths)
        return np.concatenate([hashes for hashes, _ in parts]), np.concatenate([rows for _, rows in parts])

    def _compare(
        self, hashes: Keys, rows: Numbers, count: int
    ) -> tuple[Numbers, Numbers, npt.NDArray[np.float64]]:
        """Find the near ones among sentences, of which these are the shingles: sentence, suite sentence, similarity."""
        if not len(self._anchors):
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        hits = np.flatnonzero(self._cells[(hashes >> self._shift).astype(np.int64)])
        anchors = np.minimum(np.searchsorted(self._anchors, hashes[hits]), len(self._anchors) - 1)
        same = self._anchors[anchors] == hashes[hits]
        hits, anchors = hits[same], anchors[same]
        times = self._anchor_counts[anchors]
        suites = self._anchor_rows[_ranges(self._anchor_starts[anchors], times)]
        total = max(len(self.sentences), 1)
        candidates, found = np.unique(np.repeat(rows[hits], times) * total + suites, return_counts=True)
        sides, suites = np.divmod(candidates[found >= _FOUND], total)
        # A side has no more distinct shingles than shingles.
        enough = np.bincount(rows, minlength=count)[sides] >= self.threshold * self._sizes[suites]
        sides, suites = sides[enough], suites[enough]

        own, places = np.unique(sides, return_inverse=True)
        wanted = np.zeros(count, np.bool_)
        wanted[own] = True
        hashes, rows = distinct(hashes[wanted[rows]], rows[wanted[rows]])
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


def _rare_and_spread(hashes: Keys, rows: Numbers, sentences: int) -> Numbers:
    """Choose of each sentence's shingles the rarest of every segment, so that one edit leaves some of them whole.

    Parameters
    ----------
    hashes, rows
        Of `shingles`, in the order of the text.
    sentences
        Their number.
    """
    if not len(rows):
        return rows
    sizes = np.bincount(rows, minlength=sentences)
    places = np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[rows]
    segments = places * _SEGMENTS // sizes[rows] + rows * _SEGMENTS
    # Counted by the first bits of their hashes, which tell nearly all shingles apart.
    first_bits = (hashes >> np.uint64(40)).astype(np.int64)
    frequency = np.bincount(first_bits)[first_bits].astype(np.float64)
    order = np.lexsort((frequency + hashes / 2.0**64, segments))
    chosen = order[np.flatnonzero(np.diff(segments[order], prepend=-1))]
    return np.asarray(chosen[sizes[rows[chosen]] >= _FEWEST], np.int64)


def _ranges(starts: Numbers, lengths: Numbers) -> Numbers:
    """Lay the ranges ``start .. start + length`` end to end."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
