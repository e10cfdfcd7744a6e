"""Token ids on disk are those of a tokenizer at work, whatever becomes of the files."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from tiny_runs import sample_sentences, tiny_bert

from lingualign.store import whole_folder
from lingualign.student import static_student
from lingualign.training.tokens import TokenIds

if TYPE_CHECKING:
    from pathlib import Path

SENTENCES = [*sample_sentences()[:200], "x", ""]


@pytest.fixture(scope="module", params=["static", "encoder"])
def student(request):
    if request.param == "encoder":
        return tiny_bert()
    return static_student(tiny_bert(), {"en": sample_sentences(("en",))}, anchor="en", vocabulary=200)


def _features(tokens: TokenIds) -> dict[str, torch.Tensor]:
    features = tokens.features(np.random.default_rng(0).permutation(len(SENTENCES)))
    return {name: torch.as_tensor(value) for name, value in features.items()}


def _same(tokens: TokenIds, other: TokenIds) -> bool:
    one, two = _features(tokens), _features(other)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def _places(folder: Path) -> list[Path]:
    return [place for place in folder.iterdir() if place.is_dir()]


@pytest.mark.parametrize("prompt", ["", "query: "])
def test_ids_of_the_disk_are_those_of_memory_and_written_once(student, prompt, tmp_path) -> None:
    fresh = TokenIds(student, SENTENCES, prompt=prompt)
    assert _same(TokenIds(student, SENTENCES, prompt=prompt, folder=tmp_path), fresh)
    [place] = _places(tmp_path)
    written = (place / "ids.npy").stat()
    assert _same(TokenIds(student, SENTENCES, prompt=prompt, folder=tmp_path), fresh)
    assert _places(tmp_path) == [place]
    assert (place / "ids.npy").stat() == written


def test_whatever_changes_the_ids_changes_the_name(tmp_path) -> None:
    student = tiny_bert()
    TokenIds(student, SENTENCES, folder=tmp_path)
    TokenIds(student, SENTENCES, prompt="query: ", folder=tmp_path)
    TokenIds(student, SENTENCES[:-1], folder=tmp_path)
    TokenIds(student, ["a", "b"], folder=tmp_path)
    TokenIds(student, ["ab", ""], folder=tmp_path)
    student.max_seq_length = 5
    short = TokenIds(student, SENTENCES, folder=tmp_path)
    assert short.lengths(np.arange(len(SENTENCES))).max() == 5
    student.tokenizer.add_tokens(["dog"])
    TokenIds(student, SENTENCES, folder=tmp_path)
    assert len(_places(tmp_path)) == 7


def _truncate(place: Path) -> None:
    with (place / "ids.npy").open("r+b") as file:
        file.truncate(100)


def _flip_a_bit(place: Path) -> None:
    content = bytearray((place / "ids.npy").read_bytes())
    content[-3] ^= 1
    (place / "ids.npy").write_bytes(content)


def _lose_the_settings(place: Path) -> None:
    (place / "settings.json").unlink()


def _put_a_pickle(place: Path) -> None:
    shutil.rmtree(place)
    with whole_folder(place) as unfinished:
        for part in ("ids", "starts"):
            np.save(unfinished / f"{part}.npy", np.array([print], dtype=object))
        (unfinished / "settings.json").write_text(json.dumps({"flat": True, "prompt_length": None}))


def _begin_past_the_end(place: Path) -> None:
    starts = np.load(place / "starts.npy")
    ids = np.load(place / "ids.npy")
    settings = (place / "settings.json").read_text()
    shutil.rmtree(place)
    with whole_folder(place) as unfinished:
        np.save(unfinished / "ids.npy", ids)
        np.save(unfinished / "starts.npy", starts + 1)
        (unfinished / "settings.json").write_text(settings)


@pytest.mark.parametrize(
    "damage", [_truncate, _flip_a_bit, _lose_the_settings, _put_a_pickle, _begin_past_the_end]
)
def test_damaged_ids_are_made_anew_with_a_warning(damage, tmp_path, caplog) -> None:
    student = tiny_bert()
    fresh = TokenIds(student, SENTENCES, folder=tmp_path)
    [place] = _places(tmp_path)
    wanted = _features(fresh)
    del fresh
    damage(place)
    with caplog.at_level(logging.WARNING):
        again = TokenIds(student, SENTENCES, folder=tmp_path)
    assert f"{place} are damaged" in caplog.text
    assert all(torch.equal(value, wanted[name]) for name, value in _features(again).items())
    caplog.clear()
    TokenIds(student, SENTENCES, folder=tmp_path)
    assert not caplog.records


def test_a_folder_that_cannot_be_written_costs_a_warning_and_no_run(tmp_path, caplog) -> None:
    (tmp_path / "file").write_text("")
    student = tiny_bert()
    tokens = TokenIds(student, SENTENCES, folder=tmp_path / "file" / "tokens")
    assert _same(tokens, TokenIds(student, SENTENCES))
    assert "cannot be kept in" in caplog.text


def test_what_no_run_has_used_for_a_month_goes_and_what_is_used_stays(tmp_path) -> None:
    student = tiny_bert()
    for sentences in (SENTENCES, SENTENCES[:5]):
        TokenIds(student, sentences, folder=tmp_path)
    for place in _places(tmp_path):
        os.utime(place, (0, time.time() - 40 * 24 * 3600))
    TokenIds(student, SENTENCES, folder=tmp_path)
    TokenIds(student, SENTENCES[:7], folder=tmp_path)
    assert len(_places(tmp_path)) == len(list(tmp_path.glob(".*.lock"))) == 2


def _tokenise(model: str, folder: Path, answers) -> None:
    tokens = TokenIds(SentenceTransformer(model, device="cpu"), SENTENCES * 20, folder=folder)
    answers.put(int(tokens.lengths(np.arange(len(SENTENCES) * 20)).sum()))


def test_processes_at_the_same_sentences_take_turns(models, tmp_path, processes) -> None:
    answers = processes.SimpleQueue()
    arguments = (str(models / "student"), tmp_path / "tokens", answers)
    started = [processes.Process(target=_tokenise, args=arguments) for _ in range(3)]
    for process in started:
        process.start()
    for process in started:
        process.join(60)
    assert [process.exitcode for process in started] == [0, 0, 0]
    assert len({answers.get() for _ in started}) == 1
    assert len(_places(tmp_path / "tokens")) == 1


def test_a_pooler_that_leaves_the_prompt_out_does_so_in_training(tmp_path) -> None:
    student = tiny_bert()
    student[1].include_prompt = False
    student.eval()
    # The second time from the disk.
    for _ in range(2):
        tokens = TokenIds(student, SENTENCES, prompt="query: ", folder=tmp_path)
        with torch.no_grad():
            vectors = student(tokens.features(np.arange(20)))["sentence_embedding"]
        wanted = student.encode(SENTENCES[:20], prompt="query: ", convert_to_tensor=True)
        torch.testing.assert_close(vectors, wanted, rtol=1e-4, atol=1e-5)
    with_prompt = student.encode(
        [f"query: {sentence}" for sentence in SENTENCES[:20]], convert_to_tensor=True
    )
    assert (with_prompt - wanted).abs().max() > 1e-3
