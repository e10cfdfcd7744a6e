"""Pairs with their scores beside, in the formats that the project's own readers take."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lingualign.errors import InputError
from lingualign.files import write_atomically
from lingualign.mining.output import compressed, one_line
from lingualign.pairs.compression import without_compression

_KINDS = (".parquet", ".tsv", ".jsonl")


def check_scored_output(output: Path, *, overwrite: bool) -> None:
    """Refuse an output that could not be written, before any work."""
    if _kind(output) not in _KINDS:
        raise InputError(f"output {str(output)!r}: not a known kind of file; give {', '.join(_KINDS)}")
    if output.is_dir() or (output.exists() and not overwrite):
        raise InputError(f"output {str(output)!r} exists; give another name, or --overwrite it")
    if not output.parent.is_dir():
        raise InputError(f"output {str(output)!r}: its folder does not exist")


def write_scored(table: pa.Table, output: Path) -> None:
    """Write a table whole or not at all. In TSV a tab or line break within a sentence becomes a blank."""
    kind = _kind(output)
    if kind == ".parquet":
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        write_atomically(output, memoryview(sink.getvalue()))
        return
    if kind == ".jsonl":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist())
    else:
        columns = [_cells(column) for column in table.columns]
        rows = zip(*columns, strict=True)
        text = "".join("\t".join(row) + "\n" for row in (tuple(table.column_names), *rows))
    write_atomically(output, compressed(text.encode(), output.suffix.lower()))


def _kind(output: Path) -> str:
    name = output.name if output.suffix == ".parquet" else without_compression(output.name)
    return Path(name).suffix.lower()


def _cells(column: pa.ChunkedArray) -> list[str]:
    if pa.types.is_floating(column.type):
        return [f"{value:.6f}" for value in column.to_pylist()]
    return [str(cell) for cell in one_line(column.cast(pa.large_string())).to_pylist()]
