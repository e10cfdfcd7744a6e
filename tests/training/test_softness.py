"""How soft the labels are, before training."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest

from lingualign.training.batches import PairBatches, ParallelRows
from lingualign.training.kinds import LossConfig
from lingualign.training.labels import describe_labels


class Vectors:
    """Stands for a teacher store: rows of vectors."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors.astype(np.float16)

    def __getitem__(self, rows):
        return self.vectors[rows]


def _batches(vectors: np.ndarray, views: int, batch: int = 16, **share: int) -> PairBatches:
    count = len(vectors) // views
    rows = np.arange(count * views).reshape(views, count).T
    return PairBatches(
        {"en-fr": ParallelRows([rows[:, 0], rows[:, 0]], rows)},
        None,
        Vectors(vectors),
        batch_size=batch,
        **share,
    )


def _entropy(vectors: np.ndarray, temperature: float) -> float:
    """Straight from the formula: vectors (B, V, D)."""
    unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    similarities = np.einsum("ivd,jvd->ij", unit, unit) / vectors.shape[1] / temperature
    exp = np.exp(similarities - similarities.max(1, keepdims=True))
    label = exp / exp.sum(1, keepdims=True)
    return float(-(label * np.log(label + 1e-30)).sum(1).mean())


@pytest.mark.parametrize(("label", "views"), [("priority", 1), ("average", 2)])
@pytest.mark.parametrize("processes", [1, 2])
def test_the_entropy_is_that_of_whole_batches(label, views, processes, caplog) -> None:
    generator = np.random.default_rng(3)
    vectors = generator.normal(size=(48 * views, 12))
    batches = _batches(vectors, views, rank=0, processes=processes)
    told = describe_labels(LossConfig(label=label, temperature=0.2), batches)
    expected = np.mean([_entropy(batches.teacher_vectors(place), 0.2) for place in range(3)])
    assert batches.teacher_vectors(0).shape == (16, views, 12)
    assert told == f"label entropy {expected:.2f} of at most {math.log(16):.2f}"
    assert not caplog.records


@pytest.mark.parametrize(
    ("spread", "temperature", "own", "close", "cure"),
    [
        (0.3, 0.5, None, "close to uniform", "lower it"),
        (0.3, 0.1, 0.5, "close to uniform", "lower it"),
        (3.0, 0.01, None, "close to one-hot", "raise it"),
    ],
)
def test_labels_that_say_nothing_of_the_teacher_are_warned_of(
    spread, temperature, own, close, cure, caplog
) -> None:
    # As teachers are: some lay all sentences close together, some far apart.
    generator = np.random.default_rng(3)
    vectors = 1 + spread * generator.normal(size=(64, 24))
    loss = LossConfig(temperature=temperature, teacher_temperature=own)
    with caplog.at_level(logging.WARNING):
        describe_labels(loss, _batches(vectors, 1, batch=64))
    [warning] = [record.getMessage() for record in caplog.records]
    assert warning.startswith("loss.temperature is " if own is None else "loss.teacher_temperature is 0.5")
    assert close in warning
    assert f"; {cure}, for example to " in warning
    proposed = float(warning.partition("for example to ")[2].partition(",")[0])
    caplog.clear()
    describe_labels(LossConfig(temperature=proposed), _batches(vectors, 1, batch=64))
    assert not caplog.records


def test_a_teacher_that_tells_nothing_apart_has_no_better_temperature(caplog) -> None:
    describe_labels(LossConfig(), _batches(np.ones((32, 4)), 1))
    assert caplog.messages[0].endswith("; lower it")
