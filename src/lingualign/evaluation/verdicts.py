"""Comparisons in plain language."""

from __future__ import annotations

from typing import Any

from lingualign.evaluation.metrics import METRICS


def verdict(figure: dict[str, Any], found: dict[str, Any]) -> str:
    """Put one comparison into a sentence.

    Parameters
    ----------
    figure
        One of the ``figures`` of `lingualign.evaluation.compare`.
    found
        One of its ``comparisons``.
    """
    place = place_name(figure)
    if found["difference"] is None:
        return f"{found['a']} and {found['b']} cannot be compared on {place}, which is undefined for one of them."
    if found["ahead"]:
        other = found["b"] if found["ahead"] == found["a"] else found["a"]
        return f"{found['ahead']} is ahead of {other} on {place} {_by(found)}."
    low, high = found["ci95"]
    corrected = ""
    if not low <= 0 <= high:
        # The interval alone would say that they differ.
        corrected = f", which is not beyond chance among all comparisons made (q {found['q']:.2g})"
    return (
        f"{found['a']} and {found['b']} cannot be told apart on {place}: a difference of "
        f"{_points(found['difference'])} points, 95% interval {_points(low)} to {_points(high)}{corrected}."
    )


def summary(a: str, b: str, figures: list[dict[str, Any]]) -> str:
    """Put all comparisons of two models into one sentence.

    Of a metric that several suites of a group have their mean is told, of others the suite; language pairs are left
    to the table.
    """
    told: dict[str | None, list[str]] = {a: [], b: [], None: []}
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
        if found["difference"] is None:
            undefined.append(place)
        else:
            told[found["ahead"]].append(f"{place} {_by(found)}" if found["ahead"] else place)
    clauses = []
    for one, other in ((a, b), (b, a)):
        if told[one]:
            clauses.append(f"{one} is ahead of {other} {'; '.join(told[one])}")
    they = "they" if clauses else f"{a} and {b}"
    if told[None]:
        clauses.append(f"{', '.join(told[None])} {they} cannot be told apart")
    if undefined:
        clauses.append(f"{', '.join(undefined)} {they} cannot be compared")
    sentence = "; ".join(clauses)
    return f"{sentence[:1].upper() if sentence.startswith('on ') else sentence[:1]}{sentence[1:]}."


def place_name(figure: dict[str, Any]) -> str:
    """Name a place, and the metric where it is not the one that a suite is known by."""
    place: str = figure["place"]
    metric = METRICS[figure["metric"]]
    return place if metric.known_by else f"{place} ({metric.words})"


def _by(found: dict[str, Any]) -> str:
    """Say by how much the better model is ahead."""
    low, high = sorted(abs(bound) for bound in found["ci95"])
    return f"by {_points(abs(found['difference']))} points, 95% interval {_points(low)} to {_points(high)}"


def _points(figure: float) -> str:
    """Give a hundredth as a point, with a second digit where there would be nothing to see."""
    points = 100 * figure
    digits = 1 if points == 0 or abs(points) >= 0.1 else 2
    return f"{points:.{digits}f}"
