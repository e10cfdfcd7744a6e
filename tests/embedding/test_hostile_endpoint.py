"""A service that means harm gets no key printed, no terminal, no memory and no time."""

from __future__ import annotations

import base64
import gzip
import json
import logging
from urllib.parse import quote

import pytest

from hostile_server import answering, endless, http
from lingualign.embedding.encoders import encode_with, endpoint, open_encoder
from lingualign.embedding.encoders.endpoint import without_key
from lingualign.errors import InputError

KEY = "sk-proj-Ab3_dEf/g+hIjKlMnOpQrStUvWx"
ECHOES = [
    json.dumps({"error": {"message": f"\x1b[31mwrong Authorization: Bearer {KEY}\x1b]0;owned\x07"}}),
    json.dumps({"error": f"no such key {KEY[:14]}..."}),
    json.dumps({"detail": [{"headers": {"authorization": f"Bearer {KEY}"}}]}),
    f"<h1>401</h1>\r\n\x1b[2Jfor /v1/embeddings?key={quote(KEY, safe='')}&x=1",
    f"Basic {base64.b64encode(f':{KEY}'.encode()).decode()}",
    f"{KEY[:9]}\x1b[0m{KEY[9:]}",
    "x" * 190 + KEY,
    "[" * 50_000,
]


@pytest.fixture(autouse=True)
def no_further_attempts(monkeypatch) -> None:
    monkeypatch.setattr(endpoint, "PAUSES", ())


def refused(address: str) -> str:
    with pytest.raises(InputError) as caught:
        encode_with(open_encoder(f"{address}/v1#m"), ["text 0", "text 1"])
    return str(caught.value)


@pytest.mark.parametrize("echo", ECHOES)
def test_a_refusal_that_repeats_the_key_is_told_without_it(monkeypatch, caplog, echo: str) -> None:
    monkeypatch.setenv(endpoint.KEY, KEY)
    caplog.set_level(logging.DEBUG, "lingualign")
    reason = f"Bad {KEY}"
    with answering(lambda _: http(echo.encode(), f"401 {reason}")) as address:
        line = refused(address)
    for part in (
        KEY,
        KEY[:9],
        KEY[9:],
        quote(KEY, safe="")[:12],
        base64.b64encode(f":{KEY}".encode()).decode(),
    ):
        assert part not in line
    assert KEY not in caplog.text
    assert line.isprintable()
    assert "[31m" not in line
    assert len(line) < 400
    assert "the server answered 401 Bad [key]" in line


def test_a_text_without_a_key_stays_as_it_is() -> None:
    for text in ("nothing of the kind, 100%", "", "sk-proj"):
        assert without_key(text, KEY) == text
    assert without_key("your key secret is wrong", "secret") == "your key [key] is wrong"


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "\x1b[2J"])
def test_a_key_that_is_none_is_refused_and_not_told(monkeypatch, key: str) -> None:
    monkeypatch.setenv(endpoint.KEY, key)
    with pytest.raises(InputError, match=f"{endpoint.KEY} holds characters that no key has") as caught:
        open_encoder("https://host/v1#m")
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["https://user:hidden@host/v1#m", "https://host/v1?key=hidden#m", "https://hidden@host/v1#m", "https://[::1#m"],
)  # fmt: skip
def test_no_secret_is_taken_in_an_address(address: str) -> None:
    with pytest.raises(InputError, match="is no service") as caught:
        open_encoder(address)
    assert "hidden" not in str(caught.value)


def test_a_redirection_is_not_followed(monkeypatch) -> None:
    monkeypatch.setenv(endpoint.KEY, KEY)
    asked = []
    with answering(lambda request: asked.append(request) or http(b"", "200 OK")) as other:
        moved = f"Location: {other}/v1/embeddings"
        with answering(lambda _: http(b"", "307 Temporary Redirect", moved)) as address:
            assert "the server answered 307" in refused(address)
    assert asked == []


def numbers(*entries: object, **more: object) -> bytes:
    return json.dumps({"data": list(entries), **more}).encode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (numbers({"index": 1e400, "embedding": [1]}, {"index": 0, "embedding": [1]}), "the places"),
        (numbers({"index": True, "embedding": [1]}, {"index": 0, "embedding": [1]}), "the places"),
        (numbers({"index": 0.5, "embedding": [1]}, {"index": 1, "embedding": [1]}), "the places"),
        (numbers({"index": -1, "embedding": [1]}, {"index": 0, "embedding": [1]}), "the places"),
        (numbers({"index": [0], "embedding": [1]}, {"index": 0, "embedding": [1]}), "the places"),
        (numbers({"embedding": [10**400]}, {"embedding": [1]}), "entries without a list of numbers"),
        (numbers({"embedding": [1e300]}, {"embedding": [1]}), "NaN or infinite values"),
        (numbers({"embedding": [[[1]]]}, {"embedding": [1]}), "a vector of shape"),
        (b"[" * 100_000, "cut off, or no JSON"),
        (b'{"data": [' + b"9" * 5000 + b"]}", "cut off, or no JSON"),
        (b"\xff\xfe", "cut off, or no JSON"),
        (b'{"data": [1, 2]}', "entries without a list of numbers"),
    ],
)
def test_an_answer_that_cannot_be_is_one_line(body: bytes, message: str) -> None:
    with answering(lambda _: http(body)) as address:
        assert message in refused(address)


def test_a_count_that_cannot_be_is_not_added() -> None:
    usage = {"total_tokens": 10**400, "cost": 1e400}
    body = numbers({"embedding": [1, 0]}, {"embedding": [0, 1]}, usage=usage)
    with answering(lambda _: http(body)) as address:
        encoder = open_encoder(f"{address}/v1#m")
        assert encode_with(encoder, ["a", "b"]).shape == (2, 2)
    assert str(encoder.usage) == "1 requests"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            endless(b"HTTP/1.1 200 OK\r\n\r\n", b" " * (1 << 16), 0.0),
            "its answer does not end: more than 2 MiB",
        ),
        (endless(b"HTTP/1.1 200 OK\r\n\r\n", b" ", 0.02), "its answer is not whole after 0.5 seconds"),
        (endless(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n", 0.02), "its answer has not begun after 0.5 seconds"),
        (endless(b"HTTP/1.1 500 ", b"a", 0.02), "its answer has not begun after 0.5 seconds"),
        (
            lambda _: http(gzip.compress(b" " * (64 << 20)), "200 OK", "Content-Encoding: gzip"),
            "does not end",
        ),
        (lambda _: http(b"no gzip", "200 OK", "Content-Encoding: gzip"), "the connection broke"),
    ],
)
def test_an_answer_without_end_or_haste_is_left(monkeypatch, answer, message: str) -> None:
    monkeypatch.setattr(endpoint, "LONGEST_ANSWER", 0.5 if "0.5" in message else 60.0)
    with answering(answer) as address:
        assert message in refused(address)
