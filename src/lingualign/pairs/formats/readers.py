"""Readers of files by the endings of their names: the table that every station reads files with.

Files with named columns (`ColumnsReader`) serve pairs, evaluation suites and texts alike; files of translation units
(`UnitsReader`) give pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from lingualign.errors import InputError
from lingualign.languages import language_code, looks_like_language
from lingualign.pairs.formats.compression import ending_of, without_compression
from lingualign.pairs.formats.po import stream_po
from lingualign.pairs.formats.tabular import Choice, stream_csv, stream_jsonl, stream_parquet, stream_tsv
from lingualign.pairs.formats.tmx import stream_tmx
from lingualign.pairs.formats.xliff import stream_xliff

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class ColumnsReader:
    """Reader of a kind of files with named columns.

    Parameters
    ----------
    stream
        Function from path, choice of columns, encoding and whether there is a header line to tables of text columns.
    compressed
        True if files may be compressed.
    positions
        True if columns of a file without a header line are named by their positions.
    """

    stream: Callable[[Path, Choice, str | None, bool], Iterator[pa.Table]]
    compressed: bool = True
    positions: bool = False


@dataclass(frozen=True)
class UnitsReader:
    """Reader of a kind of files of translation units.

    Parameters
    ----------
    stream
        Function from path, ``corpus``, ``encoding``, ``left_out`` and, unless each file names its languages,
        ``languages`` to tables of pairs.
    names_languages
        True if each file names its languages in its content.
    """

    stream: Callable[..., Iterator[pa.Table]]
    names_languages: bool = False


READERS: dict[str, ColumnsReader | UnitsReader] = {
    ".parquet": ColumnsReader(stream_parquet, compressed=False),
    ".csv": ColumnsReader(stream_csv, positions=True),
    ".tsv": ColumnsReader(stream_tsv, positions=True),
    ".jsonl": ColumnsReader(stream_jsonl),
    ".tmx": UnitsReader(stream_tmx, names_languages=True),
    ".xlf": UnitsReader(stream_xliff),
    ".xliff": UnitsReader(stream_xliff),
    ".po": UnitsReader(stream_po),
}
"""Readers by the ending of a file's name, without that of a compression."""


def is_tabular(path: Path) -> bool:
    """Return whether `read_table` reads a file of this name."""
    reader = READERS.get(ending_of(path))
    return isinstance(reader, ColumnsReader) and (reader.compressed or ending_of(path) == path.suffix.lower())


def is_unit_file(path: Path) -> bool:
    """Return whether `stream_units` reads a file of this name."""
    return isinstance(READERS.get(ending_of(path)), UnitsReader)


def read_table(path: Path, choose: Choice, encoding: str | None = None) -> pa.Table:
    """Read the chosen columns of a file by its ending.

    ``.parquet``; ``.csv`` (RFC 4180 quotes, header); ``.tsv`` (tab, header, no quoting: a quote is a character like any
    other and no field holds a tab or a line break); ``.jsonl`` (one object a line; a key that a line lacks is null).
    Blank lines are passed over. Fields of nested columns are columns: ``translation.en``. The text kinds also
    compressed: see `lingualign.pairs.formats.compression`.

    The delimiter of a CSV is the comma, or where the header has none the semicolon, tab or bar that it has, or the one
    that a first line ``sep=;`` names. A TSV that another program has written with quoting is read as such, see
    `stream_tsv`. A TSV of three columns whose first line begins with a fraction is one that ``lingualign mine`` wrote:
    ``score``, ``source``, ``target``.

    Parameters
    ----------
    path
        The file.
    choose
        Function from the names of all columns to those to read.
    encoding
        Encoding of a text kind that declares none and is not UTF-8.

    Returns
    -------
    pyarrow.Table
        The chosen columns in the chosen order as ``large_string``, nulls where a value is missing.

    Raises
    ------
    InputError
        If the file is damaged or not in its encoding, a row does not fit the header, a chosen column occurs twice or is
        not text, or ``choose`` raises it.
    """
    return pa.concat_tables(stream_table(path, choose, encoding))


def stream_table(
    path: Path, choose: Choice, encoding: str | None = None, *, header: bool = True
) -> Iterator[pa.Table]:
    """Yield the table of `read_table` in tables of some ten thousand rows, at least one; raises the same errors.

    Columns of CSV and TSV without a header line are named by their positions: ``1``, ``2``.
    """
    reader = READERS[ending_of(path)]
    assert isinstance(reader, ColumnsReader)
    if not header and not reader.positions:
        raise InputError(f"{path}: columns by position are those of CSV and TSV files; give their names")
    try:
        yield from reader.stream(path, choose, encoding, header)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error})") from None


def stream_units(
    path: Path,
    named: tuple[str, str, str] | None,
    *,
    encoding: str | None = None,
    left_out: Counter[str],
) -> Iterator[pa.Table]:
    """Read the pairs of a file by its ending: see `stream_tmx`, `stream_xliff` and `stream_po`.

    Parameters
    ----------
    path
        The file.
    named
        Corpus and languages by the file's name; None if it has none.
    encoding
        Encoding of the text, if not the declared one.
    left_out
        Counter of units without a pair, by reason.
    """
    reader = READERS[ending_of(path)]
    assert isinstance(reader, UnitsReader)
    corpus = (named[0] if named else _stem(path)) or path.absolute().parent.name
    if reader.names_languages:
        return reader.stream(path, corpus=corpus, encoding=encoding, left_out=left_out)
    target = _language_of_name(path)
    languages = named[1:] if named else (None, target) if target else None
    return reader.stream(path, corpus=corpus, languages=languages, encoding=encoding, left_out=left_out)


def _language_of_name(path: Path) -> str | None:
    """Return the language of ``fr.po``, ``django.fr.po`` and ``fr/LC_MESSAGES/django.po``."""
    name = Path(without_compression(path.name)).stem.rpartition(".")[2]
    candidates = [path.parent.parent.name, name] if path.parent.name == "LC_MESSAGES" else [name]
    return next((language_code(tag) for tag in candidates if looks_like_language(tag)), None)


def _stem(path: Path) -> str:
    """Return a name without its endings, and without the language in ``django.fr.po`` and ``fr.po``."""
    stem = Path(without_compression(path.name)).stem
    rest, _, last = stem.rpartition(".")
    return rest if looks_like_language(last) else stem
