"""The protocol of filters: a reason, and a function from pairs to a mask of those to drop."""

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
    """A reason to drop pairs, called with a corpus in order, chunk by chunk."""

    @property
    def reason(self) -> str:
        """Name of the reason in the report."""

    def __call__(self, pairs: pa.Table) -> Mask:
        """Return the mask of rows to drop in a table of `PAIR_SCHEMA`."""


def either_side(pairs: pa.Table, judge: Callable[[pa.LargeStringArray], Mask]) -> Mask:
    """Judge the sentences of both sides; returns the mask of pairs with one that fails."""
    failed = np.zeros(pairs.num_rows, np.bool_)
    for sentences, _ in SIDES:
        failed |= judge(one_array(pairs[sentences]))
    return failed


def by_language(pairs: pa.Table, judge: Callable[[pa.LargeStringArray, str, str], Mask]) -> Mask:
    """Judge sentences by their language and the other side's; returns the mask of pairs with one that fails."""
    failed = np.zeros(pairs.num_rows, np.bool_)
    for code, rows in rows_of_languages(pairs["lang1"]):
        of_code = pairs.take(pa.array(rows)) if len(rows) < pairs.num_rows else pairs
        for other, places in rows_of_languages(of_code["lang2"]):
            of_both = of_code.take(pa.array(places)) if len(places) < len(rows) else of_code
            failed[rows[places]] = judge(one_array(of_both["sentence1"]), code, other) | judge(
                one_array(of_both["sentence2"]), other, code
            )
    return failed


def one_array(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Join the chunks of a column."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    joined = column.combine_chunks()
    if isinstance(joined, pa.ChunkedArray):
        return joined.chunk(0) if joined.num_chunks else pa.array([], column.type)
    return joined


def rows_of_languages(column: pa.ChunkedArray) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    """Yield each language of a column with its rows."""
    languages = one_array(column.unify_dictionaries())
    numbers = languages.indices.to_numpy(zero_copy_only=False)
    for number, code in enumerate(languages.dictionary.to_pylist()):
        rows = np.flatnonzero(numbers == number)
        if len(rows):
            yield code, rows
