"""Evaluation files: reading a folder of them, and telling from the columns what each one measures."""

from __future__ import annotations

import gzip
import json
import logging
import lzma
import math
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import zstandard

from lingualign.errors import InputError
from lingualign.languages import is_language

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

logger = logging.getLogger(__name__)

Kind = Literal["bitext", "nway", "sts"]

_COMPRESSIONS = ("", ".gz", ".xz", ".zst")
ENDINGS = (".parquet", *(form + pressed for form in (".tsv", ".jsonl") for pressed in _COMPRESSIONS))
"""What a suite's file may be called."""

_KINDS = (
    "'sentence1' and 'sentence2' (bitext), the same with 'score' (sts), "
    "or nothing but language columns such as 'eng_Latn' and 'kor_Hang' (nway)"
)


@dataclass(frozen=True, slots=True)
class Suite:
    """One evaluation file, read.

    Attributes
    ----------
    name
        The path below the given folder without the ending: ``tatoeba/fra-eng``.
    group
        What `evaluate` averages over: the first part of the name, or, for a file that lies directly in the
        given folder (or was itself given), the name of the folder it lies in. So ``eval`` and
        ``eval/tatoeba`` both give the group ``tatoeba``.
    kind
        ``bitext`` and ``nway``: row i of one column is the translation of row i of the others; ``sts``:
        people have scored how alike the two sentences of a row are.
    path
        Where it was read from.
    sentences
        The text columns by name, in the file's order, all of the same length.
    gold
        People's scores, (rows,) float64, for ``sts``; else None.
    """

    name: str
    group: str
    kind: Kind
    path: Path
    sentences: dict[str, list[str]]
    gold: npt.NDArray[np.float64] | None = field(default=None, compare=False)

    @property
    def rows(self) -> int:
        """How many rows are scored."""
        return len(next(iter(self.sentences.values())))


def load_suites(paths: str | Path | Iterable[str | Path]) -> list[Suite]:
    """Read evaluation suites.

    Parameters
    ----------
    paths
        Folders, read recursively in sorted order, and files: parquet, TSV (a header line, fields separated by
        tabs, quotation marks are ordinary characters) or JSONL, the last two also as ``.gz``, ``.xz`` or
        ``.zst``. A file's kind follows from its columns: ``sentence1, sentence2, score`` is sts, ``sentence1,
        sentence2`` bitext, nothing but language columns nway. Where there is a ``split`` column the rows of
        ``test`` are taken. Other columns are left alone. Hidden files are passed over; files with another
        ending are named in a warning.

    Returns
    -------
    list of Suite
        In the order given. A file reached twice is read once.

    Raises
    ------
    InputError
        If a path is missing or holds nothing of use; a file cannot be read, has columns that fit no kind,
        fewer than two rows to score, a missing sentence, or a score that is no finite number; all scores of a
        file are equal; or two files have the same name.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    if not paths:
        raise InputError("no suite given: name at least one folder or file of evaluation data")
    suites: dict[str, Suite] = {}
    seen: set[Path] = set()
    for given in map(Path, paths):
        for path in _files(given):
            if path.resolve() in seen:
                continue
            seen.add(path.resolve())
            suite = _load(path, *_name(path, given))
            if suite.name in suites:
                raise InputError(
                    f"two suites have the name {suite.name!r}: {suites[suite.name].path} and {path}; "
                    "rename one, or give the folder above both so that their names tell them apart"
                )
            suites[suite.name] = suite
    return list(suites.values())


def _files(given: Path) -> list[Path]:
    """List the suite files at a path."""
    if not given.exists():
        raise InputError(f"no such suite: {given} is neither a folder nor a file")
    if given.is_file():
        if not given.name.endswith(ENDINGS):
            raise InputError(f"{given} cannot be a suite: expected a file ending in {', '.join(ENDINGS)}")
        return [given]
    found = sorted(
        path
        for path in given.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(given).parts)
    )
    usable = [path for path in found if path.name.endswith(ENDINGS)]
    other = [str(path.relative_to(given)) for path in found if not path.name.endswith(ENDINGS)]
    listed = ", ".join(other[:5]) + (f" and {len(other) - 5} more" if len(other) > 5 else "")
    if not usable:
        raise InputError(
            f"nothing to evaluate on in {given}: expected files ending in {', '.join(ENDINGS)}, "
            f"found {listed or 'no files'}"
        )
    if other:
        logger.warning("not read from %s, for their endings: %s", given, listed)
    return usable


def _name(path: Path, given: Path) -> tuple[str, str]:
    """Give the name and group of a suite file reached through a given path."""
    relative = path.relative_to(given) if given.is_dir() else Path(path.name)
    ending = max((e for e in ENDINGS if path.name.endswith(e)), key=len)
    name = relative.as_posix().removesuffix(ending)
    return name, relative.parts[0] if len(relative.parts) > 1 else path.resolve().parent.name


def _load(path: Path, name: str, group: str) -> Suite:
    columns = _read(path)
    kind, text = _kind(path, list(columns))
    rows = list(range(len(next(iter(columns.values())))))
    if "split" in columns:
        split = columns["split"]
        rows = [row for row in rows if split[row] == "test"]
        if split and not rows:
            found = ", ".join(sorted({str(value) for value in split}))
            raise InputError(
                f"{path} has no rows to score: its column 'split' never says 'test', only {found}"
            )
    if len(rows) < 2:
        raise InputError(f"{path} has too few rows to score: {len(rows)}, expected at least 2")
    for column in text:
        for row in rows:
            if not isinstance(value := columns[column][row], str):
                raise InputError(
                    f"{path}, row {row + 1} (header aside): {column!r} is {_shown(value)}, expected text"
                )
    sentences = {column: [columns[column][row] for row in rows] for column in text}
    gold = _gold(path, columns["score"], rows) if kind == "sts" else None
    return Suite(name, group, kind, path, sentences, gold)


def _kind(path: Path, columns: list[str]) -> tuple[Kind, list[str]]:
    """Tell from the column names what a file measures, and which columns hold the sentences."""
    if {"sentence1", "sentence2"} <= set(columns):
        return ("sts" if "score" in columns else "bitext"), ["sentence1", "sentence2"]
    languages = [column for column in columns if column != "split"]
    if len(languages) > 1 and all(map(is_language, languages)):
        return "nway", languages
    raise InputError(
        f"{path} fits no kind of suite: expected {_KINDS}, found the columns {', '.join(columns)}"
    )


def _gold(path: Path, values: list[Any], rows: list[int]) -> npt.NDArray[np.float64]:
    gold = np.empty(len(rows))
    for place, row in enumerate(rows):
        value = values[row]
        try:
            gold[place] = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            gold[place] = math.nan
        if not math.isfinite(gold[place]):
            raise InputError(
                f"{path}, row {row + 1} (header aside): 'score' is {_shown(value)}, expected a finite number"
            )
    if np.all(gold == gold[0]):
        raise InputError(
            f"{path}: all {len(gold)} scores are {gold[0]:g}, so there is no order to compare with"
        )
    return gold


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)


def _read(path: Path) -> dict[str, list[Any]]:
    """Read a file's columns; what is missing is None."""
    columns = _read_parquet(path) if path.suffix == ".parquet" else _read_text(path)
    if not columns:
        raise InputError(f"{path} is empty: expected the columns {_KINDS}")
    return columns


