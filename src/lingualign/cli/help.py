"""The parser that takes a command's line apart and prints the command's help."""

from __future__ import annotations

import argparse
import inspect
import types
import typing
from dataclasses import MISSING
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from docstring_parser import parse as parse_docstring

from lingualign.cli.options import configuration_of, kinds, options_of, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from lingualign.cli.options import Option


def command_parser(
    command: str,
    function: Callable[..., object],
    take_words: Callable[[str, Any], None],
    take_file: Callable[[str, Any], None],
) -> argparse.ArgumentParser:
    """Make the parser of a command's line, which raises `argparse.ArgumentError` and prints the help that is asked for.

    Parameters
    ----------
    command
        Name of the command.
    function
        Function that it calls, whose signature and docstring are the options.
    take_words
        Called with an option's key and the text, or texts, given for it.
    take_file
        Called with ``config`` and the path given for it.
    """
    document = parse_docstring(inspect.getdoc(function) or "")
    parser = _Parser(
        prog=f"lingualign {command}",
        description="\n\n".join(filter(None, (document.short_description, document.long_description))),
        argument_default=argparse.SUPPRESS,
        exit_on_error=False,
        allow_abbrev=False,
        formatter_class=_Formatter,
    )
    configuration = configuration_of(function)
    groups: dict[str, Any] = {}
    for option in options_of(function):
        if option.configured and not groups:
            [parameter] = (
                name for name, hint in typing.get_type_hints(function).items() if hint is configuration
            )
            text = texts(function)[parameter]
            parser.add_argument("--config", action=_Take, take=take_file, metavar="FILE", help=text)
            text = "Print the configuration with everything that is given, and stop."
            parser.add_argument("--print_config", action="store_true", help=text)
            title = parse_docstring(inspect.getdoc(configuration) or "").short_description or ""
            groups[""] = parser.add_argument_group(title.rstrip("."))
        if option.is_section:
            groups[option.key] = parser.add_argument_group(option.help.rstrip("."))
        group = groups[option.key.rpartition(".")[0]] if option.configured else parser
        name = option.key if option.by_place else option.flag
        group.add_argument(name, action=_Take, take=take_words, **_shape(option))
    if configuration:
        by_place = "".join(f" {option.key.upper()}" for option in options_of(function) if option.by_place)
        parser.usage = f"%(prog)s{by_place} [--config FILE] [OPTIONS]"
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise argparse.ArgumentError(None, message)


class _Take(argparse.Action):
    """Hand what follows an option to a function, with the option's key."""

    def __init__(self, *given: Any, take: Callable[[str, Any], None], **keywords: Any) -> None:
        super().__init__(*given, **keywords)
        self._take = take

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        self._take(self.dest, values)


class _Formatter(argparse.HelpFormatter):
    def _format_usage(self, usage: Any, actions: Any, groups: Any, prefix: Any) -> str:
        named = [action for action in actions if action.dest != "help"]
        return super()._format_usage(usage, named, groups, prefix)


def _shape(option: Option) -> dict[str, Any]:
    """Say how argparse takes an option, and what the help shows of it."""
    text = option.help.replace("%", "%%")
    if option.default is MISSING and not option.by_place:
        text = f"{text} (required)"
    elif option.default not in (MISSING, None, "", False, []):
        text = f"{text} (default: {_shown(option.default)})"
    shape: dict[str, Any] = {"help": argparse.SUPPRESS if option.is_section else text}
    if not option.by_place:
        shape |= {"dest": option.key, "required": option.default is MISSING and not option.configured}
    if option.is_flag:
        return shape | {"nargs": 0}
    metavar = option.key.upper() if option.by_place else _metavar(option)
    return shape | {"nargs": "+" if option.several else None, "metavar": metavar}


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:.4g}" if isinstance(default, float) else str(default)


def _metavar(option: Option) -> str:
    """Name what an option takes."""
    kind = next(kind for kind in kinds(option.hint) if kind is not types.NoneType)
    if typing.get_origin(kind) is Literal:
        return "{" + ",".join(typing.get_args(kind)) + "}"
    if option.several:
        return "PATH" if option.key == "suite" else "VALUE"
    if typing.get_origin(kind) is dict:
        return "{KEY: VALUE}"
    return {bool: "{true,false}", int: "N", float: "NUMBER"}.get(kind, "TEXT")
