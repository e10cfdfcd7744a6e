"""Limits of settings: they stand beside the fields of a configuration, and one function checks them all."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, TypeVar

from lingualign.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")


@dataclass(frozen=True)
class Limit:
    """The finite numbers that a setting may be.

    Parameters
    ----------
    words
        The end of the message "it must be ...".
    least, most
        Ends of the interval that belong to it.
    above, below
        Ends of the interval that do not.
    """

    words: str
    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf
    below: float = math.inf

    def holds(self, value: float) -> bool:
        """Tell whether a number is within the limit; NaN never is."""
        return self.least <= value <= self.most and self.above < value < self.below


MOST = 10_000_000
"""What a slip of the keyboard exceeds and no run does: it would train, or allocate, without end."""
ABOVE_0 = Limit("above 0", above=0)
AT_LEAST_1 = Limit("at least 1", least=1)
AT_MOST = Limit(f"{MOST:,} at most", most=MOST)
NOT_NEGATIVE = Limit("0 or more", least=0)
SHARE = Limit("a share, from 0 to below 1", least=0, below=1)
UP_TO_1 = Limit("from 0 to 1", least=0, most=1)


def limited(default: T, *limits: Limit) -> T:
    """Make a field of a dataclass, with its default and its limits; None is within all of them."""
    made: T = field(default=default, metadata={"limits": limits})
    return made


def check_limits(section: DataclassInstance, name: str = "") -> None:
    """Compare the settings of a section, and of all sections below it, with their limits.

    Parameters
    ----------
    section
        A dataclass with fields made by `limited`.
    name
        Key of the section, such as ``training``; none for a whole configuration.

    Raises
    ------
    InputError
        With the key of the first setting outside a limit, its value, and what is allowed.
    """
    for part in fields(section):
        key, value = f"{name}.{part.name}".lstrip("."), getattr(section, part.name)
        if is_dataclass(value) and not isinstance(value, type):
            check_limits(value, key)
        for limit in part.metadata.get("limits", ()):
            if value is not None and not limit.holds(value):
                raise InputError(f"{key} is {value}; it must be {limit.words}")
