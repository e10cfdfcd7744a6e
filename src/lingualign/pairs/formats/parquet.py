"""Reading of parquet within bounds: a page, or a repeated sentence of a dictionary, may expand beyond the memory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lingualign.errors import InputError
from lingualign.pairs.formats.compression import EXPANSION, FREE_EXPANSION_BYTES
from lingualign.store import check_regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_BUFFER_BYTES = 1 << 20
_BATCH_ROWS = 1 << 16
_DELTA_ROWS = 1 << 10
_BATCH_BYTES = 1 << 28
_CODED_BYTES = 8
_FEWEST_ROW_BYTES = 4
_PLACE_BYTES = 8
"""Bytes of a value in an Arrow table, beside its text."""


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a file so that `batches` can read it.

    Text in dictionary pages stays a dictionary with a number for each row, so that its size is known before it is
    written out. Pages with `_CODED_BYTES` a row or more are the exception, such as those of distinct sentences: their
    dictionary would grow to all sentences of a row group.
    """
    check_regular(path)
    metadata = pq.read_metadata(path)
    coded: set[str] = set()
    plain: set[str] = set()
    # pyarrow aborts the process at the column metadata of some damaged files: only suspicious files are inspected.
    for group in range(metadata.num_row_groups if _is_suspicious(metadata, path) else 0):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            if column.physical_type != "BYTE_ARRAY":
                continue
            small = column.total_uncompressed_size < _CODED_BYTES * column.num_values + _BUFFER_BYTES
            is_coded = column.has_dictionary_page and small and not _is_delta(column)
            (coded if is_coded else plain).add(column.path_in_schema)
    # In a damaged file a row group may name a column that the schema does not have.
    known = {metadata.schema.column(place).path for place in range(metadata.num_columns)}
    # Without the buffer a row group is read in small parts, however large it is.
    with pq.ParquetFile(
        path,
        metadata=metadata,
        pre_buffer=False,
        buffer_size=_BUFFER_BYTES,
        read_dictionary=sorted((coded - plain) & known),
    ) as file:
        yield file


def batches(file: pq.ParquetFile, path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield columns batch by batch, each at most 256 MiB with its dictionaries written out.

    Raises
    ------
    InputError
        If the columns expand to more than 200 times the file and to more than 256 MiB: by the file's metadata before
        the pages are read, by their content afterwards.
    """
    limit = _limit(path)
    rows = _BATCH_ROWS
    if _is_suspicious(file.metadata, path):
        if _claimed(file.metadata, columns) > limit:
            raise _too_large(path, limit)
        if any(map(_is_delta, _chunks(file.metadata, columns))):
            rows = _DELTA_ROWS
    total = 0
    for batch in file.iter_batches(rows, columns=list(columns)):
        total += _size_of(batch)
        if total > limit:
            raise _too_large(path, limit)
        yield from _divided(batch)


def read_columns(path: Path, columns: Sequence[str]) -> pa.Table:
    """Read whole columns of a file, dictionaries as dictionaries; raises the errors of `batches`."""
    with open_parquet(path) as file:
        none = file.schema_arrow.empty_table().select(list(columns))
        return pa.Table.from_batches(batches(file, path, columns), none.schema)


def written_out(column: pa.Array) -> pa.Array:
    """Return a dictionary column as text, in the file's type; other columns unchanged."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _limit(path: Path) -> int:
    """Return the number of bytes that a file may expand to."""
    return max(path.stat().st_size * EXPANSION, FREE_EXPANSION_BYTES)


def _is_suspicious(metadata: pq.FileMetaData, path: Path) -> bool:
    """Return whether a file claims hardly any bytes per row, or an expansion beyond the limit."""
    claimed = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    return bool(metadata.num_rows * _FEWEST_ROW_BYTES > path.stat().st_size or claimed > _limit(path))


def _is_delta(column: pq.ColumnChunkMetaData) -> bool:
    return any(encoding.startswith("DELTA") for encoding in column.encodings)


def _chunks(metadata: pq.FileMetaData, columns: Sequence[str]) -> Iterator[pq.ColumnChunkMetaData]:
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            path = column.path_in_schema
            if any(path == name or path.startswith(f"{name}.") for name in columns):
                yield column


def _claimed(metadata: pq.FileMetaData, columns: Sequence[str]) -> int:
    """Return the bytes of columns by the file's metadata: the pages of text, all values of numbers."""
    return sum(
        max(
            column.total_uncompressed_size,
            0 if column.physical_type == "BYTE_ARRAY" else _PLACE_BYTES * column.num_values,
        )
        for column in _chunks(metadata, columns)
    )


def _size_of(batch: pa.RecordBatch) -> int:
    """Return the bytes of a batch with the text of every row written out."""
    return sum(map(_size, batch.columns))


def _size(column: pa.Array) -> int:
    if pa.types.is_struct(column.type):
        return sum(map(_size, column.flatten()))
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary).cast(pa.int64())
    text = pc.sum(lengths.take(column.indices)).as_py() or 0
    return int(text) + _PLACE_BYTES * len(column)


def _divided(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.num_rows < 2 or _size_of(batch) <= _BATCH_BYTES:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _divided(batch.slice(0, half))
    yield from _divided(batch.slice(half))


def _too_large(path: Path, limit: int) -> InputError:
    return InputError(
        f"{path}: expands to more than {limit >> 20:,} MiB, over {EXPANSION} times its size, as no text does; "
        "give another file"
    )
