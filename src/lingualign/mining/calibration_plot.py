"""The plot of a calibration: precision, recall and F1 by threshold."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.files import write_atomically
from lingualign.pairs.formats.writers import check_place

if TYPE_CHECKING:
    from pathlib import Path

    from lingualign.neighbours.threshold import Calibration

_KINDS = (".svg", ".png", ".pdf")


def check_plot(path: Path, *, overwrite: bool) -> None:
    """Refuse a plot that could not be written, before any work.

    Raises
    ------
    InputError
        If its kind is unknown, it exists, its folder does not, or matplotlib is not installed.
    """
    if path.suffix.lower() not in _KINDS:
        raise InputError(f"plot {str(path)!r}: not a known kind of file; give {', '.join(_KINDS)}")
    if find_spec("matplotlib") is None:
        raise InputError("plot needs matplotlib, which is not installed: pip install 'lingualign[plots]'")
    check_place(path, overwrite=overwrite)


def plot_calibration(calibration: Calibration, path: Path) -> None:
    """Draw the curves over all thresholds, with the one of best F1 marked."""
    # Not pyplot, which would look for a screen.
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
