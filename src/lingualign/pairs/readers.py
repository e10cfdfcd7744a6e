"""Pairs from any source, as tables in the project's schema: a chunk at a time, or one for each file."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lingualign.errors import InputError
from lingualign.languages import are_languages, is_language, language_code, language_columns
from lingualign.pairs.config import PairsConfig
from lingualign.pairs.discovery import (
    HubDataset,
    MosesFiles,
    PairFile,
    SavedDataset,
    Skipped,
    TableFile,
    UnitFile,
    check_columns,
    find_pairs,
    language_pair,
)
from lingualign.pairs.formats.compression import text_blocks, without_compression
from lingualign.pairs.formats.encodings import check_encoding
from lingualign.pairs.formats.saved import stream_saved
from lingualign.pairs.formats.tabular import Choice, stream_table, text_lines
from lingualign.pairs.formats.units import stream_units
from lingualign.pairs.hub import part_pair, stream_hub
from lingualign.pairs.opus.catalogue import Bitext
from lingualign.pairs.opus.source import stream_bitext
from lingualign.pairs.table import PAIR_SCHEMA, check_sentences

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True)
class PairsRead:
    """One file's pairs, every row of the file; a missing side is the empty string."""

    file: str
    table: pa.Table


def read_source(
    source: str | os.PathLike[str],
    *,
    columns: Mapping[str, str | int] | None = None,
    encoding: str | None = None,
) -> tuple[list[PairsRead], list[Skipped]]:
    """Read every pair of a source.

    A file of language columns only (``en``, ``fr``, ``kor_Hang``) is an n-way parallel set: each two of its
    languages are a pair in every row. Indonesian is ``ind`` or ``ind_Latn`` there and Norwegian ``nor``: ``id``
    and ``no`` may be identifiers, and are refused (see `language_columns`).

    Fields of nested columns are columns: a column ``translation`` of ``{"en": ..., "fr": ...}`` is such a set too.

    Where a file has no ``lang1`` and ``lang2`` columns the languages are those that ``columns`` names, ``{"sentence1":
    "en", "sentence2": "fr"}``, else those of the file's name: ``en-fr.parquet``, ``TED.en-fr.tsv``. Everyday words are
    not languages, though they may be codes of small ones: see `are_languages`. Where it has no ``corpus`` column the
    corpus is what the name says before the language pair and the endings (``TED``), and where that is nothing, the
    folder's name.

    Parameters
    ----------
    source
        A folder, a file or a hub data set id: see `find_pairs`.
    columns
        Which column holds ``sentence1``, ``sentence2``, ``lang1``, ``lang2`` or ``corpus``, where that is not
        its name: ``{"sentence1": "english", "sentence2": "non_english"}``; in CSV and TSV files without a header line
        its position from 1: ``{"sentence1": 1, "sentence2": 2}``.
    encoding
        Encoding of text files that declare none and are not valid UTF-8: a name that Python knows, such as ``cp1252``.

    Returns
    -------
    list of PairsRead
        A table of `PAIR_SCHEMA` for each file, in sorted order.
    list of Skipped
        Files that were passed over, with the reason, and how many units of a file gave no pair.

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
        PairsRead(
            file.name, pa.concat_tables(stream_pairs(file, asked, listing.skipped)).unify_dictionaries()
        )
        for file in listing.files
    ], listing.skipped


def stream_pairs(file: PairFile, asked: PairsConfig, left_out: list[Skipped]) -> Iterator[pa.Table]:
    """Read the pairs of one entry of a `Listing` as tables of `PAIR_SCHEMA` of some megabytes, at least one.

    Memory does not grow with the file. Where the tables are cut depends on the file alone.

    Parameters
    ----------
    file
        The entry.
    asked
        Its ``columns`` and ``encoding`` tell how files are read.
    left_out
        Gets what the file holds beside pairs, such as units in one language, once all of it is read.

    Raises
    ------
    InputError
        As `read_source` does, once it gets there.
    """
    columns, encoding = asked.columns or {}, asked.encoding
    if isinstance(file, MosesFiles):
        yield from _stream_moses(file, encoding)
        return
    if isinstance(file, UnitFile):
        counts: Counter[str] = Counter()
        yield from stream_units(file.path, language_pair(file.path.name), encoding=encoding, left_out=counts)
        left_out += [Skipped(file.name, f"{reason}: {count:,}") for reason, count in counts.items()]
        return
    if isinstance(file, Bitext):
        yield PAIR_SCHEMA.empty_table()
        yield from stream_bitext(file)
        return
    header = not any(isinstance(value, int) for value in columns.values())
    names = {name: str(value) for name, value in columns.items()}
    choose = _pair_columns(file.name, names)
    if isinstance(file, HubDataset):
        tables = stream_hub(file, choose)
        named = part_pair(file.config) if file.config else None
        corpus = (named[0] if named else "") or file.id.rpartition("/")[2]
    elif isinstance(file, SavedDataset):
        tables = stream_saved(file.path, choose)
        named = language_pair(f"{file.path.name}.saved")
        corpus = (named[0] if named else file.path.name) or Path(os.path.realpath(file.path)).parent.name
    else:
        tables = stream_table(file.path, choose, encoding, header=header)
        named = language_pair(file.path.name)
        corpus = _corpus(file, named)
    languages = _mapped_languages(names) or (named[1:] if named else None)
    before = 0
    for table in tables:
        for name, column in zip(table.column_names, table.columns, strict=True):
            check_sentences(column, name, file.name, before)
        if not columns and _nway_columns(table.column_names, file.name):
            yield _every_pair(table, file.name, corpus)
        else:
            yield _conform(table, file.name, names, languages, corpus, before)
        before += table.num_rows


def _nway_columns(found: Sequence[str], origin: str) -> list[str]:
    """Find the columns of an n-way parallel set, a language each: all of a file's, or the fields of one nested column.

    Empty if there are none.
    """
    if len(found) > 1 and all(map(is_language, found)):
        return list(found) if len(language_columns(found, origin)) == len(found) else []
    fields: dict[str, list[str]] = {}
    for name in found:
        column, dot, _ = name.rpartition(".")
        if dot:
            fields.setdefault(column, []).append(name)
    sets = [names for names in fields.values() if len(names) > 1 and all(map(is_language, map(_last, names)))]
    of_pairs = {"sentence1", "sentence2", "lang1", "lang2"}
    return sets[0] if len(sets) == 1 and not of_pairs & set(found) else []


def _last(name: str) -> str:
    """Give the field's own name of a nested one: ``fr`` of ``translation.fr``."""
    return name.rpartition(".")[2]


