"""The shape of a space of sentence vectors: alignment, uniformity, isotropy, language, hubs.

Retrieval says whether a space serves; these figures say how it is built. All are of vectors scaled to length 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.evaluation.bitext import matching_rows
from lingualign.neighbours import unit_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

_FOLDS = 5
_RIDGE = 1e-3
"""Of the mean variance of a dimension."""
_BLOCK = 1_024


def alignment(vectors1: npt.ArrayLike, vectors2: npt.ArrayLike) -> float:
    """Mean squared distance of the vectors of translations: 0 where they are the same, about 2 by chance.

    Parameters
    ----------
    vectors1, vectors2
        (n, d); row i of one is the translation of row i of the other.

    References
    ----------
    Wang and Isola (2020), "Understanding Contrastive Representation Learning through Alignment and Uniformity on
    the Hypersphere", with their exponent of 2.
    """
    return float(squared_distances(vectors1, vectors2).mean())


def squared_distances(vectors1: npt.ArrayLike, vectors2: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Squared distance of row i and row i, (n,): what `alignment` is the mean of."""
    rows1, rows2 = (unit_rows(rows).astype(np.float64) for rows in matching_rows(vectors1, vectors2))
    return np.asarray(((rows1 - rows2) ** 2).sum(axis=1))


def uniformity(vectors: npt.ArrayLike) -> float:
    """Logarithm of the mean of exp(-2 squared distance) over all pairs of rows: the lower, the more evenly spread.

    It is 0 where all vectors are the same, and near -4 where they are spread over a sphere of many dimensions.

    Parameters
    ----------
    vectors
        (n, d), two rows or more.

    References
    ----------
    Wang and Isola (2020), with their t of 2.
    """
    sums = gaussian_sums(vectors)
    return float(uniformity_of_sums(sums.sum(), len(sums)))


def uniformity_of_sums(total: Any, rows: Any) -> Any:
    """Uniformity of so many rows from the total of their `gaussian_sums`; of arrays, element by element."""
    return np.log(total / (rows * (rows - 1)))


def gaussian_sums(vectors: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Sum of exp(-2 squared distance) of each row and all others, (n,): what `uniformity` is made of."""
    unit = unit_rows(vectors)
    # Of rows of length 1 the squared distance is 2 - 2 cos; a zero row counts as at right angles to all.
    total = np.concatenate(
        [
            np.exp(4 * (unit[start : start + _BLOCK] @ unit.T) - 4).sum(axis=1, dtype=np.float64)
            for start in range(0, len(unit), _BLOCK)
        ]
    )
    return np.asarray(total - np.exp(4 * np.einsum("id,id->i", unit, unit, dtype=np.float64) - 4))


def isotropy(vectors: npt.ArrayLike) -> float:
    """Tell whether the vectors favour a direction: 1 if none, towards exp(-2) the more they crowd into a cone.

    The smallest of the sums over all rows of exp(c . v) divided by the largest, c going through the principal
    directions of the vectors, both ways.

    Parameters
    ----------
    vectors
        (n, d).

    References
    ----------
    Mu and Viswanath (2018), "All-but-the-Top: Simple and Effective Postprocessing for Word Representations".
    """
    sums = direction_sums(principal_directions(vectors)[1])
    return float(sums.min() / sums.max())


def principal_directions(
    vectors: npt.ArrayLike,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give the eigenvalues of the sum of v v', (d,), and how far each vector reaches along each eigenvector, (n, d)."""
    unit = unit_rows(vectors).astype(np.float64)
    eigenvalues, directions = np.linalg.eigh(unit.T @ unit)
    return eigenvalues, unit @ directions


def direction_sums(along: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sum of exp(c . v) for each principal direction c and, in the second row, for its opposite: (2, d)."""
    return np.stack([np.exp(along).sum(axis=0), np.exp(-along).sum(axis=0)])


def language_hits(sides: Sequence[npt.ArrayLike]) -> npt.NDArray[np.bool_]:
    """Tell whose language a linear probe names rightly, by cross-validation.

    The probe is a ridge regression from a vector to each language's indicator; the largest names the language. The
    rows are cut into 5 folds, all translations of a row in one, so that no content is probed that was learnt from.

    Parameters
    ----------
    sides
        The vectors of each language, (n, d) each; row i of one is the translation of row i of the others.

    Returns
    -------
    numpy.ndarray
        (n, languages) bool. Its mean, the language identifiability, is 1 / languages where the space holds meaning
        alone, and 1 where it holds each language apart.
    """
    tables = [unit_rows(side).astype(np.float64) for side in sides]
    count, rows = len(tables), len(tables[0])
    folds = np.random.default_rng(0).permutation(rows) % min(_FOLDS, rows)
    hits = np.zeros((rows, count), bool)
    for fold in np.unique(folds):
        learnt, probed = folds != fold, folds == fold
        known = np.concatenate([table[learnt] for table in tables])
        centre = known.mean(axis=0)
        known = known - centre
        indicators = np.repeat(np.eye(count), learnt.sum(), axis=0) - 1 / count
        moments = known.T @ known
        ridge = _RIDGE * (np.trace(moments) / len(moments)) + np.finfo(np.float64).tiny
        probe = np.linalg.solve(moments + ridge * np.eye(len(moments)), known.T @ indicators)
        for language, table in enumerate(tables):
            scores = (table[probed] - centre) @ probe
            # Vectors that do not tell languages apart have scores of rounding alone: by chance, one is named.
            hits[probed, language] = scores.argmax(axis=1) == language
    return hits


def hubness(index: npt.NDArray[np.integer[Any]], candidates: int) -> float:
    """Skewness of how often a candidate is among the k nearest of a query: 0 in a balanced space, large with hubs.

    Parameters
    ----------
    index
        (n, k): the candidates nearest to each query.
    candidates
        How many there are.

    Returns
    -------
    float
        0 where all occur equally often.

    References
    ----------
    Radovanovic, Nanopoulos and Ivanovic (2010), "Hubs in Space: Popular Nearest Neighbors in High-Dimensional Data".
    """
    return skewness(occurrences(index, candidates))


def occurrences(index: npt.NDArray[np.integer[Any]], candidates: int) -> npt.NDArray[np.float64]:
    """How often each candidate is among the k nearest of a query, (candidates,): what `hubness` is the skewness of."""
    return np.bincount(np.asarray(index).ravel(), minlength=candidates).astype(np.float64)


def skewness(counts: npt.NDArray[np.float64]) -> float:
    """Third central moment over the cube of the standard deviation; 0 where all counts are equal."""
    deviation = counts - counts.mean()
    spread = np.sqrt((deviation**2).mean())
    return float((deviation**3).mean() / spread**3) if spread > 0 else 0.0
