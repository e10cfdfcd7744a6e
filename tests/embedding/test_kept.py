"""Vectors that one evaluation has encoded are read by the next one, bit for bit, and by no other encoder."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from lingualign.embedding.encoders import encode_kept, encode_with, kept, open_encoder
from lingualign.errors import InputError
from lingualign.evaluation import evaluate, load_suites
from lingualign.samples import EVERYDAY

SENTENCES = ["A cat sleeps.", "Two dogs run.", "고양이가 잔다.", "", "Кошка спит."]


class Counting:
    """A real encoder that tells what it was asked for."""

    def __init__(self, encoder, breaks_after: int | None = None) -> None:
        self._encoder, self.asked, self._breaks_after = encoder, [], breaks_after

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def batches(self, sentences):
        self.asked += sentences
        for number, batch in enumerate(self._encoder.batches(sentences)):
            if number == self._breaks_after:
                raise InputError("the service has gone")
            yield batch


@pytest.fixture
def counting(minilm):
    return lambda **options: Counting(open_encoder(minilm, precision="fp32", **options))


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.vectors.npy"))


def test_only_what_is_new_is_encoded_and_the_rest_comes_back_bit_for_bit(counting, tmp_path) -> None:
    first = encode_kept(counting(), SENTENCES, tmp_path)
    np.testing.assert_array_equal(first, encode_with(counting(), SENTENCES))
    again = counting()
    more = ["A new one.", *reversed(SENTENCES), "Another."]
    vectors = encode_kept(again, more, tmp_path)
    assert again.asked == ["A new one.", "Another."]
    np.testing.assert_array_equal(vectors[1:-1], first[::-1])
    np.testing.assert_allclose(vectors, encode_with(counting(), more), atol=1e-6)
    last = counting()
    np.testing.assert_array_equal(encode_kept(last, more, tmp_path), vectors)
    assert last.asked == []


def test_another_prompt_and_other_weights_find_nothing(counting, minilm, tmp_path) -> None:
    encode_kept(counting(), SENTENCES, tmp_path)
    prompted = counting(prompt="query: ")
    encode_kept(prompted, SENTENCES, tmp_path)
    assert prompted.asked == SENTENCES
    with torch.no_grad():
        bias = minilm[0].model.encoder.layer[0].output.dense.bias
        before = bias[0].item()
        bias[0] += 1
        try:
            moved = counting()
            encode_kept(moved, SENTENCES, tmp_path)
        finally:
            # Not "-= 1", which leaves a rounding error in a model that all tests share.
            bias[0] = before
    assert moved.asked == SENTENCES


def test_vectors_of_another_width_and_what_is_no_number_are_refused(counting, tmp_path) -> None:
    class Changed(Counting):
        change = None

        def batches(self, sentences):
            for rows, vectors in self._encoder.batches(sentences):
                yield rows, self.change(vectors)

    changed = Changed(counting())
    encode_kept(changed._encoder, SENTENCES, tmp_path)
    more = [*SENTENCES, "A new one."]
    for change, message in (
        (lambda vectors: vectors[:, :100], "gives vectors of 100 dimensions where it gave 384 before"),
        (lambda vectors: vectors * np.nan, "gives vectors with NaN or infinite values"),
    ):
        changed.change = change
        with pytest.raises(InputError, match=message):
            encode_kept(changed, more, tmp_path)
    with pytest.raises(InputError, match="NaN or infinite"):
        encode_with(changed, SENTENCES)


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "other"])
def test_a_damaged_file_is_told_of_and_made_anew(counting, tmp_path, caplog, damage) -> None:
    whole = encode_kept(counting(), SENTENCES, tmp_path)
    (path,) = files(tmp_path)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    changed = {"cut": content[:-40], "bit": content, "empty": b"", "other": b"PK\x03\x04" + bytes(64)}
    path.write_bytes(changed[damage])
    mended = counting()
    np.testing.assert_array_equal(encode_kept(mended, SENTENCES, tmp_path), whole)
    assert mended.asked == SENTENCES
    assert "is damaged" in caplog.text
    unasked = counting()
    encode_kept(unasked, SENTENCES, tmp_path)
    assert unasked.asked == []


def test_what_was_encoded_before_a_failure_is_not_encoded_again(minilm, tmp_path) -> None:
    sentences = [f"{'word ' * (number % 50)}{number}" for number in range(400)]
    breaking = Counting(open_encoder(minilm, precision="fp32"), breaks_after=2)
    with pytest.raises(InputError, match="the service has gone"):
        encode_kept(breaking, sentences, tmp_path)
    resumed = Counting(open_encoder(minilm, precision="fp32"))
    vectors = encode_kept(resumed, sentences, tmp_path)
    assert 0 < len(resumed.asked) < 400
    np.testing.assert_allclose(vectors, encode_with(resumed, sentences), atol=1e-6)


def test_where_nothing_can_be_kept_everything_is_encoded_with_a_warning(counting, tmp_path, caplog) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    encoder = counting()
    vectors = encode_kept(encoder, SENTENCES, blocked)
    assert encoder.asked == SENTENCES
    assert "cannot be kept" in caplog.text
    np.testing.assert_array_equal(vectors, encode_with(counting(), SENTENCES))


def test_the_encoders_used_longest_ago_go_when_there_is_too_much(counting, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(kept, "_MOST_BYTES", 20_000)
    for number in range(4):
        encode_kept(counting(prompt=f"{number}: "), SENTENCES, tmp_path)
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 20_000
    latest = counting(prompt="3: ")
    encode_kept(latest, SENTENCES, tmp_path)
    assert latest.asked == []


def test_two_processes_encode_each_sentence_once_between_them(tmp_path) -> None:
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_kept import Counting, SENTENCES
from lingualign.embedding.encoders import encode_kept, open_encoder
encoder = Counting(open_encoder("minilm", precision="fp32"))
encode_kept(encoder, SENTENCES, Path({str(tmp_path)!r}))
print(len(encoder.asked))
"""
    start = partial(subprocess.Popen, [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    asked = [process.communicate(timeout=120)[0] for process in [start(), start()]]
    assert sorted(map(int, asked)) == [0, len(SENTENCES)]
    assert len(files(tmp_path)) == 1


def test_a_second_evaluation_has_equal_scores_and_encodes_nothing(minilm, tmp_path) -> None:
    suites = load_suites(EVERYDAY / "test.tsv")
    runs = [Counting(open_encoder(minilm, precision="fp32")) for _ in range(2)]
    first, second = (json.dumps(evaluate(run, suites, kept=tmp_path)) for run in runs)
    assert first == second
    assert runs[0].asked
    assert not runs[1].asked
