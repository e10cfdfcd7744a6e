"""Engines that run the work of `encode` and `mine`: this process, several processes, a Ray cluster, a Slurm array.

A task writes files, each whole or not at all, and is done once its last file exists. All engines therefore write the
same files, a crashed worker loses only its current task, and one engine resumes the work of another.
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
