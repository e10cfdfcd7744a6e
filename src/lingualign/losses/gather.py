"""Negatives across devices: everybody's columns against this device's rows.

Each process computes the loss of its own rows against the vectors of all processes, and gradients flow back through
the gather. DDP's mean over processes is then exactly the gradient of the whole batch on one device: no rescaling.
"""

from __future__ import annotations

import torch.distributed as dist
from sentence_transformers.util import all_gather, all_gather_with_grad
from torch import Tensor


def world() -> tuple[int, int]:
    """This process's rank and the number of processes; ``(0, 1)`` outside distributed training."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def gather_columns(vectors: Tensor) -> Tensor:
    """``(N, ...)`` of each process to ``(world * N, ...)``, in rank order; with gradient where there is one."""
    if world()[1] == 1:
        return vectors
    return all_gather_with_grad(vectors) if vectors.requires_grad else all_gather(vectors)
