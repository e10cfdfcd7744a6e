"""The ``lingualign`` command: a dict of plain functions, whose signatures and docstrings are the options.

Nothing heavy is imported before a command is chosen, so that help is instant.
"""

from __future__ import annotations

import errno
import inspect
import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lingualign._version import __version__
from lingualign.commands.data import counts, fetch, fetch_suites, inspect_, prepare
from lingualign.commands.evaluate import compare, evaluate
from lingualign.commands.mining import align, encode, filter_, mine
from lingualign.commands.train import quickstart, train
from lingualign.environment import prepare_environment
from lingualign.errors import InputError, SharedInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

COMMANDS: dict[str, Callable[..., None]] = {
    "quickstart": quickstart,
    "train": train,
    "evaluate": evaluate,
    "compare": compare,
    "encode": encode,
    "mine": mine,
    "filter": filter_,
    "align": align,
    "data fetch": fetch,
    "data inspect": inspect_,
    "data prepare": prepare,
    "data counts": counts,
    "data fetch-suites": fetch_suites,
}
_GOES_ON = {"encode", "mine", "filter", "align", "evaluate", "compare"}
"""Commands that keep what is done; others either say themselves how to go on, or leave nothing."""
_GROUPS = {name.partition(" ")[0] for name in COMMANDS if " " in name}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, 2 for an input error, 130 after Ctrl-C or SIGTERM."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0
    if arguments[0] in _GROUPS:
        if arguments[1:2] in ([], ["-h"], ["--help"]):
            print(_help(arguments[0]))
            return 0
        arguments[:2] = [" ".join(arguments[:2])]
    if arguments[0] == "--version":
        print(f"lingualign {__version__}")
        return 0
    prepare_environment()
    try:
        with _interruptible():
            _run(arguments[0], arguments[1:])
    except SharedInputError:
        return 2
    except InputError as error:
        print(f"lingualign: error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        print(
            f"lingualign: error: {error.filename or 'output'}: {error.strerror}; make room", file=sys.stderr
        )
        return 2
    except KeyboardInterrupt as error:
        kept = "what is done is kept, " if arguments[0] in _GOES_ON else ""
        how = f"interrupted; {kept}run the same command again{' to go on' if kept else ''}"
        print(f"lingualign: {str(error) or how}", file=sys.stderr)
        return 130
    return 0


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a command tidily, by a KeyboardInterrupt; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    process = os.getpid()

    def interrupt(number: int, _: Any) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        if os.getpid() != process:  # a copy of this process, which has nothing to tidy up
            signal.raise_signal(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(command: str, arguments: Sequence[str]) -> None:
    from lingualign.arguments import parse
    from lingualign.hub import nearest

    if command not in COMMANDS:
        raise InputError(
            f"unknown command {command!r}{nearest(command, COMMANDS)}; there are {', '.join(COMMANDS)}"
        )
    COMMANDS[command](**parse(command, COMMANDS[command], arguments))


def _help(group: str = "") -> str:
    """Tell what commands there are, all of them or those of a group: ``data`` has ``data prepare``."""
    told = {name: function for name, function in COMMANDS.items() if name.startswith(f"{group} ".lstrip())}
    width = max(map(len, told))
    commands = (f"  {name:{width}}  {_summary(function)}" for name, function in told.items())
    return "\n".join(
        [
            f"usage: lingualign {group} COMMAND [OPTIONS]".replace("  ", " "),
            "",
            "Turn any sentence-embedding model into an aligned multilingual one from translation pairs.",
            "",
            "commands:",
            *commands,
            "",
            f"lingualign {group} COMMAND --help tells more; lingualign --version tells the version.".replace(
                "  ", " "
            ),
        ]
    )


def _summary(function: Callable[..., None]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]
