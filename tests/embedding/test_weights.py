"""Weights that are not those of the config are refused; what a checkpoint may have or lack is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    MPNetConfig,
    MPNetForMaskedLM,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
    T5Model,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

from lingualign.embedding import encode, fingerprint, load_model
from lingualign.errors import InputError

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
T5_SIZES = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 2, "num_heads": 2}


@pytest.fixture(scope="module")
def folder(minilm: SentenceTransformer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny BERT in the folder of a sentence-transformers model."""
    root = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=minilm.tokenizer.vocab_size, **SIZES)).save_pretrained(root / "plain")
    minilm.tokenizer.save_pretrained(root / "plain")
    modules = [Transformer(str(root / "plain")), Pooling(16)]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(root / "model"))
    return root / "model"


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def change(file: Path, **changed: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"num_hidden_layers": 3}, r"layer\.2\.\S+ is missing, and so it is with 15 more"),
        ({"num_hidden_layers": 1}, r"layer\.1\.\S+ has no place, and so it is with 15 more"),
        ({"intermediate_size": 32}, r"intermediate\.dense\.bias is 16, where it should be 32, and so it is with 5"),
        ({"vocab_size": 10**9}, r"word_embeddings\.weight is 30522 x 16, where it should be 1000000000 x 16\)"),
        ({"hidden_size": 64_000_000}, r"LayerNorm\.bias is 16, where it should be 64000000"),
        ({"num_hidden_layers": -5}, r"asks for num_hidden_layers -5, as no model does"),
        ({"num_hidden_layers": 0}, r"asks for num_hidden_layers 0, as no model does"),
        ({"num_attention_heads": -2}, r"asks for num_attention_heads -2, as no model does"),
        ({"type_vocab_size": -1}, r"asks for type_vocab_size -1, as no model does"),
        ({"hidden_size": 0}, r"asks for hidden_size 0, as no model does"),
    ],
)  # fmt: skip
def test_a_config_of_another_model_is_refused(copy: Path, changed: dict, message: str) -> None:
    change(copy / "config.json", **changed)
    with pytest.raises(InputError, match=rf"^model '\S+copy': its .*{message}.*$"):
        load_model(str(copy), device="cpu")


def test_a_lost_weight_is_refused_and_a_pooler_that_nothing_uses_is_not(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    expected = encode(load_model(str(copy), device="cpu"), ["a cat"])
    for part in ("pooler.dense.weight", "pooler.dense.bias"):
        del weights[part]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert (encode(load_model(str(copy), device="cpu"), ["a cat"]) == expected).all()
    del weights["embeddings.LayerNorm.bias"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"\(embeddings\.LayerNorm\.bias is missing\)"):
        load_model(str(copy), device="cpu")


def test_a_pooler_that_makes_the_vectors_is_needed(copy: Path) -> None:
    way = {"method": "forward", "method_output_name": "pooler_output"}
    settings = {"modality_config": {"text": way}, "module_output_name": "sentence_embedding"}
    change(copy / "sentence_bert_config.json", **settings)
    modules = json.loads((copy / "modules.json").read_text())
    (copy / "modules.json").write_text(json.dumps(modules[:1]))
    assert encode(load_model(str(copy), device="cpu"), ["a cat"]).shape == (1, 16)
    weights = load_file(copy / "model.safetensors")
    del weights["pooler.dense.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"\(pooler\.dense\.weight is missing\)"):
        load_model(str(copy), device="cpu")


@pytest.mark.parametrize(
    "model",
    [
        BertForMaskedLM(BertConfig(vocab_size=30522, **SIZES)),
        XLMRobertaForMaskedLM(XLMRobertaConfig(vocab_size=30522, **SIZES)),
        MPNetForMaskedLM(MPNetConfig(vocab_size=30522, **SIZES)),
        BertModel(BertConfig(vocab_size=30522, **SIZES), add_pooling_layer=False),
        T5ForConditionalGeneration(T5Config(vocab_size=30522, **T5_SIZES)),
        T5Model(T5Config(vocab_size=30522, **T5_SIZES, num_decoder_layers=1)),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("shard", ["100KB", "1GB"])
def test_checkpoints_of_all_kinds_load(
    minilm: SentenceTransformer, tmp_path: Path, model: PreTrainedModel, shard: str
) -> None:
    model.save_pretrained(tmp_path / "model", max_shard_size=shard)
    minilm.tokenizer.save_pretrained(tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").exists() == (shard == "1GB")
    loaded, again = (load_model(str(tmp_path / "model"), device="cpu") for _ in range(2))
    plain = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    assert (encode(loaded, ["a cat"]) == encode(plain, ["a cat"])).all()
    assert fingerprint(loaded) == fingerprint(again)


def test_adapters_that_were_merged(folder: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    model = SentenceTransformer(str(folder), device="cpu")
    adapters = peft.LoraConfig(r=2, target_modules=["query"], init_lora_weights=False)
    adapted = peft.get_peft_model(model[0].model, adapters)
    adapted.merge_and_unload().save_pretrained(tmp_path / "merged")
    model.tokenizer.save_pretrained(tmp_path / "merged")
    assert fingerprint(load_model(str(tmp_path / "merged"), device="cpu")) != fingerprint(
        load_model(str(folder), device="cpu")
    )


def test_old_names_and_buffers_of_a_checkpoint_are_no_fault(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    expected = fingerprint(load_model(str(copy), device="cpu"))
    renamed = {
        f"bert.{key}".replace("LayerNorm.weight", "LayerNorm.gamma"): value for key, value in weights.items()
    }
    renamed["bert.embeddings.position_ids"] = torch.arange(512)[None]
    renamed["cls.predictions.bias"] = torch.zeros(30522)
    save_file(renamed, copy / "model.safetensors", metadata={"format": "pt"})
    assert fingerprint(load_model(str(copy), device="cpu")) == expected
    renamed["bert.encoder.layer.2.output.dense.bias"] = torch.zeros(16)
    save_file(renamed, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"layer\.2\.output\.dense\.bias has no place\)"):
        load_model(str(copy), device="cpu")
