"""The ``lingualign`` command: a dict of plain functions, whose signatures and docstrings are the options.

Nothing heavy is imported before a command is chosen, so that help is instant.
"""

from __future__ import annotations

import inspect
import logging
import os
import re
import signal
import sys
import threading
from contextlib import contextmanager, redirect_stdout, suppress
from typing import TYPE_CHECKING, Any

from lingualign._version import __version__
from lingualign.cli.data import counts, fetch, fetch_suites, inspect_, prepare
from lingualign.cli.evaluate import compare, evaluate
from lingualign.cli.mining import align, encode, filter_, mine
from lingualign.cli.train import quickstart, train
from lingualign.environment import prepare_environment
from lingualign.errors import InputError, SharedInputError, environment_failure, is_panic, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

COMMANDS: dict[str, Callable[..., object]] = {
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
    """Run the command line.

    Returns
    -------
    int
        The exit status: 0; 2 for an input error, or for what the machine would not do (a full disk, no memory); 1 where
        nobody reads the output any more; 130 after Ctrl-C or SIGTERM. A
        defect of the program itself is raised.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _open_closed_streams()
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_PrintableFormatter())
    with redirect_stdout(_PrintableStream(sys.stdout)):
        try:
            try:
                with _interruptible():
                    _run(arguments)
            finally:
                # Now, for when the interpreter ends nobody explains what fails.
                sys.stdout.flush()
        except SharedInputError:
            return 2
        except InputError as error:
            return _fail(f"error: {error}", 2)
        except KeyboardInterrupt as error:
            # After an interrupt inside exec() of a text, as imports run some, Python would end `python -m` by SIGINT,
            # caught or not, until another text has run.
            exec("")
            kept = "what is done is kept, " if arguments and arguments[0] in _GOES_ON else ""
            how = f"interrupted; {kept}run the same command again{' to go on' if kept else ''}"
            return _fail(printable(str(error)) or how, 130)
        except BaseException as error:
            if not (isinstance(error, Exception) or is_panic(error)):
                raise
            if _output_lost() and isinstance(error, BrokenPipeError):
                return 1
            message = environment_failure(error)
            if message is None:
                error.add_note(
                    f"This is a defect of lingualign {__version__}. Please report it, with the command and these lines."
                )
                raise
            return _fail(f"error: {message}", 2)
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


def _run(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return
    if arguments[0] in _GROUPS:
        if arguments[1:2] in ([], ["-h"], ["--help"]):
            print(_help(arguments[0]))
            return
        arguments[:2] = [" ".join(arguments[:2])]
    if arguments[0] == "--version":
        print(f"lingualign {__version__}")
        return
    prepare_environment()
    from lingualign.cli.arguments import naming_option, parse
    from lingualign.hub import nearest

    command = arguments[0]
    if command not in COMMANDS:
        raise InputError(
            f"unknown command {command!r}{nearest(command, COMMANDS)}; there are {', '.join(COMMANDS)}"
        )
    function = COMMANDS[command]
    values = parse(command, function, arguments[1:])
    try:
        function(**values)
    except SharedInputError:
        raise
    except InputError as error:
        raise InputError(naming_option(str(error), function)) from error


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


def _summary(function: Callable[..., object]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]


class _PrintableStream:
    """Standard output without what a terminal obeys: names and sentences of files are a stranger's; colours stay."""

    _OBEYED = re.compile("(\x1b\\[[0-9;]*m|[\n\t])")

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        if hasattr(stream, "reconfigure"):
            # What the encoding lacks, as ASCII lacks most, is no reason to lose the outcome of hours.
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        parts = self._OBEYED.split(text)
        parts[::2] = map(printable, parts[::2])
        self._stream.write("".join(parts))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _PrintableFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return "\n".join(map(printable, super().format(record).split("\n")))


def _open_closed_streams() -> None:
    """Open what the caller has closed of the standard streams, or the next file opened would take its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _output_lost() -> bool:
    """Whether standard output can take no more; what is left of it is thrown away then."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        return True
    return False


def _fail(message: str, status: int) -> int:
    with suppress(OSError):
        print(f"lingualign: {message}", file=sys.stderr, flush=True)
    return status
