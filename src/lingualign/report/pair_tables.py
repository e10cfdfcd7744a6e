"""Pairs as tables in a terminal: the counts of a preparation, counts by language, and an inspection."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from lingualign.pairs.report import BEFORE_FILTERS, REASONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from lingualign.pairs.discovery import Skipped
    from lingualign.pairs.inspection import CorpusPair, Inspection
    from lingualign.pairs.report import DataReport, Tally

_LONGEST = 160
_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Unicode's Bidi_Control characters."""


def print_report(report: DataReport, console: Console | None = None) -> None:
    """Print the report as tables by file, language pair and reason; then skipped files and swapped sides."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = console or Console()

    def table(title: str, *columns: str, total: Sequence[str]) -> Table:
        made = Table(
            title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0), show_footer=True
        )
        made.add_column(columns[0], footer="total", overflow="fold")
        for name, figure in zip(columns[1:], total, strict=True):
            made.add_column(name, footer=figure, justify="right", no_wrap=True)
        return made

    for title, tallies in (("file", report.files), ("language pair", report.language_pairs)):
        columns = ("", "read", "train", "validation", "dropped")
        by = table(f"Pairs by {title}", *columns, total=_figures(report.total))
        for name, tally in _shortened(tallies).items():
            by.add_row(escape(name), *_figures(tally))
        console.print(by)
    dropped = report.total.dropped
    if dropped:
        filters = [reason for reason in dropped if reason not in REASONS]
        reasons = (*REASONS[:BEFORE_FILTERS], *filters, *REASONS[BEFORE_FILTERS:])
        by = table("Pairs dropped", "because", "pairs", total=[f"{sum(dropped.values()):,}"])
        for reason in reasons:
            if reason in dropped:
                by.add_row(reason, f"{dropped[reason]:,}")
        console.print(by)
    print_skipped(report.skipped, console)
    for swapped in report.swapped:
        console.print(f"warning: {swapped}", markup=False, soft_wrap=True)


def print_skipped(skipped: Sequence[Skipped], console: Console | None = None) -> None:
    """Print the files that were not read, a line each."""
    from rich.console import Console

    console = console or Console()
    for each in skipped:
        console.print(f"not read: {each.file}: {each.reason}", markup=False, soft_wrap=True)


def _figures(tally: Tally) -> list[str]:
    counts = (tally.read, tally.train, tally.validation, sum(tally.dropped.values()))
    return [f"{count:,}" for count in counts]


def _shortened(tallies: Mapping[str, Tally]) -> dict[str, Tally]:
    """Remove the folders that all names share."""
    names = list(tallies)
    parents = [name.split("/")[:-1] for name in names]
    shared = 0
    while parents and all(len(p) > shared and p[shared] == parents[0][shared] for p in parents):
        shared += 1
    return {"/".join(name.split("/")[shared:]): tally for name, tally in tallies.items()}


def print_pair_counts(counts: Mapping[CorpusPair, int], console: Console | None = None) -> None:
    """Print pairs by language and language, as the paper's Table 11 does, then by corpus and language pair.

    Parameters
    ----------
    counts
        Counts, as `pair_counts` returns them.
    console
        Console to print on; standard output by default.
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


def print_inspection(inspection: Inspection, console: Console | None = None) -> None:
    """Print an inspection: counts by corpus and language pair, then examples of each filter's hits, then a sample."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = console or Console()
    reasons = [
        reason for reason in inspection.reasons if any(group.hits[reason] for group in inspection.groups)
    ]
    table = Table(title="Pairs", title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0), show_footer=True)
    pairs, hits, dropped = inspection.totals()
    table.add_column("corpus", footer="total", overflow="fold")
    table.add_column("languages", no_wrap=True)
    table.add_column("pairs", footer=f"{pairs:,}", justify="right", no_wrap=True)
    table.add_column("length", justify="right", no_wrap=True)
    table.add_column("found", footer=f"{dropped:,}", justify="right", no_wrap=True)
    # One column for all filters, since a column each would not fit on a terminal.
    table.add_column("by the filters", footer=_counts(hits), overflow="fold")
    for group in inspection.groups:
        table.add_row(
            escape(group.corpus),
            f"{group.lang1}-{group.lang2}",
            f"{group.pairs:,}",
            " / ".join(map(str, group.middle_lengths)),
            f"{group.dropped:,}",
            _counts(group.hits),
        )
    console.print(table)
    for reason in reasons:
        console.print(f"[bold]{reason}[/bold], for example:")
        examples = [(group, pair) for group in inspection.groups for pair in group.examples.get(reason, [])]
        for group, (first, second) in examples[:3]:
            console.print(f"  {group.corpus} {group.lang1}: {_short(first)}", markup=False, highlight=False)
            console.print(
                f"  {' ' * len(group.corpus)} {group.lang2}: {_short(second)}", markup=False, highlight=False
            )
    sample = Table(title="A sample", title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for head in ("corpus", "languages", "sentence1", "sentence2"):
        sample.add_column(head, overflow="fold")
    for group in inspection.groups:
        for first, second in group.sample[:1]:
            row = (group.corpus, f"{group.lang1}-{group.lang2}", _short(first), _short(second))
            sample.add_row(*map(escape, row))
    console.print(sample)
    for swapped in inspection.swapped:
        console.print(f"warning: {_shown(str(swapped))}", markup=False, soft_wrap=True)


def _counts(hits: Mapping[str, int]) -> str:
    ranked = sorted(((count, reason) for reason, count in hits.items() if count), reverse=True)
    return ", ".join(f"{reason} {count:,}" for count, reason in ranked)


def _short(text: str) -> str:
    """Shorten a long sentence, and replace characters that control the terminal."""
    return _shown(text[:_LONGEST]) + "…" * (len(text) > _LONGEST)


def _shown(text: str) -> str:
    """Replace control characters, line separators and marks of direction. Joiners belong to the text."""
    return "".join("\ufffd" if _acts(char) else char for char in text)


def _acts(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in _BIDIRECTIONAL
