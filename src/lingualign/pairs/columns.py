"""From the columns of a file or data set to pairs: choice of columns and the languages of their sentences."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lingualign.errors import InputError
from lingualign.languages import are_languages, is_language, language_code, language_columns
from lingualign.pairs.table import PAIR_SCHEMA, check_sentences, constant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from lingualign.pairs.formats.tabular import Choice

Columns = dict[str, int | str]


def pairs_of_columns(
    read: Callable[[Choice], Iterable[pa.Table]],
    origin: str,
    columns: Columns,
    corpus: str,
    languages: tuple[str, str] | None,
) -> Iterator[pa.Table]:
    """Turn tables with columns into tables of `PAIR_SCHEMA`, as `lingualign.pairs.read_source` describes.

    Parameters
    ----------
    read
        Reader of the chosen columns.
    origin
        Name of the file or data set, for messages.
    columns
        Names or positions of columns that differ from the standard names.
    corpus, languages
        Corpus and languages by the file's name, for a file without these columns.

    Raises
    ------
    InputError
        If columns are missing, the languages are not known, or a row holds an invalid sentence or language.
    """
    names = {name: str(value) for name, value in columns.items()}
    languages = _mapped_languages(names) or languages
    before = 0
    for table in read(_pair_columns(origin, names)):
        for name, column in zip(table.column_names, table.columns, strict=True):
            check_sentences(column, name, origin, before)
        if not columns and _nway_columns(table.column_names, origin):
            yield _every_pair(table, origin, corpus)
        else:
            yield _conform(table, origin, names, languages, corpus, before)
        before += table.num_rows


def has_header(columns: Columns) -> bool:
    """Return whether columns are named by a header line, not by their positions."""
    return not any(isinstance(value, int) for value in columns.values())


def check_columns(columns: Mapping[str, str | int] | None) -> None:
    """Raise `InputError` for a column mapping that names no column of a pair table, or mixes names and positions."""
    allowed = ("sentence1", "sentence2", "lang1", "lang2", "corpus")
    columns = columns or {}
    unknown = [name for name in columns if name not in allowed]
    if unknown:
        raise InputError(
            f"columns: {unknown[0]!r} is not a column of a pair table; allowed are {', '.join(allowed)}"
        )
    positions = [value for value in columns.values() if isinstance(value, int)]
    if positions and (len(positions) < len(columns) or min(positions) < 1):
        raise InputError(
            "columns: give names, or for files without a header line positions from 1 for all, such as "
            "{sentence1: 1, sentence2: 2}"
        )


def _nway_columns(found: Sequence[str], origin: str) -> list[str]:
    """Return the columns of an n-way parallel set, one for each language; empty for other files.

    They are all columns of a file, or the fields of one nested column.
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
    """Return the last part of a nested name: ``fr`` of ``translation.fr``."""
    return name.rpartition(".")[2]


def _mapped_languages(columns: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the languages that the columns of sentences are named by; None if these names may be words.

    ``id`` and ``no`` are languages here: a column of sentences is not an identifier.
    """
    names = [_last(columns[side]) for side in ("sentence1", "sentence2") if side in columns]
    if len(names) < 2 or not are_languages(names):
        return None
    lang1, lang2 = map(language_code, names)
    return (lang1, lang2) if lang1 != lang2 else None


def _every_pair(table: pa.Table, origin: str, corpus: str) -> pa.Table:
    """Pair each two languages of an n-way parallel set, row by row."""
    codes = [language_code(_last(name)) for name in table.column_names]
    if len(set(codes)) < len(codes):
        raise InputError(
            f"{origin}: two columns of one language among {', '.join(map(repr, table.column_names))}; "
            "keep one column a language"
        )
    made = []
    for i, j in combinations(range(len(codes)), 2):
        sides = [pc.fill_null(table.column(place), "") for place in (i, j)]
        labels = [constant(value, table.num_rows) for value in (codes[i], codes[j], corpus)]
        made.append(pa.table([*sides, *labels], schema=PAIR_SCHEMA))
    return pa.concat_tables(made)


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
"""Columns of ``sentence-transformers/parallel-sentences-*`` and of ``lingualign mine``, and the pair's columns."""


def _familiar(found: Sequence[str]) -> Mapping[str, str]:
    """Return the mapping of a familiar set of columns; empty for other columns."""
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
    # `_pair_columns` has chosen the sentences; other columns of the familiar set may be gone.
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
