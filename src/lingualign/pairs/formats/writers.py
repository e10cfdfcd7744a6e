"""Formats of files of pairs, for the project's own readers and other tools: one table, and its writers."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lingualign._version import __version__
from lingualign.errors import InputError
from lingualign.languages import are_languages
from lingualign.pairs.formats.compression import compressed, without_compression
from lingualign.pairs.formats.tabular import is_quoted
from lingualign.store import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_SIDES = (("sentence1", "lang1"), ("sentence2", "lang2"))
_NOT_IN_XML = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = {"\r": "&#13;"}


def write_parquet(table: pa.Table | Iterable[pa.Table], path: Path) -> tuple[int, str]:
    """Write a table, or pieces of one, compressed; returns the file's size in bytes and its SHA-256 in hexadecimal."""
    pieces = iter([table] if isinstance(table, pa.Table) else table)
    first = next(pieces)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, first.schema, compression="zstd") as writer:
        for piece in chain([first], pieces):
            writer.write_table(piece)
    return write_atomically(path, memoryview(sink.getvalue()))


def write_tsv(table: pa.Table, output: Path, *, header: bool = True) -> None:
    """Write a table as lines of cells with tabs between; fractions have six digits.

    Cells are plain. If a reader would take their quotes for quoting, all cells are quoted.
    """
    cells = [_cells(column) for column in table.columns]

    def rows() -> Iterator[Sequence[str]]:
        return chain([table.column_names] if header else [], zip(*cells, strict=True))

    content = "".join("\t".join(row) + "\n" for row in rows())
    if '"' in content and is_quoted(("\t".join(row) + "\n").encode() for row in rows()):
        text = io.StringIO(newline="")
        csv.writer(text, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows())
        content = text.getvalue()
    _write_text(content, output)


def write_jsonl(table: pa.Table, output: Path) -> None:
    """Write one object per row."""
    rows = (json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist())
    _write_text("".join(rows), output)


def write_tmx(table: pa.Table, output: Path) -> None:
    """Write pairs as a TMX document; a table without languages takes those of the file's name."""
    if (languages := languages_of(output)) and "lang1" not in table.column_names:
        for column, language in zip(("lang1", "lang2"), languages, strict=True):
            table = table.append_column(column, pa.array([language] * table.num_rows, pa.string()))
    languages = pc.unique(table["lang1"].cast(pa.string())).to_pylist()
    source = languages[0] if len(languages) == 1 else "*all*"
    header = (
        f'<header creationtool="lingualign" creationtoolversion="{__version__}" segtype="sentence" '
        f'o-tmf="plain" adminlang="en" srclang={quoteattr(source)} datatype="plaintext"/>'
    )
    start = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx version="1.4">\n'
    _write_text(f"{start}{header}\n<body>\n{''.join(_units(table))}</body>\n</tmx>\n", output)


def write_moses(table: pa.Table, output: Path) -> None:
    """Write each side to a file, a sentence per line: ``OUTPUT.en-fr.en`` and ``OUTPUT.en-fr.fr``."""
    for file, (side, _) in zip(moses_files(output), _SIDES, strict=True):
        _write_text("".join(f"{line}\n" for line in one_line(table[side]).to_pylist()), file)


def moses_files(output: Path) -> list[Path]:
    """Return the two files of Moses text."""
    return [output.with_name(f"{output.name}.{language}") for language in languages_of(output) or ()]


def languages_of(output: Path) -> list[str] | None:
    """Return the languages in a file's name, such as ``mined.en-fr.tmx`` or ``mined.en-fr``; None without them."""
    name = Path(without_compression(output.name))
    languages = (name.stem if name.suffix.lower() == ".tmx" else name.name).rpartition(".")[2].split("-")
    return languages if len(languages) == 2 and are_languages(languages) else None


def _write_text(content: str, output: Path) -> None:
    write_atomically(output, compressed(content.encode(), output))


def _ends_in(ending: str) -> Callable[[Path], bool]:
    return lambda output: Path(without_compression(output.name)).suffix.lower() == ending


