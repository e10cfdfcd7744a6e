"""The options of the search for neighbours and of their scores."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from lingualign.errors import InputError

Margin = Literal["absolute", "ratio", "distance"]
Retrieval = Literal["max", "intersect", "forward", "backward"]

NEIGHBOURHOOD = 4
"""Number of neighbours on each side in a margin; 4 in all published figures."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class SearchOptions:
    """Search for neighbours, and score of the pairs among them.

    Parameters
    ----------
    k
        Number of neighbours of each sentence. Its best is chosen among them, and the margin is taken over them.
    margin
        Score of a pair: its cosine divided by the neighbours' mean (ratio), minus that mean (distance), or alone.
    memory
        Memory limit of the search in each worker, beside sentences and vectors.
    """

    k: int = NEIGHBOURHOOD
    margin: Literal["ratio", "distance", "absolute"] = "ratio"  # in the order of its text
    memory: str = "4GiB"

    @property
    def memory_bytes(self) -> int:
        """The memory in bytes.

        Raises
        ------
        InputError
            If it is not an amount of memory.
        """
        return parse_memory(self.memory)

    def check(self) -> None:
        """Raise InputError for a value that is not allowed."""
        check_margin(self.margin)
        check_neighbourhood(self.k)
        _ = self.memory_bytes


def check_margin(margin: str) -> None:
    """Raise InputError for an unknown margin."""
    if margin not in get_args(Margin):
        raise InputError(f"margin {margin!r} is unknown: expected one of {', '.join(get_args(Margin))}")


def check_neighbourhood(k: int) -> None:
    """Raise InputError if k < 1."""
    if k < 1:
        raise InputError(
            f"k = {k} is not a number of neighbours: expected 1 or more (published figures take 4)"
        )


def check_retrieval(retrieval: str) -> None:
    """Raise InputError for an unknown way to retrieve."""
    if retrieval not in get_args(Retrieval):
        raise InputError(
            f"retrieval {retrieval!r} is unknown: expected one of {', '.join(get_args(Retrieval))}"
        )


def parse_memory(amount: str) -> int:
    """Read ``4GiB``, ``512 MB`` or a number of bytes; all units are powers of 1,024.

    Raises
    ------
    InputError
        If it is not such an amount.
    """
    if match := _AMOUNT.fullmatch(amount):
        return int(float(match[1]) * _UNITS[match[2].upper()])
    raise InputError(f"memory is {amount!r}; it must be an amount such as 4GiB or 512MiB")
