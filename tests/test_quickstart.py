"""The first thing that anybody runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lingualign.cli import main
from lingualign.cli.train import quickstart

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quickstart")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield folder / "model", quickstart(str(folder / "model"))


def test_accuracy_on_unseen_sentences_is_five_times_that_before(made) -> None:
    _, accuracies = made
    before, after = accuracies["mean"]
    assert after >= 5 * before
    assert after > 0.8
    assert len(accuracies) == 11
    for pair, (untrained, trained) in accuracies.items():
        assert trained > 0.5, pair
        assert trained > untrained, pair


def test_the_model_finds_translations_among_sentences(made) -> None:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(made[0]), device="cpu")
    english = model.encode(["The dog sleeps.", "I drink coffee in the morning."])
    japanese = model.encode(["犬が寝ています。", "朝、コーヒーを飲みます。"])
    assert model.similarity(english, japanese).argmax(1).tolist() == [0, 1]


def test_a_second_run_replaces_the_first_and_nothing_else(made, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("lingualign.cli.train.quickstart_config", _short(made[0].parent / "cache"))
    output = tmp_path / "model"
    for _ in range(2):
        assert main(["quickstart", "--output", str(output)]) == 0
        assert f'SentenceTransformer("{output}")' in capsys.readouterr().out
        assert (output / "modules.json").exists()
    assert main(["quickstart", "--output", str(made[0])]) == 2
    assert "holds another run" in capsys.readouterr().err
    assert (made[0] / "modules.json").exists()


def _short(cache: Path):
    """The same in three steps, for what does not depend on how good the model is."""
    from lingualign.cli.train import quickstart_config

    def configure(output: str):
        config = quickstart_config(output)
        config.training.max_steps = 3
        config.teacher.store = str(cache)
        return config

    return configure
