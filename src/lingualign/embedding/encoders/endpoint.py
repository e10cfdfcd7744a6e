"""Vectors from a service that speaks OpenAI's protocol for embeddings."""

from __future__ import annotations

import base64
import hashlib
import html
import logging
import os
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import numpy as np

from lingualign._version import __version__
from lingualign.answers import AnswerError, open_answer, read_answer
from lingualign.embedding.encoders.sentence_encoder import unit
from lingualign.errors import InputError, quoted
from lingualign.store import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import httpx2
    from numpy.typing import NDArray

    from lingualign.embedding.options import ModelOptions

logger = logging.getLogger(__name__)

KEY = "LINGUALIGN_API_KEY"
RATE = "LINGUALIGN_API_REQUESTS_PER_MINUTE"
PRICE = "LINGUALIGN_API_PRICE"

BATCH_SENTENCES = 64
BATCH_CHARACTERS = 64_000
CONNECT_SECONDS = 10.0
SILENT_SECONDS = 60.0
"""Seconds for which a server may send nothing."""
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds before each retry, unless the server asks for another wait."""
LONGEST_WAIT = 120.0
LONGEST_ANSWER = 600.0
_VECTOR_BYTES = 1 << 20
"""Maximum bytes of an answer for each sentence: a vector of 16,384 numbers takes a third of it."""
_REASON_BYTES = 1 << 16
_TRACE = 8
"""Number of successive characters of the key that count as a part of it."""

_PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_LOCAL = {"localhost", "127.0.0.1", "::1"}


class _PassingError(Exception):
    """A request that failed and may succeed later."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass
class Usage:
    """Use of a service so far.

    Attributes
    ----------
    requests
        Number of answered requests.
    tokens
        Number of tokens by the server's count; None if it sends none.
    cost
        Cost in US dollars by the server, or else of the tokens at the given price; None if neither is known.
    """

    requests: int = 0
    tokens: int | None = None
    cost: float | None = None

    def __str__(self) -> str:
        parts = [f"{self.requests:,} requests"]
        if self.tokens is not None:
            parts.append(f"{self.tokens:,} tokens")
        if self.cost is not None:
            parts.append(f"${self.cost:,.4f}")
        return ", ".join(parts)