def _mapped_languages(columns: Mapping[str, str]) -> tuple[str, str] | None:
    """Give the languages that the names of the columns with the sentences tell, if both are languages and not words.

    A column that holds sentences is hardly an identifier, so that ``id`` and ``no`` are languages here.
    """
    names = [_last(columns[side]) for side in ("sentence1", "sentence2") if side in columns]
    if len(names) < 2 or not are_languages(names):
        return None
    lang1, lang2 = map(language_code, names)
    return (lang1, lang2) if lang1 != lang2 else None


def _every_pair(table: pa.Table, origin: str, corpus: str) -> pa.Table:
    """Pair each two languages of an n-way parallel file, row by row."""
    codes = [language_code(_last(name)) for name in table.column_names]
    if len(set(codes)) < len(codes):
        raise InputError(
            f"{origin}: two columns of one language among {', '.join(map(repr, table.column_names))}; "
            "keep one column a language"
        )
    made = []
    for i, j in combinations(range(len(codes)), 2):
        sides = [pc.fill_null(table.column(place), "") for place in (i, j)]
        told = [constant(value, table.num_rows) for value in (codes[i], codes[j], corpus)]
        made.append(pa.table([*sides, *told], schema=PAIR_SCHEMA))
    return pa.concat_tables(made)


def _corpus(file: TableFile, named: tuple[str, str, str] | None) -> str:
    stem = named[0] if named else Path(without_compression(file.path.name)).stem
    return stem or Path(os.path.realpath(file.path)).parent.name


def _pair_columns(origin: str, columns: Mapping[str, str]) -> Choice:
    def choose(found: Sequence[str]) -> list[str]:
        if not columns and (nway := _nway_columns(found, origin)):
            return nway
        mapped = columns or _familiar(found)
        wanted = {name: mapped.get(name, name) for name in PAIR_SCHEMA.names}
        required = {"sentence1", "sentence2", *mapped}
        missing = [
            wanted[name] for name in PAIR_SCHEMA.names if name in required and wanted[name] not in found
        ]
        if missing:
            raise InputError(
                f"{origin}: no column {' and no column '.join(map(repr, missing))}; found "
                f"{', '.join(map(repr, found)) or 'none'}. A CSV or TSV begins with a header line; "
                'other names are mapped with columns, for example columns={"sentence1": "english"}, and so are '
                'the columns of a file without a header: {"sentence1": 1, "sentence2": 2}'
            )
        return list(dict.fromkeys(column for column in wanted.values() if column in found))

    return choose


