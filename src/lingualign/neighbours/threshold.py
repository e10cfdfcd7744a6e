"""What each threshold on the score of mined pairs is worth, judged by known pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.neighbours.retrieval import Pairs


@dataclass(frozen=True, slots=True)
class Calibration:
    """Precision, recall and F1 of every threshold that makes a difference, from the highest down."""

    threshold: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]
    planted: int
    """Known pairs."""

    @property
    def f1(self) -> npt.NDArray[np.float64]:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)

    @property
    def best(self) -> int:
        """Where F1 is highest; of equals the highest threshold."""
        return int(self.f1.argmax())


def judge(
    pairs: Pairs, gold_source: npt.NDArray[np.int64], gold_target: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.bool_], int]:
    """Tell for each pair whether it is a known one, and how many different known ones there are."""
    width = int(max([*pairs.target, *gold_target], default=0)) + 1
    gold = np.unique(gold_source * width + gold_target)
    return np.isin(pairs.source * width + pairs.target, gold), len(gold)


def thresholds(
    pairs: Pairs, gold_source: npt.NDArray[np.int64], gold_target: npt.NDArray[np.int64]
) -> Calibration:
    """Count what each threshold finds; every pair that is no known one counts as wrong.

    Parameters
    ----------
    pairs
        Mined, sorted by score; at least one.
    gold_source, gold_target
        Positions of the known pairs' sentences; at least one.
    """
    known, planted = judge(pairs, gold_source, gold_target)
    right = np.cumsum(known)
    # A threshold keeps all pairs of equal score, so only the last of them counts.
    last = np.flatnonzero(np.diff(pairs.score, append=-np.inf))
    return Calibration(pairs.score[last], right[last] / (last + 1), right[last] / planted, planted)
