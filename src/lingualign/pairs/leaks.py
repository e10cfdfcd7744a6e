"""The leak filters: no side of a training pair may equal, or nearly equal, a sentence of an evaluation suite.

Equal means equal after `normalise`. The cost is linear: every sentence becomes a 64-bit key once, and keys are looked
up. Near means that the Jaccard similarity of the shingles reaches a threshold: a word changed or moved, a clause added.
This is linear too: six shingles of each suite sentence, the rarest of each sixth of its length, are searched in a side.
Only if three of them match are both sentences compared in full.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lingualign.errors import InputError
from lingualign.languages import is_language_column, language_columns
from lingualign.pairs.characters import Numbers, distinct, runs, shingles
from lingualign.pairs.cleaning.judging import SIDES, one_array
from lingualign.pairs.discovery import Skipped, tabular_files
from lingualign.pairs.formats.readers import is_tabular, read_table
from lingualign.pairs.normalisation import Keys, mix, sentence_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from lingualign.pairs.selection import Mask

_SIDES = ("sentence1", "sentence2")


@dataclass(frozen=True)
class SuiteSentences:
    """The sentences of evaluation suites."""

    keys: Keys
    """Sorted distinct keys of the normalised sentences."""
    files: dict[str, int]
    """Number of sentences, by file."""
    skipped: list[Skipped]


@dataclass(frozen=True)
class Leaks:
    """Pairs with a side that equals, normalised, a sentence of an evaluation suite."""

    suites: SuiteSentences
    reason = "in a suite"

    def __call__(self, pairs: pa.Table) -> npt.NDArray[np.bool_]:
        """Return the mask of pairs to drop."""
        return among(self.suites.keys, *(sentence_keys(pairs[side]) for side in _SIDES))


def read_suites(suites: Iterable[str | os.PathLike[str]]) -> SuiteSentences:
    """Read every sentence of evaluation suites.

    These are all rows, of any ``split``, of the columns ``sentence1`` and ``sentence2`` and those named by a language
    (``eng_Latn``, ``ko``). Blank cells are skipped. A column ``id`` holds identifiers beside ``sentence1``; beside
    languages it is an error, since it may be Indonesian.

    Parameters
    ----------
    suites
        Files or folders (read recursively) of parquet, CSV, TSV and JSONL.

    Raises
    ------
    InputError
        If a path does not exist or holds no sentences, or a file is damaged.
    """
    keys: list[Keys] = []
    files: dict[str, int] = {}
    skipped: list[Skipped] = []
    for path, columns in suite_columns(suites, skipped):
        keys += map(sentence_keys, columns)
        files[str(path)] = sum(map(len, columns))
    return SuiteSentences(np.unique(np.concatenate(keys)) if keys else np.empty(0, np.uint64), files, skipped)


def suite_columns(
    suites: Iterable[str | os.PathLike[str]], skipped: list[Skipped]
) -> Iterator[tuple[Path, list[pa.ChunkedArray]]]:
    """Yield the sentences of evaluation suites, file by file: see `read_suites`; skipped files join ``skipped``."""
    for suite in suites:
        taken = 0
        for path in _suite_files(Path(suite), skipped):
            table = read_table(path, partial(_sentence_columns, path))
            if not table.num_columns:
                skipped.append(
                    Skipped(str(path), "no column of sentences (sentence1, sentence2, or a language)")
                )
                continue
            filled = [column.filter(pc.invert(blank(column))) for column in table.columns]
            taken += sum(map(len, filled))
            yield path, filled
        if not taken:
            raise InputError(
                f"decontaminate: suite {os.fspath(suite)!r} holds no sentences; expected parquet, CSV, TSV "
                "or JSONL files with columns sentence1 and sentence2, or one column a language (eng_Latn)"
            )


def among(known: Keys, keys1: Keys, keys2: Keys) -> npt.NDArray[np.bool_]:
    """Return the mask of pairs with a side whose key is known."""
    known_keys = pa.array(known)
    masks = (
        pc.is_in(pa.array(keys), value_set=known_keys).to_numpy(zero_copy_only=False)
        for keys in (keys1, keys2)
    )
    return np.asarray(np.logical_or(*masks), np.bool_)


def blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the mask of cells that are null, empty or white space."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.fill_null(pc.equal(pc.binary_length(trimmed), 0), True)


def _suite_files(suite: Path, skipped: list[Skipped]) -> list[Path]:
    if suite.is_dir():
        paths, others = tabular_files(suite)
        skipped += others
        return paths
    if not suite.exists():
        raise InputError(
            f"decontaminate: suite {str(suite)!r} does not exist; give the folder or file of the suite"
        )
    return [suite] if is_tabular(suite) else []


def _sentence_columns(path: Path, found: Sequence[str]) -> list[str]:
    if any(name in _SIDES for name in found):
        # Beside a pair's sides, `id` holds identifiers.
        return [name for name in found if name in _SIDES or is_language_column(name)]
    return language_columns(found, path)


_SEGMENTS = 6
_FOUND = 3
_FEWEST = 6
_CELLS = 64


def near_leak_filter(suites: Iterable[str | os.PathLike[str]], threshold: float = 0.6) -> NearLeaks:
    """Return the filter for the sentences of evaluation suites: see `read_suites`."""
    columns = [column for _, filled in suite_columns(suites, []) for column in filled]
    return NearLeaks(
        pa.chunked_array([chunk for c in columns for chunk in c.chunks], pa.large_string()), threshold
    )


class NearLeaks:
    """Pairs with a side that is nearly a sentence of an evaluation suite.

    Parameters
    ----------
    sentences
        Sentences of the suites, without nulls. Those of fewer than six shingles are too short to tell a near copy from
        another sentence; only the exact filter applies to them.
    threshold
        Jaccard similarity at which a side counts as near, in (0, 1].
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
        """Return the mask of pairs to drop; a side that equals a suite sentence is for the exact filter."""
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
            Place in ``self.sentences``; -1 if none is near.
        ndarray of float64, shape (sentences,)
            Jaccard similarity of both; 0 if none is near.
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
        """Return the near matches of ``count`` sentences with these shingles: sentence, suite sentence, similarity."""
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

        # Shingles of both occur twice among a candidate's.
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
    """Choose the rarest shingle of every segment of a sentence, so that one edit leaves some of them whole.

    Parameters
    ----------
    hashes, rows
        Output of `shingles`.
    sentences
        Number of sentences.
    """
    if not len(rows):
        return rows
    sizes = np.bincount(rows, minlength=sentences)
    places = np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[rows]
    segments = places * _SEGMENTS // sizes[rows] + rows * _SEGMENTS
    # The first bits of the hashes tell nearly all shingles apart.
    first_bits = (hashes >> np.uint64(40)).astype(np.int64)
    frequency = np.bincount(first_bits)[first_bits].astype(np.float64)
    order = np.lexsort((frequency + hashes / 2.0**64, segments))
    chosen = order[np.flatnonzero(np.diff(segments[order], prepend=-1))]
    return np.asarray(chosen[sizes[rows[chosen]] >= _FEWEST], np.int64)


def _ranges(starts: Numbers, lengths: Numbers) -> Numbers:
    """Concatenate the ranges ``start .. start + length``."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
