"""From a command line to the values of a function's parameters, and from a mistake in it to one clear message.

A parameter without a default is given by its place, unless it is keyword-only; all others are options. A list takes
several values, a flag is a boolean; a parameter whose type is a configuration stands for all its keys, from
``--config FILE`` and ``--any.option value``.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import re
import types
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from docstring_parser import parse as parse_docstring
from jsonargparse import ArgumentParser, DefaultHelpFormatter

from lingualign.errors import InputError, quoted
from lingualign.files import check_regular
from lingualign.hub import nearest, nearest_path
from lingualign.pairs.config import DataConfig
from lingualign.training.config import RunConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

CONFIGURATIONS = (RunConfig, DataConfig)

_LARGEST_CONFIG = 1 << 20
_DEEPEST_CONFIG = 32
_MOST_NODES = 10_000


def parse(command: str, function: Callable[..., None], arguments: Sequence[str]) -> dict[str, Any]:
    """Find the values of a function's parameters.

    Raises
    ------
    InputError
        If an option is unknown or missing, or a value is not of its kind.
    SystemExit
        After printing the help that was asked for.
    """
    hints = typing.get_type_hints(function, localns={kind.__name__: kind for kind in CONFIGURATIONS})
    hints.pop("return", None)
    configured = next((name for name, hint in hints.items() if hint in CONFIGURATIONS), None)
    configuration = hints[configured] if configured else None
    parser = _parser(command, function, hints, configuration)
    if configuration:
        arguments = _join_lists(arguments, configuration)
        if not all(map(_is_text, arguments)):
            raise InputError(
                f"{command}: an option's value is not UTF-8 text; rename the file or folder that it names"
            )
        for path in _config_files(arguments):
            _check_config_file(path, configuration)
    try:
        values = parser.parse_args(arguments)
        if configuration and (empty := _empty_section(values, configuration)):
            raise InputError(
                f"{command}: {empty} is null; it must be {_expected(_hint(configuration, empty))}"
            )
        values = parser.instantiate(values) if configuration else values
    except (argparse.ArgumentError, ValueError, TypeError, OSError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{command}: {_explain(str(error), parser, hints, configuration)}") from None
    given = {name: getattr(values, name) for name in hints if name != configured}
    if configured and configuration:
        fields = (field.name for field in dataclasses.fields(configuration))
        given[configured] = configuration(**{name: getattr(values, name) for name in fields})
    return given


class _Formatter(DefaultHelpFormatter):  # type: ignore[misc]
    """An option's text and default, without the names of Python's types and the marks of docstrings."""

    def _get_help_string(self, action: argparse.Action) -> str:
        text = (action.help or "").replace("``", "").strip()
        hidden = action.default in (None, argparse.SUPPRESS, "", False) or action.default == []
        if action.required and action.option_strings:
            return f"{text} (required)"
        return text if hidden else f"{text} (default: {_shown(action.default)})"

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return str(super()._format_action_invocation(action))
        option = action.option_strings[0]
        return f"{option} {self._format_args(action, self._get_default_metavar_for_optional(action))}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _parser(
    command: str, function: Callable[..., None], hints: dict[str, Any], configuration: Any
) -> ArgumentParser:
    document = parse_docstring(inspect.getdoc(function) or "")
    described = "\n\n".join(filter(None, (document.short_description, document.long_description)))
    parser = ArgumentParser(
        prog=f"lingualign {command}",
        description=described,
        exit_on_error=False,
        allow_abbrev=False,
        formatter_class=_Formatter,
    )
    told = {parameter.arg_name: parameter.description for parameter in document.params}
    parameters = inspect.signature(function).parameters
    for name, kind in hints.items():
        flag = f"--{name.replace('_', '-')}"
        if kind is configuration:
            others = "".join(f" {other.upper()}" for other in _positional(hints, parameters))
            parser.usage = f"%(prog)s{others} [--config FILE] [OPTIONS]"
            parser.add_argument("--config", action="config", metavar="FILE", help=told[name])
            parser.add_class_arguments(configuration, None)
        elif kind is bool:
            parser.add_argument(flag, action="store_true", help=told[name])
        elif name in _positional(hints, parameters):
            several = {"nargs": "+"} if typing.get_origin(kind) is list else {"type": kind}
            parser.add_argument(name, metavar=name.upper(), help=told[name], **several)
        elif typing.get_origin(_kinds(kind)[0]) is list:
            needed = parameters[name].default is inspect.Parameter.empty
            metavar = "PATH" if name == "suite" else "VALUE"
            parser.add_argument(
                flag, nargs="+", action="extend", required=needed, metavar=metavar, help=told[name]
            )
        else:
            parser.add_argument(flag, type=kind, default=parameters[name].default, help=told[name])
    _tidy(parser, hints, configuration)
    return parser


def _positional(hints: dict[str, Any], parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    """Name the parameters that are given by their place."""
    return [
        name
        for name, kind in hints.items()
        if parameters[name].default is inspect.Parameter.empty
        and parameters[name].kind is not inspect.Parameter.KEYWORD_ONLY
        and kind not in CONFIGURATIONS
    ]


def _tidy(parser: ArgumentParser, hints: dict[str, Any], configuration: Any) -> None:
    """Hide what has no meaning to a reader of the help, and name what each option takes."""
    for action in parser._actions:
        if action.dest in hints:
            if action.option_strings and action.metavar is None:
                action.metavar = _metavar(hints[action.dest])
            continue
        if configuration is None:
            continue
        hint = _hint(configuration, action.dest)
        if action.dest == "print_config":
            action.help = "Print the configuration with everything that is given, and stop."
            action.metavar = ""
        elif action.dest == "print_shtab" or dataclasses.is_dataclass(hint):
            action.help = argparse.SUPPRESS
        elif hint is not None:
            action.metavar = _metavar(hint)


def _metavar(hint: Any) -> str:
    kinds = [kind for kind in _kinds(hint) if kind is not types.NoneType]
    if typing.get_origin(kinds[0]) is Literal:
        return "{" + ",".join(typing.get_args(kinds[0])) + "}"
    if any(typing.get_origin(kind) is list for kind in kinds):
        return "VALUE [VALUE ...]"
    if typing.get_origin(kinds[0]) is dict:
        return "{KEY: VALUE}"
    return {bool: "{true,false}", int: "N", float: "NUMBER"}.get(kinds[0], "TEXT")


def _kinds(hint: Any) -> tuple[Any, ...]:
    """List the members of a union; anything else is its own only one."""
    union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    return typing.get_args(hint) if union else (hint,)


def _hint(of: Any, key: str) -> Any:
    """Find the type of a dotted key of a dataclass; None if there is no such key."""
    for part in key.split("."):
        if not dataclasses.is_dataclass(of):
            return None
        of = typing.get_type_hints(of).get(part)
    return of


def _keys(of: Any, prefix: str = "") -> Iterator[str]:
    """List the dotted keys of a dataclass, sections included."""
    for name, hint in typing.get_type_hints(of).items():
        yield prefix + name
        if dataclasses.is_dataclass(hint):
            yield from _keys(hint, f"{prefix}{name}.")


def _expected(hint: Any) -> str:
    """Say in words what a value must be."""
    said = []
    for kind in _kinds(hint):
        origin = typing.get_origin(kind)
        if origin is Literal:
            said.append(f"one of {', '.join(typing.get_args(kind))}")
        elif origin is list:
            said.append("a list, such as [a, b]")
        elif origin is dict:
            said.append("names with values, such as {a: b}")
        elif dataclasses.is_dataclass(kind):
            said.append(f"a section with {', '.join(typing.get_type_hints(kind))}")
        else:
            words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
            said.append(words.get(kind, "null (nothing)"))
    return " or ".join(said)


def _join_lists(arguments: Sequence[str], configuration: Any) -> list[str]:
    """Turn ``--a.list x y`` into ``--a.list '["x", "y"]'``, the one form that jsonargparse reads."""
    joined: list[str] = []
    place = 0
    while place < len(arguments):
        joined.append(arguments[place])
        place += 1
        option = joined[-1]
        hint = _hint(configuration, option.removeprefix("--")) if option.startswith("--") else None
        if all(typing.get_origin(kind) is not list for kind in _kinds(hint)):
            continue
        first = place
        while place < len(arguments) and not arguments[place].startswith("--"):
            place += 1
        values = list(arguments[first:place])
        alone = len(values) == 1 and (values[0].startswith("[") or str in _kinds(hint) or values[0] == "null")
        joined += values if alone or not values else [json.dumps(values, ensure_ascii=False)]
    return joined


def _is_text(argument: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in argument)


def _config_files(arguments: Sequence[str]) -> Iterator[str]:
    for place, argument in enumerate(arguments):
        if argument.startswith("--config="):
            yield argument.removeprefix("--config=")
        elif argument == "--config" and place + 1 < len(arguments):
            yield arguments[place + 1]


def _check_config_file(path: str, configuration: Any) -> None:
    """Refuse a file that is no configuration: missing, no text, no YAML, no keys, one key twice, or made to explode."""
    try:
        check_regular(Path(path))
        content = Path(path).read_bytes()
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f"--config {path!r}: no such file{nearest_path(path)}; configs/static.yaml is one to start from"
        ) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"--config {path!r}, line {line}: not UTF-8 text; save it as UTF-8") from None
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"--config {path!r} cannot be read: {getattr(error, 'strerror', error)}") from None
    if len(content) > _LARGEST_CONFIG:
        raise InputError(
            f"--config {path!r}: larger than {_LARGEST_CONFIG >> 20} MiB, as no configuration is; give another file"
        )
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError:
        raise InputError(f"--config {path!r}: nested too deeply; write keys with values") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = error.problem or "a mistake"
        cure = "; indent with spaces, not with tabs" if "'\\t'" in problem else ""
        raise InputError(f"--config {path!r}, line {line}: not YAML: {quoted(problem)}{cure}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"--config {path!r}: not YAML: {quoted(str(error))}") from None
    if not isinstance(root, yaml.MappingNode):
        keys = ", ".join(field.name for field in dataclasses.fields(configuration))
        raise InputError(
            f"--config {path!r}: expected keys with values, such as 'output: runs/mine'; there are {keys}"
        )
    _check_nodes(path, root)


def _check_nodes(path: str, root: yaml.MappingNode) -> None:
    """Look at every node as often as it is used: an alias may stand for thousands of others, or for its own parent."""
    looked_at = 0
    waiting: list[tuple[yaml.Node, int]] = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        line = node.start_mark.line + 1
        looked_at += 1
        if depth > _DEEPEST_CONFIG:
            raise InputError(f"--config {path!r}, line {line}: nested too deeply; write keys with values")
        if looked_at > _MOST_NODES:
            raise InputError(
                f"--config {path!r}, line {line}: more than {_MOST_NODES:,} values, aliases (*name) written out; write "
                "fewer"
            )
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                place = f"--config {path!r}, line {key.start_mark.line + 1}"
                if not isinstance(key, yaml.ScalarNode):
                    raise InputError(f"{place}: a list or a section as a key; a key is a word")
                if key.value in seen:
                    raise InputError(f"{place}: the key {key.value!r} is there a second time; join both")
                seen.add(key.value)
                waiting.append((value, depth + 1))
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(value, depth + 1) for value in node.value]


def _empty_section(values: Any, configuration: Any) -> str | None:
    sections = (key for key in _keys(configuration) if dataclasses.is_dataclass(_hint(configuration, key)))
    return next((key for key in sections if values.get(key, None) is None), None)


def _explain(message: str, parser: ArgumentParser, hints: dict[str, Any], configuration: Any) -> str:
    """Put a parser's complaint into one line that a person understands."""
    message = " ".join(message.split())
    if missing := re.fullmatch(r"the following arguments are required: (.+)", message):
        return _missing(missing[1], hints, configuration)
    if unknown := _unknown(message):
        return _unknown_option(unknown, parser)
    if extra := re.fullmatch(r"unrecognized arguments: (.+)", message):
        if configuration and re.search(r"\.ya?ml$", extra[1], re.IGNORECASE):
            return f"{extra[1]!r} belongs to no option; a configuration is given as --config {extra[1]}"
        return f"{extra[1]!r} belongs to no option"
    if bare := re.fullmatch(r"argument --([^\s/:]+)[^:]*: expected .+ argument", message):
        hint = hints.get(bare[1].replace("-", "_")) or _hint(configuration, bare[1])
        return f"--{bare[1]} needs a value: {_expected(hint)}" if hint else f"--{bare[1]} needs a value"
    if wrong := re.match(r'Parser key "([^"]+)": ', message):
        hint = hints.get(wrong[1]) or _hint(configuration, wrong[1])
        value = re.search(
            r"(?:Got value: |Given value: |Unable to load config )(.*?)(?: - Parser key .*)?$", message
        )
        if hint is not None and value:
            got = value[1] if re.match(r"['\"\[{]|-?[0-9.]+(e-?[0-9]+)?$", value[1]) else repr(value[1])
            return f"{wrong[1]} is {got}; it must be {_expected(hint)}"
    return message


