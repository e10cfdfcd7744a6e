"""A catalogue or archive server that means harm."""

from __future__ import annotations

import gzip
import json

import pytest

from hostile_server import answering, endless, http
from lingualign import answers
from lingualign.errors import InputError
from lingualign.pairs.opus import catalogue, downloads
from lingualign.pairs.opus.fetch import fetch, plan_fetch

ENTRY = {
    "corpus": "Tatoeba",
    "version": "v1",
    "source": "en",
    "target": "fr",
    "url": "http://x/y.zip",
    "size": 1,
}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(catalogue, "PAUSES", ())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def asked(monkeypatch: pytest.MonkeyPatch, tmp_path, answer) -> str:
    with answering(answer) as address:
        monkeypatch.setenv(catalogue.ADDRESS_VARIABLE, address)
        with pytest.raises(InputError) as caught:
            plan_fetch(["en", "fr"], ["Tatoeba"], tmp_path / "out")
    assert str(caught.value).startswith(address)
    return str(caught.value)


def test_an_answer_is_bounded_in_bytes_and_seconds(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(catalogue, "_LARGEST_ANSWER", 1 << 20)
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    assert "its answer does not end" in asked(monkeypatch, tmp_path, endless(head, b" " * 65536))
    bomb = gzip.compress(b" " * (8 << 20))
    assert "does not end" in asked(
        monkeypatch, tmp_path, lambda _: http(bomb, "200 OK", "Content-Encoding: gzip")
    )
    monkeypatch.setattr(catalogue, "_LONGEST_ANSWER", 0.3)
    assert "not whole after 0.3 seconds" in asked(monkeypatch, tmp_path, endless(head, b" ", 0.02))


def test_a_large_answer_is_read_in_a_time_that_grows_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    body = json.dumps(
        {"corpora": [ENTRY | {"target": "ko"}] * 100_000}
    ).encode()  # 10 MB, in the blocks that a socket gives
    with answering(lambda _: http(body)) as address:
        monkeypatch.setenv(catalogue.ADDRESS_VARIABLE, address)
        with catalogue.open_client() as client:
            assert len(catalogue.Catalogue(client).bitexts("Tatoeba")) == 100_000


def test_a_reason_is_shown_without_what_a_terminal_obeys(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    line = asked(monkeypatch, tmp_path, lambda _: http(b"", "404 \x1b[2J\x1b]0;owned\x07gone"))
    assert "the server answered 404" in line
    assert line.isprintable()


@pytest.mark.parametrize("changed", [{"size": 10**400}, {"size": -1}, {"size": True}, {"corpus": "a\x1b[2J"}])
def test_an_entry_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path, changed) -> None:
    body = json.dumps({"corpora": [ENTRY | changed]}).encode()
    line = asked(monkeypatch, tmp_path, lambda _: http(body))
    assert "an entry of the catalogue cannot be trusted" in line
    assert line.isprintable()


def test_an_archive_that_drips_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(downloads, "SILENT_SECONDS", 0.3)
    archive = endless(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"P", 0.02)
    with answering(lambda request: archive(request) if b"/y.zip" in request else http(listed)) as address:
        listed = json.dumps({"corpora": [ENTRY | {"url": f"{address}/y.zip"}]}).encode()
        monkeypatch.setenv(catalogue.ADDRESS_VARIABLE, address)
        plan = plan_fetch(["en", "fr"], ["Tatoeba"], tmp_path / "out")
        with pytest.raises(InputError, match=r"it sends fewer than 4,096 bytes a second, 1 times in a row"):
            fetch(plan)


def test_no_step_down_from_https() -> None:
    import httpx2

    for origin, place, refused in [
        ("https://a/x", "http://b/y", True),
        ("https://a/x", "//b/y", False),
        ("https://a/x", "/y", False),
        ("http://a/x", "http://b/y", False),
    ]:
        transport = httpx2.MockTransport(
            lambda request, origin=origin, place=place: (
                httpx2.Response(302, headers={"Location": place})
                if str(request.url) == origin
                else httpx2.Response(200)
            )
        )
        hooks = {"response": [answers.refuse_step_down]}
        with httpx2.Client(transport=transport, follow_redirects=True, event_hooks=hooks) as client:
            if refused:
                with pytest.raises(answers.AnswerError, match="it redirects from https to http"):
                    client.get(origin)
            else:
                assert client.get(origin).is_success
    with catalogue.open_client() as client:
        assert client.event_hooks["response"] == [answers.refuse_step_down]
