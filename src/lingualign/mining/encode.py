"""Encode a text to vectors on disk: in shards that a killed process goes on from, or to one file."""

from __future__ import annotations

import io
import logging
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lingualign.embedding.progress import progress_bar
from lingualign.errors import InputError
from lingualign.mining.sentences import read_sentences
from lingualign.mining.shards import MANIFEST, Encoder, Manifest, text_digest, write_shard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy.typing as npt
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.encode import Precision
    from lingualign.embedding.encoders.protocol import Pooling

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EncodeReport:
    """What became of the sentences: ``rows`` in all, of which ``kept`` had their vectors already."""

    rows: int
    kept: int


class TextEncoder:
    """A model with everything that decides its vectors.

    Parameters
    ----------
    model, prompt, pooling, device, precision
        As in `lingualign.embedding.encoders.open_encoder`.
    """

    def __init__(
        self,
        model: str | SentenceTransformer,
        *,
        prompt: str | None = None,
        pooling: Pooling | None = None,
        device: str | None = None,
        precision: Precision = "auto",
    ) -> None:
        from lingualign.embedding.encoders import open_encoder

        self.model = opened = open_encoder(
            model, prompt=prompt, pooling=pooling, device=device, precision=precision
        )
        self.encoder = Encoder(
            opened.name, opened.fingerprint, opened.prompt, opened.dimensions, opened.precision
        )

    def __call__(
        self, sentences: list[str], advance: Callable[[int], None] = lambda _: None
    ) -> npt.NDArray[np.float16]:
        """Encode sentences to vectors of length 1, (sentences, dimensions), each distinct one once."""
        place: dict[str, int] = {}
        rows = [place.setdefault(sentence, len(place)) for sentence in sentences]
        vectors = np.empty((len(place), self.encoder.dimensions), np.float16)
        # The repeats are counted as done with their first.
        advance(len(sentences) - len(place))
        for indices, batch in self.model.batches(list(place)):
            vectors[indices] = batch
            advance(len(indices))
        return vectors if len(place) == len(sentences) else vectors[rows]


def encode_text(
    model: str | SentenceTransformer,
    source: str,
    output: str | os.PathLike[str],
    *,
    column: str | None = None,
    prompt: str | None = None,
    pooling: Pooling | None = None,
    device: str | None = None,
    precision: Precision = "auto",
    overwrite: bool = False,
    progress: bool = False,
) -> EncodeReport:
    """Encode the sentences of a file, in their order, in memory that does not grow with their number.

    Parameters
    ----------
    model, prompt, pooling, device, precision
        See `lingualign.embedding.encoders.open_encoder`.
    source, column
        See `lingualign.mining.sentences.read_sentences`.
    output
        By its ending ``.npy``, one float16 array (sentences, dimensions); ``.parquet``, columns ``sentence`` and
        ``vector``; anything else is a folder of shards with a manifest, which `mine_pairs` reads and which an
        interrupted call goes on with.
    overwrite
        Replace what ``output`` names; for a folder, the encoded text in it.
    progress
        Whether to show a progress bar.

    Raises
    ------
    InputError
        If the source or the model cannot be used, the output exists, or a folder holds vectors of another model,
        prompt or text.
    """
    output = Path(output)
    with _writing(output):
        if output.suffix in (".npy", ".parquet"):
            if output.is_dir() or (output.exists() and not overwrite):
                raise InputError(f"output {str(output)!r} exists; give another name, or --overwrite it")
            _make_folder(output.parent)
            encoder = TextEncoder(model, prompt=prompt, pooling=pooling, device=device, precision=precision)
            to_file = _encode_to_npy if output.suffix == ".npy" else _encode_to_parquet
            with progress_bar("Encoding", None, enabled=progress) as advance:
                rows = to_file(encoder, read_sentences(source, column), output, advance)
            return EncodeReport(rows, kept=0)
        _make_folder(output)
        if overwrite:
            _clear(output)
        _check_folder(output)
        encoder = TextEncoder(model, prompt=prompt, pooling=pooling, device=device, precision=precision)
        with progress_bar("Encoding", None, enabled=progress) as advance:
            return encode_to_folder(encoder, read_sentences(source, column), output, advance)


