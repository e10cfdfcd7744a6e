"""Processes that take turns, and processes that are alone."""

from __future__ import annotations

import logging
import os
import socket
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

_SILENT_SECONDS = 3


@contextmanager
def taking_turns(lock: Path, waiting: str) -> Iterator[None]:
    """Let one process at a time into a block; a wait that a person would notice is explained.

    Parameters
    ----------
    lock
        A file in a folder that exists; all that take turns name the same.
    waiting
        The explanation.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    from filelock import FileLock, Timeout

    turn = FileLock(lock)
    try:
        turn.acquire(timeout=_SILENT_SECONDS)
    except Timeout:
        logger.warning(waiting)
        turn.acquire()
    try:
        yield
    finally:
        turn.release()


@contextmanager
def alone(lock: Path, taken: str) -> Iterator[None]:
    """Let one process into a block, and refuse any other meanwhile.

    Parameters
    ----------
    lock
        A file in a folder that exists.
    taken
        What the others are told; who is in the block is added to it.

    Raises
    ------
    InputError
        If another process is in it.
    """
    from filelock import FileLock, Timeout

    held = FileLock(lock)
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise InputError(f"{taken}{_holder(lock)}") from None
    try:
        with suppress(OSError):
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            lock.write_text(f"process {os.getpid()} on {socket.gethostname()}, since {since}\n")
        yield
    finally:
        with suppress(OSError):
            os.truncate(lock, 0)
        held.release()


def _holder(lock: Path) -> str:
    """Name the process that holds a lock, as it has written; empty where it has not yet."""
    try:
        with lock.open(encoding="utf-8") as file:
            holder = file.readline(200).strip()
    except (OSError, ValueError):
        return ""
    return f" (it is {holder})" if holder.startswith("process ") and holder.isprintable() else ""
