"""The paper's equations, 2 to 7, as pure functions of vectors.

*Improving Multi-lingual Alignment Through Soft Contrastive Learning* (Park et al., 2024). For translation
pairs ``(x_i, y_i)`` and a label matrix ``w`` whose rows sum to one, the student's cross-lingual similarities
are trained towards the similarities that a frozen teacher sees within one language.

Notation, kept in the names below: ``x`` and ``y`` are the student's vectors of the two sides, ``t`` the
teacher's. ``sim`` is the cosine. Vectors come in any floating type and any length; they are normalised here,
and every similarity, softmax and loss is computed in float32, so a temperature of 0.005 stays finite under
autocast.

Negatives from other devices or from a cache are *columns*: the rows of a matrix are this device's sentences,
the columns everybody's. Where no columns are given they are the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from lingualign.losses.both_directions import LEAST_TEMPERATURE, both_directions

if TYPE_CHECKING:
    from collections.abc import Sequence


_SHORTEST = 1e-6


def normalise(vectors: Tensor) -> Tensor:
    """Scale ``(..., D)`` vectors to unit length, in float32; a zero vector stays zero.

    The gradient grows with 1 / length. A vector of length 1e-6 or less has no direction to turn: its gradient is 0.
    """
    vectors = vectors.float()
    length = torch.linalg.vector_norm(vectors.detach(), dim=-1, keepdim=True)
    return F.normalize(torch.where(length > _SHORTEST, vectors, vectors.detach()), dim=-1)


def similarity(rows: Tensor, columns: Tensor) -> Tensor:
    """``sim(a_i, b_j)`` of unit vectors, float32 under autocast too: ``(N, D)``, ``(M, D)`` to ``(N, M)``."""
    with torch.autocast(rows.device.type, enabled=False):
        return rows.float() @ columns.float().T


def hard_label(
    rows: int, columns: int | None = None, offset: int = 0, device: torch.device | None = None
) -> Tensor:
    """Eq. 3: ``w_ij = 1 if i = j else 0``, where row ``i`` of this device is column ``offset + i``."""
    label = torch.zeros(rows, columns or rows, device=device)
    return label.diagonal_scatter(torch.ones(rows, device=device), offset)


def soft_label(teacher: Tensor, temperature: float, columns: Tensor | None = None) -> Tensor:
    """Eq. 4 and 5: the softmax of the teacher's similarities within a language.

    Parameters
    ----------
    teacher
        ``(N, V, D)``: for each pair, V teacher vectors. V = 1, the anchor side: the Priority label (Eq. 4),
        ``w_ij = softmax_j(sim_T(a_i, a_j) / tau)``. V = 2, both sides: the Average label (Eq. 5),
        ``w_ij = softmax_j((sim_T(x_i, x_j) + sim_T(y_i, y_j)) / 2 / tau)``.
    temperature
        ``tau`` of the label.
    columns
        ``(M, V, D)``: the teacher's vectors of all columns; the rows themselves where absent.

    Returns
    -------
    Tensor
        ``(N, M)`` float32, rows sum to one, no gradient.
    """
    with torch.no_grad():
        rows = normalise(teacher)
        columns = rows if columns is None else normalise(columns)
        # The mean over views of V dot products is one dot product of the views laid end to end, over V. What divides
        # it divides the smaller matrix.
        rows = rows.flatten(1) / (teacher.shape[1] * temperature)
        return F.softmax(similarity(rows, columns.flatten(1)), dim=1)


def label_entropy(label: Tensor) -> Tensor:
    """Mean entropy of a label's rows, in nats: 0 is a hard label, ``log M`` says nothing at all."""
    # Where a label is 0 its logarithm may be any number.
    logarithm = label.clamp_min(torch.finfo(label.dtype).tiny).log_()
    return -torch.dot(label.flatten(), logarithm.flatten()) / len(label)


def cross_entropy(
    label: Tensor, similarities: Tensor, temperature: float, excluded: Tensor | None = None
) -> Tensor:
    """``-(1/N) sum_i sum_j w_ij log softmax_j(sim_ij / tau)``, one direction of Eq. 2.

    ``excluded`` marks entries of ``(N, M)`` that leave the softmax; their label must be zero.
    """
    logits = similarities / temperature
    if excluded is not None:
        # The lowest finite number and not -inf: its label is 0, and 0 * -inf would be NaN.
        logits = logits.masked_fill(excluded, torch.finfo(logits.dtype).min)
    return F.cross_entropy(logits, label)


