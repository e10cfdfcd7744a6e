"""From a command line to the values of a function's parameters, and from a mistake in it to one clear message.

A parameter without a default is given by its place, unless it is keyword-only; all others are options. A list takes
several values, a flag is a boolean. A parameter whose type is a dataclass stands for its fields; a configuration's are
the keys of its YAML file as well, given by ``--config FILE`` and ``--any.option value``.
"""

from __future__ import annotations

import argparse
import dataclasses
import types
import typing
from dataclasses import MISSING
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import yaml

from lingualign.cli.configuration_file import read_configuration, read_value
from lingualign.cli.help import command_parser
from lingualign.cli.options import UnfitError, configuration_of, converted, kinds, options_of
from lingualign.errors import InputError
from lingualign.hub import nearest
from lingualign.training.config import RunConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from lingualign.cli.options import Option


def parse(command: str, function: Callable[..., object], arguments: Sequence[str]) -> dict[str, Any]:
    """Find the values of a function's parameters.

    Raises
    ------
    InputError
        If an option is unknown or missing, or a value is not of its kind.
    SystemExit
        After printing the help, or the configuration, that was asked for.
    """
    given = _Given(function)
    try:
        if given.configuration and not all(map(_is_text, arguments)):
            raise _ParseError("an option's value is not UTF-8 text; rename the file or folder that it names")
        parser = command_parser(command, function, given.take_words, given.take_file)
        found, unknown = parser.parse_known_args(arguments)
        if unknown:
            raise _ParseError(_unexpected(unknown, given))
        if hasattr(found, "print_config"):
            print(yaml.safe_dump(given.values(), sort_keys=False, allow_unicode=True), end="")
            raise SystemExit(0)
        if given.missing():
            raise _ParseError(_missing(given))
    except argparse.ArgumentError as error:
        raise InputError(f"{command}: {_explain(error, given)}") from None
    except _ParseError as mistake:
        raise InputError(f"{command}: {mistake}") from None
    hints = typing.get_type_hints(function)
    hints.pop("return", None)
    return _with_dataclasses(hints, given.values())


def naming_option(message: str, function: Callable[..., object]) -> str:
    """Write the option of a command for the parameter that an error's message begins with.

    ``columns: ...`` is ``--pairs.columns: ...`` for a command whose only option of that name it is.
    """
    parameter, colon, said = message.partition(":")
    named = [option for option in options_of(function) if option.key.rpartition(".")[2] == parameter]
    if len(named) == 1 and not named[0].by_place:
        return f"{named[0].flag}{colon}{said}"
    return message


class _ParseError(Exception):
    """A message about the command line, without the command's name."""


class _Given:
    """The options of a command, and what has been given for them so far."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.options = {option.key: option for option in options_of(function)}
        self.configuration = configuration_of(function)
        self._values: dict[str, Any] = {}

    def take_words(self, key: str, words: Any) -> None:
        """Take what follows an option on the command line: a text, or a list of them."""
        option = self.options[key]
        if option.several and (mistyped := [word for word in words if word.startswith("--")]):
            raise _ParseError(_unexpected(mistyped, self))
        if option.is_flag:
            self._values[key] = True
        elif not option.several:
            self._take(option, words)
        elif not option.configured:
            self._values[key] = [*self._values.get(key, []), *words]
        else:
            alone = len(words) == 1 and (
                words[0].startswith("[") or words[0] == "null" or str in kinds(option.hint)
            )
            self._take(option, words[0] if alone else words)

    def take_file(self, _: str, path: str) -> None:
        """Take the keys of a configuration's file."""
        self._take_keys(read_configuration(path, ", ".join(typing.get_type_hints(self.configuration))))

    def _take_keys(self, keys: Mapping[Any, Any], prefix: str = "") -> None:
        for name, value in keys.items():
            key = f"{prefix}{name}"
            if key not in self.options:
                inside = f".{next(iter(value))}" if value and isinstance(value, dict) else ""
                raise _ParseError(_unknown_option(f"{key}{inside}", self))
            if value is None and not self.options[key].is_section:
                self._values[key] = None
            else:
                self._take(self.options[key], value)

    def _take(self, option: Option, value: Any) -> None:
        try:
            if option.default is None and isinstance(value, str) and read_value(value) is None:
                self._values[option.key] = None
            elif option.is_section:
                self._take_keys(converted(value, dict[str, Any]), f"{option.key}.")
            else:
                self._values[option.key] = converted(value, option.hint)
        except UnfitError as unfit:
            raise _ParseError(
                f"{option.key} is {_quoted(unfit.value)}; it must be {option.expected}"
            ) from None

    def missing(self) -> list[Option]:
        """List the options that must be given and are not."""
        return [
            option
            for key, option in self.options.items()
            if option.default is MISSING and not option.is_section and self._values.get(key) is None
        ]

    def values(self) -> dict[str, Any]:
        """Give all values, defaults included; a section is a dict of its own."""
        values: dict[str, Any] = {}
        for key, option in self.options.items():
            if not option.is_section:
                *sections, name = key.split(".")
                place = values
                for section in sections:
                    place = place.setdefault(section, {})
                default = None if option.default is MISSING else option.default
                place[name] = self._values.get(key, default)
        return values


