"""One of several calls that share the tasks of a job without knowing of each other: a task of a Slurm array."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lingualign.errors import InputError


@dataclass(frozen=True, slots=True)
class Part:
    """Number ``number`` of ``of``, from 1."""

    number: int
    of: int

    def takes(self, task: int) -> bool:
        """Whether a task, numbered from 0, falls to it."""
        return task % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def parse_part(part: str) -> Part:
    """Read ``3/8``.

    Raises
    ------
    InputError
        If it is no such part.
    """
    if (found := re.fullmatch(r"(\d{1,9})/(\d{1,9})", part)) and 1 <= int(found[1]) <= int(found[2]):
        return Part(int(found[1]), int(found[2]))
    raise InputError(f"part is {part!r}; it must be such as 3/8, the third of eight")
