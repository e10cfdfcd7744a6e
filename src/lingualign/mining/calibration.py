"""Which threshold to take: known pairs are planted among the sentences, mined with them, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.neighbours.threshold import thresholds

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.neighbours.retrieval import Pairs
    from lingualign.neighbours.threshold import Calibration

_SHOWN = 12


def calibrate(
    pairs: Pairs, gold_source: npt.NDArray[np.int64], gold_target: npt.NDArray[np.int64]
) -> Calibration | None:
    """Judge mined pairs by known ones.

    A mined pair with a sentence of a known pair counts as right if it is one, else as wrong, even if it should
    be another good translation: true precision is at least the one found. Other mined pairs are not judged.

    Parameters
    ----------
    pairs
        Mined from everything, sorted by score.
    gold_source, gold_target
        Positions of the known pairs' sentences.

    Returns
    -------
    Calibration or None
        None if no mined pair has a sentence of a known one.
    """
    judged = np.isin(pairs.source, gold_source) | np.isin(pairs.target, gold_target)
    if not judged.any():
        return None
    return thresholds(pairs[judged], gold_source, gold_target)


def print_calibration(calibration: Calibration) -> None:
    """Print a dozen of the thresholds, evenly over the recall, and the best."""
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
