"""Plural formulas of gettext: which form of a message a header gives to a number."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 100
"""The number that stands for many. In each published formula its form is one that many numbers take, never that of an
exact number or of fractions. The last form is often one of these: for none in Latvian, for one in Serbian, for
fractions in Transifex's Russian, for 8 and 11 in Welsh."""

_LONGEST = 2000  # Cornish, with the longest formula of the CLDR, takes 460 characters
_DEEPEST = 40
_UNSIGNED = 1 << 64  # formulas are of C's unsigned long
_TOKEN = re.compile(r"\s*(?:(\d{1,18})(?!\d)|(n\b|\|\||&&|[=!<>]=|[-+*/%<>!?:()]))")
_COUNT = re.compile(r"\bnplurals\s*=\s*(\d{1,3})\b")
_FORMULA = re.compile(r"\bplural\s*=([^;]+)")

_OPERATORS: tuple[dict[str, Callable[[int, int], int]], ...] = (
    {"||": lambda a, b: int(bool(a or b))},
    {"&&": lambda a, b: int(bool(a and b))},
    {"==": operator.eq, "!=": operator.ne},
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge},
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.floordiv, "%": operator.mod},
)
"""From the loosest to the tightest, as in C; all are left-associative."""


def forms_for_one_and_many(header: str) -> tuple[int, int] | None:
    """Return the plural forms of 1 and of `MANY` by a header's ``Plural-Forms``; None if it is not valid.

    Parameters
    ----------
    header
        ``nplurals=3; plural=n%10==1 && n%100!=11 ? 0 : n != 0 ? 1 : 2;``: the number of forms, and an expression of C
        with ``n``, numbers, ``?:``, ``||``, ``&&``, comparisons, ``+ - * / %``, ``!`` and parentheses.
    """
    count, formula = _COUNT.search(header), _FORMULA.search(header)
    if count is None or formula is None or len(formula[1]) > _LONGEST:
        return None
    try:
        one, many = (_Formula(formula[1], n).value() for n in (1, MANY))
    except ValueError:
        return None
    return (one, many) if max(one, many) < int(count[1]) else None


class _Formula:
    """Evaluates a formula for one number while it is read; nothing is compiled.

    A value is None where C would divide by zero, which matters only if that part is the one that counts.
    """

    def __init__(self, formula: str, n: int) -> None:
        self._n = n
        self._tokens: list[str] = []
        self._depth = 0
        place = 0
        formula = formula.rstrip()
        while place < len(formula):
            token = _TOKEN.match(formula, place)
            if token is None:
                raise ValueError(formula[place:])
            self._tokens.append(token[1] or token[2])
            place = token.end()
        self._tokens.reverse()

    def value(self) -> int:
        value = self._choice()
        if self._tokens or value is None:
            raise ValueError("not an expression, or a division by zero")
        return value

    def _take(self, *wanted: str) -> str | None:
        return self._tokens.pop() if self._tokens and self._tokens[-1] in wanted else None

    def _choice(self) -> int | None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("too deep")
        value = self._binary(0)
        if self._take("?"):
            yes = self._choice()
            if not self._take(":"):
                raise ValueError("? without :")
            no = self._choice()
            value = None if value is None else yes if value else no
        self._depth -= 1
        return value

    def _binary(self, level: int) -> int | None:
        if level == len(_OPERATORS):
            return self._single()
        value = self._binary(level + 1)
        while sign := self._take(*_OPERATORS[level]):
            right = self._binary(level + 1)
            settled = value is not None and (bool(value) if sign == "||" else sign == "&&" and not value)
            if settled:
                value = int(sign == "||")
            elif value is None or right is None or (sign in "/%" and right == 0):
                value = None
            else:
                value = int(_OPERATORS[level][sign](value, right)) % _UNSIGNED
        return value

    def _single(self) -> int | None:
        denials = 0
        while self._take("!"):
            denials += 1
        if self._take("("):
            value = self._choice()
            if not self._take(")"):
                raise ValueError("( without )")
        elif self._take("n"):
            value = self._n
        elif self._tokens and self._tokens[-1].isdecimal():
            value = int(self._tokens.pop())
        else:
            raise ValueError("a value is missing")
        return int(bool(value) ^ (denials % 2)) if denials and value is not None else value
