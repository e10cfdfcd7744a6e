"""Negatives across devices: everybody's columns against this device's rows.

Each process computes the loss of its own rows against the vectors of all processes, and gradients flow back
through the gather. DDP's mean over processes is then exactly the gradient of the whole batch on one device:
no rescaling.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from sentence_transformers.util import all_gather, all_gather_with_grad
from torch import Tensor


def world() -> tuple[int, int]:
    """Return this process's rank and the number of processes; ``(0, 1)`` outside distributed training."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def place_in_world(rows: int, device: torch.device) -> tuple[int, int]:
    """Find this process's rows among the columns of all: the first one's column, and how many columns.

    Raises
    ------
    ValueError
        On every process, if they do not all have as many rows: an uneven gather hangs or mixes up vectors.
    """
    rank, processes = world()
    if processes > 1:
        check_equal(all_gather(torch.tensor([rows], device=device)).tolist())
    return rank * rows, processes * rows


def check_equal(counts: list[int]) -> None:
    """Raise ValueError where the processes' batches are not of one size."""
    if len(set(counts)) > 1:
        raise ValueError(
            f"the processes of this step have batches of {counts} pairs; they must be equal to share "
            "their sentences. Set dataloader_drop_last=True, or use a sampler that deals equal batches"
        )


def gather_columns(vectors: Tensor) -> Tensor:
    """``(N, ...)`` of each process to ``(world * N, ...)``, in rank order; with gradient if it has one."""
    if world()[1] == 1:
        return vectors
    return all_gather_with_grad(vectors) if vectors.requires_grad else all_gather(vectors)
