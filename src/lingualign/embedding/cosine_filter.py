"""Pairs whose sides a model finds unlike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.embedding.encode import encode

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.options import Precision


class CosineFilter:
    """The cosine of both sides' vectors is below a threshold. Has the shape of a filter of `lingualign.pairs.cleaning`.

    Parameters
    ----------
    model
        A model that understands both languages.
    least
        The threshold: pairs below it are dropped.
    prompt, precision
        Of `encode`.
    """

    reason = "low cosine"

    def __init__(
        self,
        model: SentenceTransformer,
        least: float,
        *,
        prompt: str | None = None,
        precision: Precision = "auto",
    ) -> None:
        self.model, self.least, self.prompt, self.precision = model, least, prompt, precision

    def __call__(self, pairs: pa.Table) -> NDArray[np.bool_]:
        """Return which pairs to drop."""
        return np.asarray(self.cosines(pairs) < self.least, np.bool_)

    def cosines(self, pairs: pa.Table) -> NDArray[np.float32]:
        """Return the cosine of each pair's sides, shape (pairs,)."""
        count = pairs.num_rows
        sentences = [*pairs["sentence1"].to_pylist(), *pairs["sentence2"].to_pylist()]
        vectors = encode(self.model, sentences, prompt=self.prompt, precision=self.precision)
        return np.asarray(np.einsum("ij,ij->i", vectors[:count], vectors[count:]), np.float32)
