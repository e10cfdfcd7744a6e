"""Bitext retrieval: whether each sentence's nearest neighbour on the other side is its translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lingualign.neighbours import nearest_neighbours

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class BitextAccuracy:
    """The outcome for each sentence of a bitext, in both directions.

    Attributes
    ----------
    forward
        (n,) bool: the nearest of all targets to source i is target i.
    backward
        (n,) bool: the nearest of all sources to target i is source i.
    """

    forward: npt.NDArray[np.bool_]
    backward: npt.NDArray[np.bool_]

    @property
    def both(self) -> npt.NDArray[np.float64]:
        """(n,), each 0, 0.5 or 1: the mean of the two directions."""
        return (self.forward.astype(np.float64) + self.backward) / 2

    @property
    def accuracy(self) -> float:
        """The mean over sentences and directions, in [0, 1]: the figure the paper gives for Tatoeba."""
        return float(self.both.mean())


def bitext_accuracy(source: npt.ArrayLike, target: npt.ArrayLike) -> BitextAccuracy:
    """Retrieve each sentence's translation by cosine, from source to target and back.

    Row i of ``source`` matches row i of ``target`` and nothing else. Among equally near candidates the first
    counts as retrieved: of two rows with the same target at most one is right, and an encoder that gives the
    same vector for every sentence scores 1/n, which is chance.

    Parameters
    ----------
    source, target
        (n, d), float; they need not be normalised.

    Returns
    -------
    BitextAccuracy
        Its ``forward`` mean is the accuracy that MTEB reports when sentence1 is the source.
    """
    source, target = np.asarray(source, dtype=np.float32), np.asarray(target, dtype=np.float32)
    forward, backward = nearest_neighbours(source, target)
    gold = np.arange(len(source))
    return BitextAccuracy(
        forward=forward.index[:, 0] == gold,
        backward=backward.index[:, 0] == gold,
    )
