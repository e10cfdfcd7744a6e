"""Compare models by their outcomes on the same sentences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign._version import __version__
from lingualign.errors import InputError
from lingualign.evaluation.comparison import summary, verdict
from lingualign.evaluation.metrics import METRICS, Figure, compared_on
from lingualign.evaluation.scores import SuiteScores, mean_figure, score_suite
from lingualign.evaluation.statistics import (
    Influence,
    combine_sets,
    error_of_sets,
    pooled_freedom,
    seed_error,
    t_p,
    t_quantile,
    wilson,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lingualign.evaluation.comparison import ComparedFigure, Comparison, Difference, Measured
    from lingualign.evaluation.outcomes import Outcomes, SuiteOutcomes

LEVEL = 0.05
"""Expected share of false discoveries among all reported differences."""

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Place:
    """A place where models are compared: a metric on a suite, on a language pair of one, or as a mean over suites."""

    metric: str
    group: str
    suites: tuple[str, ...]
    pair: str | None = None

    @property
    def name(self) -> str:
        """Name in tables and verdicts."""
        if len(self.suites) > 1:
            return f"{self.group} (mean of {len(self.suites)})"
        return f"{self.suites[0]} {self.pair}" if self.pair else self.suites[0]

    def figure(self, scored: Mapping[str, SuiteScores]) -> Figure:
        """Return the figure of a model at this place, from its scores by suite."""
        if self.pair:
            return scored[self.suites[0]].pairs[self.pair][self.metric]
        figures = [scored[suite].figures[self.metric] for suite in self.suites]
        return figures[0] if len(figures) == 1 else mean_figure(figures)


def compare(models: Mapping[str, Sequence[Outcomes]]) -> Comparison:
    """Compare each two models on each suite, each language pair of an n-way set, and each mean over suites.

    Parameters
    ----------
    models
        Outcomes of each model by label; those of several seeds of one way of training are repeated measures.

    Returns
    -------
    dict
        Ready for JSON, rates in [0, 1]:

        - ``lingualign``, the version; ``level`` and ``correction``; ``models``: by label, each seed's ``name``,
          ``fingerprint``, ``dimensions`` and ``prompt``.
        - ``figures``, a list with, for each place: ``place``, ``group``, ``suites``, ``pair``, ``metric``,
          ``lower_is_better``, ``rows``; ``models``: by label ``value``, ``ci95`` and the ``seeds``' values; ``best``
          and ``level_with_best``, labels; and ``comparisons`` of ``a`` with ``b``:

          - ``difference``, a minus b, and its ``ci95``, from the contribution of each row, joint over directions,
            language pairs, and suites of the same rows; and from the spread of the seeds, if there are several;
          - ``p`` of ``test``: ``jackknife``, Student's t of the difference over its error; or, of correlations and of
            mined pairs of a single seed each, ``permutation``; ``q``, p after Benjamini and Hochberg's control of
            false discoveries over all comparisons of all places;
          - ``ahead``, the better model's label if ``q`` is below ``level`` and the interval excludes 0, else null;
          - ``effect``: ``cohens_h``, ``cohens_g``, ``odds_ratio``, with the numbers of outcomes that only one model has
            right, ``only_a`` and ``only_b``; or ``cohens_q`` of correlations; ``mcnemar`` by direction, as if rows were
            independent; ``verdict``, in words.
        - ``spaces`` and ``mined``: by suite and label the figures of each seed's space, and of the pairs it mines, with
          their intervals; of these figures only F1 is tested, as ``mined_f1``.
        - ``verdicts``: a sentence for each two models; ``warnings``: reasons to doubt figures.

    Raises
    ------
    InputError
        If there are fewer than two models, they were not measured on the same rows, or two seeds are one model.

    References
    ----------
    Benjamini and Hochberg (1995), "Controlling the False Discovery Rate".
    """
    from scipy.stats import false_discovery_control

    _check(models)
    first = next(iter(models.values()))[0]
    scored = {
        label: [{name: score_suite(suite) for name, suite in seed.suites.items()} for seed in seeds]
        for label, seeds in models.items()
    }
    figures = []
    for place in _places(first):
        contenders = {
            label: _Contender(label, list(seeds), [place.figure(each) for each in scored[label]])
            for label, seeds in models.items()
        }
        figures.append(_entry(place, contenders))
    tested = [each for figure in figures for each in figure["comparisons"] if each["p"] is not None]
    if tested:
        for each, q in zip(tested, false_discovery_control([each["p"] for each in tested]), strict=True):
            each["q"] = float(q)
    for figure in figures:
        _judge(figure)
    return {
        "lingualign": __version__,
        "level": LEVEL,
        "correction": "Benjamini-Hochberg",
        "models": {label: [seed.model for seed in seeds] for label, seeds in models.items()},
        "figures": figures,
        "spaces": _beside(scored, "space"),
        "mined": _beside(scored, "mining"),
        "verdicts": [summary(a, b, figures) for a, b in combinations(models, 2)],
        "warnings": _warnings(models),
    }


def _beside(scored: Mapping[str, Sequence[Mapping[str, SuiteScores]]], part: str) -> dict[str, Any]:
    """Collect one part of all seeds' scores by suite and label."""
    first = next(iter(scored.values()))[0]
    return {
        name: {label: [seed[name].entry[part] for seed in seeds] for label, seeds in scored.items()}
        for name, suite in first.items()
        if part in suite.entry
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Contender:
    """A model at one place."""

    label: str
    seeds: list[Outcomes]
    figures: list[Figure]
    """Figure of each seed."""

    @property
    def value(self) -> float:
        return float(np.mean([figure.value for figure in self.figures]))

    @property
    def influences(self) -> dict[int, Influence]:
        """Contributions of the rows to the mean over seeds."""
        seeds = len(self.figures)
        return combine_sets([figure.influences for figure in self.figures], [1 / seeds] * seeds)

    @property
    def entry(self) -> Measured:
        if math.isnan(self.value):
            return {"value": None, "ci95": None, "seeds": [figure.json_value for figure in self.figures]}
        return {"value": self.value, "ci95": self._ci95, "seeds": [figure.value for figure in self.figures]}

    @property
    def _ci95(self) -> list[float] | None:
        first = self.figures[0]
        if len(self.figures) == 1:
            return first.ci95
        error, freedom = _standard_error(self.influences, [self])
        if error <= _ROUNDING:
            # Seeds that agree in everything are no more evidence than one.
            return first.ci95
        half = t_quantile(freedom) * error
        # The interval of few seeds may exceed the bounds of the figure.
        return [max(0.0 if first.rate else -1.0, self.value - half), min(1.0, self.value + half)]


def _standard_error(influences: dict[int, Influence], models: Sequence[_Contender]) -> tuple[float, float]:
    """Return the standard error, and its degrees of freedom, of a model's mean over seeds or of a difference of two.

    It includes the spread of several seeds; from a single seed the spread is unknown.
    """
    rows = error_of_sets(influences)
    seeds = [
        seed_error(
            [figure.value for figure in model.figures], [figure.influences for figure in model.figures]
        )
        for model in models
        if len(model.figures) > 1
    ]
    shared = max(0.0, rows.variance - sum(seed.of_rows for seed in seeds))
    variances = [shared, *(seed.variance for seed in seeds)]
    freedom = pooled_freedom(variances, [rows.freedom, *(seed.freedom for seed in seeds)])
    return math.sqrt(sum(variances)), freedom


def _places(outcomes: Outcomes) -> list[Place]:
    """List the places of a comparison, each group's suites before their mean."""
    groups: dict[str, list[SuiteOutcomes]] = {}
    for suite in outcomes.suites.values():
        groups.setdefault(suite.group, []).append(suite)
    places = []
    for group, suites in groups.items():
        for suite in suites:
            places += [Place(metric, group, (suite.name,)) for metric in compared_on(suite.kind)]
            if suite.kind == "nway":
                places += [
                    Place(metric, group, (suite.name,), pair)
                    for metric in compared_on("nway")
                    if METRICS[metric].compared_by_pair
                    for pair in suite.retrieval
                ]
        for metric in dict.fromkeys(metric for suite in suites for metric in compared_on(suite.kind)):
            having = tuple(suite.name for suite in suites if metric in compared_on(suite.kind))
            if len(having) > 1:
                places.append(Place(metric, group, having))
    return places


def _entry(place: Place, models: dict[str, _Contender]) -> ComparedFigure:
    lower = METRICS[place.metric].lower_is_better
    values = {label: model.value for label, model in models.items() if not math.isnan(model.value)}
    best = min(values, key=lambda label: values[label] * (1 if lower else -1)) if values else None
    return {
        "place": place.name,
        "group": place.group,
        "suites": list(place.suites),
        "pair": place.pair,
        "metric": place.metric,
        "lower_is_better": lower,
        "rows": min(figure.rows for model in models.values() for figure in model.figures),
        "models": {label: model.entry for label, model in models.items()},
        "best": best,
        "level_with_best": [],
        "comparisons": [_comparison(place, *two) for two in combinations(models.values(), 2)],
    }


def _comparison(place: Place, a: _Contender, b: _Contender) -> Difference:
    entry: Difference = {
        "a": a.label,
        "b": b.label,
        "difference": None,
        "ci95": None,
        "test": None,
        "p": None,
        "q": None,
        "ahead": None,
        "effect": {},
    }
    if math.isnan(a.value) or math.isnan(b.value):
        return entry
    difference = a.value - b.value
    error, freedom = _standard_error(combine_sets([a.influences, b.influences], [1, -1]), [a, b])
    half = t_quantile(freedom) * error
    bounds = (-math.inf, math.inf)
    if a.figures[0].rate and error <= _ROUNDING:
        # All sentences have the same outcome, so no error is observable, but the difference is not certain.
        half = wilson(0, min(a.figures[0].rows, b.figures[0].rows))[1]
        error, freedom, bounds = half / t_quantile(math.inf), math.inf, (-1.0, 1.0)
    entry["difference"] = difference
    entry["ci95"] = [max(bounds[0], difference - half), min(bounds[1], difference + half)]
    entry["test"] = "jackknife"
    entry["p"] = t_p(difference / error, freedom) if error > _ROUNDING else float(difference == 0)
    metric = METRICS[place.metric]
    if metric.compare is None or len(a.seeds) > 1 or len(b.seeds) > 1:
        entry["effect"] = {metric.effect.__name__: metric.effect(a.value, b.value)}
        return entry
    ((one,), (two,)) = (a.seeds, b.seeds)
    suites = [(one.suites[name], two.suites[name]) for name in place.suites]
    tested = metric.compare(a.value, b.value, suites, place.pair)
    entry["effect"] = tested.effect
    if tested.p is not None:
        entry["test"], entry["p"] = "permutation", tested.p
    if tested.mcnemar is not None:
        entry["mcnemar"] = tested.mcnemar
    return entry


def _judge(figure: ComparedFigure) -> None:
    """Decide which model is ahead, from the q-values."""
    ahead_of_best = set()
    for each in figure["comparisons"]:
        q, difference, ci95 = each["q"], each["difference"], each["ci95"]
        apart = ci95 is not None and not ci95[0] <= 0 <= ci95[1]
        if q is not None and q < LEVEL and difference is not None and apart:
            each["ahead"] = each["a"] if (difference > 0) != figure["lower_is_better"] else each["b"]
            if figure["best"] == each["ahead"]:
                ahead_of_best.add(each["b"] if each["ahead"] == each["a"] else each["a"])
        each["verdict"] = verdict(figure, each)
    figure["level_with_best"] = [
        label
        for label, entry in figure["models"].items()
        if entry["value"] is not None and label != figure["best"] and label not in ahead_of_best
    ]


def _check(models: Mapping[str, Sequence[Outcomes]]) -> None:
    if len(models) < 2:
        raise InputError(f"{len(models)} models to compare: give at least two")
    reference_label, (reference, *_) = next(iter(models.items()))
    for label, seeds in models.items():
        prints = [(seed.model["fingerprint"], seed.model["prompt"]) for seed in seeds]
        if len(set(prints)) < len(prints):
            raise InputError(
                f"two seeds of {label!r} are the same model: give each once, or they would count as evidence twice"
            )
        for seed in seeds:
            if missing := sorted(reference.suites.keys() ^ seed.suites.keys()):
                raise InputError(
                    f"{reference_label!r} and {label!r} were not measured on the same suites: only one of them has "
                    f"{missing[0]!r}; measure both on it, or name with --suite what both have"
                )
            for name, suite in reference.suites.items():
                other = seed.suites[name]
                same = all(
                    getattr(suite, what) == getattr(other, what) for what in ("kind", "group", "sentences")
                ) and list(suite.retrieval) == list(other.retrieval)
                if suite.gold is not None and other.gold is not None:
                    same = same and np.array_equal(suite.gold, other.gold)
                if suite.mined is not None and other.mined is not None:
                    one, two = (mined.wanted[: suite.rows] for mined in (suite.mined, other.mined))
                    same = same and np.array_equal(one, two)
                if not same:
                    raise InputError(
                        f"{reference_label!r} and {label!r} were measured on different rows of {name!r}: the file has "
                        "changed in between; measure both on one"
                    )


def _warnings(models: Mapping[str, Sequence[Outcomes]]) -> list[str]:
    messages = []
    for label, seeds in models.items():
        several = len(seeds) > 1
        for number, seed in enumerate(seeds, start=1):
            who = f"{label}, seed {number}" if several else label
            messages += [
                f"{who}, {suite.name}: {warning}"
                for suite in seed.suites.values()
                for warning in suite.warnings
            ]
    for (one, seeds), (two, others) in combinations(models.items(), 2):
        one_prints, two_prints = (
            {(seed.model["fingerprint"], seed.model["prompt"]) for seed in each} for each in (seeds, others)
        )
        if one_prints & two_prints:
            messages.append(f"{one} and {two} have a model in common: the same weights and prompt")
        if len(seeds) != len(others) and 1 in (len(seeds), len(others)):
            alone = one if len(seeds) == 1 else two
            messages.append(
                f"{alone} has a single seed: its intervals say nothing of what another would give"
            )
    return list(dict.fromkeys(messages))
