"""What a fetch will take and has taken, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from lingualign.pairs.opus.fetch import Fetched, FetchPlan


def print_plan(plan: FetchPlan, console: Console | None = None) -> None:
    """Print each archive with its size, those that a corpus lacks, and the sum of what is to be downloaded."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = console or Console()
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in ("corpus", "version", "pair"):
        table.add_column(name, overflow="fold")
    for name in ("pairs", "archive"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    to_load = 0
    for name, bitext in plan.bitexts.items():
        cached = bitext.archive.is_file()
        to_load += 0 if name in plan.ready or cached else bitext.kib
        state = "there" if name in plan.ready else "in the cache" if cached else ""
        pairs = "?" if bitext.pairs is None else f"{bitext.pairs:,}"
        pair = f"{bitext.tag1}-{bitext.tag2}"
        table.add_row(bitext.corpus, bitext.version, pair, pairs, _size(bitext.kib), state)
    console.print(table)
    for corpus, pairs_absent in plan.absent.items():
        lacking = ", ".join("-".join(pair) for pair in pairs_absent)
        console.print(f"not in {corpus}: {lacking}", markup=False, soft_wrap=True)
    console.print(f"to download: {_size(to_load)}", markup=False)


def print_fetched(files: Mapping[str, Fetched], plan: FetchPlan, console: Console | None = None) -> None:
    """Print how many pairs there are now."""
    from rich.console import Console

    console = console or Console()
    kept = sum(file.kept for file in files.values())
    lines = sum(file.lines for file in files.values())
    console.print(
        f"{kept:,} pairs of {lines:,} in {plan.output} ({len(files)} files, {len(plan.ready)} of them there before)",
        markup=False,
        soft_wrap=True,
    )
    for name, file in files.items():
        if file.no_text:
            told = f"{name}: {file.no_text:,} pairs left out: not UTF-8, with a NUL, or too long"
            console.print(told, markup=False, soft_wrap=True)


def _size(kib: int) -> str:
    for unit, scale in (("GiB", 1024**2), ("MiB", 1024)):
        if kib >= scale:
            return f"{kib / scale:,.1f} {unit}"
    return f"{kib} KiB"
