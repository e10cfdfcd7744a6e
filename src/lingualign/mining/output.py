"""Mined pairs as files that other tools read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lingualign.errors import InputError
from lingualign.neighbours.margin import FOUND_BY
from lingualign.pairs.formats.writers import OUTPUTS, check_place, format_of, languages_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lingualign.mining.corpus import Corpus
    from lingualign.neighbours.margin import Pairs
    from lingualign.pairs.formats.writers import OutputFormat

_LINES_OF_A_PIECE = 1 << 22


def check_mined_output(output: Path, *, overwrite: bool) -> None:
    """Raise InputError for an output of an unknown kind, one that exists, or one whose folder does not."""
    if _format_of(output) is None:
        forms = sorted((each.mined for each in OUTPUTS.values() if each.mined), key=len)
        raise InputError(f"output {str(output)!r}: not a known kind of file; give {', '.join(forms)}")
    check_place(*output_files(output), overwrite=overwrite)


def output_files(output: Path) -> list[Path]:
    """List the files of an output: two for Moses text."""
    output_format = _format_of(output)
    return [output] if output_format is None else output_format.files(output)


def write_mined(pairs: Pairs, source: Corpus, target: Corpus, output: Path) -> None:
    """Write mined pairs in their order, in the format of the output's ending.

    - ``.tsv`` (also compressed): score, source, target, no header, LASER's order. A tab or line break
      within a sentence is written as a blank.
    - ``.parquet``: ``score``, ``cosine``, ``direction``, ``source``, ``target``, and ``source_lines`` and
      ``target_lines``, the numbers from 1 of all lines with the sentence.
    - ``NAME.en-fr.tmx``: translation memory exchange 1.4.
    - ``NAME.en-fr``: Moses text, ``NAME.en-fr.en`` and ``NAME.en-fr.fr``.
    """
    output_format = _format_of(output)
    assert output_format is not None  # as check_mined_output has seen
    table = _with_lines if output_format.typed else _of_sentences
    (output_format.write_mined or output_format.write)(table(pairs, source, target), output)


def _format_of(output: Path) -> OutputFormat | None:
    output_format = format_of(output)
    if (
        output_format is None
        or output_format.mined is None
        or (output_format.by_name and languages_of(output) is None)
    ):
        return None
    return output_format


def _of_sentences(pairs: Pairs, source: Corpus, target: Corpus) -> pa.Table:
    sides = source.sentences.take(pa.array(pairs.source)), target.sentences.take(pa.array(pairs.target))
    return pa.table({"score": pairs.score, "sentence1": sides[0], "sentence2": sides[1]})


def _with_lines(pairs: Pairs, source: Corpus, target: Corpus) -> Iterator[pa.Table]:
    """Yield the table in pieces, since a sentence of many lines may be in many pairs."""
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
