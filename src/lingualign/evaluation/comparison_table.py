"""Comparisons as tables to read in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lingualign.evaluation.metrics import METRICS

if TYPE_CHECKING:
    from rich.console import Console

LEVEL_MARK = "≈"
"""After a figure that cannot be told apart from the best."""


def print_comparison(comparison: dict[str, Any], console: Console | None = None) -> None:
    """Print what `compare` returned: a row for each place, in percent, the best bold, and the verdicts.

    Parameters
    ----------
    comparison
        In the form of ``comparison.json``.
    console
        Where to; by default the terminal.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    table = Table(title=Text("Comparison (× 100)", style="bold"), title_justify="left", box=SIMPLE_HEAD)
    table.add_column("on", overflow="fold")
    table.add_column("rows", justify="right", no_wrap=True)
    for label in comparison["models"]:
        table.add_column(Text(label), justify="right", overflow="fold")
    group = None
    for figure in comparison["figures"]:
        if group not in (None, figure["group"]):
            table.add_section()
        group = figure["group"]
        cells = [Text(cell, style=style) for cell, style in _cells(figure)]
        table.add_row(Text(row_name(figure)), f"{figure['rows']:,}", *cells)
    console.print(table)
    console.print(
        f"Bold: the best of a row ([bold]↓[/]: the lowest). {LEVEL_MARK}: not told apart from it "
        f"({comparison['correction']}, false discoveries below {comparison['level']:.0%}).\n"
    )
    for verdict in comparison["verdicts"]:
        console.print(escape(verdict), emoji=False)
    for warning in comparison["warnings"]:
        console.print(f"[yellow]warning[/] {escape(warning)}", emoji=False)


def row_name(figure: dict[str, Any]) -> str:
    """Name a row: the place, its metric, and an arrow where less is better."""
    lower = " ↓" if figure["lower_is_better"] else ""
    return f"{figure['place']}, {METRICS[figure['metric']].words}{lower}"


def cell(figure: dict[str, Any], label: str) -> str:
    """Give a model's figure in percent, marked where it cannot be told apart from the best."""
    value = figure["models"][label]["value"]
    if value is None:
        return "undefined"
    return f"{100 * value:.2f}" + (f" {LEVEL_MARK}" if label in figure["level_with_best"] else "")


def _cells(figure: dict[str, Any]) -> list[tuple[str, str]]:
    return [(cell(figure, label), "bold" if label == figure["best"] else "") for label in figure["models"]]
