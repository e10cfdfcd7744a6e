"""Answers of servers, read as if they meant harm: bounded in bytes and in seconds."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import httpx2

SLOWEST = 4096
"""Bytes a second, below which a connection counts as broken."""

HEAD_SECONDS = 120.0
"""How long a server may take until the body of its answer begins, however it spends the time."""


class AnswerError(Exception):
    """A status of failure, or a body that is not what was announced."""

    def __init__(self, said: str, *, passing: bool) -> None:
        super().__init__(said)
        self.passing = passing


@contextmanager
def open_answer(
    client: httpx2.Client, method: str, url: str, seconds: float = HEAD_SECONDS, **asked: Any
) -> Iterator[httpx2.Response]:
    """Send a request, as ``client.stream`` does, and wait for the head of the answer no longer than ``seconds``.

    The client's own limits are for each read: a server that sends a header a byte at a time keeps within them for days.

    Raises
    ------
    AnswerError
        If the body has not begun by then.
    """
    request = client.build_request(method, url, **asked)
    heads: queue.SimpleQueue[httpx2.Response | BaseException] = queue.SimpleQueue()

    def send() -> None:
        try:
            heads.put(client.send(request, stream=True))
        except BaseException as error:  # raised by the thread that waits
            heads.put(error)

    threading.Thread(target=send, daemon=True).start()
    try:
        head = heads.get(timeout=seconds)
    except queue.Empty:
        raise AnswerError(f"its answer has not begun after {seconds:g} seconds", passing=True) from None
    if isinstance(head, BaseException):
        raise head
    try:
        yield head
    finally:
        head.close()


def read_answer(response: httpx2.Response, most: int, seconds: float) -> bytes:
    """Read the body of an answer that is streamed, its compression undone.

    Parameters
    ----------
    response
        The answer.
    most
        Bytes that it may have.
    seconds
        Time that all of it may take.

    Raises
    ------
    AnswerError
        If it is larger, or takes longer.
    """
    end = time.monotonic() + seconds
    content = bytearray()
    for block in response.iter_bytes():
        content += block
        if len(content) > most:
            raise AnswerError(
                f"its answer does not end: more than {most >> 20} MiB have arrived", passing=False
            )
        if time.monotonic() > end:
            raise AnswerError(f"its answer is not whole after {seconds:g} seconds", passing=True)
    return bytes(content)


def in_time(blocks: Iterable[bytes], patience: float) -> Iterator[bytes]:
    """Pass on the blocks of a download of any size while it is not slower than `SLOWEST`.

    Parameters
    ----------
    blocks
        As they arrive.
    patience
        Seconds that it may fall behind.

    Raises
    ------
    AnswerError
        If it falls further behind.
    """
    began = time.monotonic()
    arrived = 0
    for block in blocks:
        yield block
        arrived += len(block)
        if time.monotonic() - began > patience + arrived / SLOWEST:
            raise AnswerError(f"it sends fewer than {SLOWEST:,} bytes a second", passing=True)


def refuse_step_down(response: httpx2.Response) -> None:
    """Raise `AnswerError` for a redirection from https to what is not encrypted; a hook of a client's responses."""
    if response.has_redirect_location and response.url.scheme == "https":
        place = response.url.join(response.headers["Location"])
        if place.scheme != "https":
            raise AnswerError(
                f"it redirects from https to {place.scheme}, which anyone on the way can read and change",
                passing=False,
            )
