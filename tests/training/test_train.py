"""From a configuration to a folder that needs nothing of ours."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from tiny_runs import leftovers, tiny_run

from lingualign.errors import InputError
from lingualign.samples import EVERYDAY
from lingualign.store import folder_damage
from lingualign.training import LossConfig, train
from lingualign.training.checkpoints import checkpoints

PLAIN = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "lingualign":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
import numpy
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu")
numpy.save(sys.argv[2], model.encode(["The dog sleeps.", "犬が寝ています。", "Où est la gare ?", "xyzzy", ""]))
"""


@pytest.fixture(scope="module", params=["static", "extended", "encoder"])
def trained(request, tmp_path_factory, models):
    folder = tmp_path_factory.mktemp(f"trained-{request.param}")
    config = tiny_run(folder, models, request.param)
    config = replace(config, evaluate=[str(EVERYDAY / "validation.tsv")], loss=LossConfig(tcm=True))
    return config, train(config, progress=False)


def test_plain_sentence_transformers_gives_the_same_vectors(trained, tmp_path) -> None:
    from sentence_transformers import SentenceTransformer

    config, _ = trained
    vectors = str(tmp_path / "vectors.npy")
    subprocess.run([sys.executable, "-c", PLAIN, config.output, vectors], check=True)
    model = SentenceTransformer(config.output, device="cpu")
    ours = model.encode(["The dog sleeps.", "犬が寝ています。", "Où est la gare ?", "xyzzy", ""])
    # Up to rounding: another process may run on another number of threads, which sum in another order.
    np.testing.assert_allclose(np.load(vectors), ours, rtol=0, atol=1e-5)
    assert np.isfinite(ours).all()


def test_all_files_of_a_run_may_be_read_by_whom_the_umask_allows(trained, tmp_path) -> None:
    (tmp_path / "plain").touch()
    expected = (tmp_path / "plain").stat().st_mode
    folder = Path(trained[0].output)
    assert {
        path.name for path in folder.rglob("*") if path.is_file() and path.stat().st_mode != expected
    } == set()


def test_the_folder_tells_how_the_model_came_to_be(trained) -> None:
    config, result = trained
    folder = Path(config.output)
    assert not leftovers(folder)

    log = json.loads((folder / "training_log.json").read_text())
    losses = [row for row in log if "loss" in row]
    assert losses
    assert all({"cross_lingual", "monolingual", "label_entropy"} <= row.keys() for row in losses)
    assert sum("eval_validation_accuracy" in row for row in log) == 6

    report = json.loads((folder / "data_report.json").read_text())
    assert (
        report["total"]["train"] + report["total"]["validation"] + sum(report["total"]["dropped"].values())
        == (report["total"]["read"])
    )
    for name in ("scores.json", "scores_before.json"):
        scores = json.loads((folder / name).read_text())
        assert list(scores["suites"]) == ["validation"]
        assert scores["suites"]["validation"]["untrained"] == ["ko", "ru"]
    assert scores["suites"].keys() == result.scores["suites"].keys()
    assert result.scores == json.loads((folder / "scores.json").read_text())

    card = (folder / "README.md").read_text()
    header = yaml.safe_load(card.split("---")[1])
    assert header["language"] == ["en", "fr", "ja"]
    assert header["library_name"] == "sentence-transformers"
    assert "| en-fr | 300 |" in card
    assert f"{result.after:.3f}" in card
    assert "in languages that no training pair has: `validation` (ko, ru)." in card


def test_the_configuration_beside_the_model_makes_the_same_model_again(trained, tmp_path) -> None:
    from tiny_runs import weights

    from lingualign.cli import main

    config, _ = trained
    arguments = ["train", "--config", f"{config.output}/lingualign.yaml", "--output", str(tmp_path / "again")]
    assert main(arguments) == 0
    assert weights(tmp_path / "again") == weights(Path(config.output))
    before, after = (
        yaml.safe_load(Path(folder, "lingualign.yaml").read_text())
        for folder in (config.output, tmp_path / "again")
    )
    assert before.pop("output") != after.pop("output")
    assert before == after


def test_another_run_is_replaced_only_when_asked(trained, tmp_path, models) -> None:
    config = tiny_run(tmp_path, models, max_steps=2)
    train(config, progress=False)
    with pytest.raises(InputError, match="holds this run, finished; give another folder, or --overwrite"):
        train(config, progress=False)
    made = (tmp_path / "run" / "modules.json").stat().st_mtime_ns
    train(config, overwrite=True, progress=False)
    assert (tmp_path / "run" / "modules.json").stat().st_mtime_ns != made
    with pytest.raises(InputError, match="is finished"):
        train(config, resume=True, progress=False)


@pytest.mark.parametrize("kind", ["static", "encoder"])
def test_divergence_names_step_and_language_pair_and_keeps_the_last_good_checkpoint(
    kind, tmp_path, models
) -> None:
    # The learning rate rises from 0: the first step does nothing, the second throws the weights out of range.
    config = tiny_run(tmp_path, models, kind, learning_rate=1e38, evaluate_every=1)
    with pytest.raises(
        InputError, match=r"step 2.* in a batch of en-(fr|ja): training has diverged"
    ) as error:
        train(config, progress=False)
    [checkpoint] = checkpoints(tmp_path / "run" / "checkpoints")
    assert str(checkpoint) in str(error.value)
    assert folder_damage(checkpoint) is None
    assert not (tmp_path / "run" / "modules.json").exists()


