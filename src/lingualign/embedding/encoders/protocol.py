"""What an encoder is, and which one a name stands for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from lingualign.embedding.encode import check_sentences
from lingualign.embedding.options import ModelOptions
from lingualign.embedding.progress import progress_bar
from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.options import Pooling, Precision

PromptFrom = Literal["option", "model", "none"]
"""Who decided on the prompt: the caller, the model's own configuration, or nobody."""

MODEL2VEC = "model2vec:"
LASER = "laser:"
_LASER_NAMES = {"laser", "laser2", "laser3"}


class SentenceEncoder(Protocol):
    """Turns sentences into vectors."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def fingerprint(self) -> str:
        """A digest that is equal for every copy, and differs where the vectors may."""

    @property
    def prompt(self) -> str:
        """Text that stands before every sentence."""

    @property
    def precision(self) -> str:
        """Of the arithmetic."""

    @property
    def dimensions(self) -> int:
        """Of its vectors."""

    @property
    def tokenizer(self) -> Any | None:
        """What cuts its sentences into tokens, where that can be looked at."""

    def describe(self) -> dict[str, Any]:
        """Tell, as JSON can hold it, how vectors are made beside name, fingerprint, dimensions and prompt."""

    def batches(self, sentences: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Encode distinct sentences: positions, each once, with their vectors of length 1."""


def open_encoder(
    model: str | SentenceTransformer | SentenceEncoder,
    *,
    prompt: str | None = None,
    pooling: Pooling | None = None,
    device: str | None = None,
    precision: Precision = ModelOptions.precision,
) -> SentenceEncoder:
    """Find the encoder that a name stands for.

    Parameters
    ----------
    model
        One of

        - what `lingualign.embedding.load_model` loads: a hub id, a folder, ``minilm``; or a loaded model;
        - a file ``.parquet`` of vectors: columns ``sentence`` and ``vector``, as `lingualign encode` writes it;
        - an OpenAI-compatible service: ``https://host/v1#model``;
        - ``model2vec:`` before a folder or hub id: the model in the hands of the package model2vec;
        - ``laser:`` before a folder: LASER2 or LASER3, of weights in safetensors;
        - an encoder, which is given back.
    prompt
        Put before every sentence. None takes the model's own default prompt, which most have not; ``""`` takes none.
    pooling
        Of a transformer without sentence-transformers modules, how a sentence's vector comes from those of its tokens;
        the mean where absent.
    device, precision
        Of a model that runs here.

    Raises
    ------
    InputError
        If it cannot be opened, or ``prompt`` or ``pooling`` does not apply to it.
    """
    return find_encoder(model, ModelOptions(prompt, pooling, device, precision))


def find_encoder(
    model: str | SentenceTransformer | SentenceEncoder, options: ModelOptions
) -> SentenceEncoder:
    """Do what `open_encoder` does, with its options as one object."""
    prompt, pooling, device, precision = options.prompt, options.pooling, options.device, options.precision
    if not isinstance(model, str):
        from sentence_transformers import SentenceTransformer

        if not isinstance(model, SentenceTransformer):
            return model
    elif model.lower() in _LASER_NAMES and not Path(model).is_dir():
        raise InputError(
            f"model {model!r}: LASER is no model of the hub. Give {LASER}FOLDER, a folder with laser2.safetensors and "
            "laser2.spm, or those of laser3: docs/evaluation.md says how to make it"
        )
    if not isinstance(model, str) or _is_model(model):
        from lingualign.embedding.encoders.static import open_static
        from lingualign.embedding.encoders.transformer import TransformerEncoder

        plain = pooling is None and device in (None, "cpu") and precision in ("auto", "fp32")
        if isinstance(model, str) and plain and (static := open_static(model, prompt=prompt)) is not None:
            return static
        return TransformerEncoder(model, prompt=prompt, pooling=pooling, device=device, precision=precision)
    if pooling is not None:
        raise InputError(
            f"pooling {pooling!r} does not apply to {model!r}, which gives vectors of whole sentences: leave it out"
        )
    if "://" in model:
        from lingualign.embedding.encoders.endpoint import Endpoint

        return Endpoint(model, prompt=prompt)
    if model.startswith(MODEL2VEC):
        from lingualign.embedding.encoders.model2vec import Model2VecEncoder

        return Model2VecEncoder(model.removeprefix(MODEL2VEC), prompt=prompt)
    if model.startswith(LASER):
        from lingualign.embedding.encoders.laser import LaserEncoder

        return LaserEncoder(model.removeprefix(LASER), prompt=prompt, device=device)
    from lingualign.embedding.encoders.vectors import VectorFile

    return VectorFile(Path(model), prompt=prompt)


def encode_with(
    encoder: SentenceEncoder, sentences: Sequence[str], *, progress: bool = False
) -> NDArray[np.float32]:
    """Encode distinct sentences, in the order given.

    Returns
    -------
    ndarray of float32, shape (sentences, dimensions)
        Of length 1.

    Raises
    ------
    InputError
        If the encoder cannot encode one of them.
    """
    check_sentences(sentences)
    vectors: NDArray[np.float32] | None = None
    with progress_bar("Encoding", len(sentences), enabled=progress) as advance:
        for indices, batch in encoder.batches(sentences):
            if vectors is None:
                vectors = np.empty((len(sentences), batch.shape[1]), dtype=np.float32)
            check_batch(encoder, batch, vectors.shape[1])
            vectors[indices] = batch
            advance(len(indices))
    return np.empty((0, encoder.dimensions), np.float32) if vectors is None else vectors


def check_batch(encoder: SentenceEncoder, batch: NDArray[np.float32], dimensions: int) -> None:
    """Refuse vectors of another width than before, and what is no number.

    Raises
    ------
    InputError
        With the model's name.
    """
    if batch.shape[1] != dimensions:
        raise InputError(
            f"model {encoder.name!r} gives vectors of {batch.shape[1]} dimensions where it gave {dimensions} before: "
            "all must be of one model; if another one serves under this name now, give it another name"
        )
    if not np.isfinite(batch).all():
        raise InputError(f"model {encoder.name!r} gives vectors with NaN or infinite values")


def is_vector_file(model: str) -> bool:
    """Whether a name is that of a file of vectors, told by its columns."""
    if not model.endswith(".parquet") or not Path(model).is_file():
        return False
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return {"sentence", "vector"} <= set(pq.read_schema(model).names)
    except (OSError, pa.ArrowException):
        return False


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each row to length 1; a zero row stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    scaled: NDArray[np.float32] = vectors / lengths
    return scaled


def _is_model(name: str) -> bool:
    special = "://" in name or name.startswith((MODEL2VEC, LASER))
    return Path(name).is_dir() or not (special or name.endswith(".parquet"))
