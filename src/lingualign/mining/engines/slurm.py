"""The engine of a Slurm cluster: a script that submits the steps of the work as jobs, one after the other."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PARTS = 8
"""Default number of tasks of an array."""

_HEAD = """#!/bin/bash
# Submit with: bash SCRIPT [options of sbatch for every job, such as --partition=gpu --gpus-per-task=1]
# All machines must see the same files by the same names. After a failure, submit again: what is done stays.
set -euo pipefail
"""
_JOB = """
{job}=$(sbatch --parsable{after} "$@" <<'JOB'
#!/bin/bash
#SBATCH --job-name=lingualign-{name}
{array}#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
{commands}
JOB
)
"""
_AFTER = ' --dependency="afterok:${{{last}%%;*}}" --kill-on-invalid-dep=yes'


@dataclass(frozen=True, slots=True)
class Step:
    """A job: commands of lingualign, one after the other.

    Parameters
    ----------
    name
        Name of the job, after ``lingualign-``.
    commands
        Arguments of the commands.
    parts
        Number of tasks of an array, each with its own ``--part``; None for a single job.
    """

    name: str
    commands: Sequence[Sequence[str]]
    parts: int | None = None


def submission(steps: Sequence[Step]) -> str:
    """Return the script.

    The script passes its arguments to every ``sbatch``. All steps resume, so it may be submitted again after any
    failure.
    """
    script, last = _HEAD, ""
    for number, step in enumerate(steps, start=1):
        array, part = "", ""
        if step.parts is not None:
            array, part = f"#SBATCH --array=1-{step.parts}\n", f' --part "$SLURM_ARRAY_TASK_ID/{step.parts}"'
        commands = "\n".join(
            shlex.join([sys.executable, "-m", "lingualign", *command]) + part for command in step.commands
        )
        after = _AFTER.format(last=last) if last else ""
        last = f"step{number}"
        script += _JOB.format(job=last, after=after, name=step.name, array=array, commands=commands)
    return script + f'\necho "the last of {len(steps)} jobs is ${last}"\n'
