"""Comparisons and inspections as self-contained HTML pages, with styles and plots and without scripts.

Their templates are in ``templates/``; all text from data is escaped.
"""

from __future__ import annotations

from html import escape
from itertools import zip_longest
from math import ceil, floor
from typing import TYPE_CHECKING, Any

from lingualign._version import __version__
from lingualign.evaluation.comparison import LEVEL_MARK, cell, row_name
from lingualign.pairs.inspection import COSINE_EDGES, LENGTH_EDGES
from lingualign.report.score_tables import SPACE_FIGURES
from lingualign.report.templates import fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lingualign.evaluation.comparison import Comparison, Difference
    from lingualign.pairs.inspection import Inspected, Inspection

_SPACE_FIGURES = {name: (key, f"{key}_ci95") for name, key in SPACE_FIGURES.items()}
_MINED_FIGURES = {
    "f1": ("f1", "ci95"),
    "precision": ("precision", "precision_ci95"),
    "recall": ("recall", "recall_ci95"),
}

# Distinguishable with every colour vision, on white and on black (after Okabe and Ito).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")

_Band = tuple[str, "Sequence[tuple[str, float | None, Any]]"]
"""A name, and marks: a model's label or "", a value, and its interval."""

_WIDTH, _LABELS, _VALUES, _ROW, _BAR = 760, 280, 60, 10, 18
_HEIGHT, _BAR_WIDTH, _GAP = 90, 12, 4


def comparison_page(comparison: Comparison) -> str:
    """Return a comparison as a page, for light and dark screens.

    Parameters
    ----------
    comparison
        Comparison, as `lingualign.evaluation.compare` returns it.
    """
    return fill(
        "comparison.html",
        title=escape(f"Comparison of {' and '.join(comparison['models'])}"),
        verdicts=_section("", _list(comparison["verdicts"])),
        warnings=_section("Warnings", _list(comparison["warnings"])),
        figure_plots=_figure_plots(comparison),
        figure_table=_figure_table(comparison),
        level_mark=LEVEL_MARK,
        level=f"{comparison['level']:.0%}",
        correction=escape(comparison["correction"]),
        difference_plots=_difference_plots(comparison),
        tests=_test_table(comparison),
        mined=_section(
            "Mining by margin with 95% intervals", _seed_table(comparison["mined"], _MINED_FIGURES, 100, 2)
        ),
        spaces=_section(
            "Spaces of vectors with their 95% intervals",
            _seed_table(comparison["spaces"], _SPACE_FIGURES, 1, 3),
        ),
        models=_model_table(comparison),
        version=escape(comparison["lingualign"]),
    )


