"""Every kind of loss and of student, from a configuration to a finished run: the tables are all that names them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from tiny_runs import SAMPLE, weights

from lingualign.cli import main
from lingualign.training.checkpoints import checkpoints
from lingualign.training.kinds import LOSSES, STUDENTS, LossKind, StudentKind

DOCS = Path(__file__).parents[2] / "docs"


def walk(folder: Path, models: Path, capsys, loss: str = "soft", student: str = "encoder") -> set[str]:
    """Train for four steps by command, resume after two, give the keys of the log."""
    configuration = {
        "output": str(folder / "run"),
        "pairs": {
            "sources": [SAMPLE],
            "languages": ["en", "fr"],
            "select": "en-xx",
            "priority": ["en", "fr"],
        },
        "teacher": {"model": str(models / "teacher"), "store": str(folder / "store")},
        "student": {"kind": student, "vocabulary": 100},
        "loss": {"kind": loss},
        "training": {
            "max_steps": 4,
            "batch_size": 32,
            "evaluate_every": 2,
            "early_stopping": {"metric": "validation", "patience": None},
            "precision": "fp32",
        },
    }
    if STUDENTS[student].takes_encoder:
        configuration["student"]["model"] = str(models / "teacher")
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump(configuration))
    assert main(["train", "--config", str(file)]) == 0, capsys.readouterr().err
    run = folder / "run"
    written = yaml.safe_load((run / "lingualign.yaml").read_text())
    assert (written["loss"]["kind"], written["student"]["kind"]) == (loss, student)

    trained, log = weights(run), (run / "training_log.json").read_bytes()
    (run / "modules.json").unlink()
    last = checkpoints(run / "checkpoints")[-1]
    last.rename(folder / "away")
    assert main(["train", "--config", str(file), "--resume"]) == 0, capsys.readouterr().err
    assert weights(run) == trained
    assert (run / "training_log.json").read_bytes() == log
    return {key for entry in json.loads(log) for key in entry}


def card(folder: Path) -> str:
    return (folder / "run" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", LOSSES)
def test_a_run_with_each_loss_goes_from_configuration_to_model_card_and_resumes(
    kind, models, tmp_path, capsys
) -> None:
    walk(tmp_path, models, capsys, loss=kind)
    assert re.search(r"the loss .*(contrastive loss|MSE distillation|translation ranking)", card(tmp_path))
    assert f"`kind: {kind}" in (DOCS / "losses.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", STUDENTS)
def test_a_run_with_each_student_goes_from_configuration_to_model_card_and_resumes(
    kind, models, tmp_path, capsys
) -> None:
    walk(tmp_path, models, capsys, student=kind)
    assert re.search("The student is (a new static model|`.*, extended|`/)", card(tmp_path))


def test_help_names_each_kind_with_the_words_of_its_row(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for rows in (LOSSES, STUDENTS):
        assert "; ".join(f"{name}: {row.help}" for name, row in rows.items()) in told
        assert "{" + ",".join(rows) + "}" in told


class Pulled(torch.nn.Module):
    """Pull both sides of a pair together: a loss of another package, say."""

    def __init__(self, model) -> None:
        super().__init__()
        self.model = model

    def forward(self, sentence_features, labels=None):
        x, y = (self.model(dict(features))["sentence_embedding"] for features in sentence_features)
        assert labels.shape == (len(x), 1, 16)
        return {"pulled": (x - y).square().mean()}


def test_a_new_row_is_all_that_a_loss_needs(models, tmp_path, capsys, monkeypatch) -> None:
    row = LossKind(
        help="both sides pulled together",
        loss=f"{__name__}.Pulled",
        settings=(),
        card=lambda loss: f"a pull of {loss.temperature:g}",
        labels=lambda loss: ("sentence1",),
        refuses={"loss.tcm": "loss.tcm is true, but loss.kind {kind} pulls across languages alone"},
    )
    monkeypatch.setitem(LOSSES, "pulled", row)
    assert "pulled" in walk(tmp_path, models, capsys, loss="pulled")
    assert "the loss a pull of 0.1." in card(tmp_path)

    capsys.readouterr()
    given = ["train", "--config", str(tmp_path / "run.yaml"), "--overwrite"]
    for option, message in (
        ("--loss.kind=pulls", "it must be one of soft, hard, mse, ranking, pulled"),
        ("--loss.tcm=true", "loss.tcm is true, but loss.kind pulled pulls across languages alone"),
        ("--loss.anchor_weight=0.5", "loss.anchor_weight is 0.5, but loss.kind is pulled; only a soft label"),
    ):
        assert main([*given, option]) == 2
        assert message in capsys.readouterr().err


def half(of):
    of.say(f"{len(of.sentences())} languages")
    with torch.no_grad():
        for parameter in of.encoder.parameters():
            parameter.mul_(0.5)
    return of.encoder


def test_a_new_row_is_all_that_a_student_needs(models, tmp_path, capsys, monkeypatch) -> None:
    row = StudentKind(
        help="half an encoder",
        make=f"{__name__}.half",
        card=lambda student: f"half of `{Path(student.model).name}`",
        training={"epochs": 1, "batch_size": 32, "learning_rate": 1e-3},
        takes_long=True,
        check=lambda student: None if student.model else "student.model: half of what?",
    )
    monkeypatch.setitem(STUDENTS, "half", row)
    walk(tmp_path, models, capsys, student="half")
    assert "The student is half of `teacher`, the teacher" in card(tmp_path)
    assert (tmp_path / "run" / "checkpoints" / "start").is_dir()

    capsys.readouterr()
    given = ["train", "--config", str(tmp_path / "run.yaml"), "--overwrite"]
    for option, message in (
        ("--student.kind=whole", "it must be one of static, extended, encoder, half"),
        ("--student.model=", "student.model: half of what?"),
        ("--student.trim=true", "student.trim is true, but student.kind is half; it is for encoder alone"),
    ):
        assert main([*given, option]) == 2
        assert message in capsys.readouterr().err
