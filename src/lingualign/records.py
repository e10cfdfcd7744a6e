"""Records kept as JSON, read back as strictly as a stranger's file asks for."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")

_PLAIN = {"int": int, "str": str, "bool": bool}


def read_json(text: str | bytes) -> Any:
    """Read JSON that anyone may have written.

    Raises
    ------
    ValueError
        If it is not JSON, or nested deeper than Python's own reader follows.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def build_record(kind: type[T], values: Any) -> T:
    """Build a dataclass from what JSON held, with the plain types it declares; whole numbers are never negative.

    Raises
    ------
    TypeError
        If it is no JSON object, a value is of another type, or a name is missing or unknown.
    """
    if not isinstance(values, dict):
        raise TypeError(f"a {type(values).__name__} instead of an object")
    declared = {field.name: _PLAIN.get(str(field.type)) for field in fields(kind)}  # type: ignore[arg-type]
    for name, value in values.items():
        wanted = declared.get(name)
        if wanted is not None and (type(value) is not wanted or (isinstance(value, int) and value < 0)):
            raise TypeError(f"{name} is {value!r}")
    return kind(**values)
