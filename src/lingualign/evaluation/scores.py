"""Figures from outcomes, in the form of ``scores.json``."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.evaluation.measure import measure
from lingualign.evaluation.metrics import METRICS, Evidence, Figure, metrics_of
from lingualign.evaluation.statistics import combine_sets
from lingualign.store import write_atomically, writing_result

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.encoders import SentenceEncoder
    from lingualign.embedding.options import Pooling
    from lingualign.evaluation.outcomes import Outcomes, SuiteOutcomes
    from lingualign.evaluation.suites import Suite


@dataclass(frozen=True, slots=True, eq=False)
class SuiteScores:
    """A suite's entry in ``scores.json``, and its figures."""

    entry: dict[str, Any]
    figures: dict[str, Figure]
    """Figures by metric; for an n-way set the means over its language pairs."""
    pairs: dict[str, dict[str, Figure]] = field(default_factory=dict)
    """Figures by language pair and metric for an n-way set; else empty."""


def evaluate(
    model: str | SentenceTransformer | SentenceEncoder,
    suites: Sequence[Suite],
    *,
    prompt: str | None = None,
    pooling: Pooling | None = None,
    device: str | None = None,
    kept: Path | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Encode each distinct sentence of all suites once, and score every suite.

    Parameters
    ----------
    model
        Model, as for `lingualign.embedding.encoders.open_encoder`: a hub id, a folder, ``minilm``, ``me5``, a
        loaded model, a file of vectors, an embeddings service.
    suites
        Suites, as `load_suites` reads them.
    prompt
        Text put before every sentence, on both sides: ``"query: "`` for E5. None means the model's own default prompt,
        which most models do not have; ``""`` means no prompt.
    pooling
        Pooling ``mean``, ``cls`` or ``last`` of a transformer without sentence-transformers modules; by default mean.
    device
        Device of the model, such as ``cpu`` or ``cuda:1``; by default that of a loaded model, or the best one.
    kept
        Cache folder of vectors: sentences that an earlier evaluation encoded with the same weights and prompt are not
        encoded again. The command uses the user's cache; None means no cache.
    progress
        Show a progress bar while encoding.

    Returns
    -------
    dict
        Ready for JSON, rates in [0, 1]:

        - ``model``: ``name``, ``fingerprint``, ``dimensions``, ``prompt``, ``prompt_from`` (``option``, ``model``: its
          own configuration, or ``none``), ``kind`` of encoder, and ``pooling`` where it has one; ``lingualign``: the
          version.
        - ``suites`` by name, each with ``kind``, ``rows`` and, if a sanity check fails, ``warnings``:

          - bitext: ``accuracy`` (the mean of both directions), ``forward`` (sentence1 to sentence2) and
            ``backward``; ``f1`` in the same three forms, ``f1_forward`` being the main score of MTEB; both
            directions averaged, the error rates ``xsim`` (absolute, 1 - accuracy), ``xsim_distance`` and
            ``xsim_margin`` (ratio; 4 neighbours).
          - nway: ``pairs``, one entry ``eng_Latn-fra_Latn`` for each unordered pair of languages in the
            order of the columns, with the same figures; and ``mean``, over all pairs.
          - mining: the figures of bitext for the pairs' sentences among all, and ``mining``: ``f1``, ``precision`` and
            ``recall`` of the pairs ``mined`` (their number) with a ratio margin of at least ``threshold``, which was
            chosen on ``threshold_from``.
          - sts: ``spearman`` and ``pearson``, null if all cosines are equal.

          Their 95% intervals are ``ci95``, of ``accuracy`` or ``spearman``, and ``forward_ci95``,
          ``xsim_ci95`` and so on. bitext, nway and mining also have ``space``, of `lingualign.evaluation.space`:
          ``alignment``, ``uniformity``, ``isotropy``, ``language_identifiability`` and ``hubness``, with their
          intervals; in mining suites it is of the pairs, except ``hubness``, which is of all sentences.
        - ``means`` by group (`Suite.group`): each metric's plain mean over the group's suites that have it, null if it
          is undefined for one, and its interval in ``ci95`` by metric; ``mined_f1`` is of the mined pairs.

    Raises
    ------
    InputError
        If there are no suites or two of the same name, a suite's columns differ in length, the model cannot be
        loaded, or it returns NaN or infinite values.
    """
    return score(
        measure(model, suites, prompt=prompt, pooling=pooling, device=device, kept=kept, progress=progress)
    )


def score(outcomes: Outcomes) -> dict[str, Any]:
    """Compute ``scores.json`` from outcomes; the form is that of `evaluate`."""
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
    """Compute the figures of one suite; for an n-way set those of every unordered language pair, and their means."""
    entry: dict[str, Any] = {"kind": outcomes.kind, "rows": outcomes.rows}
    if outcomes.kind == "nway":
        evidence = {pair: Evidence(outcomes, retrieved) for pair, retrieved in outcomes.retrieval.items()}
        by_pair = {pair: _figures(each) for pair, each in evidence.items()}
        figures = {
            name: mean_figure(each[name] for each in by_pair.values())
            for name, metric in metrics_of("nway").items()
            if metric.averaged
        }
        entry["pairs"] = {pair: _entry(evidence[pair], each) for pair, each in by_pair.items()}
        entry["mean"] = _with_intervals(figures)
    else:
        by_pair = {}
        whole = Evidence(outcomes, next(iter(outcomes.retrieval.values()), None))
        figures = _figures(whole)
        entry |= _entry(whole, figures)
    if outcomes.space:
        entry["space"] = outcomes.space
    if outcomes.warnings:
        entry["warnings"] = outcomes.warnings
    return SuiteScores(entry, figures, by_pair)


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
        for metric in METRICS
        if METRICS[metric].averaged and any(metric in member.figures for member in members)
    }


def _means(members: list[SuiteScores]) -> dict[str, Any]:
    figures = group_figures(members)
    return {
        **{metric: figure.json_value for metric, figure in figures.items()},
        "ci95": {metric: figure.ci95 for metric, figure in figures.items()},
    }


def _figures(evidence: Evidence) -> dict[str, Figure]:
    return {name: metric.figure(evidence) for name, metric in metrics_of(evidence.suite.kind).items()}


def _entry(evidence: Evidence, figures: dict[str, Figure]) -> dict[str, Any]:
    entry = _with_intervals({name: figure for name, figure in figures.items() if METRICS[name].entry is None})
    for name, figure in figures.items():
        if lay_out := METRICS[name].entry:
            entry |= lay_out(evidence, figure)
    return entry


def _with_intervals(figures: dict[str, Figure]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    for name, figure in figures.items():
        entry[name] = figure.json_value
        entry["ci95" if METRICS[name].known_by else f"{name}_ci95"] = figure.ci95
    return entry


def save_scores(scores: dict[str, Any], path: str | Path) -> None:
    """Write scores as JSON; an existing file is replaced whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    path = Path(path)
    text = json.dumps(scores, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    with writing_result("scores", path):
        write_atomically(path, text)
