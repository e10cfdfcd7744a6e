"""A server of this machine that answers as the catalogue of OPUS and its store of archives do, well or badly."""

from __future__ import annotations

import io
import json
import re
import threading
import time
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def moses_zip(corpus: str, pair: str, lines: Sequence[tuple[str, str]], **more: bytes) -> bytes:
    """An archive as OPUS packs it: both sides, and what is told about them."""
    first, second = pair.split("-")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README", f"Corpus Name: {corpus}\n")
        archive.writestr("LICENSE", "free\n")
        for side, tag in enumerate((first, second)):
            text = "".join(f"{line[side]}\n" for line in lines)
            archive.writestr(f"{corpus}.{pair}.{tag}", text.encode("utf-8", "surrogateescape"))
        archive.writestr(f"{corpus}.{pair}.xml", "<links/>\n")
        for name, content in more.items():
            archive.writestr(name, content)
    return buffer.getvalue()


class OpusServer:
    """What the server holds, how it is to behave, and what it was asked."""

    def __init__(self) -> None:
        self.entries: list[dict[str, object]] = []
        self.archives: dict[str, bytes] = {}
        self.moods: dict[str, list[str]] = {}
        """By path, the behaviour of the answers to come; after the last of them all is well."""
        self.asked: list[tuple[str, str | None]] = []
        """Paths, each with the range that was asked for."""
        self.given: dict[str, int] = {}
        """Bytes of each path that were sent."""
        self.released = threading.Event()
        self.address = ""

    def add(self, corpus: str, pair: str, archive: bytes, version: str = "v1", **changed: object) -> str:
        """List an archive in the catalogue and keep it; returns its path."""
        path = f"/{corpus}/{version}/moses/{pair}.txt.zip"
        source, target = pair.split("-")
        entry = {
            "alignment_pairs": 10,
            "corpus": corpus,
            "documents": "",
            "id": len(self.entries),
            "latest": "True",
            "preprocessing": "moses",
            "size": round(len(archive) / 1024),
            "source": source,
            "source_tokens": "",
            "target": target,
            "target_tokens": "",
            "url": self.address.removesuffix("/opusapi/") + path,
            "version": version,
        }
        self.entries.append(entry | changed)
        self.archives[path] = archive
        return path

    def downloads(self) -> list[tuple[str, str | None]]:
        """The requests for archives."""
        return [(path, span) for path, span in self.asked if path in self.archives]

    def answer(self, question: dict[str, str]) -> dict[str, object]:
        """Answer a question to the catalogue, as its public code does."""
        if question.get("corpora"):
            return {"corpora": list(dict.fromkeys(entry["corpus"] for entry in self.entries))}
        if question.get("version") == "latest":
            question = {**question, "latest": "True"}
            del question["version"]
        return {
            "corpora": [
                entry for entry in self.entries if all(entry[key] == value for key, value in question.items())
            ]
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    opus: OpusServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        span = self.headers.get("Range")
        self.opus.asked.append((url.path, span))
        moods = self.opus.moods.get(url.path, [])
        mood = moods.pop(0) if moods else "well"
        if mood.isdecimal():
            self.send_response(int(mood))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif url.path == "/opusapi/":
            question = {key: values[0] for key, values in parse_qs(url.query).items()}
            content = b"<html>" if mood == "page" else json.dumps(self.opus.answer(question)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        elif url.path in self.opus.archives:
            self._give(url.path, self.opus.archives[url.path], span, mood)
        else:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _give(self, path: str, content: bytes, span: str | None, mood: str) -> None:
        start = int(re.fullmatch(r"bytes=(\d+)-", span)[1]) if span and mood != "no ranges" else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        rest = content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if mood == "no length":
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        for number, place in enumerate(range(0, len(rest), 1000)):
            if mood in ("cut", "silent") and place > len(rest) / 2:
                if mood == "silent":
                    self.wfile.flush()
                    self.opus.released.wait(60)
                self.close_connection = True
                return
            if mood == "slow" and number % 10 == 0:
                time.sleep(0.02)
            self.wfile.write(rest[place : place + 1000])
            self.opus.given[path] = self.opus.given.get(path, 0) + len(rest[place : place + 1000])


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go, which is what the tests have them do."""


@contextmanager
def serving() -> Iterator[OpusServer]:
    """Run a server on a free port."""
    opus = OpusServer()
    handler = type("Handler", (_Handler,), {"opus": opus})
    server = _Server(("127.0.0.1", 0), handler)
    opus.address = f"http://127.0.0.1:{server.server_port}/opusapi/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield opus
    finally:
        opus.released.set()
        server.shutdown()
        server.server_close()
