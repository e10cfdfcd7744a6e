"""Scores as tables in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lingualign.evaluation.metrics import METRICS, known_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.table import Table

    from lingualign.evaluation.suites import Kind

_MINING = {"F1": "f1", "95%": "ci95", "precision": "precision", "recall": "recall"}
SPACE_FIGURES = {
    "alignment": "alignment",
    "uniformity": "uniformity",
    "isotropy": "isotropy",
    "language": "language_identifiability",
    "hubness": "hubness",
}
"""Keys of the figures of a space by their names in tables."""


def print_scores(scores: dict[str, Any], console: Console | None = None) -> None:
    """Print scores of `evaluate`: rates in percent, Spearman times 100, each with its 95% interval.

    Parameters
    ----------
    scores
        Scores in the form of ``scores.json``.
    console
        Console to print on; by default the terminal.
    """
    from rich.console import Console
    from rich.markup import escape

    console = console or Console()
    model = scores["model"]
    prompt = f", prompt {model['prompt']!r}" if model["prompt"] else ""
    console.print(
        f"[bold]{escape(model['name'])}[/]: {model['dimensions']} dimensions{escape(prompt)}", emoji=False
    )
    for table in _tables(scores):
        if table.row_count:
            console.print(table)
    for name, entry in scores["suites"].items():
        for warning in entry.get("warnings", []):
            console.print(f"[yellow]warning[/] {escape(name)}: {escape(warning)}", emoji=False)


def print_gain(before: dict[str, Any], after: dict[str, Any], console: Console) -> None:
    """Print the gain of training: the main figure of each suite, before and after.

    Parameters
    ----------
    before, after
        Scores of the same suites, as `evaluate` returns them, before and after training.
    console
        Console to print on.
    """
    from rich.text import Text

    table = _empty("Scores (× 100)", "suite", ["metric", "before", "after", "95%"])
    for name, entry in after["suites"].items():
        earlier = before["suites"][name]
        if entry["kind"] == "nway":
            entry, earlier = entry["mean"], earlier["mean"]
        metric = known_by(entry)
        table.add_row(
            Text(name),
            metric,
            *(_percent(figures) for figures in (earlier[metric], entry[metric], entry["ci95"])),
        )
    console.print(table)
    for name, entry in after["suites"].items():
        if untrained := entry.get("untrained"):
            console.print(
                f"{name}: no training pair is in {', '.join(untrained)}", markup=False, highlight=False
            )


def _tables(scores: dict[str, Any]) -> Iterator[Table]:
    from rich.text import Text

    by_kind: dict[str, dict[str, Any]] = {"bitext": {}, "mining": {}, "nway": {}, "sts": {}}
    for name, entry in scores["suites"].items():
        by_kind[entry["kind"]][name] = entry
    titles: dict[Kind, str] = {
        "bitext": "Bitext retrieval, % right",
        "mining": "Pairs among sentences without one, % of the pairs' sentences right",
        "sts": "Semantic similarity, x 100",
    }
    for kind, title in titles.items():
        columns = _columns(kind)
        table = _empty(title, "suite", ["rows", *columns])
        for name, entry in by_kind[kind].items():
            table.add_row(Text(name), f"{entry['rows']:,}", *_cells(entry, columns))
        yield table
    table = _empty("Mining by margin, %", "suite", ["pairs", "mined", *_MINING, "threshold"])
    for name, entry in by_kind["mining"].items():
        mined = entry["mining"]
        counts = (f"{count:,}" for count in (entry["rows"], mined["mined"]))
        threshold = "undefined" if mined["threshold"] is None else f"{mined['threshold']:.4f}"
        table.add_row(Text(name), *counts, *_cells(mined, _MINING), threshold)
    yield table
    columns = _columns("nway")
    for name, entry in by_kind["nway"].items():
        table = _empty(f"{name}, n-way retrieval of {entry['rows']:,} rows, %", "pair", list(columns))
        for pair, figures in entry["pairs"].items():
            table.add_row(Text(pair), *_cells(figures, columns))
        table.add_section()
        table.add_row("mean", *_cells(entry["mean"], columns), style="bold")
        yield table
    table = _empty("The space of vectors", "suite", ["figure", "value", "95%"])
    for name, entry in scores["suites"].items():
        space = entry.get("space", {})
        for figure, key in SPACE_FIGURES.items():
            if key in space:
                low, high = space[f"{key}_ci95"]
                table.add_row(Text(name), figure, f"{space[key]:.3f}", f"{low:.3f} to {high:.3f}")
    yield table
    table = _empty("Means", "group", ["metric", "mean", "95%"])
    for group, means in scores["means"].items():
        for metric, interval in means["ci95"].items():
            table.add_row(Text(group), metric, _percent(means[metric]), _percent(interval))
    yield table


def _columns(kind: Kind) -> dict[str, str]:
    """Return the keys of the figures in a kind's table by heading."""
    columns = {}
    for name, metric in METRICS.items():
        if kind in metric.shown:
            columns[metric.column or metric.words] = name
            if metric.known_by:
                columns["95%"] = "ci95"
    return columns


def _empty(title: str, label: str, columns: list[str]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title, style="bold"), title_justify="left", box=SIMPLE_HEAD)
    table.add_column(label, overflow="fold")
    for column in columns:
        table.add_column(column, justify="left" if column in ("metric", "figure") else "right", no_wrap=True)
    return table


def _cells(figures: dict[str, Any], columns: dict[str, str]) -> list[str]:
    return [_percent(figures[key]) for key in columns.values()]


def _percent(figure: float | list[float] | None) -> str:
    if figure is None:
        return "undefined"
    if isinstance(figure, list):
        return f"{100 * figure[0]:.1f} to {100 * figure[1]:.1f}"
    return f"{100 * figure:.2f}"
