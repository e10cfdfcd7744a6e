"""The catalogue of OPUS: its corpora with languages, sizes and addresses, and the requests for it.

HTTP for slow lines: waits end, passing failures are retried, other failures are explained.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from lingualign._version import __version__
from lingualign.answers import AnswerError, open_answer, read_answer, refuse_step_down
from lingualign.errors import InputError, quoted
from lingualign.languages import is_language, language_code
from lingualign.store import cache_folder, read_json, taking_turns, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    import httpx2

    T = TypeVar("T")
    from collections.abc import Iterable, Mapping
    from pathlib import Path


logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 60.0
"""Seconds for which a server may send nothing."""

PAUSES = (1.0, 3.0, 9.0)
"""Seconds before the second, third and fourth attempt."""

_PASSING = {408, 425, 429, 500, 502, 503, 504}


def open_client() -> httpx2.Client:
    """Open connections to any server; the caller closes them."""
    import httpx2

    return httpx2.Client(
        follow_redirects=True,
        timeout=httpx2.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS),
        headers={"User-Agent": f"lingualign/{__version__}"},
        event_hooks={"response": [refuse_step_down]},
    )


def check_status(response: httpx2.Response) -> None:
    """Raise `AnswerError` for an answer without success."""
    if not response.is_success:
        code = response.status_code
        raise AnswerError(
            f"the server answered {code} {quoted(response.reason_phrase)}".rstrip(), passing=code in _PASSING
        )


def persistently(
    action: Callable[[], T],
    url: str,
    *,
    later: str,
    never: str = "",
    stopped: threading.Event | None = None,
) -> T:
    """Call an action on the network, and retry it after a passing failure.

    Parameters
    ----------
    action
        Function that raises `AnswerError`, or an error of httpx2, on failure.
    url
        Address, for the message.
    later, never
        Cure for a passing failure, and for a permanent one.
    stopped
        Event that ends the pauses between attempts. Without it an unreachable server is not retried: there may be no
        network at all.

    Raises
    ------
    InputError
        If the action fails permanently, or four times.
    """
    import httpx2

    for pause in (*PAUSES, None):
        try:
            return action()
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            if pause is None or stopped is None:
                raise _unreachable(url, quoted(str(error)) or "no answer") from None
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise InputError(f"{url}: no address of a server ({error})") from None
        except (AnswerError, httpx2.HTTPError) as error:
            if isinstance(error, AnswerError) and not error.passing:
                raise InputError(f"{url}: {error}{never}") from None
            if pause is None:
                reason = _reason(error)
                raise InputError(f"{url}: {reason}, {len(PAUSES) + 1} times in a row{later}") from None
        if (stopped or threading.Event()).wait(pause):
            break
    raise Stopped


class Stopped(Exception):  # noqa: N818
    """Another thread has asked to stop."""


def _reason(error: Exception) -> str:
    import httpx2

    if isinstance(error, httpx2.TimeoutException):
        return f"the server sent nothing for {SILENT_SECONDS:g} seconds"
    if isinstance(error, httpx2.TransportError):
        return f"the connection broke ({quoted(str(error)) or type(error).__name__})"
    return quoted(str(error))


def _unreachable(url: str, reason: str) -> InputError:
    return InputError(
        f"{url} cannot be reached ({reason}). Without a network: give folders or files of pairs as sources; or fetch "
        f"on another machine and copy the output folder, or its {cache_folder('opus')}, to this one"
    )


ADDRESS = "https://opus.nlpl.eu/opusapi/"
ADDRESS_VARIABLE = "LINGUALIGN_OPUS"
"""Environment variable for another address of the catalogue, such as a mirror's."""

_NAME = re.compile(r"\w[\w.+-]*", re.ASCII)
_LONGEST_NAME = 200
_LARGEST_ANSWER = 64 << 20
_MOST_LISTED = 40
_LONGEST_ANSWER = 300.0


@dataclass(frozen=True)
class Bitext:
    """One corpus in two languages: an archive of two files in Moses form, whose lines translate each other."""

    corpus: str
    version: str
    tag1: str
    """The language as OPUS writes it, such as ``zh_cn``."""
    tag2: str
    url: str
    kib: int
    """Size of the archive in the catalogue: in units of about 1,000 bytes, rounded."""
    pairs: int | None
    """Number of pairs in the catalogue; None if absent."""

    @property
    def lang1(self) -> str:
        """The code of the first language."""
        return language_code(self.tag1)

    @property
    def lang2(self) -> str:
        """The code of the second language."""
        return language_code(self.tag2)

    @property
    def language_pair(self) -> tuple[str, str]:
        """Both codes in alphabetical order."""
        first, second = sorted((self.lang1, self.lang2))
        return first, second

    @property
    def name(self) -> str:
        """The source name of this bitext alone, with its version."""
        return f"opus:{self.corpus}/{self.version}:{self.tag1}-{self.tag2}"

    @property
    def archive(self) -> Path:
        """Path of the downloaded archive in the cache."""
        return cache_folder("opus") / self.corpus / self.version / f"{self.tag1}-{self.tag2}.txt.zip"


