"""The paper's Figure 1 from real data: the student's similarities across languages beside the teacher's within one."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt

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
    from matplotlib.figure import Figure

    path = Path(path)
    n = len(teacher)
    size = max(4.0, 0.34 * n + 2.2)
    figure = Figure(figsize=(2 * size, size), layout="constrained")
    low, high = min(teacher.min(), student.min()), max(teacher.max(), student.max())
    anchors, others = ([_short(text) for text in side] for side in labels)
    for axes, matrix, title, columns in zip(
        figure.subplots(1, 2),
        (teacher, student),
        ("teacher, within one language", "student, across languages"),
        (anchors, others),
        strict=True,
    ):
        axes.imshow(matrix, vmin=low, vmax=high, cmap="viridis")
        axes.set_title(title)
        axes.set_xticks(range(n), columns, rotation=90, fontsize=7)
        axes.set_yticks(range(n), anchors, fontsize=7)
    figure.colorbar(figure.axes[-1].images[0], ax=figure.axes, label="cosine", shrink=0.8)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg", metadata={"Date": None})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, drawn.getvalue())
    except OSError as error:
        raise InputError(
            f"heatmaps cannot be written to {path}: {error.strerror}; give another file"
        ) from error
    return path


def _short(text: str) -> str:
    # A dollar begins a formula.
    text = text.replace("$", r"\$")
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 3]}..."
