"""xSIM: the error rate of multilingual similarity search, by cosine or by margin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from lingualign.errors import InputError
from lingualign.evaluation.neighbours import neighbours

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.evaluation.neighbours import Neighbours

Margin = Literal["absolute", "ratio", "distance"]

NEIGHBOURHOOD = 4
"""Neighbours on each side that a margin is taken over; 4 in all published figures."""


def xsim(
    source: npt.ArrayLike, target: npt.ArrayLike, *, margin: Margin = "ratio", k: int = NEIGHBOURHOOD
) -> float:
    """Error rate of finding each source sentence's translation, from source to target only.

    Among the k nearest targets of a source sentence x by cosine, the one of largest margin score is
    retrieved:

    - ``absolute``: cos(x, y), so that the rate is 1 - accuracy;
    - ``ratio``: cos(x, y) / b and ``distance``: cos(x, y) - b, where b is the mean of two means: that of the
      cosines of x and its k nearest targets, and that of y and its k nearest sources.

    Parameters
    ----------
    source, target
        (n, d), float; row i of one is the translation of row i of the other. They need not be normalised.
    margin
        Which score.
    k
        Neighbours of each sentence, at least 1. With ``absolute`` it has no effect.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        If ``margin`` is none of the three, or ``k`` is below 1.

    References
    ----------
    Margin scores: Artetxe and Schwenk (2019), "Margin-based Parallel Corpus Mining with Multilingual Sentence
    Embeddings". xSIM: Heffernan, Celebi and Schwenk (2022), "Bitext Mining Using Distilled Sentence
    Representations for Low-Resource Languages", and LASER's implementation.
    """
    return float(xsim_errors(source, target, margin=margin, k=k).mean())


def xsim_errors(
    source: npt.ArrayLike, target: npt.ArrayLike, *, margin: Margin = "ratio", k: int = NEIGHBOURHOOD
) -> npt.NDArray[np.bool_]:
    """Give for each source sentence whether `xsim` retrieves a wrong target: (n,) bool."""
    if margin not in get_args(Margin):
        raise InputError(f"margin {margin!r} is unknown: expected one of {', '.join(get_args(Margin))}")
    if k < 1:
        raise InputError(
            f"k = {k} is not a number of neighbours: expected 1 or more (published figures take 4)"
        )
    return margin_errors(neighbours(source, target, k), neighbours(target, source, k), margin)


def margin_errors(
    forward: Neighbours, backward: Neighbours, margin: Margin = "ratio"
) -> npt.NDArray[np.bool_]:
    """Judge retrieval from neighbours already found, ``forward`` being the direction that is scored."""
    gold = np.arange(len(forward.index))
    if margin == "absolute":
        return np.asarray(forward.index[:, 0] != gold)
    cosine = forward.cosine.astype(np.float64)
    own = cosine.mean(axis=1)
    theirs = backward.cosine.mean(axis=1, dtype=np.float64)
    base = (own[:, None] + theirs[forward.index]) / 2
    if margin == "ratio":
        with np.errstate(divide="ignore", invalid="ignore"):
            score = cosine / base
        # 0 / 0 comes from zero vectors: no evidence, so it never wins over a candidate that has some.
        score[np.isnan(score)] = -np.inf
    else:
        score = cosine - base
    retrieved = np.take_along_axis(forward.index, score.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.asarray(retrieved != gold)
