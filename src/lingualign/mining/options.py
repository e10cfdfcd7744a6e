"""The options of mining and of the engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lingualign.neighbours.options import Retrieval  # noqa: TC001 - the command line reads its type


@dataclass(frozen=True)
class MineOptions:
    """Choice of the neighbours that become pairs.

    Parameters
    ----------
    retrieval
        Choice of pairs: each sentence in one pair at most (max), only pairs that are best for both (intersect), each
        source sentence's best (forward), or each target sentence's (backward).
    threshold
        Least score of a pair; all pairs by default.
    calibrate
        Known pairs, sentence1 in the source's language. They are planted in the texts, and the threshold that finds
        them with the best F1 is used.
    plot
        File for precision and recall by threshold, .svg, .png or .pdf, with --calibrate.
    candidates
        Write every neighbour, not only the best.
    approximate
        Search by inverted lists of FAISS, which miss some pairs. Use it for a million sentences a side and more, where
        the processor is not fast at bf16.
    """

    retrieval: Retrieval = "max"
    threshold: float | None = None
    calibrate: str | None = None
    plot: str | None = None
    candidates: bool = False
    approximate: bool = False


@dataclass(frozen=True)
class EngineOptions:
    """Place where the work runs.

    Parameters
    ----------
    engine
        Place of the work: this process, several processes, or a Ray cluster; slurm prints a script to submit instead.
    workers
        Number of workers, on Slurm of array tasks; by default one for each GPU or four processors, and 8 on Slurm.
    address
        Address of the Ray cluster, head:6379; by default $RAY_ADDRESS, else Ray is started on this machine.
    """

    engine: Literal["here", "processes", "ray", "slurm"] = "here"
    workers: int | None = None
    address: str | None = None
