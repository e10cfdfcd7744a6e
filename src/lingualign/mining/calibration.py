"""Which threshold to take: known pairs are planted among the sentences, mined with them, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.neighbours.margin import thresholds

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.neighbours.margin import Calibration, Pairs


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