def cross_lingual_loss(
    x: Tensor,
    y: Tensor,
    label: Tensor,
    temperature: float,
    *,
    x_columns: Tensor | None = None,
    y_columns: Tensor | None = None,
    excluded: Tensor | None = None,
) -> Tensor:
    """Eq. 2: both directions, summed.

    Parameters
    ----------
    x, y
        ``(N, D)``: the student's vectors of the two sides.
    label
        ``(N, M)``: ``w``.
    temperature
        ``tau`` of the student.
    x_columns, y_columns
        ``(M, D)``: the vectors to compare with, where they are more than ``x`` and ``y``.
    excluded
        ``(N, M)`` boolean: entries that are no negatives, such as a second copy of the same sentence.

    Returns
    -------
    Tensor
        A scalar.
    """
    x, y = normalise(x), normalise(y)
    alone = x_columns is None and y_columns is None
    if alone and excluded is None and temperature >= LEAST_TEMPERATURE:
        return both_directions(x, y, label, temperature)
    if alone:
        forward = similarity(x, y)
        backward = forward.T  # sim(y_i, x_j) = sim(x_j, y_i): one product serves both directions
    else:
        forward = similarity(x, y if y_columns is None else normalise(y_columns))
        backward = similarity(y, x if x_columns is None else normalise(x_columns))
    return cross_entropy(label, forward, temperature, excluded) + cross_entropy(
        label, backward, temperature, excluded
    )


def monolingual_loss(
    x: Tensor,
    y: Tensor,
    label: Tensor,
    temperature: float,
    *,
    x_columns: Tensor | None = None,
    y_columns: Tensor | None = None,
    diagonal: bool = True,
    offset: int = 0,
    excluded: Tensor | None = None,
) -> Tensor:
    """Eq. 6: the mean of the same cross-entropy on ``sim_S(x_i, x_j)`` and on ``sim_S(y_i, y_j)``.

    ``diagonal=False`` takes each sentence's similarity to itself out of the matrices and out of the label,
    whose rows are scaled back to one. Row ``i`` is column ``offset + i``.
    """
    x, y = normalise(x), normalise(y)
    x_columns = x if x_columns is None else normalise(x_columns)
    y_columns = y if y_columns is None else normalise(y_columns)
    if not diagonal:
        itself = hard_label(label.shape[0], label.shape[1], offset, label.device).bool()
        label = label.masked_fill(itself, 0)
        label = label / label.sum(1, keepdim=True).clamp_min(torch.finfo(label.dtype).tiny)
        excluded = itself if excluded is None else excluded | itself
    return (
        cross_entropy(label, similarity(x, x_columns), temperature, excluded)
        + cross_entropy(label, similarity(y, y_columns), temperature, excluded)
    ) / 2


def tcm_loss(cross: Tensor, monolingual: Tensor, cross_weight: float) -> tuple[Tensor, Tensor]:
    """Eq. 7: the two terms of ``lambda L_cross + (1 - lambda) L_mono``."""
    return cross_weight * cross, (1 - cross_weight) * monolingual


def anchor_loss(
    sides: Sequence[Tensor],
    anchor: Tensor,
    label: Tensor,
    temperature: float,
) -> Tensor:
    """Eq. 2's cross-entropy on the student's similarities to the teacher's vectors: no part of the paper.

    ``-(1/N) sum_i sum_j w_ij log softmax_j(sim(s_i, t_j) / tau)``, summed over the sides ``s`` of the pairs. It keeps
    the student's space where the teacher's is, as distillation does, but asks for similarities only.

    Parameters
    ----------
    sides
        ``(N, D)`` each: the student's vectors of the sides.
    anchor
        ``(M, D)``: the teacher's vectors of the anchor side of all columns, in the student's dimensions.
    label
        ``(N, M)``: ``w``.
    temperature
        ``tau`` of the student.
    """
    anchor = normalise(anchor)
    terms = [cross_entropy(label, similarity(normalise(side), anchor), temperature) for side in sides]
    return torch.stack(terms).sum()


def distillation_loss(sides: Sequence[Tensor], teacher: Tensor) -> Tensor:
    """MSE distillation (Reimers and Gurevych, 2020): all sides are pulled to the teacher's source vector.

    Each side and ``teacher`` are ``(N, D)``. The squared distances are averaged over pairs and dimensions and summed
    over the two sides; of more than two, over the sides of the mean language pair.
    """
    distances = torch.stack([F.mse_loss(side.float(), teacher.float()) for side in sides])
    return 2 * distances.mean()
