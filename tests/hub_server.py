"""A server of this machine that answers as the Hugging Face hub does, for data sets given as files."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COMMIT = "0" * 39 + "1"


class HubServer:
    """Data sets by id, each its files by path; and which files were taken."""

    def __init__(self, datasets: Mapping[str, Mapping[str, bytes]]) -> None:
        self.datasets = datasets
        self.taken: set[tuple[str, str]] = set()
        """Data sets with files of theirs, of which something was sent."""
        self.address = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(unquote(urlsplit(self.path).path))

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(unquote(urlsplit(self.path).path), body)

    def _answer(self, path: str, body: bytes = b"") -> None:
        found = re.fullmatch(r"/(api/)?datasets/([^/]+/[^/]+)(?:/([^/]+)/([^/]+)(?:/(.*))?)?", path)
        if found is None or found[2] not in self.hub.datasets:
            self._send(b'{"error": "Repository not found"}', 404, {"X-Error-Code": "RepoNotFound"})
            return
        files = self.hub.datasets[found[2]]
        api, kind, place = found[1], found[3], found[5] or ""
        if api and kind in (None, "revision"):
            listed = [{"rfilename": name} for name in files]
            told = {
                "id": found[2],
                "sha": found[4] if kind == "revision" and re.fullmatch("[0-9a-f]{40}", found[4]) else _COMMIT,
                "siblings": listed,
                "private": False,
                "tags": [],
                "gated": False,
            }
            self._json(told)
        elif api and kind == "tree":
            self._json(_tree(files, place))
        elif api and kind == "paths-info":
            wanted = json.loads(body)["paths"]
            self._json([entry for entry in _everything(files) if entry["path"] in wanted])
        elif kind == "resolve" and place in files:
            self._file(found[2], place, files[place])
        else:
            self._send(b'{"error": "Entry not found"}', 404, {"X-Error-Code": "EntryNotFound"})

    def _file(self, dataset: str, name: str, content: bytes) -> None:
        headers = {
            "X-Repo-Commit": _COMMIT,
            "ETag": f'"{hashlib.sha1(content).hexdigest()}"',
            "Accept-Ranges": "bytes",
        }
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if span and self.command == "GET":
            start = int(span[1])
            end = min(int(span[2]) if span[2] else len(content), len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            content, status = content[start : end + 1], 206
        else:
            status = 200
        if self.command == "GET":
            self.hub.taken.add((dataset, name))
        self._send(content, status, headers)

    def _json(self, answer: object) -> None:
        self._send(json.dumps(answer).encode(), 200, {"Content-Type": "application/json"})

    def _send(self, content: bytes, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _everything(files: Mapping[str, bytes]) -> list[dict[str, object]]:
    folders = {name.rsplit("/", depth)[0] for name in files for depth in range(1, name.count("/") + 1)}
    entries: list[dict[str, object]] = [
        {"type": "directory", "oid": "1", "size": 0, "path": folder} for folder in sorted(folders)
    ]
    entries += [
        {"type": "file", "oid": hashlib.sha1(content).hexdigest(), "size": len(content), "path": name}
        for name, content in files.items()
    ]
    return entries


def _tree(files: Mapping[str, bytes], below: str) -> list[dict[str, object]]:
    return [entry for entry in _everything(files) if not below or str(entry["path"]).startswith(f"{below}/")]


@contextmanager
def serving(datasets: Mapping[str, Mapping[str, bytes]]) -> Iterator[HubServer]:
    """Run a server on a free port."""
    hub = HubServer(datasets)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
