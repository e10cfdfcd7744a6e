"""One side of a mining: distinct sentences with their vectors and their lines."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lingualign.errors import InputError
from lingualign.mining.encode_folder import describe, encode_to_folder
from lingualign.mining.encoded_text import EncodedText, StackedRows
from lingualign.mining.sentences import read_sentences
from lingualign.pairs.leaks import blank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy.typing as npt

    from lingualign.mining.encode_folder import Chunk, Describe
    from lingualign.mining.engines import Workers


class Corpus:
    """Distinct sentences of one side, without blank ones.

    Parameters
    ----------
    text
        The sentences with their vectors.
    planted
        Further sentences, which are not lines of the text, from the same encoder.
    """

    def __init__(self, text: EncodedText, planted: EncodedText | None = None) -> None:
        own = text.sentences()
        self.lines = len(own)
        self.texts = [text] if planted is None else [text, planted]
        column = own
        if planted is not None:
            column = pa.chunked_array([*own.chunks, *planted.sentences().chunks], pa.large_string())
        encoded = column.combine_chunks().dictionary_encode() if len(column) else None
        codes = np.empty(0, np.int64) if encoded is None else encoded.indices.to_numpy().astype(np.int64)
        filled = ~blank(column).to_numpy(zero_copy_only=False)
        _, first, place = np.unique(codes[filled], return_index=True, return_inverse=True)
        first = np.flatnonzero(filled)[first]
        self.sentences: pa.Array = column.take(pa.array(first)).combine_chunks()
        """Distinct sentences, (distinct,), in order of appearance"""
        self.first = first
        """Position of each one's first occurrence, (distinct,)"""
        self.vectors = StackedRows([array for each in self.texts for array in each.vectors], first)
        self.blank = int(self.lines - filled[: self.lines].sum())
        self.place = np.full(len(codes), -1, np.int64)
        """Distinct sentence of each line, then of each planted sentence; -1 for a blank line"""
        self.place[filled] = place
        self.in_text = first < self.lines
        """True for sentences that are lines of the text, (distinct,)"""

    def positions(self, sentences: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int64]:
        """Return the positions of sentences among the distinct ones; -1 for a missing one."""
        index = pc.fill_null(pc.index_in(sentences.cast(pa.large_string()), value_set=self.sentences), -1)
        places: npt.NDArray[np.int64] = index.to_numpy(zero_copy_only=False).astype(np.int64)
        return places

    @cached_property
    def lines_held(self) -> npt.NDArray[np.int64]:
        """Number of lines of each sentence, (distinct,)."""
        place = self.place[: self.lines]
        return np.bincount(place[place >= 0], minlength=len(self.sentences))

    @cached_property
    def _lines_by_sentence(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """All lines that are not blank, grouped by sentence, and the begin of each group."""
        lines = np.argsort(self.place[: self.lines], kind="stable")[self.blank :]
        return lines, np.cumsum(self.lines_held) - self.lines_held

    def lines_of(self, chosen: npt.NDArray[np.int64]) -> pa.Array:
        """Return the numbers of the lines of each chosen sentence, from 1: lists of int64."""
        lines, begins = self._lines_by_sentence
        counts = self.lines_held[chosen]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
        numbers = lines[np.repeat(begins[chosen], counts) + within] + 1
        return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(numbers, pa.int64()))


def open_text(
    workers: Workers[Chunk | Describe],
    source: str,
    folder: Path,
    column: str | None,
    advance: Callable[[int], None],
) -> EncodedText:
    """Open encoded text, or encode a text into a folder first.

    Raises
    ------
    InputError
        If the text cannot be read, or a folder was encoded with another model or prompt.
    """
    if Path(source).is_dir():
        text = EncodedText(Path(source))
        if difference := text.encoder.differs(describe(workers)):
            raise InputError(
                f"{source}: encoded with another encoder than the one given: {difference}; "
                "give that one, or encode again"
            )
        return text
    return encode_chunks(workers, read_sentences(source, column), folder, advance)


def encode_chunks(
    workers: Workers[Chunk | Describe],
    chunks: Iterable[list[str]],
    folder: Path,
    advance: Callable[[int], None] = lambda _: None,
) -> EncodedText:
    """Encode sentences into a folder and open it."""
    encode_to_folder(workers, chunks, folder, advance)
    return EncodedText(folder)


def check_filled(corpus: Corpus, name: str) -> None:
    """Raise InputError for a side without a sentence."""
    if not len(corpus.sentences):
        raise InputError(f"{name}: there is nothing to match in it, for all of its lines are blank")
