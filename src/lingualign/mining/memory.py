"""Amounts of memory as people write them."""

from __future__ import annotations

import re

from lingualign.errors import InputError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", re.IGNORECASE)


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
