"""Pairs as files that the project's own readers take, and other tools too: parquet, TSV, JSON lines and TMX."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import zipfile
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lingualign._version import __version__
from lingualign.errors import InputError
from lingualign.files import write_atomically
from lingualign.pairs.formats.archives import ARCHIVE
from lingualign.pairs.formats.compression import without_compression

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_KINDS = (".parquet", ".tsv", ".jsonl", ".tmx")
_SIDES = (("sentence1", "lang1"), ("sentence2", "lang2"))
_NOT_IN_XML = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = {"\r": "&#13;"}


def check_output(output: Path, *, overwrite: bool) -> None:
    """Refuse an output that `write_pairs` could not write, before any work.

    Raises
    ------
    InputError
        If its kind is unknown, it exists, or its folder does not.
    """
    if _kind(output) not in _KINDS:
        raise InputError(f"output {str(output)!r}: not a known kind of file; give {', '.join(_KINDS)}")
    check_place(output, overwrite=overwrite)


def check_place(*files: Path, overwrite: bool) -> None:
    """Refuse to write files that exist, unless they are to be replaced, or whose folder does not."""
    for path in files:
        if path.is_dir() or (path.exists() and not overwrite):
            raise InputError(f"output {str(path)!r} exists; give another name, or --overwrite it")
        if not path.parent.is_dir():
            raise InputError(f"output {str(path)!r}: its folder does not exist")


def write_pairs(table: pa.Table, output: Path) -> None:
    """Write a table by the output's ending, whole or not at all; text also compressed.

    - ``.parquet``: the table as it is.
    - ``.tsv``: a header and the columns; a tab or line break within a sentence is written as a blank.
    - ``.jsonl``: an object a row.
    - ``.tmx``: translation memory exchange 1.4, a unit a row in the languages of ``lang1`` and ``lang2``; the other
      columns are its properties. Characters that XML cannot hold, which are control characters, are left out.

    Parameters
    ----------
    table
        Columns of `lingualign.pairs.table.PAIR_SCHEMA`, with others beside, such as scores.
    output
        See `check_output`.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    kind = _kind(output)
    if kind == ".parquet":
        write_parquet(table, output)
    elif kind == ".tmx":
        write_atomically(output, compressed(tmx(table), output))
    elif kind == ".tsv":
        write_atomically(output, compressed(tsv(table), output))
    else:
        rows = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist())
        write_atomically(output, compressed(rows.encode(), output))


def write_parquet(table: pa.Table | Iterable[pa.Table], path: Path) -> tuple[int, str]:
    """Write a table, or pieces of one, compressed; gives the file's size in bytes and its SHA-256 in hexadecimal."""
    pieces = iter([table] if isinstance(table, pa.Table) else table)
    first = next(pieces)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, first.schema, compression="zstd") as writer:
        for piece in chain([first], pieces):
            writer.write_table(piece)
    return write_atomically(path, memoryview(sink.getvalue()))


def tsv(table: pa.Table, *, header: bool = True) -> bytes:
    """Give a table as lines of cells with tabs between; numbers with a fraction have six digits of it."""
    rows = zip(*map(_cells, table.columns), strict=True)
    lines = ("\t".join(row) + "\n" for row in rows)
    head = "\t".join(table.column_names) + "\n" if header else ""
    return (head + "".join(lines)).encode()


def tmx(table: pa.Table) -> bytes:
    """Give pairs as a TMX document: see `write_pairs`."""
    languages = pc.unique(table["lang1"].cast(pa.string())).to_pylist()
    source = languages[0] if len(languages) == 1 else "*all*"
    header = (
        f'<header creationtool="lingualign" creationtoolversion="{__version__}" segtype="sentence" '
        f'o-tmf="plain" adminlang="en" srclang={quoteattr(source)} datatype="plaintext"/>'
    )
    start = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx version="1.4">\n'
    return f"{start}{header}\n<body>\n{''.join(_units(table))}</body>\n</tmx>\n".encode()


def one_line(sentences: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Put a blank for each tab and line break."""
    return pc.replace_substring_regex(sentences, r"[\t\r\n]", " ")


def compressed(content: bytes, output: Path) -> bytes:
    """Compress by the ending of a file's name, to equal bytes at any time; other endings leave the content as it is."""
    ending = output.suffix.lower()
    if ending == ".gz":
        return gzip.compress(content, mtime=0)
    if ending == ".xz":
        return lzma.compress(content)
    if ending == ".bz2":
        return bz2.compress(content)
    if ending == ".zst":
        import zstandard

        return zstandard.ZstdCompressor().compress(content)
    if ending == ARCHIVE:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            member = zipfile.ZipInfo(without_compression(output.name), (1980, 1, 1, 0, 0, 0))
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
        return packed.getvalue()
    return content


def _kind(output: Path) -> str:
    name = output.name if output.suffix == ".parquet" else without_compression(output.name)
    return Path(name).suffix.lower()


def _cells(column: pa.ChunkedArray) -> list[str]:
    if pa.types.is_floating(column.type):
        return [f"{value:.6f}" for value in column.to_pylist()]
    if pa.types.is_list(column.type):
        return [",".join(map(str, values)) for values in column.to_pylist()]
    return [str(cell) for cell in one_line(column.cast(pa.large_string())).to_pylist()]


def _units(table: pa.Table) -> Iterator[str]:
    of_sides = {name for side in _SIDES for name in side}
    others = [name for name in table.column_names if name not in of_sides]
    for row in table.to_pylist():
        props = "".join(f"<prop type={quoteattr(name)}>{_xml(row[name])}</prop>" for name in others)
        variants = "".join(
            f"<tuv xml:lang={quoteattr(row[language])}><seg>{_xml(row[sentence])}</seg></tuv>"
            for sentence, language in _SIDES
        )
        yield f"<tu>{props}{variants}</tu>\n"


def _xml(value: Any) -> str:
    text = f"{value:.6f}" if isinstance(value, float) else str(value)
    return escape(_NOT_IN_XML.sub("", text), _ESCAPES)
