"""A server of this machine that answers as an embeddings service does, and misbehaves when told to."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class EmbeddingsServer:
    """Gives each sentence the vector (its length, its vowels, 1), and keeps the requests."""

    def __init__(self, mishaps: list[Any]) -> None:
        self.mishaps = mishaps
        """What befalls the first requests, one each: a status, ("wait", status, seconds), "hang", "cut", or a function
        that changes the answer."""
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.address = ""


def vector(sentence: str) -> list[float]:
    return [float(len(sentence)), float(sum(letter in "aeiou" for letter in sentence)), 1.0]


class _Handler(BaseHTTPRequestHandler):
    service: EmbeddingsServer

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        self.service.times.append(time.monotonic())
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.service.requests.append({"path": self.path, "key": self.headers.get("Authorization"), **body})
        mishap = self.service.mishaps.pop(0) if self.service.mishaps else None
        data = [{"index": row, "embedding": vector(text)} for row, text in enumerate(body["input"])]
        answer = {"data": data[::-1], "usage": {"total_tokens": 10 * len(data)}}
        headers = {}
        status = 200
        if isinstance(mishap, tuple):
            _, status, wait = mishap
            headers["Retry-After"] = str(wait)
        elif isinstance(mishap, int):
            status = mishap
        elif mishap == "hang":
            time.sleep(1.5)
        elif callable(mishap):
            answer = mishap(answer)
        if status != 200:
            answer = {"error": {"message": "not now"}}
        content = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with suppress(OSError):  # the client may have gone
            self.wfile.write(content[: len(content) // 2] if mishap == "cut" else content)
        self.close_connection = mishap == "cut"


@contextmanager
def serving(
    *mishaps: int | str | tuple[str, int, float] | Callable[[Any], Any],
) -> Iterator[EmbeddingsServer]:
    """Run a server on a free port."""
    service = EmbeddingsServer(list(mishaps))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"service": service}))
    server.daemon_threads = True
    service.address = f"http://127.0.0.1:{server.server_port}/v1#words"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
