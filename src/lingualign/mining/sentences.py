"""Sentences from one file or standard input, in order, a bounded number at a time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lingualign.errors import InputError
from lingualign.pairs.formats.compression import read_blocks
from lingualign.pairs.formats.tabular import DAMAGED, is_tabular, read_table, text_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

STANDARD_INPUT = "-"
CHUNK_ROWS = 32_768
CHUNK_CHARACTERS = 1 << 25
_BATCH_ROWS = 8_192
_COLUMNS = ("sentence", "text")


def read_sentences(source: str, column: str | None = None) -> Iterator[list[str]]:
    r"""Read the sentences of a source, in chunks of at most `CHUNK_ROWS` and about `CHUNK_CHARACTERS`.

    Parameters
    ----------
    source
        A text file, one sentence a line (divided by ``\n`` alone; an empty line is an empty sentence), also
        compressed; ``-`` for such text on standard input; or a parquet, CSV, TSV or JSONL file.
        Text and parquet are read as they are needed, the others whole.
    column
        Of a file with columns, the one to take; by default ``sentence``, ``text``, or the only one. A missing
        value is an empty sentence.

    Raises
    ------
    InputError
        If the source is missing, empty, damaged or not UTF-8, or has no such column.
    """
    path = Path(source)
    if source != STANDARD_INPUT and not path.is_file():
        raise InputError(
            f"{source!r}: no such file; give a text file, one sentence a line, or - for standard input"
        )
    tabular = source != STANDARD_INPUT and is_tabular(path)
    if column is not None and not tabular:
        raise InputError(
            f"column is {column!r}, but {source!r} is plain text, which has no columns; leave it out"
        )
    some = False
    for chunk in chunks(_table_texts(path, column) if tabular else _lines(source)):
        some = True
        yield chunk
    if not some:
        raise InputError(f"{source!r}: empty, there is not one sentence in it")


def chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Cut sentences into chunks of at most `CHUNK_ROWS` and about `CHUNK_CHARACTERS`."""
    chunk: list[str] = []
    characters = 0
    for text in texts:
        chunk.append(text)
        characters += len(text)
        if len(chunk) == CHUNK_ROWS or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _lines(source: str) -> Iterator[str]:
    blocks = (
        iter(lambda: sys.stdin.buffer.read(1 << 20), b"")
        if source == STANDARD_INPUT
        else read_blocks(Path(source))
    )
    begun: list[bytes] = []
    number = 0
    for block in blocks:
        *complete, rest = block.split(b"\n")
        for line in complete:
            number += 1
            yield _text(b"".join([*begun, line]), source, number)
            begun = []
        begun.append(rest)
    if any(begun):
        yield _text(b"".join(begun), source, number + 1)


def _text(line: bytes, source: str, number: int) -> str:
    if number == 1:
        line = line.removeprefix(b"\xef\xbb\xbf")
    try:
        return line.removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source}, line {number}: not valid UTF-8 (byte 0x{line[error.start]:02x}); "
            "convert the file to UTF-8, for example with iconv"
        ) from None


def _table_texts(path: Path, column: str | None) -> Iterator[str]:
    def choose(found: Sequence[str]) -> list[str]:
        named = [name for name in ((column,) if column else _COLUMNS) if name in found]
        if named or (column is None and len(found) == 1):
            return [*named, *found][:1]
        missing = f"no column {column!r}" if column else "no column 'sentence' or 'text'"
        raise InputError(
            f"{path}: {missing}; found {', '.join(map(repr, found)) or 'none'}: name one with column"
        )

    if path.suffix.lower() != ".parquet":
        yield from pc.fill_null(read_table(path, choose).column(0), "").to_pylist()
        return
    try:
        with pq.ParquetFile(path) as file:
            names = choose(file.schema_arrow.names)
            for batch in file.iter_batches(_BATCH_ROWS, columns=names):
                column_of = text_columns(pa.table(batch), names, path).column(0)
                yield from pc.fill_null(column_of, "").to_pylist()
    except DAMAGED as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: damaged or cut off, or no parquet file ({reason})") from None
