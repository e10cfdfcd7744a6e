"""The ``lingualign`` command: a dict of plain functions, whose signatures and docstrings are the flags.

Nothing heavy is imported before a command is chosen, so that help is instant. A parameter without a default is
positional, a list takes several values, a flag is a boolean; a parameter of the type `RunConfig` is the whole
configuration, from ``--config FILE`` and ``--any.option value``.
"""

from __future__ import annotations

import difflib
import inspect
import os
import re
import sys
import typing
from typing import TYPE_CHECKING, Any

from lingualign._version import __version__
from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lingualign.training.config import RunConfig


def quickstart(output: str = "lingualign-quickstart") -> None:
    """Train a small five-language model on the bundled sample, in about a minute and without a download.

    Parameters
    ----------
    output
        Folder for the model.
    """
    from lingualign.quickstart import quickstart

    quickstart(output)


def train(run: RunConfig, resume: bool = False, overwrite: bool = False) -> None:
    """Train an aligned model from translation pairs.

    Parameters
    ----------
    run
        The configuration.
    resume
        Go on with the run in the output folder from its last checkpoint.
    overwrite
        Replace the run in the output folder.
    """
    from lingualign.training import train

    train(run, resume=resume, overwrite=overwrite)


def evaluate(
    model: str, suite: list[str], output: str | None = None, prompt: str = "", device: str | None = None
) -> None:
    """Score a model on bitext retrieval, n-way parallel sets and semantic similarity.

    Parameters
    ----------
    model
        Hub id, folder, or minilm.
    suite
        Folders (read recursively) or files: parquet, TSV, CSV or JSON lines. Columns sentence1, sentence2 are
        translation pairs, with score they are graded for similarity; language columns only (en, kor_Hang) are an
        n-way parallel set.
    output
        File to keep the scores in, as JSON.
    prompt
        Text put before every sentence, such as "query: " for E5.
    device
        Where the model runs, such as cpu or cuda:1; the best there is by default.
    """
    from lingualign.evaluation import evaluate, load_suites, print_scores, save_scores

    if output is not None and not os.path.isdir(os.path.dirname(os.path.abspath(output))):
        raise InputError(f"--output {output!r}: its folder does not exist")
    scores = evaluate(model, load_suites(suite), prompt=prompt, device=device, progress=True)
    print_scores(scores)
    if output is not None:
        save_scores(scores, output)


COMMANDS: dict[str, Callable[..., None]] = {"quickstart": quickstart, "train": train, "evaluate": evaluate}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, 2 for an input error, 130 after Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0
    if arguments[0] == "--version":
        print(f"lingualign {__version__}")
        return 0
    # With other processes busy, OpenMP threads that spin while they wait starve each other. Read when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        command, values = _parse(arguments)
        COMMANDS[command](**values)
    except InputError as error:
        print(f"lingualign: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lingualign: interrupted", file=sys.stderr)
        return 130
    return 0


def _help() -> str:
    width = max(map(len, COMMANDS))
    commands = (f"  {name:{width}}  {_summary(function)}" for name, function in COMMANDS.items())
    return "\n".join(
        [
            "usage: lingualign COMMAND [OPTIONS]",
            "",
            "Turn any sentence-embedding model into an aligned multilingual one from translation pairs.",
            "",
            "commands:",
            *commands,
            "",
            "lingualign COMMAND --help tells more; lingualign --version tells the version.",
        ]
    )


def _summary(function: Callable[..., None]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


def _parse(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """Find the command and the values of its parameters."""
    command = arguments[0]
    if command not in COMMANDS:
        raise InputError(
            f"unknown command {command!r}{_nearest(command, COMMANDS)}; there are {', '.join(COMMANDS)}"
        )
    function = COMMANDS[command]
    parser, configured = _parser(command, function)
    import argparse

    try:
        values = parser.parse_args(arguments[1:])
        values = parser.instantiate(values) if configured else values
    except (argparse.ArgumentError, ValueError, TypeError, OSError) as error:
        raise InputError(f"{command}: {_explain(str(error), parser)}") from None
    parameters = inspect.signature(function).parameters
    given = {name: getattr(values, name) for name in parameters if name != configured}
    if configured:
        from lingualign.training.config import RunConfig

        given[configured] = RunConfig(
            **{name: getattr(values, name) for name in RunConfig.__dataclass_fields__}
        )
    return command, given


def _parser(command: str, function: Callable[..., None]) -> tuple[Any, str | None]:
    """Make the parser of a command; also names the parameter that is the configuration, if there is one."""
    from docstring_parser import parse
    from jsonargparse import ArgumentParser

    from lingualign.training.config import RunConfig

    document = parse(inspect.getdoc(function) or "")
    parser = ArgumentParser(
        prog=f"lingualign {command}", description=document.short_description, exit_on_error=False, allow_abbrev=False
    )
    told = {parameter.arg_name: parameter.description for parameter in document.params}
    hints = typing.get_type_hints(function, localns={"RunConfig": RunConfig})
    configured = None
    for name, parameter in inspect.signature(function).parameters.items():
        kind, flag = hints[name], f"--{name.replace('_', '-')}"
        if kind is RunConfig:
            configured = name
            parser.add_argument("--config", action="config", help="YAML file with the options below")
            parser.add_class_arguments(RunConfig, None)
        elif kind is bool:
            parser.add_argument(flag, action="store_true", help=told[name])
        elif typing.get_origin(kind) is list:
            parser.add_argument(flag, nargs="+", required=True, metavar="PATH", help=told[name])
        elif parameter.default is inspect.Parameter.empty:
            parser.add_argument(name, metavar=name.upper(), type=kind, help=told[name])
        else:
            parser.add_argument(flag, type=kind, default=parameter.default, help=told[name])
    return parser, configured


def _explain(message: str, parser: Any) -> str:
    """Put a parser's complaint into one line, with the nearest known key for an unknown one."""
    message = " ".join(message.split())
    if group := re.search(r"Group '([^']+)' does not accept option '([^']+)'", message):
        unknown = f"{group[1]}.{group[2]}"
    elif option := re.search(
        r"Option '([^']+)' is not accepted|unrecognized arguments: --([^\s=]+)", message
    ):
        unknown = option[1] or option[2]
    else:
        return message
    known = {action.dest for action in parser._actions if action.dest not in ("help", "print_config")}
    section = unknown.partition(".")[0]
    if "." in unknown and not any(key == section or key.startswith(f"{section}.") for key in known):
        sections = {key.partition(".")[0] for key in known}
        return f"unknown option {unknown!r}{_nearest(section, sections)}; sections and options are {_list(sections)}"
    siblings = {key for key in known if key.rpartition(".")[0] == unknown.rpartition(".")[0]}
    return f"unknown option {unknown!r}{_nearest(unknown, known)}; there are {_list(siblings or known)}"


def _nearest(word: str, known: typing.Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _list(names: typing.Iterable[str]) -> str:
    return ", ".join(sorted(names))
