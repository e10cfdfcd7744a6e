"""The Hugging Face hub, asked once: a mistyped path or a missing network is found in a second, not after retries."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lingualign.errors import InputError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECONDS = 10
_KINDS = {"model": "model", "dataset": "data set"}


def nearest(word: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """Ask whether the most similar of the known words was meant; empty where none is similar."""
    close = get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return f" (did you mean {close[0]!r}?)" if close else ""


def nearest_path(path: str | Path) -> str:
    """Ask whether the file or folder of the most similar name was meant; empty where none is similar.

    A wrong folder on the way is found as well: of ``rnus/model`` where there is ``runs/model``.
    """
    missing = Path(path).expanduser()
    name, existing = missing.name, missing.parent
    rest = Path()
    while not existing.is_dir() and existing != existing.parent:
        name, rest, existing = existing.name, Path(name) / rest, existing.parent
    try:
        names = sorted(part.name for part in existing.iterdir() if (part / rest).exists())
    except OSError:
        return ""
    meant = get_close_matches(name, names, n=1, cutoff=0.6)
    return f" (did you mean {str(existing / meant[0] / rest)!r}?)" if meant else ""


def is_on_hub(
    hub_id: str,
    kind: Literal["model", "dataset"],
    *,
    where: str,
    cure: str,
    revision: str | None = None,
    known: Iterable[str] = (),
) -> bool:
    """Ask the hub, once, for a model or data set, before a library asks again and again.

    Parameters
    ----------
    hub_id
        A name that nothing on the disk has.
    kind
        What it names.
    where, cure
        How the message of an error begins and ends.
    revision
        Branch, tag or commit.
    known
        Other names that may be meant.

    Returns
    -------
    bool
        False if the hub cannot be reached, but a copy of the model was downloaded before.

    Raises
    ------
    InputError
        If the name cannot be a hub id, the hub has no such thing, or it cannot be reached and there is no copy.
    """
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # Lower case, since capitals are no mistake in a short name; above 0.5, since "model" is no way to write "me5".
    meant = nearest(hub_id.lower(), known, 0.6) or nearest_path(hub_id)
    missing = f"{where}: no such file or folder{meant}"
    api = HfApi()
    try:
        (api.model_info if kind == "model" else api.dataset_info)(hub_id, revision=revision, timeout=_SECONDS)
    except HFValidationError:
        raise InputError(f"{missing}. {cure}") from None
    except RevisionNotFoundError:
        raise InputError(
            f"{where}: the hub has no revision {revision!r} of it; give a branch, tag or commit of it, or none"
        ) from None
    except GatedRepoError:
        return True  # the library that downloads it says how to get access
    except RepositoryNotFoundError:
        raise InputError(
            f"{missing}, and the hub has no {_KINDS[kind]} of this name, or shows it only after a login. {cure}"
        ) from None
    except HfHubHTTPError:
        return True  # an answer that says nothing of the name
    except (ConnectionError, OfflineModeIsEnabled, httpx2.TransportError) as error:
        if kind == "model" and _was_downloaded(hub_id, revision):
            return False
        raise InputError(f"{missing}, and the hub cannot be reached ({first_line(error)}). {cure}") from None
    return True


def _was_downloaded(hub_id: str, revision: str | None) -> bool:
    from huggingface_hub import try_to_load_from_cache

    folder = os.environ.get("SENTENCE_TRANSFORMERS_HOME")  # where sentence-transformers looks, if it is set
    return any(
        isinstance(try_to_load_from_cache(hub_id, name, cache_dir=folder, revision=revision), str)
        for name in ("modules.json", "config.json")
    )
