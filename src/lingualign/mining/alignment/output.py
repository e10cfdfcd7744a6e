"""Links in the formats that other tools read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lingualign.errors import InputError
from lingualign.mining.alignment.documents import joined
from lingualign.mining.output import languages_of
from lingualign.pairs.discovery import language_pair
from lingualign.pairs.formats.writers import check_output, write_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lingualign.mining.alignment.coarse_to_fine import Links
    from lingualign.mining.alignment.documents import Document, DocumentPair


def check_links_output(output: Path, *, overwrite: bool) -> None:
    """Refuse an output that could not be written, before any work."""
    if output.suffix == ".tmx" and language_pair(output.name) is None:
        raise InputError(f"output {str(output)!r}: its name must tell the languages, as in aligned.en-fr.tmx")
    check_output(output, overwrite=overwrite)


def write_links(documents: Sequence[DocumentPair], links: Sequence[Links], output: Path) -> None:
    """Write the links of all documents in their order, by the output's ending.

    - ``.tsv``, ``.jsonl`` (also ``.gz``, ``.xz``, ``.zst``), ``.parquet``: ``document``, if they have names;
      ``source_lines`` and ``target_lines``, numbers from 1, none on a side that has no partner; ``cost``; and the
      texts joined, ``sentence1`` and ``sentence2``, the names by which the project's readers know pairs.
    - ``NAME.en-fr.tmx``: translation memory exchange 1.4, links with both sides alone.
    """
    table = pa.concat_tables([_table(pair, of) for pair, of in zip(documents, links, strict=True)])
    if output.suffix == ".tmx":
        filled = pc.and_(*(pc.not_equal(table[side], "") for side in ("sentence1", "sentence2")))
        table = table.filter(filled).select(["cost", "sentence1", "sentence2"])
        for name, language in zip(("lang1", "lang2"), languages_of(output), strict=True):
            table = table.append_column(name, pa.array([language] * table.num_rows, pa.string()))
    elif not documents[0].name:
        table = table.drop_columns("document")
    write_pairs(table, output)


def _table(pair: DocumentPair, links: Links) -> pa.Table:
    sides = [
        _side(pair.source, links.source.tolist(), links.source_count.tolist()),
        _side(pair.target, links.target.tolist(), links.target_count.tolist()),
    ]
    lines, texts = zip(*sides, strict=True)
    return pa.table(
        {
            "document": pa.array([pair.name] * len(links), pa.large_string()),
            "source_lines": lines[0],
            "target_lines": lines[1],
            "cost": pa.array(links.cost),
            "sentence1": texts[0],
            "sentence2": texts[1],
        }
    )


def _side(document: Document, starts: list[int], counts: list[int]) -> tuple[pa.Array, pa.Array]:
    spans = [slice(start, start + count) for start, count in zip(starts, counts, strict=True)]
    lines = pa.array([document.numbers[span] for span in spans], pa.list_(pa.int64()))
    return lines, pa.array([joined(document.sentences[span]) for span in spans], pa.large_string())
