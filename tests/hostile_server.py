"""A server of this machine that answers with any bytes, at any pace."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


@contextmanager
def answering(answer: Callable[[bytes], Iterable[bytes | float]]) -> Iterator[str]:
    """Run a server on a free port; yields its address.

    Parameters
    ----------
    answer
        From a request to what is sent back: bytes, and seconds to wait between them.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            request = connection.recv(1 << 16)
            for part in answer(request):
                if over.is_set():
                    return
                if isinstance(part, bytes):
                    connection.sendall(part)
                else:
                    time.sleep(part)

    def listen() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        listener.close()


def http(body: bytes, status: str = "200 OK", *headers: str) -> list[bytes | float]:
    """Write an answer whose length is announced."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers])
    return [head.encode("latin-1") + b"\r\n\r\n" + body]


def endless(head: bytes, again: bytes, seconds: float = 0.0) -> Callable[[bytes], Iterator[bytes | float]]:
    """Answer with a head, then with the same bytes again and again, seconds apart."""

    def answer(_: bytes) -> Iterator[bytes | float]:
        yield head
        for _ in itertools.count():
            yield again
            yield seconds

    return answer
