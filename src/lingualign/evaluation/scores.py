"""Figures from outcomes: the entries of ``scores.json``, each figure with its replicates."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.evaluation.bitext import f1_shares
from lingualign.evaluation.statistics import (
    bootstrap_means,
    bootstrap_pearson,
    bootstrap_spearman,
    bootstrap_sums,
    interval,
    rate_interval,
    wilson,
)
from lingualign.evaluation.sts import pearson, spearman

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from lingualign.evaluation.outcomes import Outcomes, Retrieval, SuiteOutcomes

CORRELATIONS = ("spearman", "pearson")
LOWER_IS_BETTER = ("xsim", "xsim_distance", "xsim_margin")
MEANS = ("accuracy", "f1", "mined_f1", "xsim", "xsim_distance", "xsim_margin", *CORRELATIONS)
"""The figures that are averaged over the suites of a group."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A figure, and what it is in every bootstrap resample of the rows."""

    value: float
    """NaN where it is undefined."""
    replicates: npt.NDArray[np.float64]
    rows: int
    rate: bool = True
    """Whether it lies in [0, 1]."""

    @property
    def ci95(self) -> list[float] | None:
        """Its 95% interval; None where it is undefined."""
        if math.isnan(self.value):
            return None
        found = (
            rate_interval(self.value, self.replicates, self.rows) if self.rate else interval(self.replicates)
        )
        return list(found)

    @property
    def told(self) -> float | None:
        """The value as JSON has it."""
        return None if math.isnan(self.value) else self.value


@dataclass(frozen=True, slots=True, eq=False)
class SuiteScores:
    """A suite's entry in ``scores.json``, and its figures."""

    entry: dict[str, Any]
    figures: dict[str, Figure]
    """By metric; of an n-way set the means over its language pairs."""
    pairs: dict[str, dict[str, Figure]] = field(default_factory=dict)
    """Of an n-way set: by language pair and metric."""


def score(outcomes: Outcomes) -> dict[str, Any]:
    """Compute ``scores.json`` from outcomes: what `evaluate` returns, whose form is described there."""
    scored = {name: score_suite(suite) for name, suite in outcomes.suites.items()}
    groups: dict[str, list[SuiteScores]] = {}
    for name, suite in outcomes.suites.items():
        groups.setdefault(suite.group, []).append(scored[name])
    return {
        "model": outcomes.model,
        "lingualign": outcomes.version,
        "suites": {name: scores.entry for name, scores in scored.items()},
        "means": {group: _means(members) for group, members in groups.items()},
    }


def score_suite(outcomes: SuiteOutcomes) -> SuiteScores:
    """Compute the figures of one suite."""
    scores = {"bitext": _bitext, "mining": _mining, "nway": _nway, "sts": _sts}[outcomes.kind](outcomes)
    if outcomes.space:
        scores.entry["space"] = outcomes.space
    if outcomes.warnings:
        scores.entry["warnings"] = outcomes.warnings
    return scores


def mean_figure(figures: Iterable[Figure]) -> Figure:
    """Average a metric over suites; their resamples line up, see `statistics.bootstrap`."""
    figures = list(figures)
    return Figure(
        float(np.mean([figure.value for figure in figures])),
        np.mean([figure.replicates for figure in figures], axis=0),
        min(figure.rows for figure in figures),
        all(figure.rate for figure in figures),
    )


def group_figures(members: Iterable[SuiteScores]) -> dict[str, Figure]:
    """Average each metric over the suites of a group that have it."""
    members = list(members)
    return {
        metric: mean_figure(member.figures[metric] for member in members if metric in member.figures)
        for metric in MEANS
        if any(metric in member.figures for member in members)
    }


def _means(members: list[SuiteScores]) -> dict[str, Any]:
    figures = group_figures(members)
    return {
        **{metric: figure.told for metric, figure in figures.items()},
        "ci95": {metric: figure.ci95 for metric, figure in figures.items()},
    }


def _bitext(outcomes: SuiteOutcomes) -> SuiteScores:
    (retrieval,) = outcomes.retrieval.values()
    figures = _figures([retrieval])[0]
    entry = {"kind": outcomes.kind, "rows": outcomes.rows, **_entry(retrieval, figures)}
    return SuiteScores(entry, figures)


