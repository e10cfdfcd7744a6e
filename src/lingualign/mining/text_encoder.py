"""A model with everything that decides its vectors, and the job that lets any engine encode with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.embedding.encoders.open import find_encoder
from lingualign.mining.shards import Encoder, Record, write_shard

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.encoders import SentenceEncoder
    from lingualign.embedding.options import ModelOptions
    from lingualign.mining.engines.engine import Workers
    from lingualign.mining.shards import Shard


class TextEncoder:
    """A model with everything that decides its vectors.

    Parameters
    ----------
    model
        What `lingualign.embedding.encoders.open_encoder` takes.
    options
        How it encodes.
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
        # The repeats are counted as done with their first.
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
        """Unless another device is asked for."""
        return self.options.device in (None, "cuda")

    def open(self, device: str | None) -> TextEncoder:
        """Load the model."""
        return TextEncoder(self.model, replace(self.options, device=device or self.options.device))

    def work(self, encoder: TextEncoder, task: Chunk | Describe, advance: Callable[[int], None]) -> Any:
        """Run a task."""
        return task.run(encoder, advance)


@dataclass(frozen=True, slots=True)
class Describe:
    """The task of telling what the vectors depend on."""

    size = 0
    holds = None

    def run(self, encoder: TextEncoder, _: Callable[[int], None]) -> Encoder:
        """Tell it."""
        return encoder.encoder

    def __str__(self) -> str:
        return "opening the model"


@dataclass(frozen=True, slots=True)
class Chunk:
    """The task of writing one shard of a folder, with a record beside it that says that it is whole."""

    folder: Path
    number: int
    sentences: list[str]
    holds = None

    @property
    def size(self) -> int:
        """Sentences."""
        return len(self.sentences)

    def run(self, encoder: TextEncoder, advance: Callable[[int], None]) -> Shard:
        """Write the shard, unless a worker that died just afterwards did."""
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
    """Ask workers what their vectors depend on."""
    [encoder] = workers.run([Describe()], lambda _: None)
    told: Encoder = encoder
    return told
