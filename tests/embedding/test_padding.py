"""A sentence has one vector, whatever it is padded with, on which side, and whatever stands beside it."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from lingualign.embedding import encode, load_model
from lingualign.embedding.encoders import encode_with, open_encoder
from lingualign.embedding.models import allow_padding
from lingualign.errors import InputError

WORDS = "the a big small cat dog house river reads eats".split()  # noqa: SIM905
SENTENCES = [
    "the cat",
    "a big dog reads the house",
    "the",
    "small river eats a cat dog house the",
    "a a",
    "the dog",
]
PADDED = {"pad_token": "<pad>", "eos_token": "<end>"}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def save(folder, kind, side="right", pooling="mean", dtype=torch.float32, special=None, **settings) -> str:
    """Save a tiny model of random weights, large enough for positions to matter."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate(["<pad>", "<end>", *WORDS])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="the"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        padding_side=side,
        model_max_length=24,
        **(PADDED if special is None else special),
    )
    torch.manual_seed(0)
    config = {
        "vocab_size": len(vocabulary),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    config |= {"intermediate_size": 32, "max_position_embeddings": 40, "initializer_range": 0.3}
    model = AutoModel.from_config(AutoConfig.for_model(kind, **config)).to(dtype)
    model.save_pretrained(folder / "plain")
    tokenizer.save_pretrained(folder / "plain")
    modules = [Transformer(str(folder / "plain")), Pooling(16, pooling)]
    SentenceTransformer(modules=modules, device="cpu", **settings).save_pretrained(str(folder / "model"))
    return str(folder / "model")


def alone(model, **options) -> np.ndarray:
    """By the host library, each sentence in a batch of its own."""
    return np.stack([model.encode(sentence, **options) for sentence in SENTENCES])


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken", "weightedmean"])
@pytest.mark.parametrize("kind", ["gpt2", "bert", "llama", "mpnet"])
def test_vectors_are_those_of_the_host_library_for_each_sentence_alone(tmp_path, kind, pooling, side):
    model = load_model(save(tmp_path, kind, side, pooling), device="cpu")
    for options in ({}, {"prompt": "small big "}):
        for batch_tokens in (20, 1_000):
            found = encode(
                model, SENTENCES, normalize=False, precision="fp32", batch_tokens=batch_tokens, **options
            )
            np.testing.assert_allclose(found, alone(model, **options), atol=2e-5)


@pytest.mark.parametrize(
    "settings", [{"truncate_dim": 5}, {"prompts": {"q": "a big "}, "default_prompt_name": "q"}]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_what_a_model_was_saved_with_counts(tmp_path, settings, dtype):
    folder = save(tmp_path, "gpt2", "left", dtype=dtype, **settings)
    host = load_model(folder, device="cpu").float()
    found = encode_with(open_encoder(folder, device="cpu", precision="fp32"), SENTENCES)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-2
    np.testing.assert_allclose(found, alone(host, normalize_embeddings=True), atol=tolerance)


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_sentence_without_tokens_is_the_zero_vector_and_changes_no_other(tmp_path, side):
    model = load_model(save(tmp_path, "gpt2", side), device="cpu")
    mixed = ["", SENTENCES[0], " ", *SENTENCES[1:]]
    found = encode(model, mixed, precision="fp32", batch_tokens=1_000)
    assert not found[[0, 2]].any()
    np.testing.assert_allclose(
        found[[1, *range(3, 8)]], encode(model, SENTENCES, precision="fp32"), atol=1e-6
    )
    assert not encode(model, ["", " "], precision="fp32").any()


@pytest.mark.parametrize("special", [{"eos_token": "<end>"}, {"unk_token": "<pad>"}, {"bos_token": "<end>"}])
def test_a_tokenizer_without_a_padding_token_pads_with_another_special_one(tmp_path, special):
    with_one = encode(
        load_model(save(tmp_path / "with", "gpt2", special=PADDED), device="cpu"), SENTENCES, precision="fp32"
    )
    folder = save(tmp_path / "without", "gpt2", "left", special=special)
    model = load_model(folder, device="cpu")
    np.testing.assert_allclose(encode(model, SENTENCES, precision="fp32"), with_one, atol=1e-5)
    # One that is loaded otherwise is the same.
    from sentence_transformers import SentenceTransformer

    np.testing.assert_allclose(
        encode(SentenceTransformer(folder, device="cpu"), SENTENCES, precision="fp32"), with_one, atol=1e-5
    )
    # What a student is saved as is the same model, for the host library too.
    model.save_pretrained(str(tmp_path / "saved"))
    saved = SentenceTransformer(str(tmp_path / "saved"), device="cpu")
    np.testing.assert_allclose(
        np.stack([saved.encode(sentence, normalize_embeddings=True) for sentence in SENTENCES]),
        with_one,
        atol=1e-5,
    )


def test_a_tokenizer_without_any_special_token_is_refused(tmp_path):
    folder = save(tmp_path, "gpt2", special={})
    with pytest.raises(
        InputError, match="no padding token and no special token to stand for one; set its pad_token"
    ):
        load_model(folder, device="cpu")


def test_a_padding_token_that_is_there_stays(minilm):
    before = minilm.tokenizer.pad_token
    allow_padding(minilm)
    assert minilm.tokenizer.pad_token == before


def test_a_model_that_names_prompts_and_gets_none_is_worth_one_line(tmp_path, caplog):
    prompts = {"query": "query: ", "passage": "passage: ", "none": ""}
    folder = save(tmp_path, "bert", prompts=prompts)
    with caplog.at_level(logging.WARNING):
        for prompt in ("", "query: "):
            open_encoder(folder, prompt=prompt)
        assert not caplog.records
        for _ in range(2):
            open_encoder(folder)
    [record] = caplog.records
    assert "names prompts (query: 'query: ', passage: 'passage: ') and is used without one" in record.message
    assert "--prompt" in record.message
