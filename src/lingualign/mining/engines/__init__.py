"""Where the work of `encode` and `mine` runs: in this process, in several, on a Ray cluster, in a Slurm array.

A task writes files, whole or not at all, and counts once its last one is there. What lies on the disk is therefore the
same whichever engine wrote it, a worker that dies loses nothing but the task it was at, and what one engine began
another finishes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.mining.engines.choose import open_engine
    from lingualign.mining.engines.engine import (
        Engine,
        EngineName,
        Here,
        Job,
        Task,
        Workers,
        check_workers,
    )

__all__ = ["Engine", "EngineName", "Here", "Job", "Task", "Workers", "check_workers", "open_engine"]

lazy_face(__name__)
