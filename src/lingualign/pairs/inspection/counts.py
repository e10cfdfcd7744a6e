"""How many pairs there are: the paper's table of its data (Appendix B), and the same by corpus."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from lingualign.pairs.selection import group_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa
    from rich.console import Console

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


def print_pair_counts(counts: Mapping[CorpusPair, int], console: Console | None = None) -> None:
    """Print pairs by language and language, as the paper's Table 11 does, then by corpus and language pair.

    Parameters
    ----------
    counts
        Of `pair_counts`, or any with these keys.
    console
        Standard output by default.
    """
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = console or Console()
    by_pair: Counter[tuple[str, str]] = Counter()
    sentences: Counter[str] = Counter()
    for (_, a, b), count in counts.items():
        by_pair[a, b] += count
        sentences.update({a: count, b: count})
    languages = sorted(sentences, key=lambda code: (-sentences[code], code))

    square = Table(title="Pairs by language", title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for head in ("pairs", *languages):
        square.add_column(head, justify="left" if head == "pairs" else "right", no_wrap=True)
    for row in languages:
        cells = (by_pair.get((min(row, code), max(row, code)), 0) for code in languages)
        square.add_row(row, *(f"{count:,}" if count else "-" for count in cells))
    console.print(square)

    pairs = sorted(by_pair, key=lambda pair: (-by_pair[pair], pair))
    listed = Table(
        title="Pairs by corpus", title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0), show_footer=True
    )
    listed.add_column("corpus", footer="total", overflow="fold")
    for a, b in pairs:
        listed.add_column(f"{a}-{b}", footer=f"{by_pair[a, b]:,}", justify="right", no_wrap=True)
    listed.add_column("total", footer=f"{sum(counts.values()):,}", justify="right", no_wrap=True)
    for corpus in sorted({corpus for corpus, _, _ in counts}):
        row_counts = [counts.get((corpus, a, b), 0) for a, b in pairs]
        shown = (f"{count:,}" if count else "-" for count in row_counts)
        listed.add_row(escape(corpus), *shown, f"{sum(row_counts):,}")
    console.print(listed)
