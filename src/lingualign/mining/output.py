"""Mined pairs in the formats that other tools read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lingualign.errors import InputError
from lingualign.files import write_atomically
from lingualign.languages import are_languages
from lingualign.neighbours.retrieval import FOUND_BY
from lingualign.pairs.discovery import language_pair
from lingualign.pairs.formats.compression import without_compression
from lingualign.pairs.formats.writers import check_place, compressed, one_line, tmx, tsv, write_parquet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lingualign.mining.corpus import Corpus
    from lingualign.neighbours.retrieval import Pairs

_LINES_OF_A_PIECE = 1 << 22
FORMATS = ".tsv, .parquet, .tmx named as in mined.en-fr.tmx, or Moses text named as in mined.en-fr"


def check_output(output: Path, *, overwrite: bool) -> None:
    """Refuse an output that could not be written, before any work.

    Raises
    ------
    InputError
        If its kind is unknown, it exists, or its folder does not.
    """
    if _kind(output) is None:
        raise InputError(f"output {str(output)!r}: not a known kind of file; give {FORMATS}")
    check_place(*output_files(output), overwrite=overwrite)


def output_files(output: Path) -> list[Path]:
    """List the files that are written: two for Moses text."""
    if _kind(output) == "moses":
        return [output.with_name(f"{output.name}.{language}") for language in languages_of(output)]
    return [output]


def write_pairs(pairs: Pairs, source: Corpus, target: Corpus, output: Path) -> None:
    """Write mined pairs in the order given, by the output's ending.

    - ``.tsv`` (also compressed): score, source, target, no header, LASER's order. A tab or line break
      within a sentence is written as a blank.
    - ``.parquet``: ``score``, ``cosine``, ``direction``, ``source``, ``target``, and ``source_lines`` and
      ``target_lines``, the numbers from 1 of all lines that hold the sentence.
    - ``NAME.en-fr.tmx``: translation memory exchange 1.4.
    - ``NAME.en-fr``: Moses text, ``NAME.en-fr.en`` and ``NAME.en-fr.fr``.
    """
    kind = _kind(output)
    if kind == "parquet":
        write_parquet(_tables(pairs, source, target), output)
        return
    sides = source.sentences.take(pa.array(pairs.source)), target.sentences.take(pa.array(pairs.target))
    if kind == "tmx":
        write_atomically(output, tmx(_scored(pairs, sides, languages_of(output))))
    elif kind == "moses":
        for file, side in zip(output_files(output), sides, strict=True):
            write_atomically(file, _text(one_line(side)))
    else:
        table = pa.table({"score": pairs.score, "source": sides[0], "target": sides[1]})
        write_atomically(output, compressed(tsv(table, header=False), output))


def _kind(output: Path) -> str | None:
    if Path(without_compression(output.name)).suffix == ".tsv":
        return "tsv"
    if output.suffix == ".parquet":
        return "parquet"
    if output.suffix == ".tmx":
        return "tmx" if language_pair(output.name) else None
    languages = output.suffix[1:].split("-")
    return "moses" if len(languages) == 2 and are_languages(languages) else None


def languages_of(output: Path) -> list[str]:
    """Read the two languages off the name of TMX or Moses text."""
    return output.name.removesuffix(".tmx").rpartition(".")[2].split("-")


def _tables(pairs: Pairs, source: Corpus, target: Corpus) -> Iterator[pa.Table]:
    """Give the table in pieces, for a sentence of many lines may stand in many pairs."""
    lines = source.lines_held[pairs.source] + target.lines_held[pairs.target]
    piece = np.cumsum(lines) // _LINES_OF_A_PIECE
    for rows in np.split(np.arange(len(pairs)), np.flatnonzero(np.diff(piece)) + 1):
        some = pairs[rows]
        yield pa.table(
            {
                "score": some.score,
                "cosine": some.cosine,
                "direction": pa.DictionaryArray.from_arrays(pa.array(some.direction), pa.array(FOUND_BY)),
                "source": source.sentences.take(pa.array(some.source)),
                "target": target.sentences.take(pa.array(some.target)),
                "source_lines": source.lines_of(some.source),
                "target_lines": target.lines_of(some.target),
            }
        )


def _scored(pairs: Pairs, sides: tuple[pa.Array, pa.Array], languages: list[str]) -> pa.Table:
    named = {f"lang{place}": [language] * len(sides[0]) for place, language in enumerate(languages, 1)}
    return pa.table({"score": pairs.score, "sentence1": sides[0], "sentence2": sides[1], **named})


def _text(lines: pa.Array) -> bytes:
    return "".join(f"{line}\n" for line in lines.to_pylist()).encode()
