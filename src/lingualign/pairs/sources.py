"""The kinds of sources, and the pairs of a source by its name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from lingualign.errors import InputError
from lingualign.hub import nearest_path
from lingualign.pairs.columns import check_columns
from lingualign.pairs.config import PairsConfig
from lingualign.pairs.discovery import Listing, find_file, find_in_folder, kinds_of_files
from lingualign.pairs.formats.encodings import check_encoding
from lingualign.pairs.hub_datasets import find_in_hub
from lingualign.pairs.opus.source import find_in_opus
from lingualign.store import check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lingualign.pairs.discovery import Skipped

Source = str | os.PathLike[str]


@dataclass(frozen=True)
class SourceKind:
    """A row of `SOURCES`.

    Parameters
    ----------
    words
        Name of the kind in messages.
    help
        Name of the kind in the help of `PairsConfig`.
    find
        Function from a source and the request to its listing; None for a source of another kind.
    """

    words: Callable[[], str]
    help: str
    find: Callable[[Source, PairsConfig], Listing | None]


def _in_folder(source: Source, _: PairsConfig) -> Listing | None:
    return find_in_folder(Path(source)) if Path(source).is_dir() else None


def _as_file(source: Source, _: PairsConfig) -> Listing | None:
    return find_file(Path(source)) if Path(source).exists() else None


SOURCES: tuple[SourceKind, ...] = (
    SourceKind(lambda: "a folder", "Folders (read recursively)", _in_folder),
    SourceKind(lambda: f"a file ({kinds_of_files()})", "files", _as_file),
    SourceKind(lambda: "a hub data set id", "hub data set ids", find_in_hub),
    SourceKind(lambda: "opus:CORPUS", "``opus:CORPUS``", find_in_opus),
)
"""The kinds of sources; the first that finds anything decides, so that what exists on the disk comes first.

A saved data set is a folder, an archive a file. Prepared pairs as a source of training are read and checked by
`lingualign.pairs.prepared_pairs`; as a source of plain pairs they are a folder.
"""


def find_pairs(source: Source, asked: PairsConfig) -> Listing:
    """List the content of a source, without reading it.

    Parameters
    ----------
    source
        A folder (searched recursively in sorted order; hidden files and folders are ignored), a folder that `datasets`
        has saved, a file, the id of a hub data set (``owner/name``, ``owner/name:configuration`` or
        ``owner/name:folder``), or ``opus:CORPUS``: see `find_bitexts`. A name that exists on the disk is never a hub
        id. Either file of a Moses pair may be named. A zip archive that is not a compressed file (``en-fr.txt.zip``) is
        a folder with one file of pairs, or the two of a Moses pair.
    asked
        Request, whose ``languages`` and ``select`` limit the downloads of a corpus of OPUS, and of a hub data set with
        a configuration or folder for each language pair. Files and folders are listed whole.

    Raises
    ------
    InputError
        If the source does not exist, is of no known kind, is a folder without a file of pairs, or cannot be downloaded.
    """
    check_name(Path(source))
    for kind in SOURCES:
        if (listing := kind.find(source, asked)) is not None:
            return listing
    *words, last = (kind.words() for kind in SOURCES)
    raise InputError(
        f"source {os.fspath(source)!r}: no such file or folder{nearest_path(os.fspath(source))}; give "
        f"{', '.join(words)}, or {last}"
    )


@dataclass(frozen=True)
class PairsRead:
    """All rows of one file; a missing side is the empty string."""

    file: str
    table: pa.Table


def read_source(
    source: str | os.PathLike[str],
    *,
    columns: Mapping[str, str | int] | None = None,
    encoding: str | None = None,
) -> tuple[list[PairsRead], list[Skipped]]:
    """Read every pair of a source.

    A file of language columns only (``en``, ``fr``, ``kor_Hang``) is an n-way parallel set: each two of its languages
    are a pair in every row. Indonesian is ``ind`` or ``ind_Latn`` there and Norwegian ``nor``; ``id`` and ``no`` may
    be identifiers, and are an error (see `language_columns`).

    Fields of nested columns are columns: a column ``translation`` of ``{"en": ..., "fr": ...}`` is such a set too.

    Without ``lang1`` and ``lang2`` columns the languages are those that ``columns`` names, ``{"sentence1": "en",
    "sentence2": "fr"}``, else those of the file's name: ``en-fr.parquet``, ``TED.en-fr.tsv``. Everyday words are not
    languages, though they may be codes of small ones: see `are_languages`. Without a ``corpus`` column the corpus is
    the name's beginning before the language pair and the endings (``TED``), or if that is empty, the folder's name.

    Parameters
    ----------
    source
        Folder, file or hub data set id: see `find_pairs`.
    columns
        Names of the columns ``sentence1``, ``sentence2``, ``lang1``, ``lang2`` and ``corpus`` that differ:
        ``{"sentence1": "english", "sentence2": "non_english"}``; positions from 1 in CSV and TSV files without a header
        line: ``{"sentence1": 1, "sentence2": 2}``.
    encoding
        Encoding of text files that declare none and are not valid UTF-8: a name that Python knows, such as ``cp1252``.

    Returns
    -------
    list of PairsRead
        A table of `PAIR_SCHEMA` for each file, in sorted order.
    list of Skipped
        Skipped files with the reason, and the number of units of a file that gave no pair.

    Raises
    ------
    InputError
        If the source is missing or a file cannot be used; the message names the file, the row and the cure.
    """
    asked = PairsConfig([], columns=dict(columns or {}), encoding=encoding)
    check_columns(asked.columns)
    check_encoding(asked.encoding)
    listing = find_pairs(source, asked)
    return [
        PairsRead(file.name, pa.concat_tables(file.stream(asked, listing.skipped)).unify_dictionaries())
        for file in listing.files
    ], listing.skipped
