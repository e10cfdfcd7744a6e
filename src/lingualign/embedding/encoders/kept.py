"""Vectors on disk: sentences that one evaluation has encoded, the next one reads.

    ~/.cache/lingualign/vectors/
      NAME/              a digest of all that decides the vectors: fingerprint, prompt, precision, device, versions
        000000.vectors   an .npy of rows (key of the sentence, its vector in single precision), and its SHA-256 after it

Each file is there whole or not at all, and is read whole. What was used last is kept, up to `_MOST_BYTES`; all of it
may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import platform
import re
import shutil
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign._version import __version__
from lingualign.embedding.encode import check_sentences
from lingualign.embedding.encoders.open import ENCODERS, deciding_libraries
from lingualign.embedding.encoders.sentence_encoder import check_batch, encode_with
from lingualign.embedding.keys import KEY, keys_of
from lingualign.embedding.progress import progress_bar
from lingualign.files import taking_turns, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lingualign.embedding.encoders.sentence_encoder import SentenceEncoder

logger = logging.getLogger(__name__)

_FORM = 2
"""Of the files: another one has other names."""
_PLACE = re.compile(r"[0-9a-f]{40}")
_MOST_BYTES = 4 << 30
_DIGEST_BYTES = 32
_ENDING = ".vectors"


def encode_kept(
    encoder: SentenceEncoder, sentences: Sequence[str], folder: Path | None, *, progress: bool = False
) -> NDArray[np.float32]:
    """Give the vectors of distinct sentences, in the order given; only those are encoded that have not been before.

    Vectors come back bit for bit. Where encoding breaks off, what has been encoded is kept. Processes that use the same
    encoder take turns, so that none encodes what another does. Where nothing can be kept, all is encoded, with a
    warning.

    Parameters
    ----------
    encoder
        As `open_encoder` gives it. Vectors that are in a file already are not kept a second time.
    sentences
        Distinct ones.
    folder
        Of all kept vectors; nothing is kept where there is none.
    progress
        Whether to show a progress bar.

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
    """Take turns where that is possible: a folder that cannot be written to is warned of when it comes to writing."""
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
    row_of = {key.tobytes(): row for row, key in enumerate(keys)}
    vectors: NDArray[np.float32] | None = None
    done = np.zeros(len(sentences), np.bool_)
    for kept in _read(place):
        rows = np.array([row_of.get(key.tobytes(), -1) for key in kept["key"]], np.int64)
        if vectors is None:
            vectors = np.empty((len(sentences), kept["vector"].shape[1]), np.float32)
        vectors[rows[rows >= 0]] = kept["vector"][rows >= 0]
        done[rows[rows >= 0]] = True
    missing = np.flatnonzero(~done)
    if not len(missing):
        assert vectors is not None  # there is at least one sentence
        return vectors
    before = done.copy()
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
        fresh = np.flatnonzero(done & ~before)
        if vectors is not None and len(fresh):
            _write(place, keys[fresh], vectors[fresh])
    assert vectors is not None  # at least one sentence was encoded
    return vectors


def _name(encoder: SentenceEncoder) -> str:
    """Name an encoder's vectors by all that may change a bit of them."""
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


def _row(dimensions: int) -> np.dtype[Any]:
    return np.dtype([("key", KEY), ("vector", "<f4", (dimensions,))])


def _read(place: Path) -> Iterator[NDArray[Any]]:
    """Read what is kept, file by file; a damaged one is removed, with a warning."""
    dimensions = None
    for path in sorted(place.glob(f"*{_ENDING}")):
        try:
            content = path.read_bytes()
            body, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
            if hashlib.sha256(body).digest() != digest:
                raise ValueError("its checksum does not match")
            rows = np.load(io.BytesIO(body), allow_pickle=False)
            width = rows.dtype["vector"].shape[0]
            if rows.ndim != 1 or rows.dtype != _row(width) or dimensions not in (None, width):
                raise ValueError("it holds something else")
            dimensions = width
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, IndexError, EOFError) as error:
            logger.warning("%s is damaged (%s): its sentences are encoded anew.", path, error)
            with suppress(OSError):
                path.unlink()
            continue
        yield rows


def _write(place: Path, keys: NDArray[np.void], vectors: NDArray[np.float32]) -> None:
    """Keep vectors as one more file."""
    rows = np.empty(len(keys), _row(vectors.shape[1]))
    rows["key"], rows["vector"] = keys, vectors
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(rows))
    data = rows.view(np.uint8).data
    digest = hashlib.sha256(header.getvalue())
    digest.update(data)
    try:
        number = max((int(path.stem) for path in place.glob(f"*{_ENDING}")), default=-1) + 1
        write_atomically(place / f"{number:06d}{_ENDING}", header.getvalue(), data, digest.digest())
    except (OSError, ValueError) as error:
        logger.warning("Vectors cannot be kept in %s (%s): the next run encodes them again.", place, error)


def _remove_oldest(folder: Path, used: Path) -> None:
    """Keep the whole below its bound: the encoders used longest ago go first, the one in use last."""
    sizes = {}
    # Another process may be removing the same.
    with suppress(OSError):
        for place in folder.iterdir():
            if not _PLACE.fullmatch(place.name) or place.is_symlink():  # of somebody else
                continue
            with suppress(OSError):
                files = place.glob(f"*{_ENDING}")
                sizes[place] = (place.stat().st_mtime, sum(path.stat().st_size for path in files))
    total = sum(size for _, size in sizes.values())
    for place in sorted(sizes, key=lambda each: (each == used, sizes[each])):
        if total <= _MOST_BYTES:
            return
        shutil.rmtree(place, ignore_errors=True)
        total -= sizes[place][1]
