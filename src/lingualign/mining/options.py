"""The options of mining, and of where the work runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lingualign.neighbours.options import Retrieval  # noqa: TC001 - the command line reads its type


@dataclass(frozen=True)
class MineOptions:
    """Which neighbours become pairs.

    Parameters
    ----------
    retrieval
        Each sentence in one pair at most (max), only pairs that are best for both (intersect), each source
        sentence's best (forward), or each target sentence's (backward).
    threshold
        Least score of a pair; all pairs where absent.
    calibrate
        Known pairs to plant in the texts, sentence1 in the source's language: the threshold that finds them with
        the best F1 is taken.
    plot
        File for precision and recall by threshold, .svg, .png or .pdf, with --calibrate.
    candidates
        Write every neighbour, not only the best.
    approximate
        Search by inverted lists of FAISS, which miss some pairs: for a million sentences a side
        and more, where the processor is not fast at bf16.
    """

    retrieval: Retrieval = "max"
    threshold: float | None = None
    calibrate: str | None = None
    plot: str | None = None
    candidates: bool = False
    approximate: bool = False


@dataclass(frozen=True)
class EngineOptions:
    """Where the work runs.

    Parameters
    ----------
    engine
        Where it runs: in this process, in several, on a Ray cluster; slurm prints a script to submit instead.
    workers
        How many, on Slurm the tasks of an array; by default one for each GPU or four processors, and 8 on Slurm.
    address
        Of the Ray cluster, head:6379; without it $RAY_ADDRESS, and without that Ray is started on this machine.
    """

    engine: Literal["here", "processes", "ray", "slurm"] = "here"
    workers: int | None = None
    address: str | None = None
