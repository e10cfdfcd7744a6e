"""HTTP as a person with a slow line needs it: waits that end, failures that pass tried again, the others explained."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from lingualign._version import __version__
from lingualign.answers import AnswerError, refuse_step_down
from lingualign.errors import InputError, quoted
from lingualign.files import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    import httpx2

    T = TypeVar("T")

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 60.0
"""How long a server may send nothing."""

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
    """Raise `AnswerError` for an answer that is no success."""
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
    """Do something that goes over the network, several times if need be.

    Parameters
    ----------
    action
        Raises `AnswerError`, or an error of httpx2, where it fails.
    url
        The address, for the message.
    later, never
        What the user may do about a failure that may pass, and about one that will not.
    stopped
        Ends the pauses between attempts. Without it a server that is not reached is not tried again: the network may
        be missing altogether.

    Raises
    ------
    InputError
        If it fails for a reason that will not pass, or four times.
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
    """Another thread has asked for an end."""


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
