"""The table of translation pairs that every later station reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAIR_SCHEMA = pa.schema(
    [
        pa.field("sentence1", pa.large_string(), nullable=False),
        pa.field("sentence2", pa.large_string(), nullable=False),
        pa.field("lang1", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("lang2", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("corpus", pa.dictionary(pa.int32(), pa.string()), nullable=False),
    ]
)
"""Columns of a pair table. ``lang1`` and ``lang2`` hold codes of `lingualign.languages.language_code`.

After orientation ``sentence1`` is the anchor: the side whose language has priority.
"""

SHARD_SCHEMA = pa.schema([pa.field(each.name, pa.large_string(), nullable=False) for each in PAIR_SCHEMA])
"""Columns of a shard of prepared pairs."""

LONGEST_SENTENCE = 1 << 20
"""Bytes of UTF-8. Longer text is a file whose line breaks were lost."""

Row = tuple[str, str, str, str, str]
"""Values of the columns of `PAIR_SCHEMA`."""

_CHUNK_ROWS = 1 << 15
_CHUNK_CHARACTERS = 1 << 25


def pair_tables(rows: Iterable[Row]) -> Iterator[pa.Table]:
    """Yield pairs as tables of `PAIR_SCHEMA`, some ten thousand rows and tens of megabytes each, at least one table."""
    chunk: list[Row] = []
    characters = 0
    some = False
    for row in rows:
        chunk.append(row)
        characters += len(row[0]) + len(row[1])
        if len(chunk) == _CHUNK_ROWS or characters >= _CHUNK_CHARACTERS:
            yield _table(chunk)
            chunk, characters, some = [], 0, True
    if chunk or not some:
        yield _table(chunk)


def constant(value: str, rows: int) -> pa.DictionaryArray:
    """Return a dictionary-coded column that holds one value."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value], pa.string()))


def check_sentences(column: pa.Array | pa.ChunkedArray, name: str, origin: object, before: int = 0) -> None:
    """Check that no text has a NUL or is longer than `LONGEST_SENTENCE`.

    Every other character is text: marks of direction, which Arabic and Hebrew need, joiners, control characters and
    U+2028.

    Parameters
    ----------
    column
        Sentences; nulls are passed over.
    name, origin
        Names of the column and the file, for the message.
    before
        Number of rows of the file before the column's.

    Raises
    ------
    InputError
        If one does; the message names the row and the cure.
    """
    wrong = {
        "holds a NUL byte, so that this is no text, or in an encoding such as UTF-16, which encoding= names; "
        "else take the NULs out": pc.match_substring(column, "\0"),
        f"is longer than {LONGEST_SENTENCE:,} bytes, as no sentence is; are the line breaks lost? "
        "Divide the text, or leave the row out": pc.greater(pc.binary_length(column), LONGEST_SENTENCE),
    }
    for reason, mask in wrong.items():
        row = pc.index(mask, True).as_py()
        if row >= 0:
            raise InputError(f"{origin}, row {before + row + 1}: {name} {reason}")


def _table(rows: list[Row]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([] for _ in PAIR_SCHEMA)
    plain = [pa.array(column, pa.large_string()) for column in columns]
    coded = [column.cast(pa.string()).dictionary_encode() for column in plain[2:]]
    return pa.table([*plain[:2], *coded], schema=PAIR_SCHEMA)
