"""The engine of a Slurm cluster: a script that submits the steps of the work as jobs, each after the one before."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = 8
"""Tasks of an array where no number is given."""


@dataclass(frozen=True, slots=True)
class Step:
    """A job: commands of lingualign, one after the other.

    Parameters
    ----------
    name
        Of the job, behind ``lingualign-``.
    commands
        Their arguments.
    parts
        For an array of so many tasks, each of which is told its ``--part``.
    """

    name: str
    commands: Sequence[Sequence[str]]
    parts: int | None = None


def submission(steps: Sequence[Step]) -> str:
    """Write the script.

    What is given to it goes to every ``sbatch``. All steps go on from what lies there, so that it may be submitted
    again after any failure.
    """
    lines = [
        "#!/bin/bash",
        "# Submit with: bash SCRIPT [options of sbatch for every job, such as --partition=gpu --gpus-per-task=1]",
        "# All machines must see the same files by the same names. After a failure, submit again: what is done stays.",
        "set -euo pipefail",
    ]
    previous = ""
    for number, step in enumerate(steps, start=1):
        job = f"step{number}"
        after = f' --dependency="afterok:${{{previous}%%;*}}" --kill-on-invalid-dep=yes' if previous else ""
        lines += [
            "",
            f"{job}=$(sbatch --parsable{after} \"$@\" <<'JOB'",
            "#!/bin/bash",
            f"#SBATCH --job-name=lingualign-{step.name}",
        ]
        if step.parts is not None:
            lines.append(f"#SBATCH --array=1-{step.parts}")
        lines += ["#SBATCH --requeue", "#SBATCH --open-mode=append", "set -euo pipefail"]
        part = f' --part "$SLURM_ARRAY_TASK_ID/{step.parts}"' if step.parts is not None else ""
        lines += [
            shlex.join([sys.executable, "-m", "lingualign", *command]) + part for command in step.commands
        ]
        lines += ["JOB", ")"]
        previous = job
    lines += ["", f'echo "the last of {len(steps)} jobs is ${previous}"']
    return "\n".join(lines) + "\n"
