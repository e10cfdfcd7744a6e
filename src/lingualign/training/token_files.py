"""Token ids on disk: sentences that one run has tokenised, the next one reads.

    ~/.cache/lingualign/tokens/
      NAME/                  all that decides the ids, as a digest: tokenizer, prompt, longest input, sentences
        ids.npy, starts.npy  the ids, end to end, and where each sentence's begin
        settings.json        the rest of `Tokens`
        manifest.json        sizes and checksums

A folder is there whole or not at all. One that no run has used for a month is removed when another is written; all of
it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.embedding.models import describe_input
from lingualign.store import folder_damage, remove_folder, taking_turns, whole_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)

_FORM = 1
"""Of the files: another one has other names."""
_PLACE = re.compile(r"[0-9a-f]{40}")
_UNUSED_SECONDS = 30 * 24 * 3600
_CHUNK = 8_192


@dataclass(frozen=True)
class Tokens:
    """What a tokenizer has made of sentences."""

    ids: NDArray[np.int32]
    """``(T,)``: the ids of all sentences, end to end."""
    starts: NDArray[np.int64]
    """``(N + 1,)``: where each sentence begins, and the end of the last."""
    flat: bool
    """Whether the model takes them end to end as well, with offsets, and not padded."""
    prompt_length: int | None
    """Tokens of the prompt before each sentence, where the model wants to know."""


def tokens_name(model: SentenceTransformer, sentences: Sequence[str], prompt: str) -> str | None:
    """Name token ids by all that decides them; None for a tokenizer that cannot be told from another."""
    described = describe_input(model)
    if described is None:
        return None
    from importlib.metadata import version

    made_by = {name: version(name) for name in ("sentence-transformers", "transformers", "tokenizers")}
    digest = hashlib.sha256(json.dumps([_FORM, made_by, described, prompt], sort_keys=True).encode())
    for start in range(0, len(sentences), _CHUNK):
        encoded = [
            sentence.encode("utf-8", "surrogatepass") for sentence in sentences[start : start + _CHUNK]
        ]
        # With their lengths, so that no two lists of sentences read the same.
        digest.update(np.array([len(part) for part in encoded]).tobytes())
        digest.update(b"".join(encoded))
    return digest.hexdigest()[:40]


def kept(folder: Path, name: str, count: int, make: Callable[[], Tokens]) -> Tokens:
    """Read token ids from disk, or make and write them where the files are absent.

    A process waits for the lock of the ids, so that only one makes them. Where nothing can be written they stay in
    memory, with a warning.

    Parameters
    ----------
    folder
        Folder of all token ids.
    name
        From `tokens_name`.
    count
        Number of sentences.
    make
        Tokenises them.
    """
    made: Tokens | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        waiting = "Another process tokenises these sentences; waiting for it."
        with taking_turns(folder / f".{name}.lock", waiting):
            found = _read(folder / name, count)
            if found is None:
                made = make()
                _write(folder / name, made)
                _remove_unused(folder)
                found = _read(folder / name, count)
    except OSError as error:
        logger.warning(
            "Token ids cannot be kept in %s (%s): each run makes them anew.", folder, error.strerror or error
        )
        found = None
    return found or made or make()


def _read(place: Path, count: int) -> Tokens | None:
    """Map token ids into memory; damaged ones are removed, with a warning."""
    if not place.is_dir():
        return None
    damage = folder_damage(place)
    if damage is None:
        try:
            tokens = _open(place)
            _check(tokens, count)
        except (OSError, ValueError, KeyError, EOFError) as error:
            damage = str(error)
        else:
            os.utime(place)
            return tokens
    logger.warning("The token ids in %s are damaged (%s); they are made anew.", place, damage)
    remove_folder(place)
    return None


def _open(place: Path) -> Tokens:
    ids, starts = (
        # As plain arrays: a memmap's own indexing is slower.
        np.asarray(np.load(place / f"{part}.npy", mmap_mode="r", allow_pickle=False))
        for part in ("ids", "starts")
    )
    settings = json.loads((place / "settings.json").read_text(encoding="utf-8"))
    return Tokens(ids, starts, settings["flat"], settings["prompt_length"])


def _check(tokens: Tokens, count: int) -> None:
    ids, starts = tokens.ids, tokens.starts
    if ids.dtype != np.int32 or ids.ndim != 1 or starts.dtype != np.int64 or starts.shape != (count + 1,):
        raise ValueError("other arrays than were written")
    if starts[0] != 0 or starts[-1] != len(ids) or (np.diff(starts) < 0).any():
        raise ValueError("sentences begin where they cannot")


def _write(place: Path, tokens: Tokens) -> None:
    with whole_folder(place) as unfinished:
        arrays: dict[str, NDArray[Any]] = {"ids": tokens.ids, "starts": tokens.starts}
        for part, array in arrays.items():
            np.save(unfinished / f"{part}.npy", array, allow_pickle=False)
        settings = {"flat": tokens.flat, "prompt_length": tokens.prompt_length}
        (unfinished / "settings.json").write_text(json.dumps(settings), encoding="utf-8")


def _remove_unused(folder: Path) -> None:
    """Remove what no run has begun with for a month."""
    for place in folder.iterdir():
        # Another run may be removing the same.
        with suppress(FileNotFoundError):
            if (
                _PLACE.fullmatch(place.name)
                and place.is_dir()
                and time.time() - place.stat().st_mtime > _UNUSED_SECONDS
            ):
                remove_folder(place)
                (folder / f".{place.name}.lock").unlink(missing_ok=True)
