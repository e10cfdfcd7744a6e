"""Files with named columns: parquet, CSV, TSV and JSON Lines, read to Arrow tables of text columns."""

from __future__ import annotations

import csv
import io
import json
import string
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lingualign.errors import InputError, first_line
from lingualign.pairs.formats.compression import text_blocks, without_compression

_BUFFER_BYTES = 1 << 20
CHUNK_ROWS = 1 << 16
"""Rows of a file with columns that are held at a time."""

DAMAGED = (pa.ArrowException, EOFError, UnicodeDecodeError)
"""What Arrow raises at a file that is damaged; names of columns are decoded without a word of its own."""

Choice = Callable[[Sequence[str]], Sequence[str]]
"""From the names of the columns found to those wanted; raises `InputError` where they do not serve."""


def is_tabular(path: Path) -> bool:
    """Whether `read_table` knows the file by its name."""
    kind = _kind(path)
    return kind in _READERS and (kind != ".parquet" or kind == path.suffix.lower())


def read_table(path: Path, choose: Choice, encoding: str | None = None) -> pa.Table:
    """Read the chosen columns of a file by its ending.

    ``.parquet``; ``.csv`` (comma, RFC 4180 quotes, header); ``.tsv`` (tab, header, no quoting: a quote is a
    character like any other and no field holds a tab or a line break); ``.jsonl`` (one object a line; a key
    that a line lacks is null; blank lines are passed over). The text kinds also compressed:
    see `lingualign.pairs.formats.compression`.

    Parameters
    ----------
    path
        The file.
    choose
        Gets the names of all columns, gives those to read.
    encoding
        Of a text kind, if not UTF-8.

    Returns
    -------
    pyarrow.Table
        The chosen columns in the chosen order as ``large_string``, nulls where a value is missing.

    Raises
    ------
    InputError
        If the file is damaged, is not in its encoding, a row does not fit the header, a chosen column is not text, or
        ``choose`` raises it.
    """
    return pa.concat_tables(stream_table(path, choose, encoding))


def stream_table(path: Path, choose: Choice, encoding: str | None = None) -> Iterator[pa.Table]:
    """Read what `read_table` gives as tables of some ten thousand rows, at least one; raises what it raises."""
    try:
        yield from _READERS[_kind(path)](path, choose, encoding)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error})") from None


def _kind(path: Path) -> str:
    return Path(without_compression(path.name)).suffix.lower()


def text_columns(table: pa.Table, names: Sequence[str], origin: object, before: int = 0) -> pa.Table:
    """Take columns of a table as ``large_string``; `InputError` names those that are not (valid) text.

    ``before`` is the number of rows that stand before the table's in its origin.
    """
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
                f"{origin}, row {before + _first_invalid(column)}: column {name!r} is not valid UTF-8"
            ) from None
        columns.append(column.cast(pa.large_string()))
    return pa.table(columns, names=list(names))


def flat_columns(table: pa.Table) -> pa.Table:
    """Make the fields of nested columns columns of their own: ``translation.en``."""
    while any(pa.types.is_struct(kind) for kind in table.schema.types):
        table = table.flatten()
    return table


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


def _stream_parquet(path: Path, choose: Choice, _encoding: str | None) -> Iterator[pa.Table]:
    rows = 0
    try:
        # Without the buffer a row group is read bit by bit, however large it is.
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
            names = choose(file.schema_arrow.names)
            none = file.schema_arrow.empty_table()
            for batch in chain(file.iter_batches(CHUNK_ROWS, columns=list(names)), [None]):
                if batch is not None or not rows:
                    table = none if batch is None else pa.Table.from_batches([batch])
                    yield text_columns(table, names, path, before=rows)
                    rows += table.num_rows
    except DAMAGED as error:
        reason = first_line(error)
        raise InputError(f"{path}: damaged or cut off, or no parquet file ({reason})") from None


def text_lines(content: bytes) -> pa.LargeStringArray:
    r"""Lines of UTF-8 text, divided by ``\n`` alone (not by U+2028 and its like)."""
    if not content:
        return pa.array([], pa.large_string())
    content = content.removesuffix(b"\n")
    whole = pa.LargeStringArray.from_buffers(
        1, pa.array([0, len(content)], pa.int64()).buffers()[1], pa.py_buffer(content)
    )
    return pc.split_pattern(whole, "\n").flatten()


