"""A comparison of models as a table in a terminal, and as a file: JSON, Markdown, LaTeX, or a page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.evaluation.comparison import LEVEL_MARK, cell, row_name
from lingualign.report.pages import comparison_page
from lingualign.store import write_atomically, writing_result

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from lingualign.evaluation.comparison import ComparedFigure, Comparison

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "≈": r"$\approx$",
    "↓": r"$\downarrow$",
    # LaTeX's default font encoding has other characters at these codes.
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}

_FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
_LABEL_WIDTH = 16
"""Number of characters in a line of a model's name, if it has a character to break at."""


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Print a comparison: a row for each place, in percent, the best in bold, and the verdicts.

    Parameters
    ----------
    comparison
        Comparison in the form of ``comparison.json``.
    console
        Console to print on; by default the terminal.
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


def _cells(figure: ComparedFigure) -> list[tuple[str, str]]:
    return [(cell(figure, label), "bold" if label == figure["best"] else "") for label in figure["models"]]


def save_comparison(comparison: Comparison, path: str | Path) -> None:
    """Write a comparison of `lingualign.evaluation.compare` in the format of the file's ending.

    An existing file is replaced whole or not at all.

    Raises
    ------
    InputError
        If the ending is unknown or the file cannot be written.
    """
    check_comparison_file(path)
    path = Path(path)
    text = _WRITERS[path.suffix.lower()](comparison)
    with writing_result("the comparison", path):
        write_atomically(path, text)


def check_comparison_file(path: str | Path) -> None:
    """Raise InputError for a file whose ending is not a format of comparisons."""
    if Path(path).suffix.lower() not in _WRITERS:
        raise InputError(f"--output {str(path)!r}: expected a file ending in {', '.join(_WRITERS)}")


def comparison_json(comparison: Comparison) -> str:
    """Return the whole comparison as JSON."""
    return json.dumps(comparison, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def comparison_markdown(comparison: Comparison) -> str:
    """Return the figures as a Markdown table, the best of a row in bold, and the verdicts under it."""
    labels = list(comparison["models"])
    rows = [["on", "rows", *map(_markdown, labels)], ["---", *["---:"] * (1 + len(labels))]]
    for figure in comparison["figures"]:
        cells = [
            f"**{cell(figure, label)}**" if label == figure["best"] else cell(figure, label)
            for label in labels
        ]
        rows.append([_markdown(row_name(figure)), f"{figure['rows']:,}", *cells])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    lists = [
        "\n".join(f"- {_markdown(line)}" for line in comparison[part])
        for part in ("verdicts", "warnings")
        if comparison[part]
    ]
    return "\n\n".join([table, _legend(comparison), *lists]) + "\n"


def comparison_latex(comparison: Comparison) -> str:
    """Return the figures as a LaTeX table for the packages booktabs and graphicx, the verdicts as comments above it.

    A table wider than the line is scaled down to it. Special characters are escaped; scripts other than Latin need an
    engine and a font that have them.
    """
    labels = list(comparison["models"])
    lines = [
        r"% \usepackage{booktabs,graphicx}",
        *(f"% {' '.join(verdict.split())}" for verdict in comparison["verdicts"]),
        _FIT,
        rf"\begin{{tabular}}{{l{'r' * (1 + len(labels))}}}",
        r"\toprule",
        " & ".join(["on", "rows", *map(_latex_heading, labels)]) + r" \\",
        r"\midrule",
    ]
    group = None
    for figure in comparison["figures"]:
        if group not in (None, figure["group"]):
            lines.append(r"\addlinespace")
        group = figure["group"]
        cells = [_latex_cell(figure, label) for label in labels]
        lines.append(" & ".join([_latex(row_name(figure)), str(figure["rows"]), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", f"% {_legend(comparison)}"]) + "\n"


_WRITERS: dict[str, Callable[[Comparison], str]] = {
    ".json": comparison_json,
    ".md": comparison_markdown,
    ".tex": comparison_latex,
    ".html": comparison_page,
}


def _legend(comparison: Comparison) -> str:
    return (
        f"Times 100. Bold: the best of a row (↓: the lowest). {LEVEL_MARK}: not told apart from it "
        f"({comparison['correction']}, false discoveries below {comparison['level']:.0%})."
    )


def _markdown(text: str) -> str:
    """Escape the marks of Markdown and HTML, and the end of a cell."""
    return re.sub(r"([\\`*_\[\]<>|&])", r"\\\1", " ".join(text.split()))


def _latex(text: str) -> str:
    escaped = "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))
    escaped = re.sub("-(?=-)", "-{}", escaped)  # not a dash
    # The command at the end of the previous line would read these as its options.
    return re.sub(r"^(?=[\[*])", "{}", escaped)


def _latex_cell(figure: ComparedFigure, label: str) -> str:
    """Format a figure, with its mark outside the column, so that the digits are aligned."""
    shown = _latex(cell(figure, label)).replace(rf" {_LATEX[LEVEL_MARK]}", rf"\rlap{{ {_LATEX[LEVEL_MARK]}}}")
    return rf"\textbf{{{shown}}}" if label == figure["best"] else shown


def _latex_heading(label: str) -> str:
    lines = [""]
    for part in re.findall(r"[^-/_.,= ]*[-/_.,= ]|[^-/_.,= ]+", " ".join(label.split())):
        if lines[-1] and len(lines[-1] + part) > _LABEL_WIDTH:
            lines.append("")
        lines[-1] += part
    if len(lines) == 1:
        return _latex(label)
    return r"\shortstack[r]{" + r"\\".join(map(_latex, lines)) + "}"