def _section(heading: str, content: str) -> str:
    """Put a heading before content, unless it is empty."""
    head = f"<h2>{escape(heading)}</h2>" if heading else ""
    return f"{head}{content}\n" if content else ""


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out cells, which are already HTML."""
    first = "".join(f"<th scope='col'>{each}</th>" for each in head)
    body = "".join(f"<tr>{''.join(f'<td>{each}</td>' for each in row)}</tr>" for row in rows)
    return f"<div class='wide'><table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table></div>"


def _figure_table(comparison: Comparison) -> str:
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


def _test_table(comparison: Comparison) -> str:
    rows = []
    for figure in comparison["figures"]:
        for each in figure["comparisons"]:
            if each["difference"] is None or each["ci95"] is None:
                shown, effects = ["undefined", "", "", "", ""], ""
            else:
                effects = "<br>".join(_effect(each, name, size) for name, size in each["effect"].items())
                shown = [
                    f"{100 * each['difference']:+.2f}",
                    _interval(each["ci95"]),
                    escape(str(each["test"])),
                    f"{each['p']:.2g}",
                    f"{each['q']:.2g}",
                ]
            ahead = escape(each["ahead"]) if each["ahead"] else "–"
            two = escape(f"{each['a']} – {each['b']}")
            rows.append([escape(row_name(figure)), two, ahead, *shown, effects])
    head = ["on", "models", "ahead", "difference", "95%", "test", "p", "q", "effect"]
    return _table(head, rows)


def _effect(difference: Difference, name: str, size: float | None) -> str:
    """Show the size of an effect, or the number of outcomes that only one of two models has right."""
    if name in ("only_a", "only_b"):
        return f"only {escape(difference['a' if name == 'only_a' else 'b'])}: {size:,}"
    words = name.replace("cohens", "Cohen's").replace("_", " ")
    return f"{escape(words)} {'undefined' if size is None else f'{size:.3g}'}"


def _seed_table(
    suites: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]],
    figures: Mapping[str, tuple[str, str]],
    times: float,
    digits: int,
) -> str:
    """Lay out untested figures with their intervals, a line for each seed; empty if no suite has any.

    ``figures`` maps the displayed names to the keys of a figure and of its interval.
    """
    rows = []
    for suite, models in suites.items():
        first = next(iter(models.values()))[0]
        for name, (key, interval) in figures.items():
            if key in first:
                cells = (
                    "<br>".join(_with_interval(seed[key], seed[interval], times, digits) for seed in seeds)
                    for seeds in models.values()
                )
                rows.append([escape(f"{suite}, {name}"), *cells])
    labels = next(iter(suites.values()), {})
    return _table(["on", *map(escape, labels)], rows) if rows else ""


def _with_interval(value: float, interval: Sequence[float] | None, times: float, digits: int) -> str:
    shown = f"{times * value:.{digits}f}"
    if interval is None:
        return shown
    low, high = (f"{times * end:.{digits}f}" for end in interval)
    return f"{shown} <span class='quiet'>{low} to {high}</span>"


def _model_table(comparison: Comparison) -> str:
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


def _figure_plots(comparison: Comparison) -> str:
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


def _difference_plots(comparison: Comparison) -> str:
    """Plot the differences of each two models; the first is greater on the right of the line."""
    plots: dict[tuple[str, str], list[_Band]] = {}
    for figure in comparison["figures"]:
        for each in figure["comparisons"]:
            bands = plots.setdefault((each["a"], each["b"]), [])
            bands.append(
                (
                    row_name(figure),
                    [(each["ahead"] or "", each["difference"], each["ci95"])],
                )
            )
    labels = list(comparison["models"])
    return "".join(
        f"<h3>{escape(f'{a} less {b}')}</h3>"
        + _plot(f"{a} less {b}", bands, labels, zero=True)
        + "<p class='quiet'>In colour: told apart, in that of the model ahead.</p>"
        for (a, b), bands in plots.items()
    )


def _plot(title: str, bands: Sequence[_Band], labels: Sequence[str], *, zero: bool = False) -> str:
    """Draw marks with whiskers, in bands on one axis; with ``zero`` the axis includes 0."""
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
            tip = f"{label}: {100 * value:.2f} ({_interval(ci95)})".removeprefix(": ")
            drawn.append(
                f"<g style='stroke:{colour};fill:{colour}'><title>{escape(tip)}</title>"
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
    step = next(
        size * 10.0**power
        for power in range(-6, 1)
        for size in (1, 2, 5)
        if (high - low) / (size * 10.0**power) <= 6
    )
    return [round(number * step, 9) for number in range(ceil(low / step), floor(high / step) + 1)]


def _colour(labels: Sequence[str], label: str) -> str:
    """Return a model's colour; a quiet one for an unknown label."""
    return _COLOURS[labels.index(label) % len(_COLOURS)] if label in labels else "var(--quiet)"


def inspection_page(inspection: Inspection) -> str:
    """Return the page of an inspection: totals and links, then a section for each corpus and language pair.

    A section holds lengths, filter hits and a sample; it opens with a click on its head or its link.
    """
    total, _, dropped = inspection.totals()
    return fill(
        "inspection.html",
        pairs=f"{total:,}",
        dropped=f"{dropped:,}",
        swapped="".join(f"<p>Warning: {escape(str(swapped))}</p>\n" for swapped in inspection.swapped),
        overview=_overview(inspection),
        sections="".join(
            _group(place, group, inspection.reasons) + "\n" for place, group in enumerate(inspection.groups)
        ),
        version=escape(__version__),
    )


