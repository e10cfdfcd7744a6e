"""Margins: how far a pair's cosine stands out from those of both sentences' neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.neighbours.options import check_margin

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.neighbours.options import Margin


def margin_scores(
    cosine: npt.ArrayLike, own: npt.ArrayLike, theirs: npt.ArrayLike, margin: Margin = "ratio"
) -> npt.NDArray[np.float64]:
    """Score pairs (x, y) by their margin.

    - ``absolute``: cos(x, y);
    - ``ratio``: cos(x, y) / b and ``distance``: cos(x, y) - b, where b is the mean of ``own`` and ``theirs``.

    Parameters
    ----------
    cosine
        cos(x, y), any shape.
    own
        Mean of the cosines of x and its k nearest neighbours on the other side.
    theirs
        The same of y.
    margin
        Which of the three.

    Returns
    -------
    ndarray of float64
        Of the shape that the three arguments broadcast to. A ratio 0 / 0 comes from zero vectors: there is no
        evidence, and it is -inf.

    Raises
    ------
    InputError
        If ``margin`` is none of the three.

    References
    ----------
    Artetxe and Schwenk (2019), "Margin-based Parallel Corpus Mining with Multilingual Sentence Embeddings",
    section 3.1.
    """
    check_margin(margin)
    cosine, own, theirs = (np.asarray(value, dtype=np.float64) for value in (cosine, own, theirs))
    if margin == "absolute":
        return np.broadcast_to(cosine, np.broadcast_shapes(cosine.shape, own.shape, theirs.shape)).copy()
    base = (own + theirs) / 2
    if margin == "distance":
        return np.asarray(cosine - base)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.asarray(cosine / base)
    score[np.isnan(score)] = -np.inf
    return score