def _mining(outcomes: SuiteOutcomes) -> SuiteScores:
    """Score the retrieval of the pairs, and the pairs mined."""
    mined = outcomes.mined
    assert mined is not None
    scores = _bitext(outcomes)
    counts = mined.counts
    right, taken, wanted = counts.sum(axis=0)
    of_resample = bootstrap_sums(counts, mined.source)
    f1 = Figure(
        float(2 * right / (taken + wanted)),
        2 * of_resample[:, 0] / np.maximum(of_resample[:, 1] + of_resample[:, 2], 1e-12),
        len(mined.source),
    )
    scores.entry["mining"] = {
        "f1": f1.value,
        "ci95": f1.ci95,
        "precision": float(right / taken) if taken else 0.0,
        "precision_ci95": list(wilson(right, taken)) if taken else None,
        "recall": float(right / wanted),
        "recall_ci95": list(wilson(right, wanted)),
        "mined": int(taken),
        "threshold": mined.threshold,
        "threshold_from": mined.threshold_from,
    }
    return SuiteScores(scores.entry, {**scores.figures, "mined_f1": f1})


def _nway(outcomes: SuiteOutcomes) -> SuiteScores:
    """Score every unordered pair of languages, each figure the mean of the two directions."""
    of_pair = dict(zip(outcomes.retrieval, _figures(outcomes.retrieval.values()), strict=True))
    metrics = [metric for metric in MEANS if metric in next(iter(of_pair.values()))]
    mean = {metric: mean_figure(figures[metric] for figures in of_pair.values()) for metric in metrics}
    entry = {
        "kind": outcomes.kind,
        "rows": outcomes.rows,
        "pairs": {pair: _entry(outcomes.retrieval[pair], figures) for pair, figures in of_pair.items()},
        "mean": _with_intervals(mean),
    }
    return SuiteScores(entry, mean, of_pair)


def _sts(outcomes: SuiteOutcomes) -> SuiteScores:
    predicted, gold = outcomes.predicted, outcomes.gold
    assert predicted is not None
    assert gold is not None
    figures = {
        metric: Figure(function(predicted, gold), resample(predicted, gold), outcomes.rows, rate=False)
        for metric, function, resample in (
            ("spearman", spearman, bootstrap_spearman),
            ("pearson", pearson, bootstrap_pearson),
        )
    }
    entry = {"kind": outcomes.kind, "rows": outcomes.rows, **_with_intervals(figures)}
    return SuiteScores(entry, figures)


def _figures(retrievals: Iterable[Retrieval]) -> list[dict[str, Figure]]:
    """Compute the figures of several language pairs over the same rows, which are resampled together."""
    by_row = [_by_row(retrieval) for retrieval in retrievals]
    replicates = bootstrap_means(np.stack([values for rows in by_row for values in rows.values()], axis=1))
    figures = []
    column = 0
    for rows in by_row:
        found = {}
        for metric, values in rows.items():
            found[metric] = Figure(float(values.mean()), replicates[:, column], len(values))
            column += 1
        right = found["accuracy"]
        found["xsim"] = Figure(1 - right.value, 1 - right.replicates, right.rows)
        figures.append(found)
    return figures


def _by_row(retrieval: Retrieval) -> dict[str, npt.NDArray[np.float64]]:
    forward, backward = (f1_shares(way["absolute"]) for way in (retrieval.forward, retrieval.backward))
    ratio = retrieval.hits("ratio")
    return {
        "accuracy": retrieval.hits().both,
        "f1": (forward + backward) / 2,
        "f1_forward": forward,
        "f1_backward": backward,
        "xsim_distance": 1 - retrieval.hits("distance").both,
        "xsim_margin": 1 - ratio.both,
        "xsim_margin_forward": 1 - ratio.forward.astype(np.float64),
        "xsim_margin_backward": 1 - ratio.backward.astype(np.float64),
    }


def _entry(retrieval: Retrieval, figures: dict[str, Figure]) -> dict[str, Any]:
    hits = retrieval.hits()
    rows = len(hits.forward)
    order = (
        *("accuracy", "f1", "f1_forward", "f1_backward"),
        *("xsim", "xsim_distance", "xsim_margin", "xsim_margin_forward", "xsim_margin_backward"),
    )
    return {
        **_with_intervals({"accuracy": figures["accuracy"]}),
        "forward": float(hits.forward.mean()),
        "forward_ci95": list(wilson(hits.forward.sum(), rows)),
        "backward": float(hits.backward.mean()),
        "backward_ci95": list(wilson(hits.backward.sum(), rows)),
        **_with_intervals({metric: figures[metric] for metric in order[1:]}),
    }


def _with_intervals(figures: dict[str, Figure]) -> dict[str, Any]:
    """Give each figure with its interval; that of the first, which the suite is known by, is plain ``ci95``."""
    entry: dict[str, Any] = {}
    for metric, figure in figures.items():
        entry[metric] = figure.told
        entry["ci95" if metric in ("accuracy", "spearman") else f"{metric}_ci95"] = figure.ci95
    return entry