class Catalogue:
    """Client of the public API of OPUS.

    Its address is the environment variable ``LINGUALIGN_OPUS``, else that of OPUS. Answers are cached beside the
    archives, for use when the API cannot be reached.

    Parameters
    ----------
    client
        HTTP client.
    """

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._address = os.environ.get(ADDRESS_VARIABLE) or ADDRESS

    def bitexts(self, corpus: str) -> list[Bitext]:
        """List the bitexts of a corpus in languages that have a code.

        Parameters
        ----------
        corpus
            ``CORPUS``, in its newest version, or ``CORPUS/VERSION``. Case and hyphens do not matter:
            ``NewsCommentary`` is News-Commentary.

        Raises
        ------
        InputError
            If there is no such corpus or version (the message names the nearest), or the catalogue cannot be reached.
        """
        name, _, version = corpus.partition("/")
        if not _NAME.fullmatch(name) or (version and not _NAME.fullmatch(version)):
            raise InputError(
                f"{corpus!r} is no name of a corpus; expected CORPUS or CORPUS/VERSION, as in Tatoeba/v2023-04-12"
            )
        version = version or "latest"
        listed = self._listed(name, version)
        if not listed:
            known = self._known(name)
            if known == name:
                raise InputError(
                    f"{corpus!r}: OPUS has {name}, but nothing in its version {version!r} in Moses form"
                )
            listed = self._listed(known, version)
        found = [bitext for entry in listed if (bitext := self._bitext(entry))]
        both = {(bitext.tag1, bitext.tag2) for bitext in found}
        # Some corpora list a pair both ways; the order of the alphabet is that of nearly all archives.
        return [each for each in found if each.tag1 < each.tag2 or (each.tag2, each.tag1) not in both]

    def _listed(self, corpus: str, version: str) -> list[Mapping[str, Any]]:
        kept = cache_folder("opus") / corpus / f"{version}.json"
        answer = self._ask({"corpus": corpus, "preprocessing": "moses", "version": version}, "corpora", kept)
        return [entry for entry in answer if isinstance(entry, dict)]

    def _known(self, corpus: str) -> str:
        """Return the corpus that a name means, in OPUS's spelling."""
        import difflib

        names = sorted(
            name
            for name in self._ask({"corpora": "True"}, "corpora", None)
            if isinstance(name, str) and len(name) <= _LONGEST_NAME and _NAME.fullmatch(name)
        )
        meant = [name for name in names if _plain(name) == _plain(corpus)]
        if corpus in names:
            return corpus
        if len(meant) == 1:
            return meant[0]
        near = difflib.get_close_matches(corpus, names, n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise InputError(
            f"OPUS has no corpus {corpus!r}{hint} (it has {len(names):,}, listed on opus.nlpl.eu)"
        )

    def _ask(self, question: Mapping[str, str], key: str, kept: Path | None) -> list[Any]:
        def ask() -> list[Any]:
            with open_answer(self._client, "GET", self._address, params=question) as response:
                check_status(response)
                content = read_answer(response, _LARGEST_ANSWER, _LONGEST_ANSWER)
            answer = _list_in(content, key)
            if answer is None:
                raise AnswerError(
                    f"it answers, but not as the catalogue of OPUS does: {content[:60]!r}", passing=False
                )
            if kept is not None and answer:
                _keep(kept, content)
            return answer

        try:
            return persistently(ask, self._address, later="; try again later")
        except InputError as error:
            if kept is None or not kept.is_file():
                raise
            answer = _list_in(kept.read_bytes(), key)
            if answer is None:
                raise
            asked = time.strftime("%Y-%m-%d", time.localtime(kept.stat().st_mtime))
            logger.warning("%s. Going on with its answer of %s", error, asked)
            return answer

    def _bitext(self, entry: Mapping[str, Any]) -> Bitext | None:
        """Read an entry, which may hold anything; None if it is in one language, or in one without a code."""
        corpus, version, tag1, tag2, url = (
            str(entry.get(key) or "") for key in ("corpus", "version", "source", "target", "url")
        )
        if not (tag1 and tag2 and is_language(tag1) and is_language(tag2)):
            return None
        if language_code(tag1) == language_code(tag2):
            return None
        size, pairs = entry.get("size"), entry.get("alignment_pairs")
        unfit: list[object] = [text for text in (corpus, version, tag1, tag2) if not _NAME.fullmatch(text)]
        # An answer over https must not lead to a download over http.
        schemes = ("https://",) if self._address.startswith("https://") else ("https://", "http://")
        unfit += [] if url.startswith(schemes) else [url]
        if unfit or not _is_count(size):
            shown = quoted(repr((unfit or [size])[0]))
            raise InputError(
                f"{self._address}: an entry of the catalogue cannot be trusted: {shown} is no name, web address or "
                "size"
            )
        return Bitext(corpus, version, tag1, tag2, url, size, pairs if _is_count(pairs) else None)


def spread(bitexts: Iterable[Bitext], near: Iterable[str]) -> str:
    """Return language pairs for a message: at most 40, those with a language of ``near`` first."""
    wanted = set(near)
    pairs = sorted(
        {bitext.language_pair for bitext in bitexts}, key=lambda pair: (-len(wanted & set(pair)), pair)
    )
    names = ", ".join("-".join(pair) for pair in pairs[:_MOST_LISTED])
    return f"{names} and {len(pairs) - _MOST_LISTED:,} more" if len(pairs) > _MOST_LISTED else names or "none"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 1 << 53


def _list_in(content: bytes, key: str) -> list[Any] | None:
    try:
        answer = read_json(content)
    except ValueError:
        return None
    value = answer.get(key) if isinstance(answer, dict) else None
    return value if isinstance(value, list) else None


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with taking_turns(path.with_name(f".{path.name}.lock"), f"waiting for another run that writes {path}"):
        write_atomically(path, content)
