"""The paper's Figure 1 from real data: the student's similarities across languages beside the teacher's within one."""

from __future__ import annotations

import io
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import east_asian_width

from lingualign.errors import InputError
from lingualign.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes

LONGEST_LABEL = 28


def check_heatmaps() -> None:
    """Refuse, before any work, to draw without matplotlib."""
    if find_spec("matplotlib") is None:
        raise InputError("heatmaps need the package matplotlib: pip install 'lingualign[plots]'")


def save_heatmaps(
    teacher: npt.NDArray[np.float64],
    student: npt.NDArray[np.float64],
    labels: tuple[Sequence[str], Sequence[str]],
    path: str | Path,
) -> Path:
    """Draw two matrices of cosines on one scale, as SVG; needs the extra ``lingualign[plots]``.

    The sentences are kept as text, in the fonts of whoever opens the file, which have the signs of their script.

    Parameters
    ----------
    teacher
        (n, n), sim_T(x_i, x_j).
    student
        (n, n), sim_S(x_i, y_j).
    labels
        The sentences x and y.
    path
        A file ``.svg``.

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
        # Of matplotlib's font, which is not the one that the sentences are shown in.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        # Signs that it lacks may be narrow boxes to it: room is made for stand-ins of their true width.
        _label(panels, [_stand_in(text) for text in anchors], [_stand_in(text) for text in others])
        figure.savefig(io.BytesIO(), format="svg")
        figure.set_layout_engine("none")
        _label(panels, anchors, others)
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, drawn.getvalue())
    except OSError as error:
        raise InputError(
            f"heatmaps cannot be written to {path}: {error.strerror}; give another file"
        ) from error
    return path


def _label(panels: Sequence[Axes], anchors: Sequence[str], others: Sequence[str]) -> None:
    for axes, columns in zip(panels, (anchors, others), strict=True):
        axes.set_yticks(range(len(anchors)), anchors, fontsize=7)
        # Held where they meet the matrix, so that the viewer's font makes them longer on the other side alone.
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
