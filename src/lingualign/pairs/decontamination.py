"""The leak filter: no side of a training pair may equal a sentence of an evaluation suite.

Equal means equal after `normalise`. The cost is linear: every sentence becomes a 64-bit key once, and keys
are looked up.
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
from lingualign.pairs.discovery import Skipped, tabular_files
from lingualign.pairs.formats.readers import is_tabular, read_table
from lingualign.pairs.normalisation import Keys, sentence_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SIDES = ("sentence1", "sentence2")


@dataclass(frozen=True)
class SuiteSentences:
    """The sentences of evaluation suites, as sorted distinct keys of their normalised form."""

    keys: Keys
    files: dict[str, int]
    """Sentences taken, by file."""
    skipped: list[Skipped]


@dataclass(frozen=True)
class Leaks:
    """A side equals, normalised, a sentence of an evaluation suite."""

    suites: SuiteSentences
    reason = "in a suite"

    def __call__(self, pairs: pa.Table) -> npt.NDArray[np.bool_]:
        """Say which pairs to drop."""
        return among(self.suites.keys, *(sentence_keys(pairs[side]) for side in _SIDES))


def read_suites(suites: Iterable[str | os.PathLike[str]]) -> SuiteSentences:
    """Read every sentence of evaluation suites.

    All rows of every text column that holds sentences are taken, whatever their ``split``: ``sentence1``,
    ``sentence2``, and columns named by a language (``eng_Latn``, ``ko``). Blank cells are no sentences. ``id``
    holds identifiers beside ``sentence1``; beside languages it is refused, as it may be Indonesian.

    Parameters
    ----------
    suites
        Files or folders (read recursively) of parquet, CSV, TSV and JSONL.

    Raises
    ------
    InputError
        If a path does not exist, holds no sentences, or a file is damaged.
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
    """Read the sentences of evaluation suites, file by file: see `read_suites`. Files passed over join ``skipped``."""
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
    """Which pairs have a side whose key is among the known ones."""
    known_keys = pa.array(known)
    found = (
        pc.is_in(pa.array(keys), value_set=known_keys).to_numpy(zero_copy_only=False)
        for keys in (keys1, keys2)
    )
    return np.asarray(np.logical_or(*found), np.bool_)


def blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which cells are null, empty or white space alone."""
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
        # Beside a pair's two sides a column such as `id` is what it mostly is.
        return [name for name in found if name in _SIDES or is_language_column(name)]
    return language_columns(found, path)
