"""Encode a text to the shards of a folder, with any engine; existing shards are kept."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.embedding.encoders.open import find_encoder
from lingualign.errors import InputError
from lingualign.mining.encoded_text import (
    Encoder,
    Record,
    TextManifest,
    recorded,
    remove_text,
    text_digest,
    write_shard,
)
from lingualign.store import alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import numpy.typing as npt
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.encoders import SentenceEncoder
    from lingualign.embedding.options import ModelOptions
    from lingualign.mining.encoded_text import Shard
    from lingualign.mining.engines.engine import Part, Workers


class TextEncoder:
    """A model with everything that determines its vectors.

    Parameters
    ----------
    model
        Model, as for `lingualign.embedding.encoders.open_encoder`.
    options
        Options of the encoding.
    """

    def __init__(self, model: str | SentenceTransformer | SentenceEncoder, options: ModelOptions) -> None:
        self.model = opened = find_encoder(model, options)
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
        # Repeats count as done.
        advance(len(sentences) - len(place))
        for indices, batch in self.model.batches(list(place)):
            vectors[indices] = batch
            advance(len(indices))
        return vectors if len(place) == len(sentences) else vectors[rows]


@dataclass(frozen=True, slots=True)
class EncodeJob:
    """Encoding of texts with one model; the parameters are those of `TextEncoder`."""

    model: str | SentenceTransformer | SentenceEncoder
    options: ModelOptions

    @property
    def gpu(self) -> bool:
        """True unless another device is set."""
        return self.options.device in (None, "cuda")

    def open(self, device: str | None) -> TextEncoder:
        """Load the model."""
        return TextEncoder(self.model, replace(self.options, device=device or self.options.device))

    def work(self, encoder: TextEncoder, task: Chunk | Describe, advance: Callable[[int], None]) -> Any:
        """Run a task."""
        return task.run(encoder, advance)


@dataclass(frozen=True, slots=True)
class Describe:
    """The task of describing the encoder."""

    size = 0
    holds = None

    def run(self, encoder: TextEncoder, _: Callable[[int], None]) -> Encoder:
        """Return the encoder."""
        return encoder.encoder

    def __str__(self) -> str:
        return "opening the model"


@dataclass(frozen=True, slots=True)
class Chunk:
    """The task of writing one shard of a folder, and then the record that marks it as whole."""

    folder: Path
    number: int
    sentences: list[str]
    holds = None

    @property
    def size(self) -> int:
        """Number of sentences."""
        return len(self.sentences)

    def run(self, encoder: TextEncoder, advance: Callable[[int], None]) -> Shard:
        """Write the shard, unless a worker wrote it and then crashed."""
        record = Record.read(self.folder, self.number)
        if record is not None and record.shard.fault(self.folder) is None:
            advance(self.size)
            return record.shard
        shard = write_shard(self.folder, self.number, self.sentences, encoder(self.sentences, advance))
        Record(encoder.encoder, shard).write(self.folder)
        return shard

    def __str__(self) -> str:
        return f"shard {self.number} of {self.folder}"


def describe(workers: Workers[Chunk | Describe]) -> Encoder:
    """Return the workers' encoder."""
    encoder: Encoder
    [encoder] = workers.run([Describe()], lambda _: None)
    return encoder


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EncodeReport:
    """Number of sentences, ``rows``, and how many of them already had vectors, ``kept``."""

    rows: int
    kept: int


