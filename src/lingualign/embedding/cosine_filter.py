"""Filter of pairs by the cosine of their sides."""

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
    """Pairs whose sides' vectors have a cosine below a threshold; a filter as in `lingualign.pairs.cleaning`.

    Parameters
    ----------
    model
        Model that understands both languages.
    least
        Threshold: pairs below it are dropped.
    prompt, precision
        Options of `encode`.
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
        """Return the mask of pairs to drop."""
        return np.asarray(self.cosines(pairs) < self.least, np.bool_)

    def cosines(self, pairs: pa.Table) -> NDArray[np.float32]:
        """Return the cosine of each pair's sides, shape (pairs,)."""
        count = pairs.num_rows
        sentences = [*pairs["sentence1"].to_pylist(), *pairs["sentence2"].to_pylist()]
        vectors = encode(self.model, sentences, prompt=self.prompt, precision=self.precision)
        return np.asarray(np.einsum("ij,ij->i", vectors[:count], vectors[count:]), np.float32)
