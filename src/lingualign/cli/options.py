"""The options of a command, read off its signature and docstring, and values converted to their types."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from contextlib import suppress
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Any, Literal

from docstring_parser import parse as parse_docstring

from lingualign.cli.configuration_file import read_value
from lingualign.pairs.config import DataConfig
from lingualign.training.config import RunConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONFIGURATIONS = (RunConfig, DataConfig)
"""Dataclasses that a YAML file may be given for, by ``--config``."""


@dataclass(frozen=True)
class Option:
    """A value that a command takes.

    Parameters
    ----------
    key
        Name in messages and in configuration files: ``per_corpus``, ``training.lora.rank``.
    hint
        Type of the value; a dataclass for a section of a configuration.
    default
        Value where none is given; ``MISSING`` where one must be.
    help
        Text for the help; the title, for a section.
    by_place
        Value has no name on the command line.
    configured
        Value belongs to a configuration.
    """

    key: str
    hint: Any
    default: Any
    help: str
    by_place: bool = False
    configured: bool = False

    @property
    def flag(self) -> str:
        """Name on the command line, of all but those given by their place."""
        return f"--{self.key if self.configured else self.key.replace('_', '-')}"

    @property
    def several(self) -> bool:
        """Whether it takes several values."""
        return any(typing.get_origin(kind) is list for kind in kinds(self.hint))

    @property
    def is_section(self) -> bool:
        """Whether it stands for the keys of a section."""
        return dataclasses.is_dataclass(self.hint)

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value."""
        return self.hint is bool and not self.configured

    @property
    def expected(self) -> str:
        """What a value must be, in words."""
        return " or ".join(map(_in_words, kinds(self.hint)))


def fields_of(of: Any, prefix: str = "") -> Iterator[Option]:
    """List the keys of a configuration, or of an options object; sections before what is in them."""
    said = {name: text for each in reversed(of.__mro__) for name, text in texts(each).items()}
    hints = typing.get_type_hints(of)
    for field in dataclasses.fields(of):
        default = field.default if field.default_factory is MISSING else field.default_factory()
        option = Option(prefix + field.name, hints[field.name], default, said[field.name], configured=True)
        yield option
        if dataclasses.is_dataclass(option.hint):
            yield from fields_of(option.hint, f"{option.key}.")


def configuration_of(function: Callable[..., object]) -> Any:
    """Find the configuration among a command's parameters; None if it has none."""
    return next((hint for hint in typing.get_type_hints(function).values() if hint in CONFIGURATIONS), None)


def options_of(function: Callable[..., object]) -> Iterator[Option]:
    """List the options of a command in the order of its docstring.

    A parameter whose type is a dataclass stands for its fields. A field that the docstring names as well has its place
    there, and its text if there is one.
    """
    hints = typing.get_type_hints(function)
    said = texts(function)
    options: dict[str, list[Option]] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints[name]
        if hint in CONFIGURATIONS:
            options[name] = list(fields_of(hint))
        elif dataclasses.is_dataclass(hint):
            fields = {option.key: dataclasses.replace(option, configured=False) for option in fields_of(hint)}
            for key in fields.keys() & said.keys():
                field = fields.pop(key)
                options[key] = [dataclasses.replace(field, help=said[key] or field.help)]
            options[name] = list(fields.values())
        else:
            default = MISSING if parameter.default is inspect.Parameter.empty else parameter.default
            by_place = default is MISSING and parameter.kind is not inspect.Parameter.KEYWORD_ONLY
            options[name] = [Option(name, hint, default, said[name], by_place=by_place)]
    for name in said:
        yield from options[name]


def texts(of: Any) -> dict[str, str]:
    """Find what a docstring says of each parameter."""
    params = parse_docstring(inspect.getdoc(of) or "").params
    return {param.arg_name: (param.description or "").replace("``", "").strip() for param in params}


def kinds(hint: Any) -> tuple[Any, ...]:
    """List the members of a union; anything else is its own only one."""
    union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    return typing.get_args(hint) if union else (hint,)


class UnfitError(ValueError):
    """A value that is not of its type."""

    def __init__(self, value: Any) -> None:
        self.value = value


def converted(value: Any, hint: Any) -> Any:
    """Convert a value, or a text that stands for one in YAML, to a type.

    Raises
    ------
    UnfitError
        With the value, or that of its elements which does not fit.
    """
    read = read_value(value) if isinstance(value, str) else value
    unfit = UnfitError(value)
    for kind in kinds(hint):
        origin, of = typing.get_origin(kind), typing.get_args(kind)
        if (origin is Literal and value in of) or kind is Any:
            return value
        if kind in (bool, int, float, types.NoneType) and type(read) is kind:
            return read
        if kind is float and type(read) is int:
            with suppress(OverflowError):
                return float(read)
        try:
            if origin is list and isinstance(read, list):
                return [converted(each, of[0]) for each in read]
            if origin is dict and isinstance(read, dict):
                return {name: converted(each, of[1]) for name, each in read.items()}
        except UnfitError as inside:
            unfit = inside
    if str in kinds(hint) and isinstance(value, str):
        return value
    raise unfit


def _in_words(kind: Any) -> str:
    """Say what a value of a type is."""
    if typing.get_origin(kind) is Literal:
        return f"one of {', '.join(typing.get_args(kind))}"
    if typing.get_origin(kind) is list:
        return "a list, such as [a, b]"
    if typing.get_origin(kind) is dict:
        return "names with values, such as {a: b}"
    if dataclasses.is_dataclass(kind):
        return f"a section with {', '.join(typing.get_type_hints(kind))}"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    return words.get(kind, "null (nothing)")
