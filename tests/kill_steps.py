"""Work that is killed before each of its steps on the disk in turn, in real processes."""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.context import ForkServerContext

_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def killed_before_each_step(
    processes: ForkServerContext, work: Callable[..., object], *arguments: Any
) -> Iterator[int]:
    """Do work in one process after the other, each killed a step later than the one before; yields after each.

    It ends when a process has done the work. A step is what Python announces: a file opened to be written, renamed or
    removed, a folder made or removed. Libraries that write by themselves take part by the steps around theirs.
    """
    for step in count():
        process = processes.Process(target=_killed_before, args=(step, work, arguments))
        process.start()
        process.join(120)
        if process.exitcode == 0:
            return
        assert process.exitcode == -signal.SIGKILL
        yield step


def _killed_before(step: int, work: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    steps = 0

    def watch(event: str, details: tuple[Any, ...]) -> None:
        nonlocal steps
        if event in _CHANGES or (
            event == "open" and (details[2] or 0) & _WRITING and details[0] != os.devnull
        ):
            if steps == step:
                os.kill(os.getpid(), signal.SIGKILL)
            steps += 1

    sys.addaudithook(watch)
    work(*arguments)
    os._exit(0)
