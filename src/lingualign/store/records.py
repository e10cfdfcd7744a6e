"""Records kept as JSON, read back as strictly as a stranger's file asks for."""

from __future__ import annotations

import hashlib
import json
import types
from dataclasses import asdict, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from lingualign.store.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

_LONGEST_HEAD = 1 << 24


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


def write_record(path: Path, record: Any, form: int | str) -> None:
    """Write a dataclass as JSON with its ``format``, whole or not at all: see `read_record`."""
    content = {"format": form, **asdict(record)}
    write_atomically(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_record(path: Path, kind: type[T], form: int | str) -> T | None:
    """Read a dataclass that `write_record` wrote.

    Returns
    -------
    record
        None if there is no such file.

    Raises
    ------
    FormatError
        If it is of another format.
    TypeError, ValueError
        If it is not such a record, or cannot be read.
    """
    try:
        content = read_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ValueError(str(error)) from None
    if not isinstance(content, dict):
        raise TypeError(f"a {type(content).__name__} instead of an object")
    if (found := content.pop("format", None)) != form:
        raise FormatError(found)
    return build_record(kind, content)


class FormatError(ValueError):
    """A record is of another format than the one that is read.

    Attributes
    ----------
    form
        The format that it names.
    """

    def __init__(self, form: Any) -> None:
        super().__init__(f"format {form!r}")
        self.form = form


def build_record(kind: type[T], values: Any) -> T:
    """Build a dataclass from what JSON held, with the types that it declares; whole numbers are never negative.

    Fields may be plain values, lists, tuples, dicts and dataclasses of their own. What is declared as Any is not
    looked at.

    Raises
    ------
    TypeError
        If it is not a JSON object, a value is of another type, or a name is missing or unknown.
    """
    if not isinstance(values, dict):
        raise TypeError(f"a {type(values).__name__} instead of an object")
    hints = _hints(kind)  # type: ignore[arg-type] # classes are hashable, whatever their instances are
    return kind(**{name: _build(hints.get(name, Any), value, name) for name, value in values.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    # Resolving them takes 60 us, and a manifest has a record for each of its shards.
    return get_type_hints(kind)


def _build(hint: Any, value: Any, name: str) -> Any:
    """Build one value of a record; ``name`` is the field that an error names."""
    if hint is Any:
        return value
    if is_dataclass(hint) and isinstance(hint, type):
        return build_record(hint, value)
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in inside:
            return None
        [hint] = [each for each in inside if each is not type(None)]
        return _build(hint, value, name)
    if origin is list and isinstance(value, list):
        return [_build(inside[0], each, name) for each in value]
    if origin is tuple and isinstance(value, list):
        kinds = [inside[0]] * len(value) if inside[1:] == (...,) else inside
        if len(kinds) == len(value):
            return tuple(_build(each, part, name) for each, part in zip(kinds, value, strict=True))
    if origin is dict and isinstance(value, dict):
        return {key: _build(inside[1], each, name) for key, each in value.items()}
    fits = value in inside if origin is Literal else type(value) is hint
    if not fits or (type(value) is int and value < 0):
        raise TypeError(f"{name} is {value!r}")
    return value


def write_checked(path: Path, head: dict[str, Any], *parts: bytes | memoryview) -> None:
    """Write a line of JSON and what follows it, with their checksum: see `read_checked`.

    Parameters
    ----------
    path
        The file; its folder exists.
    head
        What the line holds.
    parts
        What follows, one part after the other.
    """
    line = json.dumps({**head, "sha256": _checksum(head, *parts)})
    write_atomically(path, f"{line}\n", *parts)


def read_checked(path: Path) -> tuple[dict[str, Any], bytes] | None:
    """Read a file of `write_checked`.

    Returns
    -------
    head, content
        The line, and what follows it; None if there is no such file.

    Raises
    ------
    ValueError
        If a bit of it is not as it was written, or it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline(_LONGEST_HEAD))
            content = file.read()
    except FileNotFoundError:
        return None
    except (OSError, RecursionError) as error:
        raise ValueError(str(error)) from None
    if not isinstance(head, dict) or head.pop("sha256", None) != _checksum(head, content):
        raise ValueError("its checksum does not match")
    return head, content


def _checksum(head: dict[str, Any], *parts: bytes | memoryview) -> str:
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode() + b"\n")
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