def _read_parquet(path: Path) -> dict[str, list[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} cannot be read as parquet: {error}") from error
    return {name: table[name].to_pylist() for name in table.column_names}


def _read_text(path: Path) -> dict[str, list[Any]]:
    lines = _lines(path)
    return _read_jsonl(path, lines) if ".jsonl" in path.suffixes[-2:] else _read_tsv(path, lines)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Give the non-empty lines of a text file with their numbers, without their ends."""
    try:
        with _open(path) as stream:
            for number, line in enumerate(stream, start=1):
                text = line.rstrip(b"\r\n").decode("utf-8-sig" if number == 1 else "utf-8")
                if text:
                    yield number, text
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}, line {number}: not UTF-8 ({error.reason}); convert the file to UTF-8"
        ) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error, zstandard.ZstdError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


def _open(path: Path) -> Any:
    if path.suffix == ".gz":
        return gzip.open(path)
    if path.suffix == ".xz":
        return lzma.open(path)
    if path.suffix == ".zst":
        return zstandard.open(path)
    return path.open("rb")


def _read_tsv(path: Path, lines: Iterator[tuple[int, str]]) -> dict[str, list[Any]]:
    header = next(lines, (0, ""))[1]
    names = header.split("\t") if header else []
    if len(set(names)) < len(names):
        raise InputError(f"{path}: a column name stands twice in the header: {', '.join(names)}")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for number, line in lines:
        fields = line.split("\t")
        if len(fields) != len(names):
            raise InputError(
                f"{path}, line {number}: {len(fields)} fields, but the header names {len(names)}: "
                f"{', '.join(names)}"
            )
        for name, value in zip(names, fields, strict=True):
            columns[name].append(value)
    return columns


def _read_jsonl(path: Path, lines: Iterator[tuple[int, str]]) -> dict[str, list[Any]]:
    records = []
    for number, line in lines:
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error})") from error
        if not isinstance(record, dict):
            raise InputError(f"{path}, line {number}: expected a JSON object, found {type(record).__name__}")
        records.append(record)
    names = dict.fromkeys(name for record in records for name in record)
    return {name: [record.get(name) for record in records] for name in names}
