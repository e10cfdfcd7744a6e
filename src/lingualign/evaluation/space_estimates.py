"""The figures of a suite's space, each with its interval: what another draw of as many sentences might give.

A sentence and its translations stand or fall together: what is left out or drawn again is a row with all its languages.
"""

from __future__ import annotations

from itertools import combinations, count
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.evaluation.space import (
    direction_sums,
    gaussian_sums,
    language_hits,
    occurrences,
    principal_directions,
    skewness,
    squared_distances,
    uniformity_of_sums,
)
from lingualign.evaluation.statistics import Influence, jackknife_interval, rate_interval
from lingualign.neighbours import NEIGHBOURHOOD, unit_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from lingualign.evaluation.statistics import Interval
    from lingualign.neighbours import Neighbours

SPACE_ROWS = 4_096
"""Rows at most that the figures of the space are of, drawn by a fixed seed: some compare all with all."""

_SAME = 1e-9
"""Share of the largest eigenvalue below which two are the same, and their directions a matter of choice."""

Estimate = tuple[float, "Interval"]


def describe_space(vectors: dict[str, npt.NDArray[np.float32]]) -> dict[str, Any]:
    """Give the figures of a space but for hubness: each under its name, its interval under the name with ``_ci95``.

    Parameters
    ----------
    vectors
        Of each language, (n, d); row i of one is the translation of row i of the others.
    """
    rows = len(next(iter(vectors.values())))
    if rows > SPACE_ROWS:
        taken = np.random.default_rng(0).choice(rows, SPACE_ROWS, replace=False)
        vectors = {column: table[taken] for column, table in vectors.items()}
        rows = SPACE_ROWS
    everything = np.concatenate(list(vectors.values()))
    row_of = np.tile(np.arange(rows), len(vectors))
    if len(everything) > SPACE_ROWS:
        taken = np.random.default_rng(0).choice(len(everything), SPACE_ROWS, replace=False)
        everything, row_of = everything[taken], row_of[taken]
    distances = np.mean([squared_distances(*pair) for pair in combinations(vectors.values(), 2)], axis=0)
    hits = language_hits(list(vectors.values())).mean(axis=1)
    language = float(hits.mean())
    return with_intervals(
        alignment=(float(distances.mean()), jackknife_interval(distances.mean(), _means_left_out(distances))),
        uniformity=estimate_uniformity(everything, row_of),
        isotropy=estimate_isotropy(everything, row_of),
        language_identifiability=(language, rate_interval(language, Influence(hits / rows).error, rows)),
    )


