"""The kernels that encoding uses on a processor give what torch's own give, whatever calls them."""

from __future__ import annotations

import tempfile
from contextlib import nullcontext

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn import functional

from lingualign.embedding import encode
from lingualign.embedding.cpu import CpuKernels, cpu_kernels

BFLOAT16 = torch.autocast("cpu", dtype=torch.bfloat16)
TOLERANCE = {torch.float32: {"atol": 1e-5, "rtol": 1e-5}, torch.bfloat16: {"atol": 3e-2, "rtol": 3e-2}}


def kernels() -> CpuKernels:
    found = cpu_kernels(torch.nn.Identity(), torch.device("cpu"))
    if not isinstance(found, CpuKernels):
        pytest.skip("this build of torch has no oneDNN")
    return found


def agree(compute, autocast) -> None:
    """Twice within the kernels, so that a weight is laid out and then used again."""
    with torch.inference_mode(), autocast:
        expected = compute()
        with kernels():
            found = [compute(), compute()]
    for each in found:
        assert each.dtype == expected.dtype
        torch.testing.assert_close(each, expected, **TOLERANCE[expected.dtype])


@pytest.mark.parametrize("autocast", [nullcontext(), BFLOAT16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 48), (300, 48), (7, 31, 48), (1, 64, 48), (0, 48), (48,)])
def test_linear_layers_agree_with_torch(shape, bias, dtype, autocast) -> None:
    torch.manual_seed(sum(shape))
    layer = torch.nn.Linear(48, 33, bias=bias, dtype=dtype)
    given = torch.randn(shape, dtype=dtype)
    agree(lambda: layer(given), autocast)
    if len(shape) > 1:
        spread = torch.randn(*shape[:-1], 96, dtype=dtype)[..., ::2]
        agree(lambda: layer(spread), autocast)


@pytest.mark.parametrize("autocast", [nullcontext(), BFLOAT16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("length", [1, 7, 16, 40, 200])
@pytest.mark.parametrize("kind", ["plain", "causal", "masked", "grouped", "across", "scaled"])
def test_attention_agrees_with_torch(kind, length, autocast) -> None:
    torch.manual_seed(length)
    query, key, value = (torch.randn(3, length, 4, 8).transpose(1, 2) for _ in range(3))
    query, key, value = (each.bfloat16().float() for each in (query, 20 * key, value))
    options = {
        "plain": {},
        "causal": {"is_causal": True},
        "masked": {"attn_mask": torch.rand(3, 1, length, length) < 0.5},
        "grouped": {"enable_gqa": True},
        "across": {},
        "scaled": {"scale": 0.01},
    }[kind]
    if kind == "grouped":
        key, value = key[:, :2], value[:, :2]
    if kind == "across":
        key, value = (each.repeat(1, 1, 2, 1) for each in (key, value))
    if kind == "masked":
        options["attn_mask"] |= torch.eye(length, dtype=torch.bool)
    # In fp32 whatever the autocast: what torch gives in bf16 is further from it.
    expected = functional.scaled_dot_product_attention(query, key, value, **options)
    with torch.inference_mode(), autocast, kernels():
        found = functional.scaled_dot_product_attention(query, key, value, **options)
    assert found.dtype == (torch.float32 if isinstance(autocast, nullcontext) else torch.bfloat16)
    torch.testing.assert_close(found.float(), expected, **TOLERANCE[found.dtype])


def test_a_part_of_a_model_that_leaves_autocast_stays_in_single_precision() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(32, 32)
    given = torch.randn(100, 32)

    def compute():
        layer(given)  # the same weight in bf16 first
        with torch.autocast("cpu", enabled=False):
            return layer(given)

    agree(compute, BFLOAT16)


def test_weights_computed_from_others_are_not_taken_for_those_of_before() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(32, 32)
    given = torch.randn(100, 32)
    with torch.inference_mode(), kernels():
        for scale in (1.0, 2.0, 3.0):
            expected = given @ (layer.weight * scale).T
            torch.testing.assert_close(functional.linear(given, layer.weight * scale), expected)


@pytest.mark.data
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_vectors_of_real_sentences_are_those_of_the_host_in_order(minilm, data, precision) -> None:
    kernels()
    table = pq.read_table(data / "train" / "tatoeba" / "ja-ko.parquet").slice(100, 60)
    table_en = pq.read_table(data / "train" / "tatoeba" / "en-fr.parquet").slice(100, 150)
    sentences = [*table["sentence1"].to_pylist(), "", *table_en["sentence1"].to_pylist()]
    theirs = minilm.encode(sentences, normalize_embeddings=True)
    cosines = (encode(minilm, sentences, precision=precision) * theirs).sum(axis=1)
    assert cosines.min() > {"fp32": 1 - 1e-6, "bf16": 0.9995}[precision]


def test_weights_that_changed_between_two_calls_are_seen(minilm) -> None:
    kernels()
    sentences = [f"sentence number {number}" for number in range(100)]
    before = encode(minilm, sentences, precision="fp32")
    weight = minilm[0].model.encoder.layer[2].intermediate.dense.weight
    kept = weight.detach().clone()
    try:
        weight.data.mul_(1.5)
        found = encode(minilm, sentences, precision="fp32")
        expected = minilm.encode(sentences)
    finally:
        weight.data.copy_(kept)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(found - before).max() > 1e-3


def test_a_decoder_with_left_padding_grouped_heads_and_last_pooling_agrees(minilm) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import Qwen3Config, Qwen3Model

    kernels()
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=minilm.tokenizer.vocab_size,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        pad_token_id=0,
    )
    with tempfile.TemporaryDirectory() as folder:
        Qwen3Model(config).save_pretrained(folder)
        minilm.tokenizer.save_pretrained(folder)
        transformer = Transformer(folder)
    model = SentenceTransformer(modules=[transformer, Pooling(32, "lasttoken")], device="cpu")
    model.tokenizer.padding_side = "left"
    sentences = ["word " * (1 + number % 13) + str(number) for number in range(120)]
    expected = np.stack([model.encode(each, normalize_embeddings=True) for each in sentences])
    np.testing.assert_allclose(encode(model, sentences, precision="fp32"), expected, atol=1e-5)
    cosines = (encode(model, sentences, precision="bf16") * expected).sum(axis=1)
    assert cosines.min() > 0.999
