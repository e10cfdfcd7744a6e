"""xSIM: the error rate of multilingual similarity search, by cosine or by margin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.evaluation.bitext import matching_rows
from lingualign.neighbours import NEIGHBOURHOOD, Margin, margin_scores, nearest_neighbours

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.neighbours import Neighbours


def xsim(
    source: npt.ArrayLike, target: npt.ArrayLike, *, margin: Margin = "ratio", k: int = NEIGHBOURHOOD
) -> float:
    """Error rate of finding each source sentence's translation, from source to target only.

    Among the k nearest targets of a source sentence by cosine, the one of largest margin score is retrieved.

    Parameters
    ----------
    source, target
        (n, d), float; row i of one is the translation of row i of the other. They need not be normalised.
    margin
        Which score: see `lingualign.neighbours.margin_scores`. With ``absolute`` the rate is 1 - accuracy.
    k
        Neighbours of each sentence, at least 1. With ``absolute`` it has no effect.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        If ``margin`` is none of the three, ``k`` is below 1, or the two sides differ in rows or dimensions.

    References
    ----------
    Heffernan, Celebi and Schwenk (2022), "Bitext Mining Using Distilled Sentence
    Representations for Low-Resource Languages", and LASER's implementation.
    """
    return float(xsim_errors(source, target, margin=margin, k=k).mean())


def xsim_errors(
    source: npt.ArrayLike, target: npt.ArrayLike, *, margin: Margin = "ratio", k: int = NEIGHBOURHOOD
) -> npt.NDArray[np.bool_]:
    """Give for each source sentence whether `xsim` retrieves a wrong target: (n,) bool."""
    retrieved = margin_retrieved(*nearest_neighbours(*matching_rows(source, target), k), margin)
    return np.asarray(retrieved != np.arange(len(retrieved)))


def margin_retrieved(
    forward: Neighbours, backward: Neighbours, margin: Margin = "ratio"
) -> npt.NDArray[np.int64]:
    """Retrieve by margin among neighbours already found, ``forward`` being the direction that is scored.

    Returns
    -------
    numpy.ndarray
        (n,), int64: the position on the other side; of equal scores that of the larger cosine, then the first.
    """
    own, theirs = (side.cosine.mean(axis=1, dtype=np.float64) for side in (forward, backward))
    score = margin_scores(forward.cosine, own[:, None], theirs[forward.index], margin)
    best = score.argmax(axis=1)[:, None]
    return np.asarray(np.take_along_axis(forward.index, best, axis=1)[:, 0])
