"""How many pairs there are: the paper's table of its data (Appendix B), and the same by corpus."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from lingualign.pairs.selection import group_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

CorpusPair = tuple[str, str, str]


def pair_counts(tables: Iterable[pa.Table]) -> Counter[CorpusPair]:
    """Count pairs by corpus and language pair, whose codes are in alphabetical order.

    Parameters
    ----------
    tables
        Tables of `PAIR_SCHEMA`.
    """
    counts: Counter[CorpusPair] = Counter()
    for table in tables:
        numbers = group_numbers(table.unify_dictionaries(), ["corpus", "lang1", "lang2"])
        _, first, times = np.unique(numbers, return_index=True, return_counts=True)
        for row, count in zip(first.tolist(), times.tolist(), strict=True):
            corpus, *languages = (table[name][row].as_py() for name in ("corpus", "lang1", "lang2"))
            counts[corpus, min(languages), max(languages)] += count
    return counts
