"""What reaches into an encoder leaves a plain encoder behind, and changes nothing that it should not."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_runs import run, sample_sentences, tiny_bert, tiny_run, weights

from lingualign.errors import InputError
from lingualign.training import LoraConfig, train
from lingualign.training.encoder_options import (
    adapters,
    add_lora,
    gradient_checkpointing,
    has_adapters,
    layer_rates,
    merge_lora,
)

SENTENCES = sample_sentences()[:20]


def test_a_layer_learns_at_the_rate_of_the_one_above_times_the_decay() -> None:
    student = tiny_bert(layers=3)
    rates = layer_rates(student, 1e-2, 0.5)
    wanted = {"embeddings.": 1e-2 / 8, "layer.0.": 1e-2 / 4, "layer.1.": 1e-2 / 2, "layer.2.": 1e-2}
    for name, _ in student.named_parameters():
        found = [rate for pattern, rate in rates.items() if re.search(pattern, f"model.{name}")]
        expected = [rate for part, rate in wanted.items() if part in name]
        assert found == pytest.approx(expected), name
        assert len(found) == 1 or "pooler" in name


def _trained(config) -> dict[str, torch.Tensor]:
    train(config, progress=False)
    [file] = Path(config.output).glob("*.safetensors")
    return load_file(file)


def test_a_tiny_decay_leaves_the_embeddings_alone_and_trains_the_top(models, tmp_path) -> None:
    tiny_bert(layers=2).save_pretrained(str(tmp_path / "two"), create_model_card=False)
    config = tiny_run(tmp_path, models, "encoder", max_steps=4, layer_decay=1e-9)
    config = replace(config, student=replace(config.student, model=str(tmp_path / "two")))
    before = load_file(tmp_path / "two" / "model.safetensors")
    changed = {name: (value - before[name]).abs().max().item() for name, value in _trained(config).items()}
    for name, change in changed.items():
        if "layer.1." in name and name.endswith("weight"):
            assert change > 1e-4, name
        elif "embeddings." in name or "layer.0." in name:
            assert change < 1e-6, name


def test_checkpointed_activations_give_the_same_gradients_with_dropout() -> None:
    student = tiny_bert(dropout=0.2, layers=2).train()
    features = student.preprocess(SENTENCES)

    def gradients() -> dict[str, torch.Tensor]:
        torch.manual_seed(3)
        student.zero_grad()
        student(dict(features))["sentence_embedding"].square().sum().backward()
        return {
            name: value.grad.clone() for name, value in student.named_parameters() if value.grad is not None
        }

    plain = gradients()
    with gradient_checkpointing(student):
        assert any(getattr(part, "gradient_checkpointing", False) for part in student.modules())
        checkpointed = gradients()
    assert plain.keys() == checkpointed.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(checkpointed[name], gradient, rtol=1e-6, atol=1e-7)


def test_a_run_with_checkpointed_activations_ends_as_one_without(models, tmp_path) -> None:
    plain = _trained(tiny_run(tmp_path / "a", models, "encoder", max_steps=4))
    checkpointed = _trained(
        tiny_run(tmp_path / "b", models, "encoder", max_steps=4, gradient_checkpointing=True)
    )
    for name, value in plain.items():
        torch.testing.assert_close(checkpointed[name], value, rtol=1e-5, atol=1e-6)


def _vectors(student) -> torch.Tensor:
    return student.encode(SENTENCES, convert_to_tensor=True)


def test_adapters_begin_at_nothing_and_merge_into_the_same_vectors() -> None:
    student = tiny_bert(layers=2)
    plain, names = _vectors(student), student.state_dict().keys()
    add_lora(student, LoraConfig(rank=4), seed=0)
    assert torch.equal(_vectors(student), plain)
    trained = adapters(student)
    assert has_adapters(student)
    assert all("lora_" in name for name in trained)
    # Query, key, value, output and the two of the feed-forward part, in both layers; A and B.
    assert len(trained) >= 2 * 6 * 2
    for value in trained.values():
        value.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    unmerged = _vectors(student)
    assert (unmerged - plain).abs().max() > 1e-2
    merge_lora(student)
    torch.testing.assert_close(_vectors(student), unmerged, rtol=1e-4, atol=1e-5)
    assert student.state_dict().keys() == names
    assert all(value.requires_grad for value in student.parameters())
    assert not has_adapters(student)


def test_a_target_that_names_no_layer_is_told_with_those_that_are_there() -> None:
    with pytest.raises(
        InputError, match=r"target is \['q_proj'\], which names no layer of BertModel; it has .*query"
    ):
        add_lora(tiny_bert(), LoraConfig(rank=4, target=["q_proj"]), seed=0)


def test_a_run_with_adapters_leaves_a_plain_model_and_resumes_to_the_same_weights(
    models, tmp_path, processes
) -> None:
    from sentence_transformers import SentenceTransformer

    student = shutil.copytree(models / "student", tmp_path / "student")
    config = tiny_run(tmp_path, models, "encoder", max_steps=8, lora=LoraConfig(rank=4, dropout=0.1))
    config = replace(config, student=replace(config.student, model=str(student)))
    process = processes.Process(target=run, args=(config,))  # on one thread, as the second one
    process.start()
    process.join(60)
    assert process.exitcode == 0
    before = load_file(student / "model.safetensors")
    after = load_file(tmp_path / "run" / "model.safetensors")
    assert before.keys() == after.keys()
    assert {name for name in before if not torch.equal(before[name], after[name])} >= {
        "encoder.layer.0.attention.self.query.weight"
    }
    assert torch.equal(
        before["embeddings.word_embeddings.weight"], after["embeddings.word_embeddings.weight"]
    )
    assert SentenceTransformer(config.output, device="cpu").encode("a").shape == (12,)

    again = replace(config, output=str(tmp_path / "again" / "run"))
    shutil.copytree(config.output, again.output)
    for path in Path(again.output).iterdir():
        if path.name not in ("lingualign.yaml", "data_report.json", "checkpoints", ".lingualign-files"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(tmp_path / "again" / "run" / "checkpoints" / "checkpoint-8")
    process = processes.Process(target=run, args=(again, True))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert weights(tmp_path / "again" / "run") == weights(tmp_path / "run")

    shutil.rmtree(tmp_path / "again" / "run" / "checkpoints" / "checkpoint-8")
    (tmp_path / "again" / "run" / "modules.json").unlink()
    other = {name: value + 1e-3 for name, value in before.items()}
    save_file(other, student / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"checkpoint-\d were trained beside other weights"):
        train(again, resume=True, progress=False)


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"layer_decay": 0.9}, "training.layer_decay is 0.9, but student.kind static"),
        (
            {"gradient_checkpointing": True},
            "training.gradient_checkpointing is True, but student.kind static",
        ),
        ({"lora": LoraConfig(rank=8)}, "training.lora.rank is 8, but student.kind static"),
        ({"layer_decay": 1.5}, "training.layer_decay is 1.5; it must be above 0, and 1 at most"),
        ({"lora": LoraConfig(target=["query"])}, "but training.lora.rank is 0"),
    ],
)
def test_nonsense_is_refused(training, message, models, tmp_path) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        train(tiny_run(tmp_path, models, **training), progress=False)
