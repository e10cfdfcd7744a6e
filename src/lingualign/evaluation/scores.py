"""Figures from outcomes: the entries of ``scores.json``, each figure with what the rows contribute to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.evaluation.bitext import f1_shares
from lingualign.evaluation.left_out import f1_influence, hit_influence
from lingualign.evaluation.statistics import (
    Influence,
    combine,
    combine_sets,
    correlation_interval,
    error_of_sets,
    rate_interval,
    wilson,
)
from lingualign.evaluation.sts import pearson, pearson_influence, spearman, spearman_influence

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
    """A figure, and what the rows contribute to it."""

    value: float
    """NaN where it is undefined."""
    influences: dict[int, Influence]
    """By number of rows: see `statistics.combine_sets`. Empty where it is undefined."""
    rows: int
    rate: bool = True
    """Whether it lies in [0, 1]; else it is a correlation."""

    @property
    def ci95(self) -> list[float] | None:
        """Its 95% interval; None where it is undefined."""
        if math.isnan(self.value):
            return None
        error = error_of_sets(self.influences)
        return list(
            rate_interval(self.value, error, self.rows * len(self.influences))
            if self.rate
            else correlation_interval(self.value, error)
        )

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
    """Average a metric over suites or language pairs."""
    figures = list(figures)
    value = float(np.mean([figure.value for figure in figures]))
    return Figure(
        value,
        {}
        if math.isnan(value)
        else combine_sets([figure.influences for figure in figures], [1 / len(figures)] * len(figures)),
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
    figures = _figures(retrieval)
    entry = {"kind": outcomes.kind, "rows": outcomes.rows, **_entry(figures)}
    return SuiteScores(entry, figures)


def _mining(outcomes: SuiteOutcomes) -> SuiteScores:
    """Score the retrieval of the pairs, and the pairs mined."""
    mined = outcomes.mined
    assert mined is not None
    scores = _bitext(outcomes)
    counts = mined.counts
    right, taken, wanted = counts.sum(axis=0)
    value = float(2 * right / (taken + wanted))
    # To first order, by the place of the sentence, so that the same sentence of two models is one.
    contributions = np.zeros(mined.source.max() + 1)
    contributions[mined.source] = (2 * counts[:, 0] - value * (counts[:, 1] + counts[:, 2])) / (
        taken + wanted
    )
    f1 = Figure(value, {outcomes.rows: Influence(contributions)}, len(mined.source))
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
    of_pair = {pair: _figures(retrieval) for pair, retrieval in outcomes.retrieval.items()}
    metrics = [metric for metric in MEANS if metric in next(iter(of_pair.values()))]
    mean = {metric: mean_figure(figures[metric] for figures in of_pair.values()) for metric in metrics}
    entry = {
        "kind": outcomes.kind,
        "rows": outcomes.rows,
        "pairs": {pair: _entry(figures) for pair, figures in of_pair.items()},
        "mean": _with_intervals(mean),
    }
    return SuiteScores(entry, mean, of_pair)


def _sts(outcomes: SuiteOutcomes) -> SuiteScores:
    predicted, gold = outcomes.predicted, outcomes.gold
    assert predicted is not None
    assert gold is not None
    figures = {}
    for metric, function, influence in (
        ("spearman", spearman, spearman_influence),
        ("pearson", pearson, pearson_influence),
    ):
        value = function(predicted, gold)
        of_rows = {} if math.isnan(value) else {outcomes.rows: influence(predicted, gold)}
        figures[metric] = Figure(value, of_rows, outcomes.rows, rate=False)
    entry = {"kind": outcomes.kind, "rows": outcomes.rows, **_with_intervals(figures)}
    return SuiteScores(entry, figures)


def _figures(retrieval: Retrieval) -> dict[str, Figure]:
    """Compute the figures of a language pair."""
    influences = _influences(retrieval)
    figures = {
        metric: Figure(float(of_rows.mean()), {len(of_rows): influences[metric]}, len(of_rows))
        for metric, of_rows in _by_row(retrieval).items()
    }
    right = figures["accuracy"]
    figures["xsim"] = Figure(1 - right.value, combine_sets([right.influences], [-1]), right.rows)
    return figures


def _by_row(retrieval: Retrieval) -> dict[str, npt.NDArray[np.float64]]:
    forward, backward = (
        f1_shares(way.retrieved["absolute"]) for way in (retrieval.forward, retrieval.backward)
    )
    hits, ratio = retrieval.hits(), retrieval.hits("ratio")
    return {
        "accuracy": hits.both,
        "forward": hits.forward.astype(np.float64),
        "backward": hits.backward.astype(np.float64),
        "f1": (forward + backward) / 2,
        "f1_forward": forward,
        "f1_backward": backward,
        "xsim_distance": 1 - retrieval.hits("distance").both,
        "xsim_margin": 1 - ratio.both,
        "xsim_margin_forward": 1 - ratio.forward.astype(np.float64),
        "xsim_margin_backward": 1 - ratio.backward.astype(np.float64),
    }


def _influences(retrieval: Retrieval) -> dict[str, Influence]:
    """Give what the rows contribute to each figure of `_by_row`."""
    ways = (retrieval.forward, retrieval.backward)
    hits, distance, ratio = (
        [hit_influence(way.right(margin), way.turned_by(margin)) for way in ways]
        for margin in ("absolute", "distance", "ratio")
    )
    f1 = [f1_influence(way.nearest) for way in ways]
    return {
        "accuracy": combine(hits, [0.5, 0.5]),
        "forward": hits[0],
        "backward": hits[1],
        "f1": combine(f1, [0.5, 0.5]),
        "f1_forward": f1[0],
        "f1_backward": f1[1],
        "xsim_distance": combine(distance, [-0.5, -0.5]),
        "xsim_margin": combine(ratio, [-0.5, -0.5]),
        "xsim_margin_forward": combine(ratio[:1], [-1]),
        "xsim_margin_backward": combine(ratio[1:], [-1]),
    }


def _entry(figures: dict[str, Figure]) -> dict[str, Any]:
    order = (
        *("accuracy", "forward", "backward", "f1", "f1_forward", "f1_backward"),
        *("xsim", "xsim_distance", "xsim_margin", "xsim_margin_forward", "xsim_margin_backward"),
    )
    return _with_intervals({metric: figures[metric] for metric in order})


def _with_intervals(figures: dict[str, Figure]) -> dict[str, Any]:
    """Give each figure with its interval; that of the first, which the suite is known by, is plain ``ci95``."""
    entry: dict[str, Any] = {}
    for metric, figure in figures.items():
        entry[metric] = figure.told
        entry["ci95" if metric in ("accuracy", "spearman") else f"{metric}_ci95"] = figure.ci95
    return entry
