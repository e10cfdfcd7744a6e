"""Models of sentence-transformers, and plain transformers with a pooling."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

from lingualign.embedding.encode import encode, encode_batches, resolve_precision
from lingualign.embedding.encoders.sentence_encoder import hint_at_prompts
from lingualign.embedding.models import fingerprint, has_modules, load_model, prompt_of
from lingualign.embedding.options import Pooling
from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.encoders.sentence_encoder import PromptFrom
    from lingualign.embedding.options import ModelOptions, Precision

_POOLING_MODES = {"mean": "mean", "cls": "cls", "last": "lasttoken"}


class TransformerEncoder:
    """A model that sentence-transformers runs. Options and errors are those of `open_encoder`."""

    def __init__(self, model: str | SentenceTransformer, options: ModelOptions) -> None:
        prompt, pooling, device = options.prompt, options.pooling, options.device
        self.name = (
            model if isinstance(model, str) else model.model_card_data.model_id or type(model).__name__
        )
        if pooling is not None:
            _check_pooling(model, pooling)
        self.model = load_model(model, device=device) if isinstance(model, str) else model
        if pooling is not None:
            from sentence_transformers.sentence_transformer.modules import Pooling as PoolingModule

            width = self.model[1].embedding_dimension
            self.model[1] = PoolingModule(width, pooling_mode=_POOLING_MODES[pooling])
        if device is not None:
            self.model = self.model.to(device)
        self.prompt_from: PromptFrom = "option"
        self.prompt = prompt_of(self.model, prompt)
        if prompt is None:
            self.prompt_from = "model" if self.prompt else "none"
            if not self.prompt:
                hint_at_prompts(self.name, self.model.prompts)
        self.precision: Precision = resolve_precision(options.precision, self.model.device)
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding

        if isinstance(next(iter(self.model), None), StaticEmbedding):
            # A table of embeddings gives the same vectors in both precisions; `StaticEncoder` is fp32 too.
            self.precision = "fp32"

    @cached_property
    def fingerprint(self) -> str:
        """Digest of weights, tokenizer and modules."""
        return fingerprint(self.model)

    @cached_property
    def dimensions(self) -> int:
        """Length of a vector, found by encoding, since not every model has it in its files."""
        return int(encode(self.model, ["."], prompt=self.prompt).shape[1])

    @property
    def tokenizer(self) -> Any:
        """Tokenizer of the model."""
        return self.model.tokenizer

    def describe(self) -> dict[str, Any]:
        """Return the kind, the origin of the prompt and, if the model has one, the pooling."""
        described: dict[str, Any] = {"kind": "sentence-transformers", "prompt_from": self.prompt_from}
        names = {mode: name for name, mode in _POOLING_MODES.items()}
        for module in self.model:
            if (mode := getattr(module, "pooling_mode", None)) is not None:
                described["pooling"] = (
                    names.get(mode, mode) if isinstance(mode, str) else "+".join(map(str, mode))
                )
        return described

    def batches(self, sentences: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Encode by `encode_batches`."""
        return encode_batches(self.model, sentences, prompt=self.prompt, precision=self.precision)


def _check_pooling(model: str | SentenceTransformer, pooling: str) -> None:
    if pooling not in get_args(Pooling):
        raise InputError(f"pooling {pooling!r} is unknown: expected one of {', '.join(get_args(Pooling))}")
    if not isinstance(model, str) or has_modules(model):
        raise InputError(
            f"pooling {pooling!r} does not apply to {model if isinstance(model, str) else 'a loaded model'!r}: its "
            "modules.json says how its vectors are made; leave it out"
        )
