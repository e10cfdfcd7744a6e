"""A static model run without sentence-transformers is the model that sentence-transformers runs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from lingualign.embedding import encode, fingerprint, load_model
from lingualign.embedding.encoders import encode_with, open_encoder
from lingualign.embedding.encoders.static_encoder import StaticEncoder, open_static
from lingualign.embedding.encoders.transformer_encoder import TransformerEncoder
from lingualign.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

SENTENCES = [
    "The cat sat on the mat.",
    "Two dogs 😀 and a naïve café",
    "",
    "  \t",
    "日本語の文",
    "word " * 3_000,  # longer than the tokenizer's truncation
    "[CLS] not special here [SEP]",
]


@pytest.fixture
def folder(minilm, tmp_path):
    """A static model with the real tokenizer of minilm, its truncation, padding and special tokens included."""
    return _save(tmp_path / "model", minilm)


def _save(folder: Path, minilm, *, scaled: bool = True, dtype=torch.float32, **settings) -> Path:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.normalize import Normalize
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(minilm.tokenizer.backend_tokenizer.to_str())
    tokenizer.enable_truncation(128)
    tokenizer.enable_padding(length=128)
    table = torch.randn(tokenizer.get_vocab_size(), 32, generator=torch.Generator().manual_seed(0)).to(dtype)
    modules = [StaticEmbedding(tokenizer, embedding_weights=table), *([Normalize()] if scaled else [])]
    SentenceTransformer(modules=modules, device="cpu", **settings).save_pretrained(str(folder))
    return folder


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("truncate_dim", [None, 7, 99])
def test_it_is_the_same_model(minilm, tmp_path, scaled, truncate_dim) -> None:
    settings = {
        "prompts": {"query": "query: ", "none": ""},
        "default_prompt_name": "query",
        "truncate_dim": truncate_dim,
    }
    folder = _save(tmp_path / "model", minilm, scaled=scaled, **settings)
    loaded = load_model(str(folder), device="cpu")
    for prompt in (None, "", "passage: "):
        quick, full = open_encoder(str(folder), prompt=prompt), open_encoder(loaded, prompt=prompt)
        assert isinstance(quick, StaticEncoder)
        assert isinstance(full, TransformerEncoder)
        expected = encode(loaded, SENTENCES, prompt=prompt)
        np.testing.assert_allclose(encode_with(quick, SENTENCES), expected, atol=1e-6)
        assert quick.fingerprint == full.fingerprint == fingerprint(loaded)
        for what in ("prompt", "dimensions", "describe"):
            one, other = getattr(quick, what), getattr(full, what)
            assert (one() if callable(one) else one) == (other() if callable(other) else other)


@pytest.mark.data
def test_real_sentences_in_any_number_have_the_same_vectors(folder, data) -> None:
    table = pq.read_table(data / "eval" / "ntrex" / "ntrex128.parquet")
    sentences = [sentence for column in table.columns for sentence in column.to_pylist()]
    found = encode_with(open_encoder(str(folder)), sentences)
    np.testing.assert_allclose(found, encode(load_model(str(folder)), sentences), atol=1e-6)


def test_prompts_that_are_named_are_hinted_at(minilm, tmp_path, caplog) -> None:
    folder = str(_save(tmp_path / "model", minilm, prompts={"query": "query: "}))
    assert isinstance(open_encoder(folder), StaticEncoder)
    assert "names prompts (query: 'query: ')" in caplog.text


def test_the_library_is_not_even_imported(folder) -> None:
    program = (
        "import sys; from lingualign.embedding.encoders import encode_with, open_encoder; "
        "encode_with(open_encoder(sys.argv[1]), ['a dog']); "
        "print([name for name in ('sentence_transformers', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, folder], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_what_is_another_model_is_left_to_the_library(minilm, folder, tmp_path) -> None:
    assert isinstance(open_encoder("minilm", device="cpu"), TransformerEncoder)
    half = _save(tmp_path / "half", minilm, dtype=torch.float16)
    assert isinstance(open_encoder(str(half)), TransformerEncoder)
    config = json.loads((folder / "config_sentence_transformers.json").read_text())
    for setting in (
        {"truncate_dim": -3},
        {"prompts": []},
        {"default_prompt_name": None, "prompts": {"a": 3}},
    ):
        (folder / "config_sentence_transformers.json").write_text(json.dumps(config | setting))
        assert open_static(str(folder)) is None
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config))
    assert open_static(str(folder)) is not None
    (folder / "1_Normalize" / "config.json").write_text('{"module_input_name": "token_embeddings"}')
    assert isinstance(open_encoder(str(folder)), TransformerEncoder)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.safetensors", b"damaged"),
        ("tokenizer.json", b"{}"),
        ("modules.json", b'[{"type": "sentence_transformers.models.StaticEmbedding"}]'),
        ("modules.json", b"\xff"),
        ("config_sentence_transformers.json", b"[]"),
    ],
)
def test_damaged_files_are_refused_as_for_any_model(folder, file, content) -> None:
    (folder / file).write_bytes(content)
    with pytest.raises(InputError, match="cannot be loaded from its folder"):
        open_encoder(str(folder))


def test_code_in_the_folder_is_not_run(folder) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "evil.StaticEmbedding"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "evil.py").write_text("raise SystemExit('has run')")
    with pytest.raises(InputError):
        open_encoder(str(folder))


def test_weights_that_are_not_finite_are_refused_with_the_sentence(folder) -> None:
    from safetensors.torch import load_file, save_file

    table = load_file(folder / "model.safetensors")["embedding.weight"]
    table[open_encoder(str(folder)).tokenizer.token_to_id("dog")] = torch.nan
    save_file({"embedding.weight": table}, folder / "model.safetensors")
    with pytest.raises(InputError, match="NaN or infinite values for the sentence 'a dog'"):
        encode_with(open_encoder(str(folder)), ["a cat", "a dog"])


def test_a_table_that_is_another_model_s_is_refused(folder) -> None:
    from safetensors.torch import load_file, save_file

    table = load_file(folder / "model.safetensors")["embedding.weight"]
    save_file({"embedding.weight": table[:1000].clone()}, folder / "model.safetensors")
    with pytest.raises(InputError, match=r"its tokenizer gives token \d+, but its table has 1000 rows"):
        encode_with(open_encoder(str(folder)), SENTENCES)
