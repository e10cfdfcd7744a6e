"""One suite's entry in ``scores.json``, from the vectors of its sentences."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.evaluation.bitext import BitextAccuracy, bitext_accuracy
from lingualign.evaluation.checks import warnings
from lingualign.evaluation.statistics import (
    bootstrap_means,
    bootstrap_spearman,
    interval,
    rate_interval,
    wilson,
)
from lingualign.evaluation.sts import sts_spearman
from lingualign.evaluation.xsim import margin_errors
from lingualign.neighbours import NEIGHBOURHOOD, cosines, nearest_neighbours

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.evaluation.suites import Suite


@dataclass(frozen=True, slots=True)
class SuiteScores:
    """A suite's entry, and what the means over several suites are made of."""

    entry: dict[str, Any]
    """As ``scores.json`` holds it."""
    metrics: dict[str, float]
    """The figures that go into the mean of the suite's group."""
    replicates: dict[str, npt.NDArray[np.float64]]
    """Each of these figures in every bootstrap resample."""


def score_suite(suite: Suite, vectors: dict[str, npt.NDArray[np.float32]]) -> SuiteScores:
    """Score one suite.

    Parameters
    ----------
    suite
        The suite.
    vectors
        Its sentences' vectors by column, (rows, d) each.
    """
    score = {"bitext": _bitext, "nway": _nway, "sts": _sts}[suite.kind]
    scores = score(suite, vectors)
    if found := warnings(suite, vectors):
        scores.entry["warnings"] = found
    return scores


def _bitext(suite: Suite, vectors: dict[str, npt.NDArray[np.float32]]) -> SuiteScores:
    outcome = bitext_accuracy(vectors["sentence1"], vectors["sentence2"])
    replicates = bootstrap_means(outcome.both)
    entry = {"kind": suite.kind, "rows": suite.rows, **_accuracy(outcome, replicates)}
    return SuiteScores(entry, {"accuracy": outcome.accuracy}, {"accuracy": replicates})


def _accuracy(outcome: BitextAccuracy, replicates: npt.NDArray[np.float64]) -> dict[str, Any]:
    rows = len(outcome.forward)
    return {
        "accuracy": outcome.accuracy,
        "ci95": list(rate_interval(outcome.accuracy, replicates, rows)),
        "forward": float(outcome.forward.mean()),
        "forward_ci95": list(wilson(outcome.forward.sum(), rows)),
        "backward": float(outcome.backward.mean()),
        "backward_ci95": list(wilson(outcome.backward.sum(), rows)),
    }


def _nway(suite: Suite, vectors: dict[str, npt.NDArray[np.float32]]) -> SuiteScores:
    """Score every unordered pair of languages, each figure the mean of the two directions."""
    gold = np.arange(suite.rows)
    outcomes, margins = {}, []
    for one, two in combinations(suite.sentences, 2):
        there, back = nearest_neighbours(vectors[one], vectors[two], NEIGHBOURHOOD)
        outcomes[f"{one}-{two}"] = BitextAccuracy(there.index[:, 0] == gold, back.index[:, 0] == gold)
        margins.append((margin_errors(there, back).astype(np.float64) + margin_errors(back, there)) / 2)

    correct = np.stack([outcome.both for outcome in outcomes.values()], axis=1)
    wrong = np.stack(margins, axis=1)
    replicates = bootstrap_means(np.concatenate([correct, wrong], axis=1))
    pairs = {
        name: {
            **_accuracy(outcome, replicates[:, column]),
            "xsim": 1 - outcome.accuracy,
            "xsim_margin": float(wrong[:, column].mean()),
        }
        for column, (name, outcome) in enumerate(outcomes.items())
    }
    accuracy = replicates[:, : len(pairs)].mean(axis=1)
    metrics = {
        "accuracy": float(correct.mean()),
        "xsim": 1 - float(correct.mean()),
        "xsim_margin": float(wrong.mean()),
    }
    mean = {**metrics, "ci95": list(rate_interval(metrics["accuracy"], accuracy, suite.rows))}
    entry = {"kind": suite.kind, "rows": suite.rows, "pairs": pairs, "mean": mean}
    return SuiteScores(
        entry,
        metrics,
        {
            "accuracy": accuracy,
            "xsim": 1 - accuracy,
            "xsim_margin": replicates[:, len(pairs) :].mean(axis=1),
        },
    )


def _sts(suite: Suite, vectors: dict[str, npt.NDArray[np.float32]]) -> SuiteScores:
    assert suite.gold is not None
    one, two = vectors["sentence1"], vectors["sentence2"]
    spearman = sts_spearman(one, two, suite.gold)
    replicates = bootstrap_spearman(cosines(one, two), suite.gold)
    entry = {
        "kind": suite.kind,
        "rows": suite.rows,
        "spearman": spearman,
        "ci95": list(interval(replicates)),
    }
    return SuiteScores(entry, {"spearman": spearman}, {"spearman": replicates})
