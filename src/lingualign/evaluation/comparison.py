"""The types of a comparison of models, and its verdicts in words."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from lingualign.evaluation.metrics import METRICS

LEVEL_MARK = "≈"
"""Mark of a figure that does not differ significantly from the best."""


class Measured(TypedDict):
    """A model's figure at one place."""

    value: float | None
    """Mean over its seeds; None if undefined."""
    ci95: list[float] | None
    seeds: list[float | None]


class Difference(TypedDict):
    """Two models at one place."""

    a: str
    b: str
    difference: float | None
    """``a`` minus ``b``; None if undefined, as are all fields that depend on it."""
    ci95: list[float] | None
    test: str | None
    p: float | None
    q: float | None
    ahead: str | None
    """Label of the better model if the two differ significantly."""
    effect: dict[str, float | None]
    mcnemar: NotRequired[dict[str, dict[str, float]]]
    """McNemar's test by direction."""
    verdict: NotRequired[str]


class ComparedFigure(TypedDict):
    """All models at one place: a metric on a suite, on a language pair of one, or as a mean over suites."""

    place: str
    group: str
    suites: list[str]
    pair: str | None
    metric: str
    lower_is_better: bool
    rows: int
    models: dict[str, Measured]
    best: str | None
    level_with_best: list[str]
    comparisons: list[Difference]


class Comparison(TypedDict):
    """The result of `lingualign.evaluation.compare`, described there, and the content of ``comparison.json``."""

    lingualign: str
    level: float
    correction: str
    models: dict[str, list[dict[str, Any]]]
    figures: list[ComparedFigure]
    spaces: dict[str, dict[str, list[dict[str, Any]]]]
    mined: dict[str, dict[str, list[dict[str, Any]]]]
    verdicts: list[str]
    warnings: list[str]


def verdict(figure: ComparedFigure, found: Difference) -> str:
    """Return the sentence about one comparison.

    Parameters
    ----------
    figure
        One of the ``figures`` of `lingualign.evaluation.compare`.
    found
        One of its ``comparisons``.
    """
    place = place_name(figure)
    if found["difference"] is None or found["ci95"] is None:
        return f"{found['a']} and {found['b']} cannot be compared on {place}, which is undefined for one of them."
    if found["ahead"]:
        other = found["b"] if found["ahead"] == found["a"] else found["a"]
        return f"{found['ahead']} is ahead of {other} on {place} {_by(found['difference'], found['ci95'])}."
    low, high = found["ci95"]
    corrected = ""
    if not low <= 0 <= high:
        # The interval alone would mean a difference.
        corrected = f", which is not beyond chance among all comparisons made (q {found['q']:.2g})"
    return (
        f"{found['a']} and {found['b']} cannot be told apart on {place}: a difference of "
        f"{_points(found['difference'])} points, 95% interval {_points(low)} to {_points(high)}{corrected}."
    )


def summary(a: str, b: str, figures: list[ComparedFigure]) -> str:
    """Return one sentence about all comparisons of two models.

    It uses the mean of a metric over several suites of a group, else the single suite; language pairs are omitted.
    """
    places: dict[str | None, list[str]] = {a: [], b: [], None: []}
    undefined = []
    for figure in figures:
        with_mean = any(
            other["metric"] == figure["metric"] and set(figure["suites"]) < set(other["suites"])
            for other in figures
        )
        if figure["pair"] or with_mean:
            continue
        (found,) = (found for found in figure["comparisons"] if (found["a"], found["b"]) == (a, b))
        place = f"on {place_name(figure)}"
        if found["difference"] is None or found["ci95"] is None:
            undefined.append(place)
        else:
            by = f" {_by(found['difference'], found['ci95'])}" if found["ahead"] else ""
            places[found["ahead"]].append(place + by)
    clauses = []
    for one, other in ((a, b), (b, a)):
        if places[one]:
            clauses.append(f"{one} is ahead of {other} {'; '.join(places[one])}")
    they = "they" if clauses else f"{a} and {b}"
    if places[None]:
        clauses.append(f"{', '.join(places[None])} {they} cannot be told apart")
    if undefined:
        clauses.append(f"{', '.join(undefined)} {they} cannot be compared")
    sentence = "; ".join(clauses)
    return f"{sentence[:1].upper() if sentence.startswith('on ') else sentence[:1]}{sentence[1:]}."


def place_name(figure: ComparedFigure) -> str:
    """Return the name of a place, with the metric unless it is a main metric."""
    place = figure["place"]
    metric = METRICS[figure["metric"]]
    return place if metric.known_by else f"{place} ({metric.words})"


def row_name(figure: ComparedFigure) -> str:
    """Return the name of a row: the place, its metric, and an arrow if lower is better."""
    lower = " ↓" if figure["lower_is_better"] else ""
    return f"{figure['place']}, {METRICS[figure['metric']].words}{lower}"


def cell(figure: ComparedFigure, label: str) -> str:
    """Return a model's figure in percent, marked if it does not differ significantly from the best."""
    value = figure["models"][label]["value"]
    if value is None:
        return "undefined"
    return f"{100 * value:.2f}" + (f" {LEVEL_MARK}" if label in figure["level_with_best"] else "")


def _by(difference: float, ci95: list[float]) -> str:
    """Return the lead of the better model in words."""
    low, high = sorted(abs(bound) for bound in ci95)
    return f"by {_points(abs(difference))} points, 95% interval {_points(low)} to {_points(high)}"


def _points(figure: float) -> str:
    """Format a rate in points, with a second digit if one would show 0.0."""
    points = 100 * figure
    digits = 1 if points == 0 or abs(points) >= 0.1 else 2
    return f"{points:.{digits}f}"
