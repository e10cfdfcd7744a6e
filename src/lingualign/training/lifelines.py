"""A line from each process of a run to the first one, by which all learn which of them has died, and end.

A process that waits for vectors or gradients of one that is gone may wait for ever, and where its own library tells
it of a lost connection, it names an address. The operating system closes a line with its process, however that ends,
and tests it while it is silent, so that a machine that is gone is noticed as well.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import secrets
import selectors
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_GRACE = 20.0
"""Seconds in which a process that has heard of a death can end by itself."""
_PATIENCE = 120.0
"""Seconds in which all processes must have made their lines."""
_SILENCE, _TESTS, _BETWEEN = 5, 4, 5
"""Seconds until a silent line is tested, how often, and at what distance."""
_BEGINS, _ENDS, _FAILS, _HEARD = "begins", "ends", "fails", "heard"
_LAST_WORD = 10.0
"""Seconds that a process which ends or fails waits until the others have heard of it."""
_SECRET_BYTES = 16


class Lifelines:
    """The lines of one process: of the first one to all others, of these to the first.

    Parameters
    ----------
    rank, processes
        Rank of this process, and number of processes.
    exchange
        Gives every process the values of all, in rank order; all processes make their lines at the same time.

    Raises
    ------
    OSError
        If they cannot be made.
    """

    def __init__(self, rank: int, processes: int, exchange: Callable[[Any], list[Any]]) -> None:
        self._rank = rank
        self._lines: dict[int, socket.socket] = {}
        self._heard = threading.Event()
        self._failure: tuple[int, str] | None = None
        self._busy = self._failed = False
        self._hearing, self._sending = threading.Lock(), threading.Lock()
        self._answers = threading.Condition()
        self._awaited: set[int] = set()
        if rank == 0:
            with _server() as listener:
                secret = secrets.token_bytes(_SECRET_BYTES)
                listener.settimeout(_PATIENCE)
                exchange((socket.gethostname(), listener.getsockname()[1], secret))
                while len(self._lines) < processes - 1:
                    self._accept(listener, secret, processes)
        else:
            host, port, secret = exchange(None)[0]
            line = socket.create_connection((os.environ.get("MASTER_ADDR", host), port), timeout=_PATIENCE)
            line.sendall(secret + rank.to_bytes(4))
            line.settimeout(None)
            self._lines[0] = line
        for line in self._lines.values():
            _test_while_silent(line)
        self._open: set[int] = set(self._lines)
        threading.Thread(target=self._listen, name="lifelines", daemon=True).start()

    def _accept(self, listener: socket.socket, secret: bytes, processes: int) -> None:
        line, _ = listener.accept()
        line.settimeout(10)
        try:
            told = _receive(line, len(secret) + 4)
        except OSError:
            told = b""
        rank = int.from_bytes(told[len(secret) :])
        if not hmac.compare_digest(told[: len(secret)], secret) or not 0 < rank < processes:
            line.close()
            return
        line.settimeout(None)
        self._lines[rank] = line

    def __enter__(self) -> Lifelines:
        self._busy = True
        self._send(_BEGINS)
        if self._failure is not None:
            self._end_soon()
        return self

    def __exit__(self, *exception: object) -> None:
        # From here on an end is no death.
        self._busy = False
        self._send_last_word(_ENDS)

    def failure(self, seconds: float) -> tuple[int, str] | None:
        """Tell which other process has failed, and why where it could say so; waits for the word that long."""
        self._heard.wait(seconds)
        return self._failure

    def fail(self, why: str) -> None:
        """Tell the others that this process fails alone, and give them the time to hear it."""
        self._failed = True
        self._send_last_word(_FAILS, self._rank, why)

    @property
    def all_well(self) -> bool:
        """Whether no process has failed, so far as is known."""
        return self._failure is None and not self._failed

    def _send(self, *message: Any, to: int | None = None) -> None:
        encoded = json.dumps(message).encode() + b"\n"
        for line in self._lines.values() if to is None else [self._lines[to]]:
            # One that is gone needs no word.
            with self._sending, contextlib.suppress(OSError):
                line.sendall(encoded)

    def _send_last_word(self, *message: Any) -> None:
        """Send what this process may close its lines after, and wait until those that are left have heard it.

        A line that closes with something unread in it takes what it has carried with it, and an end that is not heard
        is a death.
        """
        with self._answers:
            self._awaited = set(self._open)
        self._send(*message)
        with self._answers:
            self._answers.wait_for(lambda: not self._awaited, _LAST_WORD)

    def _answer_of(self, rank: int, *, gone: bool = False) -> None:
        with self._answers:
            self._awaited.discard(rank)
            if gone:
                self._open.discard(rank)
            self._answers.notify_all()

    def _listen(self) -> None:
        """Hear what comes until no line is left; an end that nobody has announced is a death."""
        unread = dict.fromkeys(self._lines, b"")
        busy: set[int] = set()
        with selectors.DefaultSelector() as selector:
            for rank, line in self._lines.items():
                selector.register(line, selectors.EVENT_READ, rank)
            while selector.get_map():
                for key, _ in selector.select():
                    rank = key.data
                    try:
                        content = self._lines[rank].recv(4096)
                    except OSError:
                        content = b""
                    *messages, unread[rank] = (unread[rank] + content).split(b"\n")
                    for what, *told in map(json.loads, messages):
                        if what == _HEARD:
                            self._answer_of(rank)
                            continue
                        (busy.add if what == _BEGINS else busy.discard)(rank)
                        if what == _FAILS:
                            self._hear(*told)
                        if what != _BEGINS:
                            self._send(_HEARD, to=rank)
                    if not content:
                        selector.unregister(key.fileobj)
                        self._answer_of(rank, gone=True)
                        if rank in busy:
                            self._hear(rank, "")

    def _hear(self, rank: int, why: str) -> None:
        with self._hearing:
            # What follows from the first failure is none of its own.
            if self._failure is not None or rank == self._rank:
                return
            self._failure = (rank, why)
        if self._rank == 0:
            self._send(_FAILS, rank, why)
        self._heard.set()
        if self._busy:
            self._end_soon()

    def _end_soon(self) -> None:
        timer = threading.Timer(_GRACE, self._end)
        timer.daemon = True
        timer.start()

    def _end(self) -> None:
        """End this process, whose main thread waits for one that is gone."""
        if self._busy and self._failure is not None:
            print(f"lingualign: error: {describe(*self._failure)}", file=sys.stderr, flush=True)
            os._exit(1)


def describe(rank: int, why: str) -> str:
    """Put the failure of another process into words."""
    what = f"failed: {why}" if why else "has died: its own output, or the system's log, may tell why"
    return f"process {rank} of this run (counted from 0) {what}"


def _server() -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", 0))


def _receive(line: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count and (part := line.recv(count - len(received))):
        received += part
    return received


def _test_while_silent(line: socket.socket) -> None:
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", _SILENCE), ("TCP_KEEPINTVL", _BETWEEN), ("TCP_KEEPCNT", _TESTS)):
        if hasattr(socket, option):
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
