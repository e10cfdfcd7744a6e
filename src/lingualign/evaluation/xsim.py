"""xSIM: the error rate of multilingual similarity search, by cosine or by margin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
        If ``margin`` is none of the three, or ``k`` is below 1.

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
    source, target = np.asarray(source, dtype=np.float32), np.asarray(target, dtype=np.float32)
    return margin_errors(*nearest_neighbours(source, target, k), margin)


def margin_errors(
    forward: Neighbours, backward: Neighbours, margin: Margin = "ratio"
) -> npt.NDArray[np.bool_]:
    """Judge retrieval from neighbours already found, ``forward`` being the direction that is scored."""
    own, theirs = (side.cosine.mean(axis=1, dtype=np.float64) for side in (forward, backward))
    score = margin_scores(forward.cosine, own[:, None], theirs[forward.index], margin)
    retrieved = np.take_along_axis(forward.index, score.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.asarray(retrieved != np.arange(len(retrieved)))
