"""How soft the labels of a run are, measured before it trains: it depends on teacher, pairs and temperature."""

from __future__ import annotations

import logging
import math
from itertools import combinations
from typing import TYPE_CHECKING

import torch

from lingualign.losses.equations import label_entropy, soft_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from lingualign.training.batches import PairBatches
    from lingualign.training.kinds import LossConfig

logger = logging.getLogger(__name__)

_BATCHES = 8
_ROWS = 1_024
"""Rows of a batch whose labels are measured, each over all columns."""
_HARD, _UNIFORM = 0.01, 0.9
"""Shares of the largest entropy: from the hard label to the one, from the other to no information at all."""
_TEMPERATURES = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
_SOFT = 0.25
"""Share of the largest entropy to which a proposed temperature should lead."""


def describe_labels(loss: LossConfig, batches: PairBatches) -> str:
    """Measure the soft labels of the first batches, and warn where they are nearly uniform or nearly one-hot.

    Parameters
    ----------
    loss
        Settings of a loss of kind ``soft``.
    batches
        Batches with the teacher's vectors.

    Returns
    -------
    str
        The mean entropy, in nats, beside its largest value.
    """
    views = [torch.from_numpy(batches.teacher_vectors(place)) for place in range(min(_BATCHES, len(batches)))]
    option = "loss.temperature" if loss.teacher_temperature is None else "loss.teacher_temperature"
    temperature = loss.teacher_temperature or loss.temperature
    largest = sum(math.log(len(batch)) for batch in views) / len(views)
    entropy = _entropy(views, temperature)
    if not largest:
        return "label entropy 0: each batch has one pair"
    measured = f"label entropy {entropy:.2f} of at most {largest:.2f}"
    share = entropy / largest
    if _HARD < share < _UNIFORM:
        return measured
    uniform = share >= _UNIFORM
    entropies = {other: _entropy(views, other) for other in _TEMPERATURES}
    better = min(entropies, key=lambda other: abs(entropies[other] - _SOFT * largest))
    example = ""
    if _HARD * largest < entropies[better] < _UNIFORM * largest:
        example = f", for example to {better:g}, where the entropy is {entropies[better]:.2f}"
    logger.warning(
        "%s is %g: the labels are close to %s (entropy %.2f of at most %.2f), so that %s; %s it%s",
        option,
        temperature,
        "uniform" if uniform else "one-hot",
        entropy,
        largest,
        "they hardly tell which sentences are alike" if uniform else "they teach what loss.kind: hard does",
        "lower" if uniform else "raise",
        example,
    )
    return measured


def _entropy(views: Sequence[Tensor], temperature: float) -> float:
    """Average the label entropy of batches of teacher vectors, ``(B, V, D)`` each."""
    return sum(_entropy_of_batch(batch, temperature) for batch in views) / len(views)


def _entropy_of_batch(views: Tensor, temperature: float) -> float:
    rows = views[:: -(-len(views) // _ROWS)]
    # The Average label is that of two languages at a time.
    chosen: list[tuple[int, ...]] = list(combinations(range(views.shape[1]), 2)) or [(0,)]
    entropies = [
        float(label_entropy(soft_label(rows[:, sides], temperature, views[:, sides]))) for sides in chosen
    ]
    return sum(entropies) / len(entropies)
