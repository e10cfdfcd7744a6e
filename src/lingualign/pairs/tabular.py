"""Files with named columns: parquet, CSV, TSV and JSON Lines, read to one Arrow table of text columns."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lingualign.errors import InputError
from lingualign.pairs.compression import read_text, without_compression

Choice = Callable[[Sequence[str]], Sequence[str]]
"""From the names of the columns found to those wanted; raises `InputError` where they do not serve."""


def is_tabular(path: Path) -> bool:
    """Whether `read_table` knows the file by its name."""
    kind = _kind(path)
    return kind in _READERS and (kind != ".parquet" or kind == path.suffix.lower())


def read_table(path: Path, choose: Choice) -> pa.Table:
    """Read the chosen columns of a file by its ending.

    ``.parquet``; ``.csv`` (comma, RFC 4180 quotes, header); ``.tsv`` (tab, header, no quoting: a quote is a
    character like any other and no field holds a tab or a line break); ``.jsonl`` (one object a line; a key
    that a line lacks is null; blank lines are passed over). The text kinds also with ``.gz``, ``.zst`` or
    ``.xz``.

    Parameters
    ----------
    path
        The file.
    choose
        Gets the names of all columns, gives those to read.

    Returns
    -------
    pyarrow.Table
        The chosen columns in the chosen order as ``large_string``, nulls where a value is missing.

    Raises
    ------
    InputError
        If the file is damaged, is not UTF-8, a row does not fit the header, a chosen column is not text, or
        ``choose`` raises it.
    """
    try:
        return _READERS[_kind(path)](path, choose)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error})") from None


def _kind(path: Path) -> str:
    return Path(without_compression(path.name)).suffix.lower()


def text_columns(table: pa.Table, names: Sequence[str], origin: object) -> pa.Table:
    """Take columns of a table as ``large_string``; `InputError` names those that are not (valid) text."""
    columns = []
    for name in names:
        column = table[name]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if not _is_text(column.type):
            raise InputError(f"{origin}: column {name!r} holds {column.type}, not text")
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            raise InputError(
                f"{origin}, row {_first_invalid(column)}: column {name!r} is not valid UTF-8"
            ) from None
        columns.append(column.cast(pa.large_string()))
    return pa.table(columns, names=list(names))


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_null(kind)
    )


def _first_invalid(column: pa.ChunkedArray) -> int:
    for row, value in enumerate(column.cast(pa.large_binary()).to_pylist(), start=1):
        try:
            (value or b"").decode("utf-8")
        except UnicodeDecodeError:
            return row
    raise AssertionError("Arrow found invalid UTF-8 that Python does not find")


def _read_parquet(path: Path, choose: Choice) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            names = choose(file.schema_arrow.names)
            table = file.read(columns=list(names))
    except (pa.ArrowException, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: damaged or cut off, or no parquet file ({reason})") from None
    return text_columns(table, names, path)


def text_lines(content: bytes) -> pa.LargeStringArray:
    r"""Lines of UTF-8 text, divided by ``\n`` alone (not by U+2028 and its like)."""
    content = content.removesuffix(b"\n") if content else content
    if not content:
        return pa.array([], pa.large_string())
    whole = pa.LargeStringArray.from_buffers(
        1, pa.array([0, len(content)], pa.int64()).buffers()[1], pa.py_buffer(content)
    )
    return pc.split_pattern(whole, "\n").flatten()


def _read_tsv(path: Path, choose: Choice) -> pa.Table:
    lines = text_lines(read_text(path))
    if not len(lines):
        raise InputError(f"{path}: empty, not even a header line")
    fields = pc.split_pattern(lines, "\t")
    header = fields[0].as_py()
    counts = pc.list_value_length(fields)
    wrong = pc.index(pc.not_equal(counts, len(header)), True).as_py()
    names = choose(_unique_header(path, header))
    if wrong >= 0:
        raise InputError(
            f"{path}, line {wrong + 1}: {counts[wrong]} fields, but the header has {len(header)}; "
            "a TSV has no quoting, so a sentence with a tab or a line break belongs in CSV, JSONL or parquet"
        )
    rows = fields.slice(1)
    return pa.table([pc.list_element(rows, header.index(name)) for name in names], names=list(names))


def _read_csv(path: Path, choose: Choice) -> pa.Table:
    reader = csv.reader(io.StringIO(read_text(path).decode("utf-8"), newline=""), strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise InputError(f"{path}: empty, not even a header line")
        names = choose(_unique_header(path, header))
        places = [header.index(name) for name in names]
        columns: list[list[str]] = [[] for _ in names]
        for row in reader:
            if len(row) != len(header):
                raise InputError(
                    f"{path}, line {reader.line_num}: {len(row)} fields, but the header has {len(header)}; "
                    'a field with a comma, a quote or a line break is written in "quotes"'
                )
            for column, place in zip(columns, places, strict=True):
                column.append(row[place])
    except csv.Error as error:
        raise InputError(
            f"{path}, line {reader.line_num}: not valid CSV ({error}); "
            'a field with a comma, a quote or a line break is written in "quotes", a quote in it twice'
        ) from None
    return pa.table([pa.array(column, pa.large_string()) for column in columns], names=list(names))


def _read_jsonl(path: Path, choose: Choice) -> pa.Table:
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(read_text(path).split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: not valid JSON ({error})") from None
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: not a JSON object")
        rows.append((number, row))
    names = choose(list(dict.fromkeys(name for _, row in rows for name in row)))
    columns = [
        pa.array([_json_text(path, n, row, name) for n, row in rows], pa.large_string()) for name in names
    ]
    return pa.table(columns, names=list(names))


def _json_text(path: Path, number: int, row: dict[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{path}, line {number}: {name!r} is {json.dumps(value)[:40]}, not text")
    try:
        (value or "").encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            f"{path}, line {number}: {name!r} holds half a surrogate pair, not Unicode text"
        ) from None
    return value


def _unique_header(path: Path, header: list[str]) -> list[str]:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError(f"{path}, line 1: the header names {', '.join(map(repr, twice))} more than once")
    return header


_READERS: dict[str, Callable[[Path, Choice], pa.Table]] = {
    ".parquet": _read_parquet,
    ".tsv": _read_tsv,
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
}
