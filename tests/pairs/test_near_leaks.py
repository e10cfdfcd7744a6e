"""Near copies of evaluation sentences are found, as the plain comparison of all with all finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_cleaning import table

from lingualign.pairs import NearLeaks, near_leak_filter
from lingualign.pairs.characters import runs, shingles

if TYPE_CHECKING:
    from pathlib import Path


def shingle_set(sentence: str) -> set[int]:
    return {key for run in runs(pa.array([sentence], pa.large_string())) for key in shingles(run)[0].tolist()}


def jaccard(one: set[int], other: set[int]) -> float:
    return len(one & other) / max(len(one | other), 1)


@pytest.mark.data
def test_what_is_near_is_what_comparing_all_with_all_finds(data: Path) -> None:
    suite = pq.read_table(data / "eval" / "tatoeba" / "fra-eng.parquet")["sentence1"].to_pylist()[:300]
    rng = np.random.default_rng(0)
    sentences = []
    for sentence in suite[:150]:
        words = sentence.split()
        words[int(rng.integers(len(words)))] = "autrement"
        sentences.append(" ".join(words))
    sentences += suite[150:200] + [f"{sentence} C'est vrai." for sentence in suite[200:300]]
    leaks = NearLeaks(pa.array(suite), 0.6)
    found, similarity = leaks.nearest(pa.array(sentences))
    sets = [shingle_set(sentence) for sentence in leaks.sentences.to_pylist()]
    missed = 0
    for row, sentence in enumerate(sentences):
        own = shingle_set(sentence)
        true = [jaccard(own, other) for other in sets]
        if found[row] >= 0:
            assert similarity[row] == pytest.approx(true[found[row]])
            assert similarity[row] >= 0.6
        else:
            missed += max(true) >= 0.6 and len(sets[int(np.argmax(true))]) >= 6
    near = int((found >= 0).sum())
    assert near > 100
    assert missed <= 0.03 * near


def test_both_sides_are_looked_at_and_exact_copies_left_to_the_exact_filter() -> None:
    suite = [
        "The committee will meet again on Thursday morning.",
        "委員会は木曜日の朝に再び開かれる予定です。",
    ]
    leaks = NearLeaks(pa.array(suite), 0.6)
    pairs = table(
        ("The committee will meet again on Friday morning.", "別の文"),
        ("Another sentence entirely", "委員会は金曜日の朝に再び開かれる予定です。"),
        ("the committee will meet again on thursday morning", "別の文"),
        ("Another sentence entirely", "別の文"),
        ("", ""),
        languages=("en", "ja"),
    )
    assert leaks(pairs).tolist() == [True, True, False, False, False]


def test_a_short_sentence_or_an_empty_suite_makes_nothing_near() -> None:
    assert not NearLeaks(pa.array(["Yes.", "No!"]), 0.6)(table(("Yes", "No"), ("Yes", "Oui"))).any()
    assert not NearLeaks(pa.array([], pa.string()), 0.6)(table(("Yes", "No"))).any()


def test_suites_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "suite.tsv").write_text(
        "sentence1\tsentence2\nThe committee meets again on Thursday.\tDas Komitee tagt am Donnerstag wieder.\n",
        encoding="utf-8",
    )
    leaks = near_leak_filter([tmp_path])
    assert leaks(table(("x", "Und das Komitee tagt am Donnerstag wieder."), ("x", "y"))).tolist() == [
        True,
        False,
    ]
