"""The shape of a space of sentence vectors: alignment, uniformity, isotropy, language, hubs.

Retrieval measures the use of a space; these figures describe its structure. All are of vectors scaled to length 1.
The interval of each covers other samples of as many sentences. A sentence and its translations are dependent, so whole
rows with all their languages are left out.
"""

from __future__ import annotations

from itertools import combinations, count
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.evaluation.bitext import matching_rows
from lingualign.evaluation.statistics import Influence, jackknife_interval, rate_interval
from lingualign.neighbours import NEIGHBOURHOOD, unit_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from lingualign.evaluation.statistics import Interval
    from lingualign.neighbours import Neighbours

_FOLDS = 5
_RIDGE = 1e-3
"""Ridge, as a share of the mean variance of a dimension."""
_BLOCK = 1_024

SPACE_ROWS = 4_096
"""Largest number of rows for the figures of the space, drawn by a fixed seed: some compare all with all."""

_SAME = 1e-9
"""Share of the largest eigenvalue below which two are equal, and their directions arbitrary."""

Estimate = tuple[float, "Interval"]


def alignment(vectors1: npt.ArrayLike, vectors2: npt.ArrayLike) -> float:
    """Return the mean squared distance of the vectors of translations: 0 if they are equal, about 2 by chance.

    Parameters
    ----------
    vectors1, vectors2
        Vectors, (n, d); row i of one is the translation of row i of the other.

    References
    ----------
    Wang and Isola (2020), "Understanding Contrastive Representation Learning through Alignment and Uniformity on
    the Hypersphere", with their exponent of 2.
    """
    return float(squared_distances(vectors1, vectors2).mean())


