"""Sentences from one file, a hub data set or standard input, in order, a bounded number at a time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from lingualign.errors import InputError
from lingualign.hub import nearest_path
from lingualign.pairs.formats.compression import text_blocks, whole_lines
from lingualign.pairs.formats.readers import is_tabular, stream_table
from lingualign.pairs.hub_datasets import check_on_hub, hub_dataset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lingualign.pairs.formats.tabular import Choice
    from lingualign.pairs.hub_datasets import HubDataset

STANDARD_INPUT = "-"
CHUNK_ROWS = 32_768
CHUNK_CHARACTERS = 1 << 25
_COLUMNS = ("sentence", "text")


def read_sentences(source: str, column: str | None = None) -> Iterator[list[str]]:
    r"""Read the sentences of a source, in chunks of at most `CHUNK_ROWS` and about `CHUNK_CHARACTERS`.

    Parameters
    ----------
    source
        A text file, one sentence a line (divided by ``\n`` alone; an empty line is an empty sentence), also
        compressed; ``-`` for such text on standard input; or a parquet, CSV, TSV or JSONL file, which is streamed
        (JSONL is read once before for its keys). Or the id of a hub data set, whose ``train`` split is streamed:
        ``owner/name``, ``owner/name:configuration`` or ``owner/name:folder``.
    column
        Column to read from a table; by default ``sentence``, ``text``, or the only one. A missing value is an empty
        sentence.

    Raises
    ------
    InputError
        If the source is missing, empty, damaged or not UTF-8, or has no such column.
    """
    check_source(source)
    path = Path(source)
    dataset = hub_dataset(source) if source != STANDARD_INPUT else None
    tabular = dataset is not None or (source != STANDARD_INPUT and is_tabular(path))
    if column is not None and not tabular:
        raise InputError(
            f"column is {column!r}, but {source!r} is plain text, which has no columns; leave it out"
        )
    if dataset is not None:
        texts = _hub_texts(dataset, column)
    else:
        texts = _table_texts(path, column) if tabular else _lines(source)
    empty = True
    for chunk in chunks(texts):
        empty = False
        yield chunk
    if empty:
        raise InputError(f"{source!r}: empty, there is not one sentence in it")


def check_source(source: str) -> None:
    """Raise InputError for a source that is not a file, a hub data set or standard input."""
    if source == STANDARD_INPUT or Path(source).is_file():
        return
    if (dataset := hub_dataset(source)) is not None:
        check_on_hub(dataset.id, dataset.name)
        return
    raise InputError(
        f"{source!r}: no such file{nearest_path(source)}; give a text file, one sentence a line, a hub data set id, or "
        "- for standard input"
    )


def chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Cut sentences into chunks of at most `CHUNK_ROWS` and about `CHUNK_CHARACTERS`."""
    chunk: list[str] = []
    characters = 0
    for text in texts:
        chunk.append(text)
        characters += len(text)
        if len(chunk) == CHUNK_ROWS or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _lines(source: str) -> Iterator[str]:
    if source == STANDARD_INPUT:
        blocks = whole_lines(iter(lambda: sys.stdin.buffer.read(1 << 20), b""), Path("standard input"))
    else:
        blocks = text_blocks(Path(source))
    for block in blocks:
        yield from block.decode().removesuffix("\n").split("\n")


def _chooser(origin: object, column: str | None) -> Choice:
    def choose(names: Sequence[str]) -> list[str]:
        named = [name for name in ((column,) if column else _COLUMNS) if name in names]
        if named or (column is None and len(names) == 1):
            return [*named, *names][:1]
        missing = f"no column {column!r}" if column else "no column 'sentence' or 'text'"
        raise InputError(
            f"{origin}: {missing}; found {', '.join(map(repr, names)) or 'none'}: name one with column"
        )

    return choose


def _hub_texts(dataset: HubDataset, column: str | None) -> Iterator[str]:
    from lingualign.pairs.hub_datasets import stream_hub

    for table in stream_hub(dataset, _chooser(dataset.name, column)):
        yield from pc.fill_null(table.column(0), "").to_pylist()


def _table_texts(path: Path, column: str | None) -> Iterator[str]:
    for table in stream_table(path, _chooser(path, column)):
        yield from pc.fill_null(table.column(0), "").to_pylist()