def _means_left_out(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean without each value, (n,)."""
    return np.asarray((values.sum() - values) / (len(values) - 1))


def with_intervals(**estimates: Estimate) -> dict[str, Any]:
    """Lay out figures as ``scores.json`` has them."""
    entry: dict[str, Any] = {}
    for name, (value, bounds) in estimates.items():
        entry |= {name: value, f"{name}_ci95": list(bounds)}
    return entry


def estimate_uniformity(vectors: npt.ArrayLike, row_of: npt.NDArray[np.int64]) -> Estimate:
    """Give the uniformity of vectors, and its interval by the jackknife over rows.

    Parameters
    ----------
    vectors
        (n, d).
    row_of
        (n,): which row each vector is of; two rows or more. Those of a row are left out together.
    """
    sums = gaussian_sums(vectors)
    unit, order = unit_rows(vectors), np.argsort(row_of, kind="stable")
    rows, place = np.unique(row_of, return_inverse=True)
    size, of_row = np.bincount(place), np.bincount(place, weights=sums)
    # Pairs within a row are in the sums of both their vectors: taken out twice, they go back once.
    within = np.zeros(len(rows))
    for lag in count(1):
        one, other = order[:-lag], order[lag:]
        same = place[one] == place[other]
        if not same.any():
            break
        one, other = one[same], other[same]
        cosine = np.einsum("id,id->i", unit[one], unit[other], dtype=np.float64)
        np.add.at(within, place[one], 2 * np.exp(4 * cosine - 4))
    left = uniformity_of_sums(sums.sum() - 2 * of_row + within, len(sums) - size)
    value = float(uniformity_of_sums(sums.sum(), len(sums)))
    return value, jackknife_interval(value, left)


def estimate_isotropy(vectors: npt.ArrayLike, row_of: npt.NDArray[np.int64]) -> Estimate:
    """Give the isotropy of vectors, and its interval by the infinitesimal jackknife over rows.

    What a row is worth is told to first order: its own part of the two sums, and how the principal directions turn
    without it, by the perturbation of eigenvectors. A bootstrap would take the directions a thousand times.

    Parameters are those of `estimate_uniformity`.

    References
    ----------
    Jaeckel (1972), "The Infinitesimal Jackknife".
    """
    eigenvalues, along = principal_directions(vectors)
    sums = direction_sums(along)
    value = float(sums.min() / sums.max())
    change = np.zeros(len(along))  # of the logarithm
    for side, extreme in ((1, sums.argmin()), (-1, sums.argmax())):
        opposite, direction = np.unravel_index(extreme, sums.shape)
        reach = -along if opposite else along
        part = np.exp(reach[:, direction])
        gap = eigenvalues[direction] - eigenvalues
        apart = np.abs(gap) > _SAME * eigenvalues.max()
        turn = np.where(apart, part @ reach, 0) / np.where(apart, gap, 1)
        change -= side * (part + reach[:, direction] * (reach @ turn)) / sums.flat[extreme]
    of_row = np.bincount(np.unique(row_of, return_inverse=True)[1], weights=change)
    low, high = jackknife_interval(value, value * (1 + of_row))
    return value, (max(0.0, low), min(1.0, high))


def estimate_hubness(searches: Sequence[tuple[Neighbours, Neighbours]], *, aligned: bool = True) -> Estimate:
    """Give the mean hubness of searches in both directions, and its interval by the jackknife over rows.

    A row that is left out retrieves nothing, and what retrieved it retrieves its next nearest. The jackknife of such a
    figure is too wide rather than too narrow: it counts twice what two rows make together.

    Parameters
    ----------
    searches
        Of each language pair the `SEARCHED` neighbours found there and back.
    aligned
        Whether row i of every side is of row i, and left out on all sides at once; else the sides have rows of their
        own.

    References
    ----------
    Efron and Stein (1981), "The Jackknife Estimate of Variance".
    """
    of_side, left = [], []
    for there, back in searches:
        firsts, seconds = len(there.index), len(back.index)
        numbers = np.arange(firsts), np.arange(seconds) + (0 if aligned else firsts)
        for found, queries, candidates in ((there, *numbers), (back, *numbers[::-1])):
            of_side.append(skewness(occurrences(found.index[:, :NEIGHBOURHOOD], len(candidates))))
            left.append(_skewness_left_out(found.index, queries, candidates))
    value = float(np.mean(of_side))
    return value, jackknife_interval(value, np.mean(left, axis=0))


def _skewness_left_out(
    index: npt.NDArray[np.integer[Any]], queries: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Skewness of how often each candidate is retrieved, without each number of a query or candidate, (numbers,)."""
    near = index[:, :NEIGHBOURHOOD]
    counts = occurrences(near, len(candidates))
    numbers = 1 + max(queries.max(), candidates.max())
    query, found = np.repeat(queries, near.shape[1]), near.ravel()
    apart = query != candidates[found]
    # Which candidate is retrieved how much more often, without which number.
    target, by, more = [found], [query], [np.full(len(found), -1.0)]
    if index.shape[1] > NEIGHBOURHOOD:
        target.append(np.repeat(index[:, NEIGHBOURHOOD], near.shape[1])[apart])
        by.append(candidates[found[apart]])
        more.append(np.ones(int(apart.sum())))
    key, place = np.unique(np.concatenate(target) * numbers + np.concatenate(by), return_inverse=True)
    change = np.bincount(place, np.concatenate(more))
    of, by_number = key // numbers, key % numbers
    # What is left out itself is not there to be retrieved less often.
    there = candidates[of] != by_number
    change, of, by_number = change[there], of[there], by_number[there]
    remaining = len(candidates) - np.bincount(candidates, minlength=numbers)
    first, second, third = (
        (
            (counts**power).sum()
            - np.bincount(candidates, counts**power, minlength=numbers)
            + np.bincount(by_number, (counts[of] + change) ** power - counts[of] ** power, minlength=numbers)
        )
        / remaining
        for power in (1, 2, 3)
    )
    variance = np.maximum(second - first**2, 0)
    # Whole counts that differ have a variance of 1 / n at least: below is rounding.
    varied = variance > 0.1 / len(counts)
    moment = third - 3 * first * second + 2 * first**3
    return np.asarray(np.where(varied, moment, 0) / np.where(varied, variance, 1) ** 1.5)
