"""A real model whose vectors a test chooses, and files to evaluate on."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(scope="session")
def lookup_model():
    """Make a sentence-transformers model that gives each one-word sentence the vector a test names for it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    def make(vectors: dict[str, list[float]]) -> SentenceTransformer:
        words = ["[UNK]", *vectors]
        tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(words)}, "[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        rows = np.array(list(vectors.values()), dtype=np.float32)
        weights = np.concatenate([np.zeros_like(rows[:1]), rows])
        return SentenceTransformer(
            modules=[StaticEmbedding(tokenizer, embedding_weights=weights)], device="cpu"
        )

    return make
