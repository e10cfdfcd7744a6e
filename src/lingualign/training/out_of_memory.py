"""Out of memory: how many sentences at a time would have fitted, found by trying."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.base.losses.merged_forward import merge_feature_batches

from lingualign.errors import is_out_of_memory
from lingualign.losses.in_batch import take_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

_MATRICES = 8
"""Matrices of the batch's similarities that a loss and its gradient hold at a time, about."""


def largest_that_fits(
    model: nn.Module,
    features: Sequence[dict[str, Any]],
    optimizer: torch.optim.Optimizer | None,
    *,
    below: int,
    columns: int,
) -> int:
    """Find how many sentences a model can embed and send gradients back through, a power of two.

    The longest sentences of a batch are tried, beside what the loss and the optimizer will need of memory.

    Parameters
    ----------
    model
        The student, in training mode; left without gradients.
    features
        The batch that did not fit, column by column.
    optimizer
        The optimizer; its state is counted where it does not exist yet.
    below
        Number of sentences that did not fit.
    columns
        Number of sentences that each one is compared with.

    Returns
    -------
    int
        0 if not even one fits.
    """
    release(model)
    batch = merge_feature_batches(list(features)) or features[0]
    longest = batch["attention_mask"].sum(1).argsort(descending=True)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    fits = 1 << (min(below, len(longest)) - 1).bit_length() >> 1
    while fits:
        part = take_rows(batch, longest[:fits])
        if _fits(model, part, trained, optimizer, len(features[0]["attention_mask"]) * columns):
            return fits
        fits //= 2
    return 0


def _fits(
    model: nn.Module,
    features: dict[str, Any],
    trained: list[nn.Parameter],
    optimizer: torch.optim.Optimizer | None,
    similarities: int,
) -> bool:
    held: list[Tensor] = []
    try:
        if optimizer is not None and not optimizer.state:
            held += [torch.empty_like(parameter) for parameter in trained for _ in range(2)]
        held.append(torch.empty(_MATRICES * similarities, device=trained[0].device))
        model(features)["sentence_embedding"].sum().backward()
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return False
    else:
        return True
    finally:
        held.clear()
        release(model)


def release(model: nn.Module) -> None:
    """Free what a failed step may still hold."""
    model.zero_grad(set_to_none=True)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
