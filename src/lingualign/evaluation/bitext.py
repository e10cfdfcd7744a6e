"""Bitext retrieval by cosine or by margin: its accuracy, its F1 and the error rate xSIM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.errors import InputError
from lingualign.neighbours import NEIGHBOURHOOD, Margin, margin_scores, nearest_neighbours

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.neighbours import Neighbours


@dataclass(frozen=True, slots=True)
class BitextAccuracy:
    """The outcome for each sentence of a bitext, in both directions.

    Attributes
    ----------
    forward
        True where the nearest target of source i is target i, (n,) bool.
    backward
        True where the nearest source of target i is source i, (n,) bool.
    """

    forward: npt.NDArray[np.bool_]
    backward: npt.NDArray[np.bool_]

    @property
    def both(self) -> npt.NDArray[np.float64]:
        """Mean of the two directions, (n,), each 0, 0.5 or 1."""
        return (self.forward.astype(np.float64) + self.backward) / 2

    @property
    def accuracy(self) -> float:
        """Mean over sentences and directions, in [0, 1]: the paper's figure for Tatoeba."""
        return float(self.both.mean())


def bitext_accuracy(source: npt.ArrayLike, target: npt.ArrayLike) -> BitextAccuracy:
    """Retrieve each sentence's translation by cosine, from source to target and back.

    Row i of ``source`` matches row i of ``target`` and nothing else. Among equally near candidates the first is
    retrieved: of two rows with the same target at most one is right, and an encoder with the same vector for every
    sentence scores 1/n, which is chance.

    Parameters
    ----------
    source, target
        Vectors of both sides, (n, d), float; they need not be normalised.

    Returns
    -------
    BitextAccuracy
        Outcomes; the mean of ``forward`` is the accuracy that MTEB reports when sentence1 is the source.

    Raises
    ------
    InputError
        If the two sides differ in rows or in dimensions, or a vector is not finite.
    """
    source, target = matching_rows(source, target)
    forward, backward = nearest_neighbours(source, target)
    gold = np.arange(len(source))
    return BitextAccuracy(
        forward=forward.index[:, 0] == gold,
        backward=backward.index[:, 0] == gold,
    )


def f1_shares(retrieved: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.float64]:
    """Return each sentence's share in F1 as MTEB computes it: its mean is the main score of MTEB's bitext tasks.

    A target is a class with one true member. If it is retrieved for its own source and for c sources in all, its
    precision is 1/c and its recall 1, so its F1 is 2 / (1 + c); else it is 0. The mean over targets is scikit-learn's
    weighted F1. A hub, retrieved for many sources, thus counts for little even if it is right.

    Parameters
    ----------
    retrieved
        Target row retrieved for each source row, (n,); right if it equals the position, and -1 for a target that is in
        no row.

    Returns
    -------
    numpy.ndarray
        Shares in [0, 1], (n,), float64.
    """
    retrieved = np.asarray(retrieved)
    rows = len(retrieved)
    right = retrieved == np.arange(rows)
    return np.asarray(np.where(right, 2 / (1 + np.bincount(retrieved[retrieved >= 0], minlength=rows)), 0))


def matching_rows(
    source: npt.ArrayLike, target: npt.ArrayLike
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the vectors of two sides in single precision.

    Raises
    ------
    InputError
        If they are not tables of the same number of rows and dimensions.
    """
    source, target = np.asarray(source, dtype=np.float32), np.asarray(target, dtype=np.float32)
    if source.ndim != 2 or source.shape != target.shape:
        raise InputError(
            f"vectors of shape {source.shape} on one side and {target.shape} on the other: expected (n, d) on "
            "both, row i of one belonging to row i of the other"
        )
    return source, target


def xsim(
    source: npt.ArrayLike, target: npt.ArrayLike, *, margin: Margin = "ratio", k: int = NEIGHBOURHOOD
) -> float:
    """Return the error rate of retrieving each source sentence's translation, from source to target only.

    Among the k nearest targets of a source sentence by cosine, the one with the largest margin score is retrieved.

    Parameters
    ----------
    source, target
        Vectors, (n, d), float; row i of one is the translation of row i of the other. They need not be normalised.
    margin
        Margin score: see `lingualign.neighbours.margin_scores`. With ``absolute`` the rate is 1 - accuracy.
    k
        Number of neighbours of each sentence, at least 1. With ``absolute`` it has no effect.

    Returns
    -------
    float
        Error rate in [0, 1].

    Raises
    ------
    InputError
        If ``margin`` is unknown, ``k`` is below 1, or the two sides differ in rows or dimensions.

    References
    ----------
    Heffernan, Celebi and Schwenk (2022), "Bitext Mining Using Distilled Sentence
    Representations for Low-Resource Languages", and LASER's implementation.
    """
    return float(xsim_errors(source, target, margin=margin, k=k).mean())


def xsim_errors(
    source: npt.ArrayLike, target: npt.ArrayLike, *, margin: Margin = "ratio", k: int = NEIGHBOURHOOD
) -> npt.NDArray[np.bool_]:
    """Return for each source sentence whether `xsim` retrieves a wrong target: (n,) bool."""
    retrieved = margin_retrieved(*nearest_neighbours(*matching_rows(source, target), k), margin)
    return np.asarray(retrieved != np.arange(len(retrieved)))


def margin_retrieved(
    forward: Neighbours, backward: Neighbours, margin: Margin = "ratio"
) -> npt.NDArray[np.int64]:
    """Retrieve by margin among existing neighbours, in the direction of ``forward``.

    Returns
    -------
    numpy.ndarray
        Positions on the other side, (n,), int64; of equal scores that of the larger cosine, then the first.
    """
    own, theirs = (side.cosine.mean(axis=1, dtype=np.float64) for side in (forward, backward))
    score = margin_scores(forward.cosine, own[:, None], theirs[forward.index], margin)
    best = score.argmax(axis=1)[:, None]
    return np.asarray(np.take_along_axis(forward.index, best, axis=1)[:, 0])
