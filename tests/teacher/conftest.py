from __future__ import annotations

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import BertConfig, BertModel


@pytest.fixture(scope="session")
def tiny(minilm, tmp_path_factory) -> SentenceTransformer:
    """A real BERT of one narrow layer with random weights, saved at ``tiny.folder``."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    root = tmp_path_factory.mktemp("tiny")
    BertModel(BertConfig(vocab_size=minilm.tokenizer.vocab_size, **sizes)).save_pretrained(root / "encoder")
    minilm.tokenizer.save_pretrained(root / "encoder")
    model = SentenceTransformer(modules=[Transformer(str(root / "encoder")), Pooling(16)], device="cpu")
    model.save_pretrained(str(root / "model"))
    model.folder = root / "model"
    return model


@pytest.fixture
def reached(tiny):
    """How many sentences reach the tiny model."""
    counts = []
    hook = tiny[0].register_forward_pre_hook(lambda _, inputs: counts.append(len(inputs[0]["input_ids"])))
    yield lambda: sum(counts)
    hook.remove()