def test_divergence_before_the_first_checkpoint_leaves_nothing(tmp_path, models) -> None:
    config = tiny_run(tmp_path, models, learning_rate=1e38, evaluate_every=10)
    with pytest.raises(InputError, match=r"loss is nan at step \d in a batch of|loss is nan at step \d"):
        train(config, progress=False)
    assert not (tmp_path / "run").exists()


def test_dimensions_that_do_not_fit_are_refused_for_mse_alone(tmp_path, models) -> None:
    config = tiny_run(tmp_path, models, "encoder", max_steps=1)
    with pytest.raises(InputError, match=r"has 12 and teacher .* has 16"):
        train(replace(config, loss=LossConfig(kind="mse")), progress=False)
    assert not (tmp_path / "run").exists()


def test_the_hard_loss_of_an_encoder_needs_no_teacher(tmp_path, models) -> None:
    config = tiny_run(tmp_path, models, "encoder", max_steps=2)
    config = replace(
        config, loss=LossConfig(kind="hard"), teacher=replace(config.teacher, model="/no/such/teacher")
    )
    assert train(config, progress=False).steps == 2


def test_what_no_run_has_written_is_never_removed(tmp_path, models) -> None:
    config = tiny_run(tmp_path, models, max_steps=2)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lingualign.yaml").write_text("output: .\n")
    (tmp_path / "run" / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match=r"no run of lingualign has written: thesis\.tex"):
        train(config, overwrite=True, progress=False)
    assert (tmp_path / "run" / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize(("kind", "label"), [("static", "average"), ("encoder", "priority")])
def test_content_in_three_languages_is_anchored_in_the_teachers_space(kind, label, tmp_path, models) -> None:
    # The encoder has fewer dimensions than the teacher, whose space is projected into it.
    config = tiny_run(tmp_path, models, kind, n_way=True)
    loss = LossConfig(label=label, anchor_weight=0.5)
    train(replace(config, loss=loss, teacher=replace(config.teacher, multilingual=True)), progress=False)
    log = json.loads((tmp_path / "run" / "training_log.json").read_text())
    entries = [entry for entry in log if "loss" in entry]
    assert entries
    assert all(entry["anchor"] > 0 and entry["cross_lingual"] > 0 for entry in entries)


def test_content_in_three_languages_teaches_all_its_language_pairs(tmp_path, models) -> None:
    # Twice the steps: the trainer of the vocabulary is not the same from run to run, nor is how fast it is learnt.
    config = tiny_run(tmp_path, models, n_way=True, max_steps=48)
    trained = train(replace(config, loss=LossConfig(kind="hard")), progress=False)
    assert trained.after > trained.before + 0.3


def test_a_trimmed_encoder_trains_as_the_whole_one(tmp_path, models) -> None:
    from sentence_transformers import SentenceTransformer

    config = tiny_run(tmp_path, models, "encoder", max_steps=4)
    trimmed = replace(config, output=str(tmp_path / "trimmed"), student=replace(config.student, trim=True))
    accuracies = [train(each, progress=False).validation for each in (config, trimmed)]
    assert accuracies[0] == accuracies[1]
    sizes = [len(SentenceTransformer(each.output, device="cpu").tokenizer) for each in (config, trimmed)]
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("static", {"trim": True}, r"student\.trim is true, but student\.kind is static"),
        (
            "encoder",
            {"embeddings_first": 0.5},
            r"student\.embeddings_first is 0\.5, but student\.kind is encoder",
        ),
        ("extended", {"embeddings_first": 1.0}, r"embeddings_first is 1\.0; it must be a share"),
    ],
)
def test_options_of_another_kind_of_student_are_refused(kind, changes, message, tmp_path, models) -> None:
    config = tiny_run(tmp_path, models, kind)
    with pytest.raises(InputError, match=message):
        train(replace(config, student=replace(config.student, **changes)), progress=False)
    assert not (tmp_path / "run").exists()


def test_language_pairs_smaller_than_a_batch_are_named_and_the_log_has_means(
    tmp_path, models, capsys
) -> None:
    config = tiny_run(tmp_path, models, max_steps=2, batch_size=512)
    train(config, progress=True)
    told = " ".join(capsys.readouterr().out.split())
    assert "fewer pairs than a batch of 512, so smaller ones: en-fr (300), en-ja (300)" in told


def test_the_logged_label_entropy_is_the_mean_since_the_last_entry(tmp_path, models) -> None:
    config = tiny_run(tmp_path, models, max_steps=20)
    # Cold, so that batches lie further apart than the log's last digit.
    config = replace(config, loss=replace(config.loss, temperature=0.01))
    train(config, progress=False)
    [logged] = [
        row["label_entropy"]
        for row in json.loads((tmp_path / "run" / "training_log.json").read_text())
        if "label_entropy" in row
    ]

    from lingualign.losses.equations import label_entropy, soft_label
    from lingualign.training import trainer as module

    seen = []

    class Recorded(module.AlignmentTrainer):
        def compute_loss(self, model, inputs, *args, **kwargs):
            seen.append(float(label_entropy(soft_label(inputs["label"], 0.01))))
            return super().compute_loss(model, inputs, *args, **kwargs)

    plain = module.AlignmentTrainer
    module.AlignmentTrainer = Recorded
    try:
        train(config, overwrite=True, progress=False)
    finally:
        module.AlignmentTrainer = plain
    assert len(seen) == 20
    assert statistics.stdev(seen) > 1e-2
    assert logged == pytest.approx(statistics.mean(seen), abs=1e-4)
