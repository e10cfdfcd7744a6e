"""A name that nothing has, with a hub and without one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.hub_server import serving

from lingualign.hub import nearest_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def _hanging_up() -> Iterator[tuple[str, list[object]]]:
    """A server that closes each connection; gives its address and the connections so far."""
    listening = socket.create_server(("127.0.0.1", 0))
    connections: list[object] = []

    def serve() -> None:
        while True:
            try:
                connection, peer = listening.accept()
            except OSError:
                return
            connections.append(peer)
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", connections
    finally:
        listening.close()


def _run(folder: Path, endpoint: str, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "lingualign", *arguments],
        cwd=folder,
        env={**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "hub"), "HF_HUB_OFFLINE": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2, ran.stderr
    return ran.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["encode", "runs/my-modle", "text.txt", "encoded"],
        ["evaluate", "runs/my-modle", "--suite", "text.tsv"],
        ["train", "--output", "new", "--pairs.sources", "text.tsv", "--teacher.model", "runs/my-modle"],
        ["data", "inspect", "--pairs.sources", "runs/my-modle"],
        ["encode", "minilm", "runs/my-modle", "encoded"],
    ],
)
def test_without_a_network_a_mistyped_name_is_found_at_once(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "runs" / "my-model").mkdir(parents=True)
    (tmp_path / "text.txt").write_text("hello\n")
    (tmp_path / "text.tsv").write_text("en\tfr\nhello\tbonjour\nthanks\tmerci\n")
    with _hanging_up() as (endpoint, connections):
        message = _run(tmp_path, endpoint, *arguments)
    assert "'runs/my-modle': no such file or folder (did you mean 'runs/my-model'?)" in message
    assert "the hub cannot be reached" in message
    assert len(connections) <= 2  # the client tries a connection that was closed a second time


@pytest.mark.parametrize(("name", "meant"), [("minilmm", "minilm"), ("ME-5", "me5")])
def test_a_hub_that_does_not_have_it_says_so(tmp_path: Path, name: str, meant: str) -> None:
    (tmp_path / "text.txt").write_text("hello\n")
    with serving({}) as hub:
        message = _run(tmp_path, hub.address, "encode", name, "text.txt", "encoded")
    assert message.startswith(
        f"lingualign: error: model {name!r}: no such file or folder (did you mean {meant!r}?)"
    )
    assert "the hub has no model of this name" in message


def test_no_hub_is_asked_for_what_cannot_be_its_id(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("hello\n")
    with _hanging_up() as (endpoint, connections):
        for name in ("./model", "runs/deep/model", "/none"):
            message = _run(tmp_path, endpoint, "encode", name, "text.txt", "encoded")
            assert message.startswith(f"lingualign: error: model {name!r}: no such file or folder. ")
    assert not connections


def test_the_nearest_path_is_found_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "runs" / "my-model").mkdir(parents=True)
    (tmp_path / "config.yaml").touch()
    for missing, meant in (
        ("runs/my_model", "runs/my-model"),
        ("rnus/my-model", "runs/my-model"),
        ("config.yml", "config.yaml"),
    ):
        assert nearest_path(tmp_path / missing) == f" (did you mean {str(tmp_path / meant)!r}?)"
    assert nearest_path(tmp_path / "other" / "thing") == ""
    assert nearest_path("/") == ""