def _missing(names: str, hints: dict[str, Any], configuration: Any) -> str:
    listed = names.split(", ")
    if configuration is None or any(name in hints for name in listed):
        needs = ", ".join("--suite PATH" if name == "suite" else name.upper() for name in listed)
        return f"{needs} is missing; --help tells more"
    where = (
        "in the file of --config or as options"
        if len(listed) > 1
        else "in the file of --config or as an option"
    )
    given = f"{' and '.join(listed)} must be given, {where} (--{listed[0]} ...)"
    start = "; configs/static.yaml is a file to start from" if configuration is RunConfig else ""
    return f"{given}{start}"


def _unknown(message: str) -> str | None:
    if group := re.search(r"Group '([^']+)' does not accept option '([^']+)'", message):
        return f"{group[1]}.{group[2]}"
    if option := re.search(r"Option '([^']+)' is not accepted|unrecognized arguments: -+([^\s=]+)", message):
        return option[1] or option[2]
    return None


def _unknown_option(unknown: str, parser: ArgumentParser) -> str:
    known = {action.dest for action in parser._actions if action.help != argparse.SUPPRESS} - {"help"}
    own = {key for key in known if "." not in key}
    sections = {key.rpartition(".")[0] for key in known} - {""}
    section = unknown.rpartition(".")[0]
    if section and section not in sections:
        section, _, _ = unknown.partition(".")
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
