"""Files with named columns: parquet, CSV, TSV and JSON Lines, read to Arrow tables of text columns.

Each reader takes the path, a choice of columns, the encoding of text that declares none, and whether there is a header
line: see `lingualign.pairs.formats.readers`.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import string
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lingualign.errors import InputError, first_line
from lingualign.pairs.formats.compression import ending_of, text_blocks
from lingualign.pairs.formats.parquet import batches, open_parquet
from lingualign.pairs.table import LONGEST_SENTENCE
from lingualign.store import read_json

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

CHUNK_ROWS = 1 << 16
"""Rows of a table read at a time."""

_MINED = ("score", "source", "target")
_FRACTION = re.compile(r"-?\d+\.\d+(e[-+]?\d+)?")
_IN_QUOTES = re.compile(r'"[^"]*(?:""[^"]*)*"')
_QUOTED_FIELD = rf'(?:{_IN_QUOTES.pattern}|[^"\t]*)'
_QUOTED_ROW = re.compile(rf"{_QUOTED_FIELD}(?:\t{_QUOTED_FIELD})*")
_IN_QUOTES_ALONE = re.compile(r'(?s)\A"(?=.*[^\W\d_]).*(?:""|[\t\n]).*"\Z')
_ENOUGH = 8
_SEPARATOR = re.compile(r"sep=(.)\r?\n?")
_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}

DAMAGED = (pa.ArrowException, EOFError, UnicodeDecodeError)
"""Errors of Arrow for a damaged file, including those of decoding names of columns."""

Choice = Callable[[Sequence[str]], Sequence[str]]
"""Function from the names of a file's columns to those to read; raises `InputError` if they do not suffice."""


