"""The options of a search for neighbours, and of the pairs that are taken by them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from lingualign.errors import InputError

Margin = Literal["absolute", "ratio", "distance"]
Retrieval = Literal["max", "intersect", "forward", "backward"]

NEIGHBOURHOOD = 4
"""Neighbours on each side that a margin is taken over; 4 in all published figures."""

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class SearchOptions:
    """How neighbours are searched, and how the pairs among them are scored.

    Parameters
    ----------
    k
        Neighbours of each sentence, among which its best is chosen and over which the margin is taken.
    margin
        Score of a pair: its cosine divided by the mean of the neighbours' (ratio), less it (distance), or alone.
    memory
        What the search may take, in each worker, beside sentences and vectors.
    """

    k: int = NEIGHBOURHOOD
    margin: Literal["ratio", "distance", "absolute"] = "ratio"  # in the order of its text
    memory: str = "4GiB"

    @property
    def memory_bytes(self) -> int:
        """The memory as a number.

        Raises
        ------
        InputError
            If it is no amount of memory.
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
        If it is no such amount.
    """
    if found := _AMOUNT.fullmatch(amount):
        return int(float(found[1]) * _UNITS[found[2].upper()])
    raise InputError(f"memory is {amount!r}; it must be an amount such as 4GiB or 512MiB")
