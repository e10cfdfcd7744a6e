"""An inspection of pairs as tables for a terminal."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from lingualign.pairs.inspection.inspect import Inspection

_LONGEST = 160
_BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that Unicode calls Bidi_Control."""


def print_inspection(inspection: Inspection, console: Console | None = None) -> None:
    """Print what was found: by corpus and language pair, then examples of what each filter finds, then a sample."""
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
    # In one column: a column for each filter would not fit on a terminal.
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
    found = sorted(((count, reason) for reason, count in hits.items() if count), reverse=True)
    return ", ".join(f"{reason} {count:,}" for count, reason in found)


def _short(text: str) -> str:
    """Cut a long sentence, and show what would act on the terminal instead of sending it there."""
    return _shown(text[:_LONGEST]) + "…" * (len(text) > _LONGEST)


def _shown(text: str) -> str:
    """Hide control characters, line separators and marks of direction. Joiners belong to the text."""
    return "".join("\ufffd" if _acts(char) else char for char in text)


def _acts(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in _BIDIRECTIONAL
