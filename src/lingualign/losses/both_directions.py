"""Eq. 2 in closed form, value and gradient, where all sentences are on one device.

Both directions are then softmaxes of one matrix of similarities ``s``, over its rows and over its columns. With
``e_ij = exp((s_ij - 1) / tau)`` and its sums ``r_i = sum_j e_ij`` and ``c_j = sum_i e_ij``, where the rows of ``w`` sum
to one,

    L = (1/N) sum_i (log r_i + log c_i) - (1 / (N tau)) sum_ij (w_ij + w_ji) (s_ij - 1)

    dL/ds_ij = (1 / (N tau)) [ e_ij (1 / r_i + 1 / c_j) - (w_ij + w_ji) ]

so one exponential serves both directions and the backward pass, which autograd would give four softmaxes and some
twenty passes over the matrix. No matrix is kept for the backward pass: the gradient of the vectors is.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

LEAST_TEMPERATURE = 0.025
"""Below it the exponential of a similarity of -1 is no normal float32 number: rows need their own maximum."""


def both_directions(x: Tensor, y: Tensor, label: Tensor, temperature: float) -> Tensor:
    """Eq. 2 of unit vectors.

    Parameters
    ----------
    x, y
        ``(N, D)`` float32 of length one (or zero): the student's vectors of the two sides.
    label
        ``(N, N)`` float32: ``w``, whose rows sum to one. It gets no gradient.
    temperature
        ``tau``, at least `LEAST_TEMPERATURE`.

    Returns
    -------
    Tensor
        A scalar.
    """
    loss: Tensor = _BothDirections.apply(x, y, label, temperature)  # type: ignore[no-untyped-call]
    return loss


class _BothDirections(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, label: Tensor, temperature: float) -> Tensor:
        scale = 1 / (temperature * len(x))
        with torch.autocast(x.device.type, enabled=False):
            both_labels = label + label.T
            e = torch.mm(x, y.T).sub_(1)
            agreement = torch.dot(e.flatten(), both_labels.flatten())
            e.div_(temperature).exp_()
            rows, columns = e.sum(1), e.sum(0)
            if any(ctx.needs_input_grad):
                slope = (e / rows[:, None]).addcdiv_(e, columns).sub_(both_labels).mul_(scale)
                ctx.save_for_backward(slope @ y, slope.T @ x)
        return (rows.log() + columns.log()).mean() - scale * agreement

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor, None, None]:
        of_x, of_y = ctx.saved_tensors
        return slope * of_x, slope * of_y, None, None