def encode_to_folder(
    workers: Workers[Chunk | Describe],
    chunks: Iterable[list[str]],
    folder: Path,
    advance: Callable[[int], None] = lambda _: None,
    *,
    overwrite: bool = False,
) -> EncodeReport:
    """Encode chunks of sentences to the shards of a folder, and skip the shards that are whole.

    With ``overwrite`` all shards are removed, once the model is loaded and the first chunk is read.

    Raises
    ------
    InputError
        If the folder holds vectors of another model, prompt or text, or another process writes to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / ".lock", _taken(folder)):
        encoder = describe(workers)
        if overwrite:
            chunks = iter(chunks)
            chunks = chain(list(islice(chunks, 1)), chunks)
            remove_text(folder)
        shelf = _Shelf(folder, encoder)
        if not shelf.begun:
            shelf.manifest.write(folder)
        for shard in workers.run(shelf.missing(chunks, advance), advance):
            shelf.whole[shard.number] = shard
        if beyond := sum(
            shards[0].rows for number, shards in shelf.described.items() if number >= shelf.chunks
        ):
            raise _other_text(
                folder, f"it has {shelf.rows + beyond:,} sentences and the input {shelf.rows:,}"
            )
        shards = tuple(shelf.whole[number] for number in range(shelf.chunks))
        complete = TextManifest(shelf.manifest.encoder, True, shards)
        if complete != shelf.manifest:
            complete.write(folder)
        for number in recorded(folder):
            Record.remove(folder, number)
    return EncodeReport(shelf.rows, shelf.kept)


def encode_part(
    workers: Workers[Chunk | Describe],
    chunks: Iterable[list[str]],
    folder: Path,
    part: Part,
    advance: Callable[[int], None] = lambda _: None,
) -> EncodeReport:
    """Encode one call's share of the chunks of a folder, and report on it.

    The text is then incomplete; `encode_to_folder` completes it. The errors are those of `encode_to_folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / f".lock-{part.number}-of-{part.of}", _taken(folder)):
        shelf = _Shelf(folder, describe(workers), part)
        for _ in workers.run(shelf.missing(chunks, advance), advance):
            pass
    return EncodeReport(shelf.rows, shelf.kept)


class _Shelf:
    """The shards of a folder, or one part of them, and their state."""

    def __init__(self, folder: Path, encoder: Encoder, part: Part | None = None) -> None:
        self._folder, self._part = folder, part
        manifest = TextManifest.read(folder)
        if manifest is not None:
            self._check(encoder, manifest.encoder)
        self.begun = manifest is not None
        self.manifest = manifest or TextManifest(encoder)
        self.described: dict[int, list[Shard]] = {}
        """Descriptions by number: first that of the record, which is the younger, then that of the manifest"""
        for number in recorded(folder):
            if not self._takes(number) or (record := Record.read(folder, number)) is None:
                continue
            self._check(encoder, record.encoder)
            self.described[number] = [record.shard]
        for shard in self.manifest.shards:
            self.described.setdefault(shard.number, []).append(shard)
        self.whole: dict[int, Shard] = {}
        self.chunks = self.rows = self.kept = 0

    def missing(self, chunks: Iterable[list[str]], advance: Callable[[int], None]) -> Iterator[Chunk]:
        """Yield those chunks of the text whose shards are not whole."""
        for number, sentences in enumerate(chunks):
            self.chunks += 1
            if not self._takes(number):
                continue
            self.rows += len(sentences)
            shards = self.described.get(number, [])
            if shards and {shard.text_sha256 for shard in shards} != {text_digest(sentences)}:
                raise _other_text(self._folder, f"shard {number} holds other sentences")
            faults = [shard.fault(self._folder) for shard in shards]
            if None in faults:
                self.whole[number] = shards[faults.index(None)]
                self.kept += len(sentences)
                advance(len(sentences))
                continue
            if shards:
                logger.warning("%s: encoded anew", faults[0])
                Record.remove(self._folder, number)
            yield Chunk(self._folder, number, sentences)

    def _takes(self, number: int) -> bool:
        return self._part is None or self._part.takes(number)

    def _check(self, encoder: Encoder, begun: Encoder) -> None:
        difference = begun.differs(encoder)
        if difference is None and begun.precision != encoder.precision:
            # Such vectors may be compared, but a folder records one precision for all of its vectors.
            difference = f"the precision differs: {begun.precision!r} and {encoder.precision!r}"
        if difference:
            raise InputError(
                f"{self._folder}: begun with another encoder: {difference}; give another folder, or delete it"
            )


def _other_text(folder: Path, how: str) -> InputError:
    return InputError(f"{folder}: the encoding of another text ({how}); give another folder, or delete it")


def _taken(folder: Path) -> str:
    return f"{folder}: another process encodes into it; wait for it, or give another folder"
