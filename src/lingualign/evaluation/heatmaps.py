"""Similarities of a student across languages and of its teacher within one, on the same sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.evaluation.narrowing import name_languages
from lingualign.languages import is_language, language_code

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from lingualign.embedding.encoders import SentenceEncoder
    from lingualign.evaluation.suites import Suite

ROWS = 16


def similarity_matrices(
    student: SentenceEncoder,
    teacher: SentenceEncoder,
    anchors: list[str],
    others: list[str],
    *,
    kept: Path | None = None,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Compute the two sides of Eq. 1: sim_T(x_i, x_j), and sim_S(x_i, y_j), which is to follow it.

    Parameters
    ----------
    student, teacher
        As `lingualign.embedding.encoders.open_encoder` gives them.
    anchors, others
        The sentences x, in the teacher's language, and their translations y.
    kept
        A folder of vectors encoded before, see `lingualign.embedding.encoders.kept`.

    Returns
    -------
    teacher, student : ndarray, shape (n, n)
    """
    within = _vectors(teacher, anchors, kept)
    one, two = (_vectors(student, side, kept) for side in (anchors, others))
    return within @ within.T, one @ two.T


def anchor_and_others(suite: Suite) -> tuple[list[str], list[str]]:
    """Take the first rows of a suite of translations, the English side first where there is one.

    English is told by the column, or by the place in the suite's name: the second side of ``tatoeba/fra-eng``.
    """
    columns = list(suite.sentences)
    named = [] if suite.kind == "nway" else name_languages(suite.name)
    names = named if len(named) == 2 else columns
    english = [is_language(name) and language_code(name) == "en" for name in names]
    anchor = english.index(True) if any(english) else 0
    other = 1 if anchor == 0 else 0
    rows = min(ROWS, suite.rows)
    return suite.sentences[columns[anchor]][:rows], suite.sentences[columns[other]][:rows]


def _vectors(encoder: SentenceEncoder, texts: list[str], kept: Path | None) -> npt.NDArray[np.float64]:
    from lingualign.embedding.encoders import encode_kept

    place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
    return encode_kept(encoder, list(place), kept)[[place[text] for text in texts]].astype(np.float64)