class Endpoint:
    """A model behind an address, ``https://host/v1#model``.

    Its settings come from the environment: ``LINGUALIGN_API_KEY`` is sent as a bearer token,
    ``LINGUALIGN_API_REQUESTS_PER_MINUTE`` limits requests, and ``LINGUALIGN_API_PRICE`` is the price in US dollars of a
    million tokens, for servers that send no cost.

    Parameters
    ----------
    address
        Base address of the service, and after ``#`` the model's name.
    options
        Options, of which only the prompt applies.

    Raises
    ------
    InputError
        If the address or a setting cannot be used.
    """

    precision = "fp32"
    tokenizer = None

    def __init__(self, address: str, options: ModelOptions) -> None:
        self.name = address
        self.prompt = options.prompt or ""
        self.usage = Usage()
        self._prompt_from = "none" if options.prompt is None else "option"
        self._url, self._model = _parse(address)
        self._interval = 60 / rate if (rate := _setting(RATE)) else 0.0
        self._price = _setting(PRICE)
        self._key = _key()
        self._width: int | None = None
        self._next = 0.0
        parts = urlsplit(self._url)
        self._is_local = parts.hostname in _LOCAL
        if self._key and parts.scheme == "http" and not self._is_local:
            raise InputError(
                f"model {address!r}: the key in {KEY} would be sent unencrypted; use https, or unset {KEY}"
            )

    @property
    def fingerprint(self) -> str:
        """Digest of address and model: the weights behind them are unknown."""
        return hashlib.sha256(f"{self._url}\n{self._model}".encode()).hexdigest()

    @cached_property
    def dimensions(self) -> int:
        """Length of a vector, found by a request."""
        return self._width or next(iter(self.batches(["."])))[1].shape[1]

    def describe(self) -> dict[str, Any]:
        """Return the kind and the origin of the prompt."""
        return {"kind": "endpoint", "prompt_from": self._prompt_from}

    def batches(self, sentences: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Encode by one request after the other, and log the usage at the end."""
        import httpx2

        headers = {"User-Agent": f"lingualign/{__version__}"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        timeout = httpx2.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS)
        try:
            # Redirections are not followed; a proxy of the environment does not apply to a local server.
            with httpx2.Client(headers=headers, timeout=timeout, trust_env=not self._is_local) as client:
                for rows in _cut(sentences):
                    texts = [self.prompt + sentences[row] for row in rows]
                    yield np.array(rows), unit(self._vectors(client, texts))
        finally:
            if self.usage.requests:
                logger.warning("%s: %s", self.name, self.usage)

    def _vectors(self, client: httpx2.Client, texts: list[str]) -> NDArray[np.float32]:
        for attempt, pause in enumerate((*PAUSES, None), start=1):
            try:
                answer = self._ask(client, texts)
                break
            except _PassingError as error:
                if pause is None or (error.wait or 0) > LONGEST_WAIT:
                    times = f", {attempt} times in a row" if attempt > 1 else ""
                    asked = f", and asks to wait {error.wait:g} seconds" if error.wait else ""
                    raise InputError(
                        f"{self.name}: {error}{times}{asked}. Try again later; {RATE} slows requests down, and "
                        "`lingualign encode` keeps the vectors it has got"
                    ) from None
                time.sleep(pause if error.wait is None else error.wait)
        vectors = self._read(answer, len(texts))
        self._count(answer)
        return vectors

    def _ask(self, client: httpx2.Client, texts: list[str]) -> dict[str, Any]:
        import httpx2

        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + self._interval
        body = {"model": self._model, "input": texts, "encoding_format": "float"}
        try:
            with open_answer(client, "POST", self._url, LONGEST_ANSWER, json=body) as response:
                if not response.is_success:
                    self._refused(response)
                content = read_answer(response, len(texts) * _VECTOR_BYTES + _REASON_BYTES, LONGEST_ANSWER)
        except AnswerError as error:
            if not error.passing:
                raise InputError(f"{self.name}: {error}") from None
            raise _PassingError(str(error)) from None
        except httpx2.TimeoutException:
            raise _PassingError(f"the server sent nothing for {SILENT_SECONDS:g} seconds") from None
        except httpx2.ConnectError as error:
            raise InputError(f"{self.name} cannot be reached ({self._told(error) or 'no answer'})") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _PassingError(
                f"the connection broke ({self._told(error) or type(error).__name__})"
            ) from None
        try:
            answer = read_json(content)
        except ValueError:
            raise _PassingError("the answer is cut off, or no JSON") from None
        if not isinstance(answer, dict):
            raise InputError(f"{self.name}: the answer is no object with 'data'")
        return answer

    def _refused(self, response: httpx2.Response) -> None:
        """Raise `_PassingError` for a failure that may pass, InputError for others."""
        said = f"the server answered {response.status_code} {self._told(response.reason_phrase)}".rstrip()
        if response.status_code in _PASSING:
            try:
                wait = max(0.0, float(response.headers.get("Retry-After", "")))
            except ValueError:
                wait = None
            raise _PassingError(said, wait)
        cure = f"; set {KEY}" if response.status_code == 401 and not self._key else ""
        try:
            reason = self._told(_reason(read_answer(response, _REASON_BYTES, SILENT_SECONDS)))
        except AnswerError:
            reason = ""
        raise InputError(f"{self.name}: {said}{f' ({reason})' if reason else ''}{cure}")

    def _told(self, words: object) -> str:
        """Return the server's words for a message, without the key, which many servers repeat."""
        line = quoted(str(words), longest=_REASON_BYTES)
        return quoted(without_key(line, self._key) if self._key else line)

    def _read(self, answer: dict[str, Any], expected: int) -> NDArray[np.float32]:
        """Return the vectors of an answer, whose rows may come in any order."""
        data = answer.get("data")
        if not isinstance(data, list) or len(data) != expected:
            found = f"{len(data)} vectors" if isinstance(data, list) else "no list 'data'"
            raise InputError(f"{self.name}: asked for {expected} vectors, and the answer has {found}")
        try:
            places = [entry.get("index", row) for row, entry in enumerate(data)]
            with np.errstate(over="ignore"):  # infinite then, and refused
                vectors = [np.asarray(entry["embedding"], dtype=np.float32) for entry in data]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise InputError(
                f"{self.name}: the answer has entries without a list of numbers 'embedding'"
            ) from None
        if {type(place) for place in places} != {int} or sorted(places) != list(range(expected)):
            raise InputError(
                f"{self.name}: the places ('index') of the answer's vectors are not 0 to {expected - 1}"
            )
        width = self._width or vectors[0].size
        for vector in vectors:
            if vector.ndim != 1 or not vector.size or vector.size != width:
                raise InputError(
                    f"{self.name}: a vector of shape {vector.shape} among others of {width} dimensions"
                )
            if not np.isfinite(vector).all():
                raise InputError(f"{self.name}: the server gives NaN or infinite values")
        self._width = width
        ordered = np.empty((expected, width), np.float32)
        ordered[places] = vectors
        return ordered

    def _count(self, answer: dict[str, Any]) -> None:
        self.usage.requests += 1
        usage = answer.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        tokens = usage.get("total_tokens", usage.get("prompt_tokens"))
        cost = usage.get("cost")
        if type(tokens) is int and 0 <= tokens < 1 << 53:
            self.usage.tokens = (self.usage.tokens or 0) + tokens
            if cost is None and self._price is not None:
                cost = tokens * self._price / 1e6
        if isinstance(cost, int | float) and 0 <= cost < 1 << 53:
            self.usage.cost = (self.usage.cost or 0.0) + cost


def without_key(text: str, key: str) -> str:
    """Remove a key from a text: plain, quoted for an address or a page, in base64, and any longer part of it."""
    forms = [key, base64.b64encode(key.encode()).decode(), base64.b64encode(f":{key}".encode()).decode()]
    traces = [
        (form[start : start + _TRACE], min(len(form), _TRACE))
        for form in forms
        for start in range(max(1, len(form) - _TRACE + 1))
    ]
    plain = html.unescape(unquote(text))
    text = plain if any(trace in plain for trace, _ in traces) else text
    hidden = np.zeros(len(text), bool)
    for trace, length in traces:
        start = text.find(trace)
        while start >= 0:
            hidden[start : start + length] = True
            start = text.find(trace, start + 1)
    runs = np.split(np.arange(len(text)), np.flatnonzero(np.diff(hidden)) + 1)
    return "".join("[key]" if hidden[run[0]] else text[run[0] : run[-1] + 1] for run in runs if len(run))


def _key() -> str | None:
    key = (os.environ.get(KEY) or "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InputError(
            f"{KEY} holds characters that no key has (spaces, line breaks or letters beyond ASCII): set it anew"
        )
    return key or None


def _parse(address: str) -> tuple[str, str]:
    """Split an address into the URL of requests and the model's name."""
    base, _, model = address.partition("#")
    try:
        parts = urlsplit(base)
        unfit = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
    except ValueError:
        raise InputError(f"model {address!r} is no service: expected https://host/v1#model") from None
    if "@" in parts.netloc or parts.query:
        # The address appears in logs, scores and cards, which must hold no secret.
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}#{model}"
        raise InputError(
            f"model {shown!r} is no service with a user or a query (?...) in its address: expected "
            f"https://host/v1#model, the key in {KEY}"
        )
    if unfit or not model:
        raise InputError(f"model {address!r} is no service: expected https://host/v1#model, the key in {KEY}")
    return f"{base.rstrip('/')}/embeddings", model


def _setting(variable: str) -> float | None:
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise InputError(f"{variable} is {text!r}: it must be a number above 0")
    return value


def _cut(sentences: Sequence[str]) -> Iterator[list[int]]:
    """Yield the rows of requests, at most `BATCH_SENTENCES` sentences and `BATCH_CHARACTERS` characters each."""
    rows: list[int] = []
    characters = 0
    for row, sentence in enumerate(sentences):
        if rows and (len(rows) == BATCH_SENTENCES or characters + len(sentence) > BATCH_CHARACTERS):
            yield rows
            rows, characters = [], 0
        rows.append(row)
        characters += len(sentence)
    if rows:
        yield rows


def _reason(content: bytes) -> str:
    try:
        answer = read_json(content)
        error = answer.get("error", answer) if isinstance(answer, dict) else answer
        return str(error["message"] if isinstance(error, dict) and "message" in error else error)
    except ValueError:
        return content.decode(errors="replace")
