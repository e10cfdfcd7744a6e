from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling, StaticEmbedding
from transformers import BertConfig, BertModel

from lingualign.embedding import encode, fingerprint, load_model
from lingualign.errors import InputError


@pytest.fixture(scope="module")
def folder(minilm, tmp_path_factory):
    """A tiny BERT with mean pooling and a dense layer, saved as safetensors."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    root = tmp_path_factory.mktemp("bert")
    BertModel(BertConfig(vocab_size=minilm.tokenizer.vocab_size, **sizes)).save_pretrained(root / "encoder")
    minilm.tokenizer.save_pretrained(root / "encoder")
    modules = [Transformer(str(root / "encoder")), Pooling(16), Dense(16, 8)]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(root / "model"))
    return root / "model"


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_minilm_is_the_model_of_the_installed_package(minilm):
    loaded = load_model("minilm", device="cpu")
    assert fingerprint(loaded) == fingerprint(minilm)
    np.testing.assert_array_equal(encode(loaded, ["a cat"]), encode(minilm, ["a cat"]))


def test_fingerprint_is_that_of_the_content(folder, copy, tmp_path):
    model = load_model(str(folder), device="cpu")
    name = fingerprint(model)
    assert len(name) == 64
    encode(model, ["a", "much longer sentence"])
    assert fingerprint(model) == name
    assert fingerprint(load_model(str(copy), device="cpu")) == name
    model.save_pretrained(str(tmp_path / "saved"))
    assert fingerprint(load_model(str(tmp_path / "saved"), device="cpu")) == name


def test_fingerprint_of_real_minilm_survives_saving(minilm, tmp_path):
    minilm.save_pretrained(str(tmp_path))
    assert fingerprint(load_model(str(tmp_path), device="cpu")) == fingerprint(minilm)


def test_fingerprint_changes_with_any_weight_and_any_setting(folder):
    model = load_model(str(folder), device="cpu")
    names = [fingerprint(model)]
    for parameter in model.parameters():
        with torch.no_grad():
            parameter.view(-1)[-1] += 0.5
        names.append(fingerprint(model))
    model.max_seq_length = 7
    names.append(fingerprint(model))
    model[1].pooling_mode = "cls"
    names.append(fingerprint(model))
    model.tokenizer.backend_tokenizer.add_tokens(["zzz"])
    names.append(fingerprint(model))
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("part", [".", "2_Dense"])
def test_pickled_weights_are_never_opened(copy, tmp_path, part):
    (copy / part / "model.safetensors").unlink()
    weights = "pytorch_model.bin"
    trap = tmp_path / "opened"

    class Trap:
        def __reduce__(self):
            return (open, (str(trap), "w"))

    torch.save({"x": Trap()}, copy / part / weights)
    with pytest.raises(
        InputError, match=rf"(?s){weights} holds its weights as a pickle.*save_pretrained\('converted"
    ):
        load_model(str(copy), device="cpu")
    assert not trap.exists()
    torch.load(_saved(tmp_path / "fine.pt"))  # usable again


def test_pickled_static_embedding_is_never_opened(minilm, tmp_path):
    tokenizer = minilm.tokenizer.backend_tokenizer
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=4)], device="cpu").save_pretrained(
        str(tmp_path), safe_serialization=False
    )
    with pytest.raises(InputError, match=r"pytorch_model\.bin holds its weights as a pickle"):
        load_model(str(tmp_path), device="cpu")


def test_code_of_a_model_does_not_run_unasked(copy):
    modules = json.loads((copy / "modules.json").read_text())
    modules[0]["type"] = "evil.Module"
    (copy / "modules.json").write_text(json.dumps(modules))
    (copy / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(InputError, match=r"cannot be loaded from its folder .*evil\.Module"):
        load_model(str(copy), device="cpu")


def test_folders_that_are_no_models_are_named(tmp_path, copy):
    with pytest.raises(InputError, match=r"neither modules\.json nor config\.json"):
        load_model(str(tmp_path))
    (copy / "model.safetensors").write_bytes((copy / "model.safetensors").read_bytes()[:5_000])
    with pytest.raises(InputError, match="files are damaged or missing"):
        load_model(str(copy), device="cpu")
    with pytest.raises(InputError, match="is a file: give the folder"):
        load_model(str(copy / "modules.json"))
    with pytest.raises(InputError, match="device 'cuda:99' cannot be used here"):
        load_model("minilm", device="cuda:99")


def test_a_hub_model_without_a_network_names_the_offline_ways(tmp_path):
    script = """
from lingualign.embedding import load_model
from lingualign.errors import InputError
for name in ("sentence-transformers/LaBSE", "runs/typo", "/no/such/folder"):
    try:
        load_model(name, device="cpu")
    except InputError as error:
        print(error)
"""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    messages = done.stdout.splitlines()
    assert len(messages) == 3
    for message, name in zip(
        messages, ("sentence-transformers/LaBSE", "runs/typo", "/no/such/folder"), strict=True
    ):
        assert repr(name) in message
        assert "'minilm'" in message
        assert "local folder" in message


def _saved(path):
    torch.save({"a": torch.zeros(1)}, path)
    return path
