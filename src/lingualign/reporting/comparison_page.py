"""A comparison of models as one self-contained page: plots, figures, tests; for light and dark screens."""

from __future__ import annotations

from html import escape
from math import ceil, floor
from typing import TYPE_CHECKING, Any

from lingualign.evaluation.comparison_table import LEVEL_MARK, cell, row_name
from lingualign.evaluation.table import SPACE_FIGURES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_SPACE_FIGURES = {name: (key, f"{key}_ci95") for name, key in SPACE_FIGURES.items()}
_MINED_FIGURES = {
    "f1": ("f1", "ci95"),
    "precision": ("precision", "precision_ci95"),
    "recall": ("recall", "recall_ci95"),
}

# Told apart by people of every colour vision, on white and on black (after Okabe and Ito).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --quiet: #767676; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { padding: 0.25rem 0.75rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; min-width: 9rem; }
td:not(:first-child) { white-space: nowrap; }
svg { width: 100%; min-width: 38rem; height: auto; overflow: visible; }
svg.mark { width: 0.75em; min-width: 0; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
svg .axis { stroke: var(--line); }
.wide { overflow-x: auto; }
.quiet { color: var(--quiet); }
@media (prefers-color-scheme: dark) { :root { --quiet: #a0a0a0; } }
"""

_Band = tuple[str, "Sequence[tuple[str, float | None, Any]]"]
"""A name, and marks: a label (of a model, or none), a value and its interval."""

_WIDTH, _LABELS, _VALUES, _ROW, _BAR = 760, 280, 60, 10, 18


def comparison_page(comparison: dict[str, Any]) -> str:
    """Give a comparison as an HTML page that loads nothing: styles and plots lie in it, and no script.

    Parameters
    ----------
    comparison
        What `lingualign.evaluation.compare` returned. Whatever text it holds is shown as text.
    """
    labels = list(comparison["models"])
    title = f"Comparison of {' and '.join(labels)}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        _list(comparison["verdicts"]),
        _heading("Warnings", comparison["warnings"]) + _list(comparison["warnings"]),
        "<h2>Figures with their 95% intervals</h2>",
        _figure_plots(comparison),
        "<h2>Table</h2>",
        _figure_table(comparison),
        f"<p class='quiet'>Times 100. Bold: the best of a row (↓: the lowest). {LEVEL_MARK}: not told apart from it; "
        f"false discoveries are kept below {comparison['level']:.0%} ({escape(comparison['correction'])}).</p>",
        "<h2>Differences with their 95% intervals</h2>",
        _difference_plots(comparison),
        "<h2>Tests</h2>",
        _test_table(comparison),
        _heading("Mining by margin with 95% intervals", comparison["mined"])
        + _seed_table(comparison, "mined", _MINED_FIGURES, 100, 2),
        _heading("Spaces of vectors with their 95% intervals", comparison["spaces"])
        + _seed_table(comparison, "spaces", _SPACE_FIGURES, 1, 3),
        "<h2>Models</h2>",
        _model_table(comparison),
        f"<p class='quiet'>lingualign {escape(comparison['lingualign'])}</p>",
    ]
    return (
        "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body>\n</html>\n"
    )


def _heading(text: str, content: Collection[str]) -> str:
    return f"<h2>{escape(text)}</h2>" if content else ""


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out cells that are HTML already."""
    first = "".join(f"<th scope='col'>{each}</th>" for each in head)
    body = "".join(f"<tr>{''.join(f'<td>{each}</td>' for each in row)}</tr>" for row in rows)
    return f"<div class='wide'><table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table></div>"


def _figure_table(comparison: dict[str, Any]) -> str:
    rows = []
    for figure in comparison["figures"]:
        cells = []
        for label, entry in figure["models"].items():
            shown = escape(cell(figure, label))
            shown = f"<strong>{shown}</strong>" if label == figure["best"] else shown
            if entry["ci95"]:
                shown += f" <span class='quiet'>{_interval(entry['ci95'])}</span>"
            cells.append(shown)
        rows.append([escape(row_name(figure)), f"{figure['rows']:,}", *cells])
    return _table(["on", "rows", *map(escape, comparison["models"])], rows)


def _test_table(comparison: dict[str, Any]) -> str:
    rows = []
    for figure in comparison["figures"]:
        for found in figure["comparisons"]:
            if found["difference"] is None:
                shown, effects = ["undefined", "", "", "", ""], ""
            else:
                effects = "<br>".join(_effect(found, name, size) for name, size in found["effect"].items())
                shown = [
                    f"{100 * found['difference']:+.2f}",
                    _interval(found["ci95"]),
                    escape(found["test"]),
                    f"{found['p']:.2g}",
                    f"{found['q']:.2g}",
                ]
            ahead = escape(found["ahead"]) if found["ahead"] else "–"
            two = escape(f"{found['a']} – {found['b']}")
            rows.append([escape(row_name(figure)), two, ahead, *shown, effects])
    head = ["on", "models", "ahead", "difference", "95%", "test", "p", "q", "effect"]
    return _table(head, rows)


def _effect(found: dict[str, Any], name: str, size: float | None) -> str:
    """Tell the size of an effect, or how many outcomes only one of two models has right."""
    if name in ("only_a", "only_b"):
        return f"only {escape(found[name.removeprefix('only_')])}: {size:,}"
    told = name.replace("cohens", "Cohen's").replace("_", " ")
    return f"{escape(told)} {'undefined' if size is None else f'{size:.3g}'}"


def _seed_table(
    comparison: dict[str, Any], kind: str, figures: Mapping[str, tuple[str, str]], times: float, digits: int
) -> str:
    """Lay out untested figures with their intervals, a line for each seed; nothing where no suite has any.

    ``figures`` gives, by the name that is shown, the keys of a figure and of its interval.
    """
    labels = list(comparison["models"])
    rows = [
        [
            escape(f"{suite}, {name}"),
            *(
                "<br>".join(
                    _with_interval(seed[key], seed[interval], times, digits) for seed in of_model[label]
                )
                for label in labels
            ),
        ]
        for suite, of_model in comparison[kind].items()
        for name, (key, interval) in figures.items()
        if key in of_model[labels[0]][0]
    ]
    return _table(["on", *map(escape, labels)], rows) if rows else ""


def _with_interval(value: float, interval: Sequence[float] | None, times: float, digits: int) -> str:
    told = f"{times * value:.{digits}f}"
    if interval is None:
        return told
    low, high = (f"{times * end:.{digits}f}" for end in interval)
    return f"{told} <span class='quiet'>{low} to {high}</span>"


def _model_table(comparison: dict[str, Any]) -> str:
    rows = [
        [
            escape(label),
            escape(str(seed["name"])),
            escape(str(seed["dimensions"])),
            escape(repr(seed["prompt"])),
            f"<code>{escape(str(seed['fingerprint'])[:16])}</code>",
        ]
        for label, seeds in comparison["models"].items()
        for seed in seeds
    ]
    return _table(["label", "model", "dimensions", "prompt", "fingerprint"], rows)


def _interval(bounds: Sequence[float]) -> str:
    return f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}"


def _figure_plots(comparison: dict[str, Any]) -> str:
    """Plot every model's figures and intervals, a band for each place and an axis for each group and metric."""
    labels = list(comparison["models"])
    plots: dict[tuple[str, str], list[_Band]] = {}
    for figure in comparison["figures"]:
        marks = [(label, entry["value"], entry["ci95"]) for label, entry in figure["models"].items()]
        plots.setdefault((figure["group"], figure["metric"]), []).append((row_name(figure), marks))
    legend = " ".join(
        f"<span><svg viewBox='0 0 12 12' class='mark' aria-hidden='true'>"
        f"<circle cx='6' cy='6' r='5' style='fill:{_colour(labels, label)}'/></svg> {escape(label)}</span>"
        for label in labels
    )
    return f"<p>{legend}</p>" + "".join(
        _plot(f"{group}, {metric}, with 95% intervals", bands, labels)
        for (group, metric), bands in plots.items()
    )


def _difference_plots(comparison: dict[str, Any]) -> str:
    """Plot the differences of each two models: right of the line the first is greater."""
    plots: dict[tuple[str, str], list[_Band]] = {}
    for figure in comparison["figures"]:
        for found in figure["comparisons"]:
            bands = plots.setdefault((found["a"], found["b"]), [])
            bands.append((row_name(figure), [(found["ahead"] or "", found["difference"], found["ci95"])]))
    labels = list(comparison["models"])
    return "".join(
        f"<h3>{escape(f'{a} less {b}')}</h3>"
        + _plot(f"{a} less {b}", bands, labels, zero=True)
        + "<p class='quiet'>In colour: told apart, in that of the model ahead.</p>"
        for (a, b), bands in plots.items()
    )


def _plot(title: str, bands: Sequence[_Band], labels: Sequence[str], *, zero: bool = False) -> str:
    """Draw marks with whiskers, in bands on one axis, which reaches 0 if asked to."""
    bounds: list[float] = [
        bound for _, marks in bands for _, value, ci95 in marks if value is not None for bound in ci95
    ]
    bounds = [*bounds, 0.0] if zero or not bounds else bounds
    low, high = min(bounds), max(bounds)
    low, high = (low, high) if high > low else (low - 0.01, high + 0.01)
    left, right = _LABELS, _WIDTH - _VALUES

    def across(value: float) -> float:
        return left + (value - low) / (high - low) * (right - left)

    drawn, top = [], 0
    for name, marks in bands:
        height = max(_BAR, _ROW * len(marks) + 8)
        middle = top + height / 2
        drawn.append(f"<text x='{left - 12}' y='{middle + 4:.1f}' text-anchor='end'>{escape(name)}</text>")
        for place, (label, value, ci95) in enumerate(marks):
            if value is None:
                continue
            y = middle + (place - (len(marks) - 1) / 2) * _ROW
            colour = _colour(labels, label)
            told = f"{label}: {100 * value:.2f} ({_interval(ci95)})".removeprefix(": ")
            drawn.append(
                f"<g style='stroke:{colour};fill:{colour}'><title>{escape(told)}</title>"
                f"<line x1='{across(ci95[0]):.1f}' x2='{across(ci95[1]):.1f}' y1='{y:.1f}' y2='{y:.1f}' "
                f"stroke-width='2'/><circle cx='{across(value):.1f}' cy='{y:.1f}' r='3.5'/></g>"
            )
            if len(marks) == 1:
                shown = f"{100 * value:+.1f}"
                drawn.append(f"<text x='{right + 12}' y='{y + 4:.1f}'>{shown}</text>")
        top += height
    axis = "".join(
        f"<line x1='{across(tick):.1f}' x2='{across(tick):.1f}' y1='0' y2='{top}' class='axis'/>"
        f"<text x='{across(tick):.1f}' y='{top + 16}' text-anchor='middle'>{100 * tick:g}</text>"
        for tick in _ticks(low, high)
    )
    return (
        f"<div class='wide'><svg viewBox='0 0 {_WIDTH} {top + 24}' role='img' aria-label='{escape(title)}'>"
        f"{axis}{''.join(drawn)}</svg></div>"
    )


def _ticks(low: float, high: float) -> list[float]:
    """Choose about five round numbers between two."""
    step = next(
        size * 10.0**power
        for power in range(-6, 1)
        for size in (1, 2, 5)
        if (high - low) / (size * 10.0**power) <= 6
    )
    return [round(number * step, 9) for number in range(ceil(low / step), floor(high / step) + 1)]


def _colour(labels: Sequence[str], label: str) -> str:
    """Give a model's colour; a quiet one where there is no model."""
    return _COLOURS[labels.index(label) % len(_COLOURS)] if label in labels else "var(--quiet)"