_FAMILIAR = (
    ({"english", "non_english"}, {"sentence1": "english", "sentence2": "non_english"}),
    ({"score", "source", "target"}, {"sentence1": "source", "sentence2": "target"}),
)
"""Columns of ``sentence-transformers/parallel-sentences-*`` and of what ``lingualign mine`` writes, and the pair's."""


def _familiar(found: Sequence[str]) -> Mapping[str, str]:
    """Map the columns of a known family, where these are what there is."""
    if {"sentence1", "sentence2"} & set(found):
        return {}
    return next((columns for names, columns in _FAMILIAR if names <= set(found)), {})


def _conform(
    table: pa.Table,
    origin: str,
    columns: Mapping[str, str],
    languages: tuple[str, str] | None,
    corpus: str,
    before: int,
) -> pa.Table:
    # What `_pair_columns` has chosen; the names that told the family need not be among it.
    chosen = (names for _, names in _FAMILIAR if {*names.values()} <= {*table.column_names})
    columns = columns or next(chosen, {})
    present = {
        name: columns.get(name, name)
        for name in PAIR_SCHEMA.names
        if columns.get(name, name) in table.column_names
    }
    if not {"lang1", "lang2"} <= present.keys() and languages is None:
        raise InputError(
            f"{origin}: the languages are not known; add columns lang1 and lang2, or name the pair as in "
            "en-fr.parquet or NAME.en-fr.tsv (a hub data set: owner/name:en-fr)"
        )
    made = []
    for field in PAIR_SCHEMA:
        if field.name in ("sentence1", "sentence2"):
            made.append(pc.fill_null(table[present[field.name]], ""))
        elif field.name in present:
            made.append(_coded(table[present[field.name]], origin, field.name, before))
        else:
            lang1, lang2 = languages or ("", "")
            same = {"lang1": lang1, "lang2": lang2, "corpus": corpus}[field.name]
            made.append(constant(same, table.num_rows))
    return pa.table(made, schema=PAIR_SCHEMA)


def _coded(column: pa.ChunkedArray, origin: str, name: str, before: int) -> pa.DictionaryArray:
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    row = pc.index(pc.is_null(column), True).as_py()
    if row >= 0:
        raise InputError(f"{origin}, row {before + row + 1}: {name} is missing")
    if name != "corpus":
        for place, value in enumerate(values):
            if not is_language(value):
                row = pc.index(encoded.indices, pa.scalar(place, pa.int32())).as_py()
                try:
                    language_code(value)
                except InputError as error:
                    raise InputError(f"{origin}, row {before + row + 1}: {name}: {error}") from None
        values = [language_code(value) for value in values]
    distinct = list(dict.fromkeys(values))
    places = np.array([distinct.index(value) for value in values], np.int32)
    indices = places[encoded.indices.to_numpy(zero_copy_only=False)] if len(values) else np.empty(0, np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(distinct, pa.string()))


def constant(value: str, rows: int) -> pa.DictionaryArray:
    """Give a dictionary-coded column that holds one value."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value], pa.string()))


def _stream_moses(file: MosesFiles, encoding: str | None) -> Iterator[pa.Table]:
    paths = file.path1, file.path2
    sides = [map(text_lines, text_blocks(path, encoding)) for path in paths]
    none = text_lines(b"")
    held = [next(side, none) for side in sides]
    read = 0
    while (rows := min(map(len, held))) or not read:
        for path, lines in zip(paths, held, strict=True):
            check_sentences(lines.slice(0, rows), "the line", path, read)
        told = (constant(value, rows) for value in (file.lang1, file.lang2, file.corpus))
        yield pa.table([*(lines.slice(0, rows) for lines in held), *told], schema=PAIR_SCHEMA)
        read += rows
        if not rows:
            break
        held = [
            lines.slice(rows) if len(lines) > rows else next(side, none)
            for lines, side in zip(held, sides, strict=True)
        ]
    count1, count2 = (
        read + len(lines) + sum(map(len, side)) for lines, side in zip(held, sides, strict=True)
    )
    if count1 != count2:
        raise InputError(
            f"{file.path1} has {count1:,} lines, {file.path2} has {count2:,}: line i of one must "
            "translate line i of the other; fetch both again, or align them"
        )
