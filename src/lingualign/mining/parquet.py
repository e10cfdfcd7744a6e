"""Tables in parquet, written whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from lingualign.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def write_parquet(table: pa.Table, path: Path) -> tuple[int, str]:
    """Write a table, compressed; gives the file's size in bytes and its SHA-256 in hexadecimal."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return write_atomically(path, memoryview(sink.getvalue()))
