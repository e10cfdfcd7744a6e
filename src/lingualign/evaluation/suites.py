"""Evaluation files: reading a folder of them, and the kind of each by its columns."""

from __future__ import annotations

import json
import logging
import math
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lingualign.errors import InputError
from lingualign.hub import nearest_path
from lingualign.languages import is_language, is_language_column, language_code, language_columns
from lingualign.pairs.discovery import tabular_files
from lingualign.pairs.formats.compression import read_text, without_compression
from lingualign.pairs.formats.parquet import read_columns
from lingualign.pairs.formats.readers import is_tabular, read_table
from lingualign.store import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    import pyarrow as pa

Kind = Literal["bitext", "nway", "sts", "mining"]

_FILES = "parquet, TSV, JSONL or CSV (text also .gz, .zst, .xz, .bz2 or .zip)"
_COLUMNS = (
    "'sentence1' and 'sentence2' (bitext), the same with 'score' (sts) or with 'gold' (mining), "
    "or nothing but language columns such as 'eng_Latn' and 'kor_Hang' (nway)"
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Suite:
    """The content of one evaluation file.

    Attributes
    ----------
    name
        Path below the given folder without the ending: ``tatoeba/fra-eng``.
    group
        Group that `evaluate` averages over: the first part of the name or, for a file directly in the given folder (or
        itself given), the name of its folder. So ``eval`` and ``eval/tatoeba`` both have the group ``tatoeba``.
    kind
        Kind: ``bitext`` and ``nway``, row i of one column is the translation of row i of the others; ``sts``, people
        have scored the similarity of the two sentences of a row; ``mining``, pairs are searched among other sentences.
    path
        File that it was read from.
    sentences
        The text columns by name, in the file's order, all of the same length; for ``mining`` the sentences of the
        pairs, row by row, and then those without one, whose numbers may differ.
    gold
        People's scores, (rows,) float64, for ``sts``; else None.
    pairs
        Number of pairs to find, for ``mining``; else None.
    training
        Sentences and pairs of another split, on which ``mining`` chooses its threshold, or None.
    """

    name: str
    group: str
    kind: Kind
    path: Path
    sentences: dict[str, list[str]]
    gold: npt.NDArray[np.float64] | None = field(default=None, compare=False)
    pairs: int | None = None
    training: Suite | None = None

    @property
    def rows(self) -> int:
        """Number of rows that are scored."""
        return self.pairs if self.pairs is not None else len(next(iter(self.sentences.values())))


def load_suites(paths: str | Path | Iterable[str | Path]) -> list[Suite]:
    """Read evaluation suites.

    Parameters
    ----------
    paths
        Folders, read recursively in sorted order, and files: parquet, TSV (no quoting), JSONL or CSV, text
        also compressed, as `lingualign.pairs.formats.readers.read_table` reads them. A file's kind follows from its
        columns: ``sentence1, sentence2, score`` is sts; ``sentence1, sentence2`` bitext; with ``gold`` mining, where a
        row whose gold is true is a pair to find, the sentences of others (either may be missing) have none, and equal
        ones count once; only language columns is nway (``ind`` or ``ind_Latn`` for Indonesian, since ``id`` may be an
        identifier and raises an error). If there is a ``split`` column, the rows of ``test`` are read. Columns
        ``min_score`` and ``max_score`` declare the range of the scores. Other columns are ignored. Hidden files are
        skipped, files of other kinds are named in a warning.

    Returns
    -------
    list of Suite
        Suites in the order of the paths. A file reached twice is read once.

    Raises
    ------
    InputError
        If a path is missing or has no suites; a file is unreadable, has columns of no kind, fewer than two rows to
        score, a missing sentence, or a score that is not a finite number or outside the declared range; all scores of a
        file are equal; or two files have the same name.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    if not paths:
        raise InputError("no suite given: name at least one folder or file of evaluation data")
    suites: dict[str, Suite] = {}
    seen: set[str] = set()
    for given in map(Path, paths):
        for path in _files(given):
            check_name(path)
            if (real := os.path.realpath(path)) in seen:
                continue
            seen.add(real)
            suite = _load(path, *_name(path, given))
            if suite.name in suites:
                raise InputError(
                    f"two suites have the name {suite.name!r}: {suites[suite.name].path} and {path}; "
                    "rename one, or give the folder above both so that their names tell them apart"
                )
            suites[suite.name] = suite
    return list(suites.values())


def _files(given: Path) -> list[Path]:
    if not given.exists():
        raise InputError(f"no such suite: {given} is neither a folder nor a file{nearest_path(given)}")
    if given.is_file():
        if not is_tabular(given):
            raise InputError(f"{given} cannot be a suite: expected a file of kind {_FILES}")
        return [given]
    usable, skipped = tabular_files(given)
    names = [str(Path(file.file).relative_to(given)) for file in skipped]
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    if not usable:
        raise InputError(
            f"nothing to evaluate on in {given}: expected files of kind {_FILES}, "
            f"found {listed or 'none at all'}"
        )
    if skipped:
        logger.warning("%s: no suites, and not read: %s", given, listed)
    return usable


def _name(path: Path, given: Path) -> tuple[str, str]:
    """Return the name and group of a suite file reached through a given path."""
    relative = path.relative_to(given) if given.is_dir() else Path(path.name)
    name = relative.with_name(Path(without_compression(path.name)).stem).as_posix()
    return name, relative.parts[0] if len(relative.parts) > 1 else Path(os.path.realpath(path)).parent.name


def _load(path: Path, name: str, group: str) -> Suite:
    columns: list[str] = []

    def choose(names: Sequence[str]) -> list[str]:
        columns.extend(names)
        return [*_kind(path, names)[1], *(["split"] if "split" in names else [])]

    table = read_table(path, choose)
    kind, text = _kind(path, columns)
    if kind == "mining":
        return _mining(table, path, name, group, _values(path, "gold"))
    rows = list(range(table.num_rows))
    if "split" in columns:
        split = table["split"].to_pylist()
        rows = [row for row in rows if split[row] == "test"]
        if split and not rows:
            others = ", ".join(sorted(set(map(str, split))))
            raise InputError(
                f"{path} has no rows to score: its column 'split' never says 'test', only {others}"
            )
    if len(rows) < 2:
        raise InputError(f"{path} has too few rows to score: {len(rows)}, expected at least 2")
    sentences = {}
    for column in text:
        values = table[column].take(rows)
        if values.null_count:
            row = rows[values.to_pylist().index(None)]
            raise InputError(f"{path}, row {row + 1} (header aside): {column!r} is missing, expected text")
        sentences[column] = values.to_pylist()
    return Suite(name, group, kind, path, sentences, _gold(path, rows, columns) if kind == "sts" else None)


def _mining(table: pa.Table, path: Path, name: str, group: str, gold: Sequence[Any]) -> Suite:
    """Return a suite of pairs among other sentences: the rows of ``test``, and in ``training`` those of ``train``."""
    sides = {column: table[column].to_pylist() for column in ("sentence1", "sentence2")}
    split = table["split"].to_pylist() if "split" in table.column_names else ["test"] * table.num_rows
    true = [_is_true(value, path, row) for row, value in enumerate(gold)]

    def part(which: str) -> Suite | None:
        rows = [row for row, value in enumerate(split) if value == which]
        pairs = [row for row in rows if true[row]]
        if len(pairs) < 2:
            return None
        for row in pairs:
            if not (sides["sentence1"][row] and sides["sentence2"][row]):
                raise InputError(
                    f"{path}, row {row + 1} (header aside): 'gold' is true, but a sentence is missing"
                )
        sentences = {}
        for column, texts in sides.items():
            paired = [texts[row] for row in pairs]
            others = dict.fromkeys(texts[row] for row in rows if not true[row] and texts[row])
            in_pairs = set(paired)
            sentences[column] = [*paired, *(text for text in others if text not in in_pairs)]
        return Suite(name, group, "mining", path, sentences, pairs=len(pairs))

    test = part("test")
    if test is None:
        raise InputError(
            f"{path} has too few pairs to be found: expected at least 2 rows of which 'gold' is true"
        )
    return replace(test, training=part("train"))


def _is_true(value: Any, path: Path, row: int) -> bool:
    truth = {"1": True, "true": True, "0": False, "false": False, "": False, "none": False}.get(
        str(value).lower()
    )
    if truth is None:
        raise InputError(f"{path}, row {row + 1} (header aside): 'gold' is {value!r}, expected true or false")
    return truth


def _kind(path: Path, columns: Sequence[str]) -> tuple[Kind, list[str]]:
    """Return the kind of a file, and its columns of sentences, by the names of its columns."""
    if {"sentence1", "sentence2"} <= set(columns):
        kind: Kind = "sts" if "score" in columns else "mining" if "gold" in columns else "bitext"
        return kind, ["sentence1", "sentence2"]
    languages = [column for column in columns if column != "split"]
    if (
        len(languages) > 1
        and all(map(is_language, languages))
        and language_columns(languages, path) == languages
    ):
        return "nway", languages
    found = ", ".join(columns) or "none"
    raise InputError(f"{path} fits no kind of suite: expected the columns {_COLUMNS}; found {found}")


def _gold(path: Path, rows: list[int], columns: Sequence[str]) -> npt.NDArray[np.float64]:
    gold = _numbers(path, rows, "score")
    if np.all(gold == gold[0]):
        raise InputError(
            f"{path}: all {len(gold)} scores are {gold[0]:g}, so there is no order to compare with"
        )
    for bound, outside in (("min_score", np.less), ("max_score", np.greater)):
        if bound in columns and (beyond := outside(gold, limit := _numbers(path, rows, bound))).any():
            place = int(beyond.argmax())
            raise InputError(
                f"{path}, row {rows[place] + 1} (header aside): 'score' is {gold[place]:g}, outside the declared "
                f"range ({bound!r} is {limit[place]:g})"
            )
    return gold


def _numbers(path: Path, rows: list[int], column: str) -> npt.NDArray[np.float64]:
    values = _values(path, column)
    numbers = np.empty(len(rows))
    for place, row in enumerate(rows):
        value = values[row]
        try:
            numbers[place] = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            numbers[place] = math.nan
        if not math.isfinite(numbers[place]):
            shown = "missing" if value is None else repr(value)
            raise InputError(
                f"{path}, row {row + 1} (header aside): {column!r} is {shown}, expected a finite number"
            )
    return numbers


def _values(path: Path, column: str) -> list[Any]:
    """Read a column of a file again, with numbers as numbers, which `read_table` reads as text."""
    ending = Path(without_compression(path.name)).suffix.lower()
    if ending == ".parquet":
        return list(read_columns(path, [column])[column].to_pylist())
    if ending == ".jsonl":
        lines = read_text(path).split(b"\n")
        return [json.loads(line).get(column) for line in lines if line.strip()]
    return list(read_table(path, lambda _: [column])[column].to_pylist())


def in_languages(suites: Iterable[Suite], languages: Sequence[str]) -> list[Suite]:
    """Return the suites in some languages, and log those left out.

    The columns of an n-way set are restricted. The languages of another suite are in its name: ``tatoeba/fra-eng``,
    ``sts/stsb-fr``, ``sts-en-fr/STS17``; a suite without languages in its name is kept.

    Raises
    ------
    InputError
        If a code is not a language, or no suite is left.
    """
    chosen = {language_code(language) for language in languages}
    kept, left_out = [], []
    for suite in suites:
        if suite.kind == "nway":
            columns = {tag: texts for tag, texts in suite.sentences.items() if language_code(tag) in chosen}
            if len(columns) > 1:
                kept.append(replace(suite, sentences=columns))
                continue
        elif chosen.issuperset(name_languages(suite.name)):
            kept.append(suite)
            continue
        left_out.append(suite.name)
    if not kept:
        raise InputError(
            f"languages {', '.join(languages)}: no suite is in these languages alone; there are {', '.join(left_out)}"
        )
    if left_out:
        logger.warning("not in %s, left out: %s", ", ".join(languages), ", ".join(left_out))
    return kept


def suite_languages(suite: Suite) -> list[str]:
    """Return the languages of a suite: those of an n-way set's columns, else those in its name; empty if none."""
    if suite.kind == "nway":
        return [language_code(tag) for tag in suite.sentences]
    return name_languages(suite.name)


def name_languages(name: str) -> list[str]:
    """Return the one or two languages at the end of a suite's name, or of one of its folders' names, in their order."""
    for part in reversed(name.split("/")):
        # A script or a region belongs to the language before it: zh-Hans, pt-BR.
        words = re.split(r"[-.](?![A-Z][a-z]{3}(?![^-.])|[A-Z]{2}(?![^-.]))", part)
        if len(words) > 1 and all(map(is_language_column, words[-2:])):
            return [language_code(word) for word in words[-2:]]
        if is_language_column(words[-1]) and (len(words) > 1 or len(part) == 2):
            return [language_code(words[-1])]
    return []
