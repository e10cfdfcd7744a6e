"""From the teacher's space to a student of fewer dimensions, for the loss term that anchors it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray


def anchor_projection(teacher: NDArray[np.floating], dimensions: int) -> torch.Tensor | None:
    """Find the projection that keeps the similarities of these vectors best.

    Parameters
    ----------
    teacher
        ``(n, D)``: vectors of the teacher, a sample of those to be projected.
    dimensions
        The student's.

    Returns
    -------
    Tensor or None
        ``(D, dimensions)`` with orthonormal columns: the first principal directions about zero, whose dot products are
        the nearest of this rank to the teacher's (Eckart and Young, 1936). None where the student has as many
        dimensions as the teacher, and nothing need be lost.
    """
    if teacher.shape[1] <= dimensions:
        return None
    vectors = teacher.astype(np.float64)
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    kept = directions[:, : -dimensions - 1 : -1]
    # A direction is as good as its opposite; all processes must choose the same.
    signs = np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(dimensions)])
    return torch.from_numpy((kept * signs).astype(np.float32))
