"""A calibration as a table in a terminal and as a plot: precision, recall and F1 by threshold."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from lingualign.errors import InputError
from lingualign.pairs.formats.writers import check_place
from lingualign.store import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from lingualign.neighbours.margin import Calibration

_SHOWN = 12
_KINDS = (".svg", ".png", ".pdf")


def print_calibration(calibration: Calibration) -> None:
    """Print a dozen thresholds, spread evenly over the recall, and the best one."""
    from rich.console import Console
    from rich.table import Table

    recalls = np.linspace(0, calibration.recall[-1], _SHOWN)[1:]
    shown = np.searchsorted(calibration.recall, recalls).clip(max=len(calibration.recall) - 1)
    table = Table(title=f"{calibration.planted:,} planted pairs", title_justify="left")
    for name in ("threshold", "precision", "recall", "F1", ""):
        table.add_column(name, justify="right")
    for place in np.unique([*shown, calibration.best]):
        figures = (calibration.precision[place], calibration.recall[place], calibration.f1[place])
        mark = "best F1" if place == calibration.best else ""
        table.add_row(
            f"{calibration.threshold[place]:.4f}", *(f"{100 * value:.1f}" for value in figures), mark
        )
    Console().print(table)


def check_plot(path: Path, *, overwrite: bool) -> None:
    """Raise InputError, before any work, for a plot that could not be written.

    Its kind is unknown, it exists, its folder does not, or matplotlib is not installed.
    """
    if path.suffix.lower() not in _KINDS:
        raise InputError(f"plot {str(path)!r}: not a known kind of file; give {', '.join(_KINDS)}")
    if find_spec("matplotlib") is None:
        raise InputError("plot needs matplotlib, which is not installed: pip install 'lingualign[plots]'")
    check_place(path, overwrite=overwrite)


def plot_calibration(calibration: Calibration, path: Path) -> None:
    """Draw the curves over all thresholds, and mark that of the best F1."""
    # Not pyplot, which needs a screen.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for name, values in (
        ("precision", calibration.precision),
        ("recall", calibration.recall),
        ("F1", calibration.f1),
    ):
        axes.plot(calibration.threshold, values, label=name)
    chosen = float(calibration.threshold[calibration.best])
    axes.axvline(chosen, color="grey", linestyle=":", label=f"best F1, threshold {chosen:.4f}")
    axes.set(xlabel="threshold", ylim=(0, 1.02), title=f"{calibration.planted:,} planted pairs")
    axes.legend()
    drawn = io.BytesIO()
    figure.savefig(drawn, format=path.suffix.lower()[1:])
    write_atomically(path, drawn.getvalue())