def text_columns(table: pa.Table, names: Sequence[str], origin: object, before: int = 0) -> pa.Table:
    """Return columns of a table as ``large_string``; raise InputError for one that is not (valid) text.

    ``before`` is the number of the origin's rows before the table.
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
    """Turn the fields of nested columns into columns of their own: ``translation.en``."""
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


def stream_parquet(path: Path, choose: Choice, _encoding: str | None, _header: bool) -> Iterator[pa.Table]:
    """Read the chosen columns of parquet, within the bounds of `batches`."""
    rows = 0
    try:
        with open_parquet(path) as file:
            none = flat_columns(file.schema_arrow.empty_table())
            names = _chosen(path, none.column_names, choose)
            for batch in chain(batches(file, path, list(names)), [None]):
                if batch is not None or not rows:
                    table = none if batch is None else flat_columns(pa.Table.from_batches([batch]))
                    yield text_columns(table, names, path, before=rows)
                    rows += table.num_rows
    except DAMAGED as error:
        reason = first_line(error)
        raise InputError(f"{path}: damaged or cut off, or no parquet file ({reason})") from None


def text_lines(content: bytes) -> pa.LargeStringArray:
    r"""Return the lines of UTF-8 text, divided only by ``\n`` (not by U+2028 and the like)."""
    if not content:
        return pa.array([], pa.large_string())
    content = content.removesuffix(b"\n")
    whole = pa.LargeStringArray.from_buffers(
        1, pa.array([0, len(content)], pa.int64()).buffers()[1], pa.py_buffer(content)
    )
    return pc.split_pattern(whole, "\n").flatten()


def stream_tsv(path: Path, choose: Choice, encoding: str | None, header: bool) -> Iterator[pa.Table]:
    """Read the chosen columns of TSV, with plain fields or with the quoting of other programs."""
    if is_quoted(text_blocks(path, encoding), path):
        yield from stream_csv(path, choose, encoding, header)
        return
    width = before = 0
    places: dict[str, int] = {}
    for block in text_blocks(path, encoding):
        lines = text_lines(block)
        fields = pc.split_pattern(lines, "\t")
        if not width and len(fields):
            first = fields[0].as_py()
            width = len(first)
            found, is_header = _names(first, header)
            places = {name: found.index(name) for name in _chosen(path, found, choose)}
        counts = pc.list_value_length(fields)
        misfit = pc.not_equal(counts, width)
        wrong = pc.index(pc.and_not(misfit, pc.match_substring_regex(lines, "^[ \r]*$")), True).as_py()
        if wrong >= 0:
            raise InputError(
                f"{path}, line {before + wrong + 1}: {counts[wrong]} fields, but the header has {width}; "
                "a TSV has no quoting, so a sentence with a tab or a line break belongs in CSV, JSONL or parquet"
            )
        rows = fields.filter(pc.invert(misfit)) if pc.any(misfit).as_py() else fields
        if is_header and not before:
            rows = rows.slice(1)
        before += len(fields)
        yield pa.table([pc.list_element(rows, place) for place in places.values()], names=list(places))
    if not width:
        raise InputError(f"{path}: empty, not even a header line")


def _names(first: list[str], header: bool) -> tuple[list[str], bool]:
    """Return the names of the columns by the first line, and whether this line is a header."""
    if not header:
        return [str(place) for place in range(1, len(first) + 1)], False
    return (list(_MINED), False) if _is_mined(first) else (first, True)


def _is_mined(first: list[str]) -> bool:
    return len(first) == len(_MINED) and _FRACTION.fullmatch(first[0]) is not None


def is_quoted(blocks: Iterable[bytes], origin: object = None) -> bool:
    """Return whether a TSV, in blocks of whole lines, has the quoting of pandas, R and spreadsheets.

    It was if each field that holds a quote begins and ends with one and has those within doubled, and one of them
    shows that this is no accident: a doubled quote around words, a tab or line break within where the lines as they
    stand have not the header's number of fields, a name of the header, or, as spreadsheets do it, all fields with a
    comma and no others. A warning tells of an ``origin`` whose fields in quotes show nothing.
    """
    parts: list[str] = []
    size = width = quoted = with_comma = bare_comma = 0
    within = evidence = False
    for block in blocks:
        if not parts and b'"' not in block:
            width = width or block.partition(b"\n")[0].count(b"\t") + 1
            bare_comma += b"," in block
            continue
        for line in block.decode("utf-8").removesuffix("\n").split("\n"):
            if not parts and '"' not in line:
                width = width or line.count("\t") + 1
                bare_comma += "," in line
                continue
            parts.append(line)
            size += len(line)
            within ^= line.count('"') % 2 == 1
            if within and size <= LONGEST_SENTENCE:
                continue
            if within:
                return False
            row = "\n".join(parts)
            fields = _IN_QUOTES.findall(row) if _QUOTED_ROW.fullmatch(row) else []
            bare = _IN_QUOTES.sub("", row)
            if not fields or (width and bare.count("\t") + 1 != width):
                return False
            evidence |= not width and not _is_mined(parts[0].split("\t"))
            width = width or bare.count("\t") + 1
            # Complete lines may be plain: a tab or line break between two quotes then shows nothing.
            plain = all(part.count("\t") + 1 == width or not part.strip(" \r") for part in parts)
            whole = [field for field in fields if not (plain and re.search("[\t\n]", field))]
            evidence |= any(_IN_QUOTES_ALONE.search(field) for field in whole)
            bare_comma += "," in bare
            quoted += len(fields)
            with_comma += sum("," in field for field in whole)
            parts, size = [], 0
    if parts or not quoted:
        return False
    if not evidence and quoted == with_comma >= _ENOUGH and not bare_comma:
        evidence = True
    if not evidence and origin is not None:
        logger.warning(
            "%s: fields in quotes: %d; the quotes are read as part of the text; if a program put them there, name the "
            "file .csv",
            origin,
            quoted,
        )
    return evidence


def stream_csv(path: Path, choose: Choice, encoding: str | None, header: bool) -> Iterator[pa.Table]:
    """Read the chosen columns of CSV."""
    texts = (io.StringIO(block.decode("utf-8"), newline="") for block in text_blocks(path, encoding))
    lines = chain.from_iterable(texts)
    start = next(lines, None)
    if start is None:
        raise InputError(f"{path}: empty, not even a header line")
    named = _SEPARATOR.fullmatch(start)
    delimiter = named[1] if named else "\t" if ending_of(path) == ".tsv" else _delimiter(start)
    rows = _csv_rows(path, lines if named else chain([start], lines), delimiter, before=bool(named))
    first = next(rows, [])
    found, is_header = _names(first, header)
    names = _chosen(path, found, choose)
    places = [found.index(name) for name in names]
    rows = rows if is_header else chain([first], rows)
    some = False
    while (chunk := list(islice(rows, CHUNK_ROWS))) or not some:
        columns = ([row[place] for row in chunk] for place in places)
        yield pa.table([pa.array(column, pa.large_string()) for column in columns], names=list(names))
        some = True


def _delimiter(first: str) -> str:
    """Return the delimiter of a header line."""
    bare = _IN_QUOTES.sub("", first)
    return "," if "," in bare else max(";\t|", key=bare.count) if re.search("[;\t|]", bare) else ","


def _csv_rows(path: Path, lines: Iterator[str], delimiter: str, before: int) -> Iterator[list[str]]:
    """Yield the rows of a CSV, the header first, after ``before`` lines; blank lines are skipped.

    Raises
    ------
    InputError
        If it is not valid; the message names the first line of the row, or the line of an unclosed quote.
    """
    # The limit holds for all readers of the interpreter, so it is never lowered.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_SENTENCE))
    read: list[str] = []

    def kept() -> Iterator[str]:
        for line in lines:
            read.append(line)
            yield line

    reader = csv.reader(kept(), delimiter=delimiter, strict=True)
    name = _DELIMITERS.get(delimiter, repr(delimiter))
    cure = f'a field with {name}, a quote or a line break is written in "quotes", a quote in it twice'
    width = 0
    while True:
        line = before + reader.line_num + 1
        read.clear()
        try:
            row = next(reader, None)
        except csv.Error as error:
            opened = _unclosed("".join(read), delimiter)
            if opened is not None:
                raise InputError(
                    f"{path}, line {line + opened}: not valid CSV ({error}): a quote that is opened here is not "
                    "closed; close it, or write a quote that is text twice within quotes"
                ) from None
            reason = str(error)
            if "field limit" in reason:
                reason = f"a field of more than {csv.field_size_limit():,} characters"
            raise InputError(f"{path}, line {line}: not valid CSV ({reason}); {cure}") from None
        if row is None:
            return
        width = width or len(row)
        if len(row) != width:
            if not "".join(row).strip(" "):
                continue
            raise InputError(f"{path}, line {line}: {len(row)} fields, but the header has {width}; {cure}")
        yield row


def _unclosed(row: str, delimiter: str) -> int | None:
    """Return the number of line breaks of a row before an unclosed quote; None if all are closed."""
    field = re.compile(
        rf'(?:"[^"]*(?:""[^"]*)*"|(?!")[^{re.escape(delimiter)}\r\n]*)(?:{re.escape(delimiter)}|\r?\n|\r|$)'
    )
    place = 0
    while (found := field.match(row, place)) and found.end() > place:
        place = found.end()
    rest = row[place:]
    return row.count("\n", 0, place) if rest.startswith('"') and not _IN_QUOTES.match(rest) else None


def stream_jsonl(path: Path, choose: Choice, encoding: str | None, _header: bool) -> Iterator[pa.Table]:
    """Read the chosen columns of JSON Lines, in two passes."""
    # Two passes: the last line may be the first with a key.
    found: dict[str, None] = {}
    for _, row in _json_objects(path, encoding):
        if not row.keys() <= found.keys():
            found.update(dict.fromkeys(row))
    names = _chosen(path, list(found), choose)
    objects = _json_objects(path, encoding)
    first = True
    while (rows := list(islice(objects, CHUNK_ROWS))) or first:
        yield pa.table([_json_column(path, rows, name) for name in names], names=list(names))
        first = False


def _json_objects(path: Path, encoding: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a JSONL file with their line numbers."""
    before = 0
    for block in text_blocks(path, encoding):
        lines = block.decode("utf-8").removesuffix("\n").split("\n")
        for number, line in enumerate(lines, start=before + 1):
            if not line.strip(string.whitespace):
                continue
            try:
                row = read_json(line)
            except ValueError as error:
                raise InputError(f"{path}, line {number}: not valid JSON ({error})") from None
            if not isinstance(row, dict):
                raise InputError(f"{path}, line {number}: not a JSON object")
            yield number, _flat(row)
        before += len(lines)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Turn the fields of nested objects into fields of their own: ``translation.en``."""
    while any(isinstance(value, dict) and value for value in row.values()):
        row = {
            f"{name}.{key}" if nested else name: field
            for name, value in row.items()
            for nested in [isinstance(value, dict) and bool(value)]
            for key, field in (value.items() if nested else [("", value)])
        }
    return row


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


def _chosen(path: Path, found: Sequence[str], choose: Choice) -> list[str]:
    """Return the chosen columns; raise InputError for one that occurs more than once."""
    twice = {name for name in found if list(found).count(name) > 1}
    try:
        names = list(choose(found))
    except InputError:
        if not twice:
            raise
        names = [*found]
    if unclear := sorted(twice.intersection(names)):
        raise InputError(
            f"{path}: the header names {', '.join(map(repr, unclear))} more than once; rename all but one"
        )
    return names
