"""Scores as a table to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_scores(scores: dict[str, Any], console: Console | None = None) -> None:
    """Print what `evaluate` returned: one table a kind of suite, rates in percent, Spearman times 100.

    Parameters
    ----------
    scores
        In the form of ``scores.json``.
    console
        Where to; by default the terminal.
    """
    from rich.console import Console
    from rich.markup import escape

    console = console or Console()
    model = scores["model"]
    prompt = f", prompt {model['prompt']!r}" if model["prompt"] else ""
    console.print(f"[bold]{escape(model['name'])}[/]  {model['dimensions']} dimensions{escape(prompt)}")
    for title, kind, columns in _TABLES:
        if table := _table(title, kind, columns, scores):
            console.print(table)
    if means := _means(scores):
        console.print(means)
    for name, entry in scores["suites"].items():
        for warning in entry.get("warnings", []):
            console.print(f"[yellow]warning[/] {escape(name)}: {escape(warning)}")


_TABLES = (
    (
        "Bitext retrieval, % of sentences whose nearest neighbour is their translation",
        "bitext",
        {"accuracy": "accuracy", "95%": "ci95", "forward": "forward", "backward": "backward"},
    ),
    (
        "n-way retrieval, % (xSIM: errors)",
        "nway",
        {"accuracy": "accuracy", "95%": "ci95", "xSIM": "xsim", "xSIM margin": "xsim_margin"},
    ),
    ("Semantic textual similarity", "sts", {"Spearman": "spearman", "95%": "ci95"}),
)


def _table(title: str, kind: str, columns: dict[str, str], scores: dict[str, Any]) -> Table | None:
    table = _empty(title, ["suite", "rows", *columns])
    for name, entry in scores["suites"].items():
        if entry["kind"] != kind:
            continue
        lines = {name: entry}
        if kind == "nway":
            lines = {f"{name} {pair}": figures for pair, figures in entry["pairs"].items()}
            lines[f"{name} mean"] = entry["mean"]
        for label, figures in lines.items():
            cells = [_percent(figures[key]) for key in columns.values()]
            table.add_row(
                label, f"{entry['rows']:,}", *cells, style="bold" if figures is entry.get("mean") else None
            )
    return table if table.row_count else None


def _means(scores: dict[str, Any]) -> Table | None:
    """Show the means of groups that have something to average."""
    table = _empty("Means", ["group", "metric", "mean", "95%"])
    for group, means in scores["means"].items():
        for metric, intervals in means["ci95"].items():
            table.add_row(group, metric, _percent(means[metric]), _percent(intervals))
    return table


def _empty(title: str, columns: list[str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for place, column in enumerate(columns):
        table.add_column(
            column, justify="left" if place == 0 or column == "metric" else "right", no_wrap=True
        )
    return table


def _percent(figure: float | list[float]) -> str:
    if isinstance(figure, list):
        return f"{100 * figure[0]:.1f} – {100 * figure[1]:.1f}"
    return f"{100 * figure:.2f}"
