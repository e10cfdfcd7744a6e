"""Sanity checks: a perfect score, or a score of chance, that says nothing about translation."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from lingualign.neighbours import cosines, unit_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.evaluation.suites import Suite

SAME_DIRECTION = 0.9999
"""Cosine from which on two vectors count as the same: bf16 noise lies above, translations well below."""


def warnings(suite: Suite, vectors: dict[str, npt.NDArray[np.float32]]) -> list[str]:
    """Say in words what makes a suite's score doubtful.

    Parameters
    ----------
    suite
        The suite.
    vectors
        Its sentences' vectors by column, (rows, d) each.

    Returns
    -------
    list of str
        Empty if nothing is wrong. Reported are: blank sentences; zero vectors; a collapsed encoder, which
        gives every sentence the same vector; two languages' sides that are mostly the same text, or different
        texts with mostly the same vectors.
    """
    texts = [text for column in suite.sentences.values() for text in column]
    rows = np.concatenate(list(vectors.values()))
    found = []
    if blank := sum(not text.strip() for text in texts):
        found.append(f"{blank} of {len(texts)} sentences are blank")
    if zero := int(np.sum(~rows.any(axis=1))):
        found.append(f"{zero} of {len(texts)} sentences have a zero vector, which is near nothing")
    if len(set(texts)) > 1 and _collapsed(rows):
        found.append("every sentence has the same vector: the encoder has collapsed and the score is chance")
    elif suite.kind != "sts":
        for one, two in combinations(suite.sentences, 2):
            found += _same_sides(suite, vectors, one, two)
    return found


def _collapsed(rows: npt.NDArray[np.float32]) -> bool:
    if not rows.any():
        return True
    unit = unit_rows(rows)
    return bool(np.all(unit @ unit[0] >= SAME_DIRECTION))


def _same_sides(suite: Suite, vectors: dict[str, npt.NDArray[np.float32]], one: str, two: str) -> list[str]:
    texts_differ = np.array([a != b for a, b in zip(suite.sentences[one], suite.sentences[two], strict=True)])
    different = int(texts_differ.sum())
    if different <= suite.rows / 2:
        return [
            f"{one} and {two} are the same text in {suite.rows - different} of {suite.rows} rows: "
            "these are found without translating"
        ]
    alike = cosines(vectors[one], vectors[two]) >= SAME_DIRECTION
    if (same := int((texts_differ & alike).sum())) >= different / 2:
        return [
            f"{one} and {two} have the same vectors in {same} of the {different} rows whose texts differ: "
            "the encoder saw one side twice, or was given the answers; the score says nothing"
        ]
    return []