def encode_to_folder(
    encoder: TextEncoder,
    chunks: Iterable[list[str]],
    folder: Path,
    advance: Callable[[int], None] = lambda _: None,
) -> EncodeReport:
    """Encode chunks of sentences to the shards of a folder; those that lie there already are kept.

    Raises
    ------
    InputError
        If the folder holds vectors of another model, prompt or text, or another process writes to it.
    """
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"{folder}: another process encodes into it; wait for it, or give another folder"
        ) from None
    with lock:
        manifest = Manifest.read(folder) or Manifest(encoder.encoder)
        if difference := manifest.encoder.differs(encoder.encoder):
            raise InputError(
                f"{folder}: begun with another encoder: {difference}; give another folder, or delete it"
            )
        kept = rows = number = 0
        for number, sentences in enumerate(chunks, start=1):
            known = manifest.shards[number - 1] if number <= len(manifest.shards) else None
            if known is not None and known.text_sha256 != text_digest(sentences):
                raise _other_text(folder, f"shard {known.number} holds other sentences")
            fault = known.fault(folder) if known else None
            if fault:
                logger.warning("%s: encoded anew", fault)
            if known is None or fault:
                shard = write_shard(folder, number - 1, sentences, encoder(sentences, advance))
                others = manifest.shards[: number - 1], manifest.shards[number:]
                manifest = replace(manifest, shards=(*others[0], shard, *others[1]))
                manifest.write(folder)
            else:
                kept += known.rows
                advance(known.rows)
            rows += len(sentences)
        if number < len(manifest.shards):
            raise _other_text(folder, f"it has {manifest.rows:,} sentences and the input {rows:,}")
        if not manifest.complete:
            replace(manifest, complete=True).write(folder)
    return EncodeReport(rows, kept)


def _other_text(folder: Path, how: str) -> InputError:
    return InputError(f"{folder}: the encoding of another text ({how}); give another folder, or delete it")


def _encode_to_npy(
    encoder: TextEncoder, chunks: Iterator[list[str]], output: Path, advance: Callable[[int], None]
) -> int:
    width, rows = encoder.encoder.dimensions, 0
    with _whole(output) as temporary, temporary.open("wb") as file:
        # The header leaves room for any number of rows, so it can be written again once they are known.
        file.write(_header(0, width))
        for sentences in chunks:
            file.write(encoder(sentences, advance).data)
            rows += len(sentences)
        file.seek(0)
        file.write(_header(rows, width))
    return rows


def _header(rows: int, width: int) -> bytes:
    header = io.BytesIO()
    described = np.lib.format.header_data_from_array_1_0(np.empty((0, width), np.float16))
    np.lib.format.write_array_header_1_0(header, {**described, "shape": (rows, width)})
    return header.getvalue()


def _encode_to_parquet(
    encoder: TextEncoder, chunks: Iterator[list[str]], output: Path, advance: Callable[[int], None]
) -> int:
    width, rows = encoder.encoder.dimensions, 0
    vector = pa.list_(pa.float16(), width)
    schema = pa.schema([("sentence", pa.large_string()), ("vector", vector)])
    told = {
        "model": encoder.encoder.model,
        "fingerprint": encoder.encoder.fingerprint,
        "prompt": encoder.encoder.prompt,
    }
    with (
        _whole(output) as temporary,
        pq.ParquetWriter(temporary, schema.with_metadata(told), compression="zstd") as writer,
    ):
        for sentences in chunks:
            vectors = encoder(sentences, advance)
            flat = pa.array(vectors.reshape(-1), pa.float16())
            columns = [
                pa.array(sentences, pa.large_string()),
                pa.FixedSizeListArray.from_arrays(flat, type=vector),
            ]
            writer.write_table(pa.table(columns, schema=writer.schema))
            rows += len(sentences)
    return rows


@contextmanager
def _whole(output: Path) -> Iterator[Path]:
    """Give a name to write to, and rename it once everything is written."""
    temporary = output.with_name(f".{output.name}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(output)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"output {str(output)!r} cannot be written: {error.strerror or error}; make room or permit it, or "
            "give another place"
        ) from error


def _make_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"output {str(folder)!r} is a file; give a folder, or a name that ends in .npy or .parquet"
        )
    folder.mkdir(parents=True, exist_ok=True)


def _check_folder(folder: Path) -> None:
    """Refuse a folder with something else in it."""
    others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if others and not (folder / MANIFEST).is_file() and not all(name.startswith("shard-") for name in others):
        raise InputError(
            f"output {str(folder)!r} holds other files ({others[0]}); give an empty or a new folder"
        )


def _clear(folder: Path) -> None:
    """Remove an encoded text, the manifest first, so that what is left never counts as whole."""
    (folder / MANIFEST).unlink(missing_ok=True)
    for path in folder.glob("shard-??????.*"):
        path.unlink()
