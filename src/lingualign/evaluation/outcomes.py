"""The outcomes of all sentences of the suites, from which every figure and every comparison is computed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.evaluation.bitext import BitextAccuracy

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.evaluation.suites import Kind
    from lingualign.neighbours import Margin


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """Retrieval from one language to another.

    Sentences have numbers: in a row its position, without a pair the numbers from n on, ``sentence2``'s first.
    """

    retrieved: dict[Margin, npt.NDArray[np.int64]]
    """Retrieved rows by margin, (n,), -1 for a sentence without a pair"""
    nearest: npt.NDArray[np.int64]
    """Numbers of the two nearest by cosine, (n, 2)"""
    turned: dict[Margin, npt.NDArray[np.int64]]
    """Outcomes that turn, as in `turns`, by each margin but ``absolute``"""

    def right(self, margin: Margin = "absolute") -> npt.NDArray[np.bool_]:
        """Return whether each sentence retrieves its translation: (n,)."""
        return np.asarray(self.retrieved[margin] == np.arange(len(self.nearest)))

    def turns(self, margin: Margin = "absolute") -> npt.NDArray[np.int64]:
        """Return the outcomes that turn, from right to wrong or back, without one sentence: (m, 2) rows and numbers."""
        if margin != "absolute":
            return self.turned[margin]
        rows = np.arange(len(self.nearest))
        second = (self.nearest[:, 0] != rows) & (self.nearest[:, 1] == rows)
        return np.stack([rows[second], self.nearest[second, 0]], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Retrieved:
    """Retrieval between two languages, in both directions."""

    forward: Way
    backward: Way

    def hits(self, margin: Margin = "absolute") -> BitextAccuracy:
        """Return for each sentence whether it retrieves its translation."""
        return BitextAccuracy(self.forward.right(margin), self.backward.right(margin))


@dataclass(frozen=True, slots=True, eq=False)
class Mined:
    """Mined pairs of the source sentences of the pairs, then of all other mined sentences."""

    source: npt.NDArray[np.int64]
    """Positions of the source sentences, (n,); those of the pairs are their rows"""
    target: npt.NDArray[np.int64]
    """Positions of the mined target sentences, (n,), -1 for none"""
    right: npt.NDArray[np.bool_]
    """True where the two are a pair, (n,)"""
    wanted: npt.NDArray[np.int64]
    """Number of pairs of each sentence, (n,)"""
    threshold: float | None
    """Least margin of a mined pair; None if there was no pair to choose it on."""
    threshold_from: str
    """``training``, or ``test`` if there is no training split."""

    @property
    def counts(self) -> npt.NDArray[np.float64]:
        """Numbers of pairs mined right, of pairs mined, and of existing pairs, by sentence: (n, 3)."""
        return np.stack([self.right, self.target >= 0, self.wanted], axis=1).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class SuiteOutcomes:
    """The outcomes of one suite.

    Attributes
    ----------
    name, group, kind
        Name, group and kind of the `Suite`.
    sentences
        Id of each row.
    retrieval
        Retrieval by language pair, in the order of the columns; empty for sts.
    predicted, gold
        Cosines and people's scores, (rows,) float64; only for sts.
    mined
        Mined pairs; only for mining.
    space
        Figures of the space of vectors; empty for sts.
    warnings
        Reasons to doubt the suite's figures.
    """

    name: str
    group: str
    kind: Kind
    sentences: list[str]
    retrieval: dict[str, Retrieved] = field(default_factory=dict)
    predicted: npt.NDArray[np.float64] | None = None
    gold: npt.NDArray[np.float64] | None = None
    mined: Mined | None = None
    space: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Number of rows that were scored."""
        return len(self.sentences)


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """The outcomes of one model on its suites, by name."""

    model: dict[str, Any]
    """``name``, ``fingerprint``, ``dimensions``, ``prompt``, and the encoder's own description."""
    version: str
    """Version of lingualign."""
    suites: dict[str, SuiteOutcomes]


def sentence_ids(sentences: dict[str, list[str]]) -> list[str]:
    """Return an id of each row's text: 16 hexadecimal digits, and the number of the copy if rows repeat."""
    seen: Counter[str] = Counter()
    ids = []
    for texts in zip(*sentences.values(), strict=True):
        digest = blake2b("\0".join(texts).encode(errors="surrogatepass"), digest_size=8).hexdigest()
        seen[digest] += 1
        ids.append(digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
    return ids