def _with_dataclasses(hints: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Make the dataclasses among typed names; the values of one that is no section stand beside it."""
    made = {}
    for name, hint in hints.items():
        if isinstance(hint, type) and dataclasses.is_dataclass(hint):
            fields = _with_dataclasses(typing.get_type_hints(hint), values.get(name, values))
            made[name] = hint(**fields)
        else:
            made[name] = values[name]
    return made


def _explain(error: argparse.ArgumentError, given: _Given) -> str:
    """Put the parser's complaint into words: something is missing, or an option has no value, or one too many."""
    if error.argument_name is None:
        return _missing(given)
    option = next((option for option in given.options.values() if option.flag == error.argument_name), None)
    if error.argument_name == "--config":
        return "--config needs a value"
    if option is None or option.is_flag:
        return str(error)
    return f"{option.flag} needs a value: {option.expected}"


def _missing(given: _Given) -> str:
    missing = given.missing()
    keys = [option.key for option in missing]
    if not all(option.configured for option in missing):
        needs = ", ".join("--suite PATH" if key == "suite" else key.upper() for key in keys)
        return f"{needs} is missing; --help tells more"
    how = "as options" if len(keys) > 1 else "as an option"
    start = "; configs/static.yaml is a file to start from" if given.configuration is RunConfig else ""
    return f"{' and '.join(keys)} must be given, in the file of --config or {how} (--{keys[0]} ...){start}"


def _unexpected(words: Sequence[str], given: _Given) -> str:
    """Say what is wrong with words of a command line that nothing takes."""
    if len(words[0]) > 1 and words[0].startswith("-"):
        return _unknown_option(words[0].lstrip("-").partition("=")[0] or "-", given)
    text = " ".join(words)
    if given.configuration and text.lower().endswith((".yaml", ".yml")):
        return f"{text!r} belongs to no option; a configuration is given as --config {text}"
    return f"{text!r} belongs to no option"


def _unknown_option(unknown: str, given: _Given) -> str:
    known = {key for key, option in given.options.items() if not option.is_section}
    known |= {"config", "print_config"} if given.configuration else set()
    own = {key for key in known if "." not in key}
    sections = {key.rpartition(".")[0] for key in known} - {""}
    section = unknown.rpartition(".")[0]
    if section and section not in sections:
        ways = accumulate(section.split("."), "{}.{}".format)
        section = next(way for way in ways if way not in sections)
        close = nearest(section, sections) or nearest(unknown, known)
        return f"unknown section {section!r}{close}; there are {_list(sections)}"
    close = nearest(unknown, known)
    if section:
        names = {key.rpartition(".")[2] for key in known if key.rpartition(".")[0] == section}
        return f"unknown option {unknown!r}{close}; {section} has {_list(names)}"
    there = f"options {_list(own)}" + (f"; sections {_list(sections)}" if sections else "")
    return f"unknown option {unknown!r}{close}; there are {there}"


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _is_text(argument: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in argument)


def _quoted(value: Any) -> str:
    """Show a value in a message: numbers and lists as they are, text in quotes."""
    if value is None:
        return "null"
    read = read_value(value) if isinstance(value, str) else value
    return repr(str(value)) if isinstance(read, (str, bool, types.NoneType)) else str(value)
