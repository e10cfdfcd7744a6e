"""What a filter is: a reason, and a function from pairs to those that it would drop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from lingualign.pairs.selection import Mask

SIDES = (("sentence1", "lang1"), ("sentence2", "lang2"))
"""A pair's two sides: the columns of the sentence and of its language."""


class Filter(Protocol):
    """A reason to drop pairs. Takes a corpus in order, chunk by chunk."""

    @property
    def reason(self) -> str:
        """What the report counts the dropped pairs under."""

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which rows of a table of `PAIR_SCHEMA` are to be dropped."""


def either_side(pairs: pa.Table, judge: Callable[[pa.LargeStringArray], Mask]) -> Mask:
    """Judge the sentences of both sides; which pairs have one that fails."""
    found = np.zeros(pairs.num_rows, np.bool_)
    for sentences, _ in SIDES:
        found |= judge(one_array(pairs[sentences]))
    return found


def by_language(pairs: pa.Table, judge: Callable[[pa.LargeStringArray, str, str], Mask]) -> Mask:
    """Judge the sentences of each language, and of the other side's, apart; which pairs have one that fails."""
    found = np.zeros(pairs.num_rows, np.bool_)
    for code, rows in rows_of_languages(pairs["lang1"]):
        of_code = pairs.take(pa.array(rows)) if len(rows) < pairs.num_rows else pairs
        for other, places in rows_of_languages(of_code["lang2"]):
            of_both = of_code.take(pa.array(places)) if len(places) < len(rows) else of_code
            found[rows[places]] = judge(one_array(of_both["sentence1"]), code, other) | judge(
                one_array(of_both["sentence2"]), other, code
            )
    return found


def one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Join the chunks of a column, where it has any."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    joined = column.combine_chunks()
    if isinstance(joined, pa.ChunkedArray):
        return joined.chunk(0) if joined.num_chunks else pa.array([], column.type)
    return joined


def rows_of_languages(column: pa.ChunkedArray) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    """Tell which rows of a column of languages hold each."""
    languages = one_array(column.unify_dictionaries())
    numbers = languages.indices.to_numpy(zero_copy_only=False)
    for number, code in enumerate(languages.dictionary.to_pylist()):
        rows = np.flatnonzero(numbers == number)
        if len(rows):
            yield code, rows
