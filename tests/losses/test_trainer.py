"""The losses in the host library's own trainer, teacher vectors as a plain label column."""

from __future__ import annotations

import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from tiny_students import sentences, tiny_encoder, tiny_static

from lingualign.losses import SoftContrastiveLoss


@pytest.mark.parametrize("form", ["lists", "tensors"])
@pytest.mark.parametrize("label", ["priority", "average"])
@pytest.mark.parametrize("mini_batch_size", [None, 3])
def test_a_plain_label_column_trains_and_logs_each_term(tmp_path, form, label, mini_batch_size):
    torch.manual_seed(0)
    vectors = torch.randn(16, *([2] if label == "average" else []), 7)
    pairs = Dataset.from_dict(
        {"english": sentences(16, 1), "french": sentences(16, 2), "label": vectors.tolist()}
    )
    if form == "tensors":
        pairs = pairs.with_format("torch")
    student = tiny_static() if mini_batch_size is None else tiny_encoder(dropout=0.1)
    before = [parameter.detach().clone() for parameter in student.parameters()]
    loss = SoftContrastiveLoss(student, label=label, tcm=True, mini_batch_size=mini_batch_size)
    trainer = SentenceTransformerTrainer(
        model=student,
        args=SentenceTransformerTrainingArguments(
            output_dir=str(tmp_path),
            max_steps=6,
            per_device_train_batch_size=8,
            learning_rate=1e-2,
            logging_steps=2,
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=pairs,
        loss=loss,
    )
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "cross_lingual" in entry]
    assert len(logs) == 3
    for entry in logs:
        assert entry["loss"] == pytest.approx(entry["cross_lingual"] + entry["monolingual"], rel=1e-3)
        assert entry["grad_norm"] > 0
    assert logs[-1]["loss"] < logs[0]["loss"]
    assert any(not torch.equal(old, new) for old, new in zip(before, student.parameters(), strict=True))
    assert 0 < float(loss.diagnostics["label_entropy"]) < torch.tensor(8.0).log()