@dataclass(frozen=True)
class OutputFormat:
    """A format of files that pairs are written to.

    Parameters
    ----------
    recognises
        Test of the file's name.
    write
        Writer of a table, whole or not at all.
    form
        Form of the file's name in messages and help, for tables with all columns. None for a format that holds only
        sentences.
    mined
        Form of the file's name for mined pairs; None for a format without them.
    by_name
        True if the file's name must have the languages that a table lacks.
    write_mined
        Writer of mined pairs, if it differs.
    files
        Names of the written files.
    typed
        True if columns keep their types, also lists: mined pairs are then written with all columns, in pieces.
    """

    recognises: Callable[[Path], bool]
    write: Callable[[pa.Table, Path], object]
    form: str | None = None
    mined: str | None = None
    by_name: bool = False
    write_mined: Callable[[pa.Table, Path], object] | None = None
    files: Callable[[Path], list[Path]] = lambda output: [output]
    typed: bool = False


OUTPUTS = {
    "parquet": OutputFormat(
        lambda output: output.suffix.lower() == ".parquet",
        write_parquet,
        form=".parquet",
        mined=".parquet",
        typed=True,
    ),
    "tsv": OutputFormat(
        _ends_in(".tsv"), write_tsv, form=".tsv", mined=".tsv", write_mined=partial(write_tsv, header=False)
    ),
    "jsonl": OutputFormat(_ends_in(".jsonl"), write_jsonl, form=".jsonl"),
    "tmx": OutputFormat(
        _ends_in(".tmx"), write_tmx, form=".tmx", mined=".tmx named as in mined.en-fr.tmx", by_name=True
    ),
    "moses": OutputFormat(
        lambda output: bool(output.suffix) and languages_of(Path(output.suffix[1:])) is not None,
        write_moses,
        mined="or Moses text named as in mined.en-fr",
        by_name=True,
        files=moses_files,
    ),
}
"""Formats by name; text is compressed by the file's ending, ``.gz``, ``.xz``, ``.bz2``, ``.zst`` or ``.zip``."""


def check_output(output: Path, *, overwrite: bool, languages: bool = True) -> None:
    """Raise InputError for an output that `write_pairs` could not write.

    Parameters
    ----------
    output
        File; an unknown ending, a missing folder and an existing file are errors.
    overwrite
        True if the file may exist.
    languages
        True if the table has its languages; otherwise the name of a TMX file must have them.
    """
    found = format_of(output)
    if found is None or found.form is None:
        forms = ", ".join(each.form for each in OUTPUTS.values() if each.form)
        raise InputError(f"output {str(output)!r}: not a known kind of file; give {forms}")
    if found.by_name and not languages and languages_of(output) is None:
        raise InputError(f"output {str(output)!r}: its name must tell the languages, as in aligned.en-fr.tmx")
    check_place(output, overwrite=overwrite)


def format_of(output: Path) -> OutputFormat | None:
    """Return the format of a file by its name; None if there is none."""
    return next((each for each in OUTPUTS.values() if each.recognises(output)), None)


def check_place(*files: Path, overwrite: bool) -> None:
    """Raise InputError for files that exist, unless ``overwrite``, or whose folder does not."""
    for path in files:
        if path.is_dir() or (path.exists() and not overwrite):
            raise InputError(f"output {str(path)!r} exists; give another name, or --overwrite it")
        if not path.parent.is_dir():
            raise InputError(f"output {str(path)!r}: its folder does not exist")


def write_pairs(table: pa.Table, output: Path) -> None:
    """Write a table by the output's ending, whole or not at all; text also compressed.

    - ``.parquet``: the table as it is.
    - ``.tsv``: a header and the columns; a tab or line break within a sentence is written as a blank; cells are in
      quotes only where plain ones would be read as such.
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
    found = format_of(output)
    assert found is not None  # as check_output has seen
    found.write(table, output)


def one_line(sentences: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Replace each tab and line break by a blank."""
    return pc.replace_substring_regex(sentences, r"[\t\r\n]", " ")


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
