"""Cache of vectors on disk: an evaluation reads the vectors of sentences that an earlier one has encoded.

    ~/.cache/lingualign/vectors/
      NAME/              digest of all that decides the vectors: fingerprint, prompt, precision, device, versions
        manifest.json, segment-*    vectors in single precision, as `lingualign.vectors` stores them

The encoders used last stay, up to `_MOST_BYTES`. The cache may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import platform
import re
import shutil
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import numpy as np

from lingualign._version import __version__
from lingualign.embedding.encode import check_sentences
from lingualign.embedding.encoders.open import ENCODERS, deciding_libraries
from lingualign.embedding.encoders.sentence_encoder import check_batch, encode_with
from lingualign.errors import InputError
from lingualign.progress import progress_bar
from lingualign.store import discard, taking_turns
from lingualign.vectors import NAME, DamagedSegmentError, StoredVectors, VectorManifest, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lingualign.embedding.encoders.sentence_encoder import SentenceEncoder
    from lingualign.vectors import Segment

logger = logging.getLogger(__name__)

_FLOAT32 = np.dtype(np.float32)
_FORM = 3
"""Version of the files' form; another version has other names."""
_PLACE = re.compile(r"[0-9a-f]{40}")
_MOST_BYTES = 4 << 30


def encode_kept(
    encoder: SentenceEncoder, sentences: Sequence[str], folder: Path | None, *, progress: bool = False
) -> NDArray[np.float32]:
    """Return the vectors of distinct sentences, in the order given, and encode only those that are not cached.

    Cached vectors are equal bit for bit. Interrupted encoding caches the vectors so far. Processes with the same
    encoder wait for its lock, so that none encodes twice. If the cache cannot be used, all sentences are encoded, with
    a warning.

    Parameters
    ----------
    encoder
        Encoder of `open_encoder`; vectors of a file are not cached again.
    sentences
        Distinct sentences.
    folder
        Folder of all cached vectors; None for no cache.
    progress
        Show a progress bar.

    Returns
    -------
    ndarray of float32, shape (sentences, dimensions)

    Raises
    ------
    InputError
        If the encoder cannot encode one of them.
    """
    kind = ENCODERS.get(encoder.describe()["kind"])
    if folder is None or not sentences or (kind is not None and not kind.keeps):
        return encode_with(encoder, sentences, progress=progress)
    check_sentences(sentences)
    place = folder / _name(encoder)
    with _turn(place, encoder.name):
        vectors = _encode(encoder, sentences, place, progress)
    _remove_oldest(folder, place)
    return vectors


@contextmanager
def _turn(place: Path, encoder: str) -> Iterator[None]:
    """Hold the lock of a folder if possible; a failure shows later as a warning, when vectors are written."""
    with ExitStack() as stack:
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            os.utime(place)
            stack.enter_context(
                taking_turns(place / ".lock", f"Another process encodes with {encoder}; waiting for it.")
            )
        yield


def _encode(
    encoder: SentenceEncoder, sentences: Sequence[str], place: Path, progress: bool
) -> NDArray[np.float32]:
    keys = keys_of(sentences)
    stored = _stored(place)
    rows = np.full(len(keys), -1) if stored is None else stored.rows(keys)
    missing = np.flatnonzero(rows < 0)
    vectors: NDArray[np.float32] | None = None
    if stored is not None:
        vectors = np.empty((len(sentences), stored.manifest.width), np.float32)
        vectors[rows >= 0] = stored.vectors(rows[rows >= 0])
        if not len(missing):
            return vectors
    done = rows >= 0
    try:
        with progress_bar("Encoding", len(missing), enabled=progress) as advance:
            for indices, batch in encoder.batches([sentences[row] for row in missing.tolist()]):
                if vectors is None:
                    vectors = np.empty((len(sentences), batch.shape[1]), np.float32)
                check_batch(encoder, batch, vectors.shape[1])
                vectors[missing[indices]] = batch
                done[missing[indices]] = True
                advance(len(indices))
    finally:
        fresh = missing[done[missing]]
        if vectors is not None and len(fresh):
            _keep(place, encoder, stored, keys[fresh], vectors[fresh])
    assert vectors is not None  # there is at least one sentence
    return vectors


def _stored(place: Path) -> StoredVectors | None:
    """Open the stored vectors; damaged segments are removed, with a warning."""
    try:
        manifest = VectorManifest.read(place)
        if manifest is None:
            return None
        whole = manifest.drop(place, partial(_is_damaged, place, manifest))
        return StoredVectors(place, whole, _FLOAT32)
    except InputError as error:
        logger.warning("%s is damaged (%s): its sentences are encoded anew.", place, error)
    except OSError as error:
        logger.warning("%s cannot be read (%s): its sentences are encoded anew.", place, error)
    with suppress(OSError):
        for path in (place / NAME, *place.glob("segment-*")):
            discard(path)
    return None


def _is_damaged(place: Path, manifest: VectorManifest, segment: Segment) -> bool:
    try:
        StoredVectors(place, replace(manifest, segments=(segment,)), _FLOAT32).verify(again=False)
    except (DamagedSegmentError, OSError) as error:
        reason = getattr(error, "reason", error)
        logger.warning("a file is damaged (%s): its sentences are encoded anew.", reason)
        for path in (segment.vectors_file(place), segment.keys_file(place)):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        return True
    return False


def _keep(
    place: Path,
    encoder: SentenceEncoder,
    stored: StoredVectors | None,
    keys: NDArray[np.void],
    vectors: NDArray[np.float32],
) -> None:
    if stored is not None:
        manifest = stored.manifest
    else:
        manifest = VectorManifest({"prompt": encoder.prompt}, encoder.fingerprint, vectors.shape[1])
    try:
        manifest.add(place, keys, vectors, encoder.precision)
    except OSError as error:
        logger.warning("Vectors cannot be kept in %s (%s): the next run encodes them again.", place, error)


def _name(encoder: SentenceEncoder) -> str:
    """Return the digest of all that may change a bit of an encoder's vectors."""
    device = getattr(encoder, "device", None) or getattr(getattr(encoder, "model", None), "device", None)
    versions = {}
    for name in deciding_libraries():
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    decides = [
        _FORM,
        __version__,
        versions,
        encoder.fingerprint,
        encoder.prompt,
        encoder.precision,
        str(device),
        platform.machine(),
    ]
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:40]


def _remove_oldest(folder: Path, used: Path) -> None:
    """Remove the encoders used longest ago until the cache is below its bound, the one in use last."""
    sizes = {}
    # Another process may remove the same folders.
    with suppress(OSError):
        for place in folder.iterdir():
            if not _PLACE.fullmatch(place.name) or place.is_symlink():  # of somebody else
                continue
            with suppress(OSError):
                # All files count, also those of an earlier version.
                sizes[place] = (place.stat().st_mtime, sum(path.stat().st_size for path in place.iterdir()))
    total = sum(size for _, size in sizes.values())
    for place in sorted(sizes, key=lambda each: (each == used, sizes[each])):
        if total <= _MOST_BYTES:
            return
        shutil.rmtree(place, ignore_errors=True)
        total -= sizes[place][1]
