"""The protocol of encoders, and what all of them share."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from lingualign.embedding.encode import check_sentences
from lingualign.errors import InputError
from lingualign.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

PromptFrom = Literal["option", "model", "none"]
"""Origin of the prompt: the caller, the model's own configuration, or none."""

logger = logging.getLogger(__name__)

_SHOWN, _CHARACTERS = 3, 40


class SentenceEncoder(Protocol):
    """Turns sentences into vectors."""

    @property
    def name(self) -> str:
        """Name for people."""

    @property
    def fingerprint(self) -> str:
        """Digest that is equal for every copy, and differs if the vectors may differ."""

    @property
    def prompt(self) -> str:
        """Text before every sentence."""

    @property
    def precision(self) -> str:
        """Precision of the arithmetic."""

    @property
    def dimensions(self) -> int:
        """Length of its vectors."""

    @property
    def tokenizer(self) -> Any | None:
        """Tokenizer, if the encoder has an accessible one."""

    def describe(self) -> dict[str, Any]:
        """Return the making of vectors as JSON types, beside name, fingerprint, dimensions and prompt."""

    def batches(self, sentences: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Encode distinct sentences; yields positions, each once, with their vectors of length 1."""


def encode_with(
    encoder: SentenceEncoder, sentences: Sequence[str], *, progress: bool = False
) -> NDArray[np.float32]:
    """Encode distinct sentences, in the order given.

    Returns
    -------
    ndarray of float32, shape (sentences, dimensions)
        Vectors of length 1.

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
    """Check that vectors have the width of earlier ones and are finite.

    Raises
    ------
    InputError
        If they do not; the message names the model.
    """
    if batch.shape[1] != dimensions:
        raise InputError(
            f"model {encoder.name!r} gives vectors of {batch.shape[1]} dimensions where it gave {dimensions} before: "
            "all must be of one model; if another one serves under this name now, give it another name"
        )
    if not np.isfinite(batch).all():
        raise InputError(f"model {encoder.name!r} gives vectors with NaN or infinite values")


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale each row to length 1; a zero row stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    scaled: NDArray[np.float32] = vectors / lengths
    return scaled


def hint_at_prompts(model: str, prompts: Mapping[str, str | None]) -> None:
    """Log one line with the prompts of a model, if it has any; once for each model.

    Parameters
    ----------
    model
        Name of the model, which is used without a prompt that nobody has declined.
    prompts
        Text of each prompt by its name in the model's configuration.
    """
    named = [f"{name}: {_shortened(text)!r}" for name, text in prompts.items() if text]
    if named:
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        _log_once(model, ", ".join(named[:_SHOWN]) + more)


@cache
def _log_once(model: str, named: str) -> None:
    logger.warning(
        "model %r names prompts (%s) and is used without one; choose one with --prompt (in Python prompt=), or give an "
        "empty one if none is meant",
        model,
        named,
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 3]}..."
