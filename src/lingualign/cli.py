"""The ``lingualign`` command: a dict of plain functions, whose signatures and docstrings are the flags.

Nothing heavy is imported before a command is chosen, so that help is instant.
"""

from __future__ import annotations

import errno
import inspect
import os
import sys
import tempfile
from typing import TYPE_CHECKING

from lingualign._version import __version__
from lingualign.errors import InputError, SharedInputError

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
        YAML file with the options below; an option given on the command line wins.
    resume
        Go on with the run in the output folder from its last checkpoint.
    overwrite
        Replace the run in the output folder.
    """
    from lingualign.training import train

    train(run, resume=resume, overwrite=overwrite)


def evaluate(
    model: str,
    suite: list[str],
    output: str | None = None,
    prompt: str | None = None,
    device: str | None = None,
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
        Text put before every sentence, such as "query: " for E5; the model's own default prompt where absent.
    device
        Where the model runs, such as cpu or cuda:1; the best there is by default.
    """
    from lingualign.evaluation import evaluate, load_suites, print_scores, save_scores

    if output is not None:
        _check_output(output)
    scores = evaluate(model, load_suites(suite), prompt=prompt, device=device, progress=True)
    print_scores(scores)
    if output is not None:
        save_scores(scores, output)


def _check_output(output: str) -> None:
    """Refuse a file that could not be written, before the scores are computed."""
    folder = os.path.dirname(os.path.abspath(output))
    if os.path.isdir(output) or output.endswith(os.sep):
        raise InputError(
            f"--output {output!r}: a folder; give a file, such as {os.path.join(output, 'scores.json')}"
        )
    if not os.path.isdir(folder):
        raise InputError(f"--output {output!r}: its folder does not exist")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise InputError(f"--output {output!r}: its folder cannot be written to: {error.strerror}") from None


_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

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
        print(f"lingualign: {error or 'interrupted'}", file=sys.stderr)
        return 130
    return 0


def _run(command: str, arguments: Sequence[str]) -> None:
    from lingualign.arguments import nearest, parse

    if command not in COMMANDS:
        raise InputError(
            f"unknown command {command!r}{nearest(command, COMMANDS)}; there are {', '.join(COMMANDS)}"
        )
    COMMANDS[command](**parse(command, COMMANDS[command], arguments))


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
