"""Models of the package model2vec, run by it: unknown words are skipped, long texts cut."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.embedding.encoders.sentence_encoder import unit
from lingualign.embedding.limits import check_model_folder
from lingualign.errors import InputError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lingualign.embedding.options import ModelOptions

MODEL2VEC = "model2vec:"
"""Prefix before the folder or hub id."""
_BATCH = 4_096


class Model2VecEncoder:
    """A model of model2vec: ``model2vec:`` before a folder or hub id. Options and errors: see `open_encoder`."""

    precision = "fp32"

    def __init__(self, name: str, options: ModelOptions) -> None:
        from model2vec import StaticModel

        self.name, model = name, name.removeprefix(MODEL2VEC)
        if Path(model).is_dir():
            check_model_folder(Path(model))
        try:
            self._model = StaticModel.from_pretrained(model, force_download=False)
        except Exception as error:
            # Several libraries read the files, and each raises its own kinds of errors.
            reason = first_line(error)
            raise InputError(
                f"model {self.name!r} cannot be loaded ({type(error).__name__}: {reason}): give a folder that "
                "model2vec wrote, or a hub id, with a network"
            ) from error
        # model2vec computes means in the precision of the table.
        self._saved = self._model.embedding
        if self._saved.dtype == np.float16:
            self._model.embedding = self._saved.astype(np.float32)
        self._prompt_from = "none" if options.prompt is None else "option"
        self.prompt = options.prompt or ""

    @property
    def dimensions(self) -> int:
        """Length of the vectors."""
        return int(self._model.dim)

    @property
    def tokenizer(self) -> Any:
        """Tokenizer of the package tokenizers."""
        return self._model.tokenizer

    @cached_property
    def fingerprint(self) -> str:
        """Digest of tables, tokenizer and longest text."""
        digest = hashlib.sha256(json.dumps([self._model.tokenizer.to_str(), self._model.max_length]).encode())
        for table in (self._saved, self._model.weights, self._model.token_mapping):
            if table is not None:
                digest.update(f"\n{table.shape} {table.dtype}\n".encode())
                digest.update(np.ascontiguousarray(table).data)
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return the kind and the origin of the prompt."""
        return {"kind": "model2vec", "prompt_from": self._prompt_from}

    def batches(self, sentences: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Encode by model2vec."""
        for start in range(0, len(sentences), _BATCH):
            texts = [self.prompt + sentence for sentence in sentences[start : start + _BATCH]]
            vectors = self._model.encode(texts, use_multiprocessing=False).astype(np.float32)
            if not np.isfinite(vectors).all():
                raise InputError(f"model {self.name!r} gives NaN or infinite values: its weights are damaged")
            yield np.arange(start, start + len(texts)), unit(vectors)