def squared_distances(vectors1: npt.ArrayLike, vectors2: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the squared distances of row i and row i, (n,), whose mean is `alignment`."""
    rows1, rows2 = (unit_rows(rows).astype(np.float64) for rows in matching_rows(vectors1, vectors2))
    return np.asarray(((rows1 - rows2) ** 2).sum(axis=1))


def uniformity(vectors: npt.ArrayLike) -> float:
    """Return the logarithm of the mean of exp(-2 squared distance) over all pairs of rows: lower is more even.

    It is 0 if all vectors are equal, and near -4 if they are spread over a sphere of many dimensions.

    Parameters
    ----------
    vectors
        Vectors, (n, d), at least two rows.

    References
    ----------
    Wang and Isola (2020), with their t of 2.
    """
    sums = gaussian_sums(vectors)
    return float(uniformity_of_sums(sums.sum(), len(sums)))


def uniformity_of_sums(total: Any, rows: Any) -> Any:
    """Return the uniformity from the total of `gaussian_sums` and the number of rows; elementwise for arrays."""
    return np.log(total / (rows * (rows - 1)))


def gaussian_sums(vectors: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the sum of exp(-2 squared distance) of each row and all others, (n,), for `uniformity`."""
    unit = unit_rows(vectors)
    # The squared distance of rows of length 1 is 2 - 2 cos; a zero row counts as orthogonal to all.
    total = np.concatenate(
        [
            np.exp(4 * (unit[start : start + _BLOCK] @ unit.T) - 4).sum(axis=1, dtype=np.float64)
            for start in range(0, len(unit), _BLOCK)
        ]
    )
    return np.asarray(total - np.exp(4 * np.einsum("id,id->i", unit, unit, dtype=np.float64) - 4))


def isotropy(vectors: npt.ArrayLike) -> float:
    """Measure whether the vectors favour a direction: 1 if none, towards exp(-2) if they crowd into a cone.

    It is the smallest sum over all rows of exp(c . v) divided by the largest, over all principal directions c of the
    vectors and their opposites.

    Parameters
    ----------
    vectors
        Vectors, (n, d).

    References
    ----------
    Mu and Viswanath (2018), "All-but-the-Top: Simple and Effective Postprocessing for Word Representations".
    """
    sums = direction_sums(principal_directions(vectors)[1])
    return float(sums.min() / sums.max())


def principal_directions(
    vectors: npt.ArrayLike,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the eigenvalues of the sum of v v', (d,), and each vector's length along each eigenvector, (n, d)."""
    unit = unit_rows(vectors).astype(np.float64)
    eigenvalues, directions = np.linalg.eigh(unit.T @ unit)
    return eigenvalues, unit @ directions


def direction_sums(along: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the sum of exp(c . v) for each principal direction c and, in the second row, for its opposite: (2, d)."""
    return np.stack([np.exp(along).sum(axis=0), np.exp(-along).sum(axis=0)])


def language_hits(sides: Sequence[npt.ArrayLike]) -> npt.NDArray[np.bool_]:
    """Return where a linear probe identifies the language, by cross-validation.

    The probe is a ridge regression from a vector to each language's indicator; the largest output is the language. The
    rows are cut into 5 folds with all translations of a row in one, so that training and test differ in content.

    Parameters
    ----------
    sides
        Vectors of each language, (n, d) each; row i of one is the translation of row i of the others.

    Returns
    -------
    numpy.ndarray
        Hits, (n, languages) bool. Their mean, the language identifiability, is 1 / languages if the space has meaning
        only, and 1 if it separates the languages.
    """
    tables = [unit_rows(side).astype(np.float64) for side in sides]
    count, rows = len(tables), len(tables[0])
    folds = np.random.default_rng(0).permutation(rows) % min(_FOLDS, rows)
    hits = np.zeros((rows, count), bool)
    for fold in np.unique(folds):
        learnt, probed = folds != fold, folds == fold
        features = np.concatenate([table[learnt] for table in tables])
        centre = features.mean(axis=0)
        features = features - centre
        indicators = np.repeat(np.eye(count), learnt.sum(), axis=0) - 1 / count
        moments = features.T @ features
        ridge = _RIDGE * (np.trace(moments) / len(moments)) + np.finfo(np.float64).tiny
        probe = np.linalg.solve(moments + ridge * np.eye(len(moments)), features.T @ indicators)
        for language, table in enumerate(tables):
            scores = (table[probed] - centre) @ probe
            # If vectors do not distinguish languages, scores are rounding only, and the choice is chance.
            hits[probed, language] = scores.argmax(axis=1) == language
    return hits


def hubness(index: npt.NDArray[np.integer[Any]], candidates: int) -> float:
    """Return the skewness of the frequency of candidates among the k nearest: 0 in a balanced space, large with hubs.

    Parameters
    ----------
    index
        Candidates nearest to each query, (n, k).
    candidates
        Number of candidates.

    Returns
    -------
    float
        Skewness; 0 if all are equally frequent.

    References
    ----------
    Radovanovic, Nanopoulos and Ivanovic (2010), "Hubs in Space: Popular Nearest Neighbors in High-Dimensional Data".
    """
    return skewness(occurrences(index, candidates))


def occurrences(index: npt.NDArray[np.integer[Any]], candidates: int) -> npt.NDArray[np.float64]:
    """Return the number of times each candidate is among the k nearest of a query, (candidates,), for `hubness`."""
    return np.bincount(np.asarray(index).ravel(), minlength=candidates).astype(np.float64)


def skewness(counts: npt.NDArray[np.float64]) -> float:
    """Return the third central moment over the cube of the standard deviation; 0 if all counts are equal."""
    deviation = counts - counts.mean()
    spread = np.sqrt((deviation**2).mean())
    return float((deviation**3).mean() / spread**3) if spread > 0 else 0.0


def describe_space(vectors: dict[str, npt.NDArray[np.float32]]) -> dict[str, Any]:
    """Return the figures of a space except hubness: each by its name, its interval by the name with ``_ci95``.

    Parameters
    ----------
    vectors
        Vectors of each language, (n, d); row i of one is the translation of row i of the others.
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
    """Return the mean without each value, (n,)."""
    return np.asarray((values.sum() - values) / (len(values) - 1))


def with_intervals(**estimates: Estimate) -> dict[str, Any]:
    """Lay out figures in the form of ``scores.json``."""
    entry: dict[str, Any] = {}
    for name, (value, bounds) in estimates.items():
        entry |= {name: value, f"{name}_ci95": list(bounds)}
    return entry


def estimate_uniformity(vectors: npt.ArrayLike, row_of: npt.NDArray[np.int64]) -> Estimate:
    """Return the uniformity of vectors, and its interval by the jackknife over rows.

    Parameters
    ----------
    vectors
        Vectors, (n, d).
    row_of
        Row of each vector, (n,), at least two different ones. The vectors of a row are left out together.
    """
    sums = gaussian_sums(vectors)
    unit, order = unit_rows(vectors), np.argsort(row_of, kind="stable")
    rows, place = np.unique(row_of, return_inverse=True)
    size, row_sums = np.bincount(place), np.bincount(place, weights=sums)
    # Pairs within a row are in the sums of both vectors: subtracted twice, they are added once.
    within = np.zeros(len(rows))
    for lag in count(1):
        one, other = order[:-lag], order[lag:]
        same = place[one] == place[other]
        if not same.any():
            break
        one, other = one[same], other[same]
        cosine = np.einsum("id,id->i", unit[one], unit[other], dtype=np.float64)
        np.add.at(within, place[one], 2 * np.exp(4 * cosine - 4))
    left = uniformity_of_sums(sums.sum() - 2 * row_sums + within, len(sums) - size)
    value = float(uniformity_of_sums(sums.sum(), len(sums)))
    return value, jackknife_interval(value, left)


def estimate_isotropy(vectors: npt.ArrayLike, row_of: npt.NDArray[np.int64]) -> Estimate:
    """Return the isotropy of vectors, and its interval by the infinitesimal jackknife over rows.

    The contribution of a row is computed to first order: its part of the two sums, and the rotation of the principal
    directions without it, by perturbation of eigenvectors. A bootstrap would compute the directions a thousand times.

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
    row_changes = np.bincount(np.unique(row_of, return_inverse=True)[1], weights=change)
    low, high = jackknife_interval(value, value * (1 + row_changes))
    return value, (max(0.0, low), min(1.0, high))


def estimate_hubness(searches: Sequence[tuple[Neighbours, Neighbours]], *, aligned: bool = True) -> Estimate:
    """Return the mean hubness of searches in both directions, and its interval by the jackknife over rows.

    A row left out retrieves nothing, and queries that retrieved it retrieve their next nearest. The jackknife of such a
    figure is rather too wide than too narrow: it counts the joint effects of two rows twice.

    Parameters
    ----------
    searches
        `SEARCHED` neighbours of each language pair, in both directions.
    aligned
        True if row i of all sides is the same row, left out on all sides at once; else each side has its own rows.

    References
    ----------
    Efron and Stein (1981), "The Jackknife Estimate of Variance".
    """
    side_values, left = [], []
    for forward, backward in searches:
        firsts, seconds = len(forward.index), len(backward.index)
        numbers = np.arange(firsts), np.arange(seconds) + (0 if aligned else firsts)
        for search, queries, candidates in ((forward, *numbers), (backward, *numbers[::-1])):
            side_values.append(skewness(occurrences(search.index[:, :NEIGHBOURHOOD], len(candidates))))
            left.append(_skewness_left_out(search.index, queries, candidates))
    value = float(np.mean(side_values))
    return value, jackknife_interval(value, np.mean(left, axis=0))


def _skewness_left_out(
    index: npt.NDArray[np.integer[Any]], queries: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the skewness of the retrieval counts without each number of a query or candidate, (numbers,)."""
    near = index[:, :NEIGHBOURHOOD]
    counts = occurrences(near, len(candidates))
    numbers = 1 + max(queries.max(), candidates.max())
    query, retrieved = np.repeat(queries, near.shape[1]), near.ravel()
    apart = query != candidates[retrieved]
    # Change of a candidate's count without a number.
    target, by, more = [retrieved], [query], [np.full(len(retrieved), -1.0)]
    if index.shape[1] > NEIGHBOURHOOD:
        target.append(np.repeat(index[:, NEIGHBOURHOOD], near.shape[1])[apart])
        by.append(candidates[retrieved[apart]])
        more.append(np.ones(int(apart.sum())))
    key, place = np.unique(np.concatenate(target) * numbers + np.concatenate(by), return_inverse=True)
    change = np.bincount(place, np.concatenate(more))
    changed, by_number = key // numbers, key % numbers
    # A candidate left out itself has no count.
    remains = candidates[changed] != by_number
    change, changed, by_number = change[remains], changed[remains], by_number[remains]
    remaining = len(candidates) - np.bincount(candidates, minlength=numbers)
    first, second, third = (
        (
            (counts**power).sum()
            - np.bincount(candidates, counts**power, minlength=numbers)
            + np.bincount(
                by_number, (counts[changed] + change) ** power - counts[changed] ** power, minlength=numbers
            )
        )
        / remaining
        for power in (1, 2, 3)
    )
    variance = np.maximum(second - first**2, 0)
    # Integer counts that differ have a variance of at least about 1 / n: a smaller one is rounding.
    varied = variance > 0.1 / len(counts)
    moment = third - 3 * first * second + 2 * first**3
    return np.asarray(np.where(varied, moment, 0) / np.where(varied, variance, 1) ** 1.5)
