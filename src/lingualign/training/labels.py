"""What a run takes from its teacher: the store of its vectors, how soft the labels are, and the anchor's projection."""

from __future__ import annotations

import logging
import math
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from lingualign.losses.equations import label_entropy, soft_label
from lingualign.store import cache_folder
from lingualign.training.distributed import is_first, is_first_here, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray
    from rich.console import Console
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

    from lingualign.teacher import TeacherStore
    from lingualign.training.batches import PairBatches
    from lingualign.training.config import RunConfig
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


def teacher_store(
    config: RunConfig,
    teacher: SentenceTransformer,
    pairs: pa.Table,
    views: Sequence[str],
    console: Console,
) -> TeacherStore:
    """Embed what the teacher has not embedded before, and give the store of its vectors."""
    from lingualign.teacher import TeacherStore

    root = Path(config.teacher.store) if config.teacher.store else cache_folder("teacher")
    store = TeacherStore.for_model(root, teacher, prompt=config.teacher.prompt)
    # The first process of all embeds; then those of other machines what their own stores lack, if they share none.
    for taking_turn in (is_first(), is_first_here() and not is_first()):
        with together():
            for view in views if taking_turn else ():
                added = store.add(pairs[view].to_pylist(), progress=not console.quiet)
                console.print(f"{view}: {added.new:,} sentences embedded, {added.known:,} known already")
    console.print(f"vectors in {store.folder}")
    return TeacherStore(store.folder)  # without the teacher that `store` holds


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


def anchor_projection(teacher: NDArray[np.floating], dimensions: int) -> torch.Tensor | None:
    """Find the projection that keeps the similarities of these vectors best.

    Parameters
    ----------
    teacher
        ``(n, D)``: vectors of the teacher, a sample of those to be projected.
    dimensions
        The student's.

    Returns
    -------
    Tensor or None
        ``(D, dimensions)`` with orthonormal columns: the first principal directions about zero, whose dot products are
        the nearest of this rank to the teacher's (Eckart and Young, 1936). None where the student has as many
        dimensions as the teacher, and nothing need be lost.
    """
    if teacher.shape[1] <= dimensions:
        return None
    vectors = teacher.astype(np.float64)
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    kept = directions[:, : -dimensions - 1 : -1]
    # A direction is as good as its opposite; all processes must choose the same.
    signs = np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(dimensions)])
    return torch.from_numpy((kept * signs).astype(np.float32))
