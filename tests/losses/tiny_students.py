"""Tiny students of both kinds, made here: a padded transformer and a static model."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

WORDS = ("the a big small cat dog house river reads eats sees thank you good morning .").split()  # noqa: SIM905


def tiny_encoder(dropout: float = 0.0, seed: int = 0):
    """A one-layer BERT over a handful of words, mean-pooled."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=32,
    )
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        max_position_embeddings=32,
    )
    with tempfile.TemporaryDirectory() as folder:
        BertModel(config, add_pooling_layer=False).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        transformer = Transformer(folder, model_kwargs={"add_pooling_layer": False})
    return SentenceTransformer(modules=[transformer, Pooling(16, "mean")], device="cpu")


def tiny_decoder(seed: int = 0, **special: str):
    """A one-layer GPT-2 over the same words, mean-pooled, whose tokenizer adds nothing: "" has no tokens."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["<end>", "<pad>", *WORDS])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="the"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    special = special or {"eos_token": "<end>", "pad_token": "<pad>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=32, **special)
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=len(vocabulary),
        n_embd=16,
        n_layer=1,
        n_head=2,
        n_positions=32,
        embd_pdrop=0,
        attn_pdrop=0,
        resid_pdrop=0,
        # Large enough for positions to matter.
        initializer_range=0.3,
    )
    with tempfile.TemporaryDirectory() as folder:
        GPT2Model(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        transformer = Transformer(folder)
    return SentenceTransformer(modules=[transformer, Pooling(16, "mean")], device="cpu")


def tiny_static(seed: int = 0):
    """A static model over the same words."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(["[UNK]", *WORDS])}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    weights = torch.randn(len(WORDS) + 1, 16, generator=torch.Generator().manual_seed(seed))
    return SentenceTransformer(modules=[StaticEmbedding(backend, embedding_weights=weights)], device="cpu")


def sentences(count: int, seed: int) -> list[str]:
    """Distinct sentences of one to six words."""
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        length = int(torch.randint(1, 7, (), generator=generator))
        words = torch.randint(len(WORDS), (length,), generator=generator).tolist()
        found.setdefault(" ".join(WORDS[word] for word in words))
    return list(found)


def gradients(model: torch.nn.Module, compute: Callable[[], torch.Tensor]) -> dict[str, torch.Tensor]:
    """The gradient of each parameter after one backward pass."""
    model.zero_grad()
    compute().backward()
    return {
        name: parameter.grad.clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
