"""Pairs with their scores beside, in the formats that the project's own readers take."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from lingualign.errors import InputError
from lingualign.files import write_atomically
from lingualign.mining.output import check_place, compressed, one_line
from lingualign.mining.parquet import write_parquet
from lingualign.pairs.compression import without_compression

_KINDS = (".parquet", ".tsv", ".jsonl")


def check_scored_output(output: Path, *, overwrite: bool, more: tuple[str, ...] = ()) -> None:
    """Refuse an output that could not be written, before any work; ``more`` are kinds that the caller writes itself."""
    if _kind(output) not in _KINDS:
        allowed = ", ".join((*_KINDS, *more))
        raise InputError(f"output {str(output)!r}: not a known kind of file; give {allowed}")
    check_place(output, overwrite=overwrite)


def write_scored(table: pa.Table, output: Path) -> None:
    """Write a table whole or not at all. In TSV a tab or line break within a sentence becomes a blank."""
    kind = _kind(output)
    if kind == ".parquet":
        write_parquet(table, output)
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
    if pa.types.is_list(column.type):
        return [",".join(map(str, values)) for values in column.to_pylist()]
    return [str(cell) for cell in one_line(column.cast(pa.large_string())).to_pylist()]
