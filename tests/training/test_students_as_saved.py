"""What a student was before training: its precision, its prompt and its configuration."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from sentence_transformers import SentenceTransformer
from tiny_runs import SAMPLE, sample_sentences, tiny_run, weights

from lingualign.evaluation import evaluate, load_suites
from lingualign.samples import EVERYDAY
from lingualign.training import LossConfig, train

SUITE = str(EVERYDAY / "validation.tsv")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _saved(folder: Path, models: Path, *, dtype: torch.dtype = torch.float32, prompt: str = "") -> str:
    """A copy of the tiny student, in another precision or with a prompt of its own."""
    model = SentenceTransformer(str(models / "student"), device="cpu").to(dtype)
    if prompt:
        model.prompts["of the base"], model.default_prompt_name = prompt, "of the base"
    model.save_pretrained(str(folder), create_model_card=False)
    return str(folder)


def _run(folder: Path, models: Path, kind: str, base: str, prompt: str | None = None, **training):
    config = tiny_run(folder, models, kind, max_steps=4, **training)
    return replace(config, student=replace(config.student, model=base, prompt=prompt), evaluate=[SUITE])


def _figures(scores):
    """The figures of each suite, without what a run says of its pairs."""
    return [
        {key: value for key, value in suite.items() if key != "untrained"}
        for suite in scores["suites"].values()
    ]


def test_scores_of_a_run_in_bf16_are_those_of_its_folder_in_fp32(models, tmp_path) -> None:
    config = _run(tmp_path, models, "encoder", str(models / "student"), precision="bf16")
    trained = train(config, progress=False)
    assert trained.scores is not None
    again = evaluate(config.output, load_suites(config.evaluate))
    assert _figures(trained.scores) == _figures(again)
    assert trained.scores["model"] | {"name": ""} == again["model"] | {"name": ""}
    log = json.loads((tmp_path / "run" / "training_log.json").read_text())
    assert trained.after == max(row.get("eval_validation_accuracy", 0) for row in log)


@pytest.mark.parametrize("kind", ["encoder", "extended"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_students_train_in_fp32_whatever_they_were_saved_in(kind, dtype, models, tmp_path) -> None:
    narrow = _saved(tmp_path / "narrow", models, dtype=dtype)
    assert json.loads((tmp_path / "narrow" / "config.json").read_text())["dtype"] == str(dtype)[6:]
    SentenceTransformer(narrow, device="cpu").float().save_pretrained(str(tmp_path / "wide"))
    for name in ("narrow", "wide"):
        train(_run(tmp_path / f"of-{name}", models, kind, str(tmp_path / name)), progress=False)
    assert weights(tmp_path / "of-narrow" / "run") == weights(tmp_path / "of-wide" / "run")
    with safe_open(tmp_path / "of-narrow" / "run" / "model.safetensors", "pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float32}  # noqa: SIM118


def test_a_static_student_trains_in_fp32_too(models, tmp_path) -> None:
    train(tiny_run(tmp_path / "made", models, max_steps=4), progress=False)
    made = SentenceTransformer(str(tmp_path / "made" / "run"), device="cpu")
    made.half().save_pretrained(str(tmp_path / "half"))
    train(_run(tmp_path, models, "encoder", str(tmp_path / "half")), progress=False)
    [table] = SentenceTransformer(str(tmp_path / "run"), device="cpu").parameters()
    assert table.dtype == torch.float32


@pytest.mark.parametrize(
    ("kind", "own", "given", "meant"),
    [
        ("encoder", "query: ", None, "query: "),
        ("encoder", "query: ", "", ""),
        ("encoder", "query: ", "to: ", "to: "),
        ("encoder", "", None, ""),
        ("extended", "query: ", None, "query: "),
    ],
)
def test_the_saved_model_puts_before_a_sentence_what_training_has_put_there(
    kind, own, given, meant, models, tmp_path
) -> None:
    texts = sample_sentences()[:20]
    with_prompt, without = (
        _saved(tmp_path / name, models, prompt=prompt) for name, prompt in (("own", own), ("none", ""))
    )
    trained = train(_run(tmp_path / "one", models, kind, with_prompt, given), progress=False)
    train(_run(tmp_path / "two", models, kind, without, meant), progress=False)
    assert weights(tmp_path / "one" / "run") == weights(tmp_path / "two" / "run")

    assert trained.scores is not None
    saved = SentenceTransformer(str(tmp_path / "one" / "run"), device="cpu")
    np.testing.assert_array_equal(saved.encode(texts), saved.encode(texts, prompt=meant))
    again = evaluate(str(tmp_path / "one" / "run"), load_suites([SUITE]))
    assert _figures(trained.scores) == _figures(again)
    assert trained.scores["model"]["prompt"] == again["model"]["prompt"] == meant


@pytest.mark.parametrize("trim", [False, True])
def test_the_configuration_keeps_its_special_tokens_and_nothing_is_said(
    trim, models, tmp_path, caplog
) -> None:
    base = Path(_saved(tmp_path / "base", models))
    file = base / "config.json"
    # As published models have it: the configuration and the tokenizer name different tokens for padding.
    before = json.loads(file.read_text()) | {"pad_token_id": 2, "bos_token_id": 3}
    file.write_text(json.dumps(before))
    config = _run(tmp_path, models, "encoder", str(base))
    train(replace(config, student=replace(config.student, trim=trim)), progress=False)
    after = json.loads((tmp_path / "run" / "config.json").read_text())
    ids = ("pad_token_id", "bos_token_id", "eos_token_id")
    if not trim:
        assert [after.get(name) for name in ids] == [before.get(name) for name in ids]
    else:
        tokens = [SentenceTransformer(str(one), device="cpu").tokenizer for one in (base, tmp_path / "run")]
        for name in ids[:2]:
            named = [
                one.convert_ids_to_tokens(of[name]) for one, of in zip(tokens, (before, after), strict=True)
            ]
            assert named[0] == named[1]
        assert after.get("eos_token_id") is None
    assert "special tokens" not in caplog.text.lower()
    assert "new PAD" not in caplog.text


def test_a_small_loss_is_printed_with_digits(models, tmp_path, capsys) -> None:
    config = tiny_run(tmp_path, models, "encoder", max_steps=20, learning_rate=1e-5)
    config = replace(
        config,
        student=replace(config.student, model=str(models / "teacher")),
        loss=LossConfig(kind="mse"),
        pairs=replace(config.pairs, sources=[SAMPLE]),
    )
    train(config, progress=True)
    printed = capsys.readouterr().err
    [loss] = {
        line.partition(", loss ")[2].partition(",")[0] for line in printed.splitlines() if ", loss " in line
    }
    log = json.loads((tmp_path / "run" / "training_log.json").read_text())
    [logged] = [row["loss"] for row in log if "loss" in row]
    assert float(loss) == pytest.approx(logged, rel=1e-3)
    assert logged > 0