def _stream_tsv(path: Path, choose: Choice, encoding: str | None) -> Iterator[pa.Table]:
    header: list[str] = []
    names: Sequence[str] = []
    before = 0
    for block in text_blocks(path, encoding):
        fields = pc.split_pattern(text_lines(block), "\t")
        if not header and len(fields):
            header = fields[0].as_py()
            names = choose(_unique_header(path, header))
        counts = pc.list_value_length(fields)
        wrong = pc.index(pc.not_equal(counts, len(header)), True).as_py()
        if wrong >= 0:
            raise InputError(
                f"{path}, line {before + wrong + 1}: {counts[wrong]} fields, but the header has {len(header)}; "
                "a TSV has no quoting, so a sentence with a tab or a line break belongs in CSV, JSONL or parquet"
            )
        rows = fields if before else fields.slice(1)
        before += len(fields)
        yield pa.table([pc.list_element(rows, header.index(name)) for name in names], names=list(names))
    if not header:
        raise InputError(f"{path}: empty, not even a header line")


def _stream_csv(path: Path, choose: Choice, encoding: str | None) -> Iterator[pa.Table]:
    texts = (io.StringIO(block.decode("utf-8"), newline="") for block in text_blocks(path, encoding))
    reader = csv.reader(chain.from_iterable(texts), strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise InputError(f"{path}: empty, not even a header line")
        names = choose(_unique_header(path, header))
        places = [header.index(name) for name in names]
        first = True
        while (rows := list(islice(_fitting(path, reader, len(header)), CHUNK_ROWS))) or first:
            columns = ([row[place] for row in rows] for place in places)
            yield pa.table([pa.array(column, pa.large_string()) for column in columns], names=list(names))
            first = False
    except csv.Error as error:
        raise InputError(
            f"{path}, line {reader.line_num}: not valid CSV ({error}); "
            'a field with a comma, a quote or a line break is written in "quotes", a quote in it twice'
        ) from None


def _fitting(path: Path, reader: Any, fields: int) -> Iterator[list[str]]:
    """Give the rows of a CSV; `InputError` names one that does not fit the header."""
    for row in reader:
        if len(row) != fields:
            raise InputError(
                f"{path}, line {reader.line_num}: {len(row)} fields, but the header has {fields}; "
                'a field with a comma, a quote or a line break is written in "quotes"'
            )
        yield row


def _stream_jsonl(path: Path, choose: Choice, encoding: str | None) -> Iterator[pa.Table]:
    # Twice, for the last line may be the first to have a key.
    found: dict[str, None] = {}
    for _, row in _json_objects(path, encoding):
        if not row.keys() <= found.keys():
            found.update(dict.fromkeys(row))
    names = choose(list(found))
    objects = _json_objects(path, encoding)
    first = True
    while (rows := list(islice(objects, CHUNK_ROWS))) or first:
        yield pa.table([_json_column(path, rows, name) for name in names], names=list(names))
        first = False


def _json_objects(path: Path, encoding: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give the objects of a JSONL file with the numbers of their lines."""
    before = 0
    for block in text_blocks(path, encoding):
        lines = block.decode("utf-8").removesuffix("\n").split("\n")
        for number, line in enumerate(lines, start=before + 1):
            if not line.strip(string.whitespace):
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}, line {number}: not valid JSON ({error})") from None
            if not isinstance(row, dict):
                raise InputError(f"{path}, line {number}: not a JSON object")
            yield number, row
        before += len(lines)


def _json_column(path: Path, rows: list[tuple[int, dict[str, Any]]], name: str) -> pa.Array:
    try:
        return pa.array([row.get(name) for _, row in rows], pa.large_string())
    except (pa.ArrowException, TypeError, UnicodeError):
        return pa.array([_json_text(path, number, row, name) for number, row in rows], pa.large_string())


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


_READERS: dict[str, Callable[[Path, Choice, str | None], Iterator[pa.Table]]] = {
    ".parquet": _stream_parquet,
    ".tsv": _stream_tsv,
    ".csv": _stream_csv,
    ".jsonl": _stream_jsonl,
}
