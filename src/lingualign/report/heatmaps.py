"""The paper's Figure 1 from real data: the student's similarities across languages and the teacher's within one."""

from __future__ import annotations

import io
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

import numpy as np

from lingualign.errors import InputError
from lingualign.evaluation.suites import name_languages
from lingualign.languages import is_language, language_code
from lingualign.store import write_atomically, writing_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes

    from lingualign.embedding.encoders import SentenceEncoder
    from lingualign.evaluation.suites import Suite

LONGEST_LABEL = 28
ROWS = 16


def check_heatmaps() -> None:
    """Raise InputError, before any work, if matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise InputError("heatmaps need the package matplotlib: pip install 'lingualign[plots]'")


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
        Encoders, as `lingualign.embedding.encoders.open_encoder` returns them.
    anchors, others
        The sentences x, in the teacher's language, and their translations y.
    kept
        Folder of cached vectors, see `lingualign.embedding.encoders.kept`.

    Returns
    -------
    teacher, student : ndarray, shape (n, n)
    """
    within = _vectors(teacher, anchors, kept)
    one, two = (_vectors(student, side, kept) for side in (anchors, others))
    return within @ within.T, one @ two.T


def anchor_and_others(suite: Suite) -> tuple[list[str], list[str]]:
    """Return the first rows of a suite of translations, the English side first if there is one.

    The English side follows from the columns, or from the order in the suite's name: the second of ``tatoeba/fra-eng``.
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


def save_heatmaps(
    teacher: npt.NDArray[np.float64],
    student: npt.NDArray[np.float64],
    labels: tuple[Sequence[str], Sequence[str]],
    path: str | Path,
) -> Path:
    """Draw two matrices of cosines on one scale, as SVG; needs the extra ``lingualign[plots]``.

    The sentences are written as text, so that the viewer's fonts supply the characters of their script.

    Parameters
    ----------
    teacher
        Matrix sim_T(x_i, x_j), (n, n).
    student
        Matrix sim_S(x_i, y_j), (n, n).
    labels
        The sentences x and y.
    path
        File ``.svg``.

    Raises
    ------
    InputError
        If matplotlib is not installed, or the file cannot be written.
    """
    check_heatmaps()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    path = Path(path)
    n = len(teacher)
    size = max(4.0, 0.34 * n + 2.2)
    figure = Figure(figsize=(2 * size, size), layout="constrained")
    low, high = min(teacher.min(), student.min()), max(teacher.max(), student.max())
    anchors, others = ([_short(text) for text in side] for side in labels)
    panels = figure.subplots(1, 2)
    for axes, matrix, title in zip(
        panels, (teacher, student), ("teacher, within one language", "student, across languages"), strict=True
    ):
        image = axes.imshow(matrix, vmin=low, vmax=high, cmap="viridis")
        axes.set_title(title)
    figure.colorbar(image, ax=figure.axes, label="cosine", shrink=0.8)
    drawn = io.BytesIO()
    with rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
        # The warning is about matplotlib's font; the viewer shows the sentences in another.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        # Missing characters may count as narrow boxes: the layout is made with stand-ins of their true width.
        _label(panels, [_stand_in(text) for text in anchors], [_stand_in(text) for text in others])
        figure.savefig(io.BytesIO(), format="svg")
        figure.set_layout_engine("none")
        _label(panels, anchors, others)
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    with writing_result("heatmaps", path):
        write_atomically(path, drawn.getvalue())
    return path


def _label(panels: Sequence[Axes], anchors: Sequence[str], others: Sequence[str]) -> None:
    for axes, columns in zip(panels, (anchors, others), strict=True):
        axes.set_yticks(range(len(anchors)), anchors, fontsize=7)
        # Anchored at the matrix, so that a wider font of the viewer extends them away from it.
        axes.set_xticks(
            range(len(columns)),
            columns,
            fontsize=7,
            rotation=90,
            rotation_mode="anchor",
            ha="right",
            va="center",
        )


def _stand_in(text: str) -> str:
    return "".join("\N{EM DASH}" if east_asian_width(sign) in "FW" else sign for sign in text)


def _short(text: str) -> str:
    text = " ".join(text.split())
    text = text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 3]}..."
    # A dollar begins a formula.
    return text.replace("$", r"\$")
