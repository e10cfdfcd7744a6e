"""Which threshold to take: known pairs are planted among the sentences, mined with them, and counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.mining.retrieval import Pairs

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Calibration:
    """Precision, recall and F1 of every threshold that makes a difference, from the highest down."""

    threshold: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    planted: int
    """Known pairs that were planted."""

    @property
    def f1(self) -> npt.NDArray[np.float64]:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)

    @property
    def best(self) -> int:
        """Where F1 is highest; of equals the highest threshold."""
        return int(self.f1.argmax())


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
    width = int(max([*pairs.target, *gold_target], default=0)) + 1
    gold = np.unique(gold_source * width + gold_target)
    judged = np.isin(pairs.source, gold_source) | np.isin(pairs.target, gold_target)
    if not judged.any():
        return None
    pairs = pairs[judged]
    right = np.cumsum(np.isin(pairs.source * width + pairs.target, gold))
    # A threshold keeps all pairs of equal score, so only the last of them counts.
    last = np.flatnonzero(np.diff(pairs.score, append=-np.inf))
    found = right[last]
    return Calibration(pairs.score[last], found / (last + 1), found / len(gold), len(gold))


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