def _overview(inspection: Inspection) -> str:
    heads = ["corpus", "languages", "pairs", "length", *inspection.reasons, "any"]
    rows = [
        [
            group.corpus,
            f"{group.lang1}-{group.lang2}",
            f"{group.pairs:,}",
            " / ".join(map(str, group.middle_lengths)),
            *(f"{group.hits[reason]:,}" for reason in inspection.reasons),
            f"{group.dropped:,}",
        ]
        for group in inspection.groups
    ]
    total, hits, dropped = inspection.totals()
    counts = [f"{hits[reason]:,}" for reason in inspection.reasons]
    rows.append(["total", "", f"{total:,}", "", *counts, f"{dropped:,}"])
    links = [f"#{_anchor(place)}" for place in range(len(inspection.groups))]
    return _data_table(heads, rows, ["", "", *["n"] * (len(heads) - 2)], links=[*links, ""])


def _anchor(place: int) -> str:
    return f"group-{place + 1}"


def _group(place: int, group: Inspected, reasons: Sequence[str]) -> str:
    name = f"{escape(group.corpus)}, {escape(group.lang1)}-{escape(group.lang2)}"
    hits = f", {group.dropped:,} found by a filter" if group.dropped else ""
    parts = [
        f"<details><summary><strong>{name}</strong>: {group.pairs:,} pairs{hits}</summary>",
        # The target is inside the closed part, since browsers then open it for a link.
        f'<h2 id="{_anchor(place)}">{name}</h2>',
    ]
    for code, lengths, kind in zip((group.lang1, group.lang2), group.lengths, ("one", "two"), strict=True):
        parts.append(_histogram(f"length, {code}", LENGTH_EDGES, lengths.tolist(), kind))
    if group.cosines is not None:
        parts.append(_histogram("cosine", COSINE_EDGES, group.cosines.tolist(), "one"))
    languages = [group.lang1, group.lang2]
    parts += ["<h3>A sample</h3>", _data_table(languages, group.sample, ["s", "s"])]
    for reason in reasons:
        if group.hits[reason]:
            share = group.hits[reason] / group.pairs
            parts.append(f"<h3>{escape(reason)}: {group.hits[reason]:,} ({share:.2%})</h3>")
            parts.append(_data_table(languages, group.examples[reason], ["s", "s"]))
    return "\n".join([*parts, "</details>"])


def _data_table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], kinds: Sequence[str], links: Sequence[str] = ()
) -> str:
    """Lay out plain texts; a link that is not empty belongs to its row's first cell."""

    def line(cells: Sequence[str], tag: str, link: str = "") -> str:
        texts = list(map(escape, cells))
        if link:
            texts[0] = f'<a href="{link}">{texts[0]}</a>'
        marked = zip(texts, kinds, strict=True)
        return "".join(f'<{tag} class="{kind}" dir="auto">{text}</{tag}>' for text, kind in marked)

    body = "\n".join(
        f"<tr>{line(row, 'td', link)}</tr>" for row, link in zip_longest(rows, links, fillvalue="")
    )
    return f'<div class="wide"><table><tr>{line(heads, "th")}</tr>\n{body}\n</table></div>'


def _histogram(name: str, edges: Sequence[float], counts: Sequence[int], kind: str) -> str:
    width = len(counts) * (_BAR_WIDTH + _GAP) + _GAP
    highest = max([*counts, 1])
    marks = []
    for place, (edge, count) in enumerate(zip(edges, counts, strict=True)):
        left = _GAP + place * (_BAR_WIDTH + _GAP)
        height = _HEIGHT * count / highest
        marks.append(
            f'<rect class="{kind}" x="{left}" y="{_HEIGHT - height:.1f}" width="{_BAR_WIDTH}" height="{height:.1f}">'
            f"<title>from {edge:g}: {count:,}</title></rect>"
        )
        if place % 3 == 0:
            marks.append(f'<text x="{left}" y="{_HEIGHT + 12}">{edge:g}</text>')
    return (
        f'<figure><svg role="img" aria-label="{escape(name)}" width="{width}" height="{_HEIGHT + 16}">'
        f'<line x1="0" x2="{width}" y1="{_HEIGHT}" y2="{_HEIGHT}"/>{"".join(marks)}</svg>'
        f"<figcaption>{escape(name)}</figcaption></figure>"
    )
