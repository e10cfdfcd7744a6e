"""A small real model, and real sentences in two languages."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest


@pytest.fixture(scope="session")
def static(minilm):
    """A static model with random vectors for minilm's tokens: sentences that share words are near."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    weights = torch.randn(minilm.tokenizer.vocab_size, 32, generator=torch.Generator().manual_seed(1))
    tokenizer = minilm.tokenizer._tokenizer
    return SentenceTransformer(
        modules=[StaticEmbedding(tokenizer.from_str(tokenizer.to_str()), weights)], device="cpu"
    )


@pytest.fixture(scope="session")
def tatoeba(data) -> tuple[list[str], list[str]]:
    """English sentences and their French translations."""
    table = pq.read_table(data / "eval" / "tatoeba" / "fra-eng.parquet")
    return table["sentence2"].to_pylist(), table["sentence1"].to_pylist()
