"""McNemar's exact test of two models on the same sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class McNemar:
    """What decides between two models: the outcomes on which they differ."""

    only_a: int
    """Outcomes that A has right and B wrong."""
    only_b: int
    """Outcomes that B has right and A wrong."""
    p: float
    """Two-sided and exact."""


def mcnemar(a: npt.ArrayLike, b: npt.ArrayLike) -> McNemar:
    """Test whether two models are right equally often, by the sentences that only one of them has right.

    Parameters
    ----------
    a, b
        (n,) bool: whether each model has a sentence right; one outcome a sentence.

    References
    ----------
    McNemar (1947), "Note on the sampling error of the difference between correlated proportions or percentages".
    """
    from scipy.stats import binomtest

    a, b = np.asarray(a, bool), np.asarray(b, bool)
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    p = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return McNemar(only_a, only_b, p)
