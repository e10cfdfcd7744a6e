"""The score of a pair: each formula against the plain one, and damaged copies of real pairs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from lingualign.mining import filter_pairs
from lingualign.mining.pair_measures import (
    PARTS,
    Contrast,
    Copies,
    Measures,
    cut,
    evenness,
    log_probabilities,
    log_probability,
)
from lingualign.neighbours import unit_rows
from lingualign.pairs.cleaning.language import language_log_odds

values = st.lists(st.floats(-5, 5), min_size=1, max_size=9).map(np.array)


@given(values, values, st.floats(0.01, 1), st.floats(-5, 5))
def test_log_odds_are_those_of_two_normal_distributions_of_one_scale(usual, damaged, resolution, value):
    spreads = [1.4826 * np.median(np.abs(each - np.median(each))) for each in (usual, damaged)]
    scale = np.sqrt((spreads[0] ** 2 + spreads[1] ** 2) / 2 + (resolution / 2) ** 2)
    expected = norm.logpdf(value, np.median(usual), scale) - norm.logpdf(value, np.median(damaged), scale)
    with_gaps = np.append(usual, np.nan)
    found = Contrast.between(with_gaps, damaged, resolution).log_odds(np.array([value, np.nan]))
    assert found[0] == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert np.isnan(found[1])
    assert Contrast.between(np.array([np.nan]), damaged, resolution) is None


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=3))
def test_the_probability_is_that_of_bayes_with_all_as_likely_beforehand(odds):
    against = [np.exp(-each) for each in odds]
    found = log_probability(*(np.array([each]) for each in odds), np.array([np.nan]))
    assert np.exp(found[0]) == pytest.approx(1 / (1 + sum(against)))


@given(st.text(min_size=1).filter(str.strip), st.integers(2, PARTS))
def test_the_parts_of_a_sentence_hold_its_words_in_their_order(sentence, parts):
    pieces = cut(sentence, parts)
    assert len(pieces) == parts
    assert all(piece.strip() for piece in pieces)
    if sentence not in pieces:
        assert "".join("".join(pieces).split()) == "".join(sentence.split())


def test_cuts_are_at_the_nearest_blank_where_one_is_near():
    assert cut("The train is late and we are still waiting here", 4) == [
        "The train is",
        "late and we",
        "are still",
        "waiting here",
    ]
    assert cut("電車が遅れています", 2) == ["電車が遅", "れています"]


def test_evenness_is_that_of_the_formula():
    random = np.random.default_rng(3)
    parts = np.array([unit_rows(random.normal(size=(5, 8))) for _ in range(PARTS)])
    own, other = unit_rows(random.normal(size=(5, 8))), unit_rows(random.normal(size=(5, 8)))
    expected = [
        -np.std([part[row] @ other[row] - (part[row] @ own[row]) * (own[row] @ other[row]) for part in parts])
        for row in range(5)
    ]
    np.testing.assert_allclose(evenness(parts, own, other), expected, rtol=1e-5)


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_more_margin_more_evenness_and_a_surer_language_never_lower_the_score(seed, equal):
    random = np.random.default_rng(seed)

    def some(*centres):
        return [np.zeros(30) if equal else random.normal(centre, 1, 30) for centre in centres]

    margin, length, *rest = some(1, 0, 0, 0, 3, 3)
    usual = Measures(margin, length, (rest[0], rest[1]), (rest[2], rest[3]))
    low, one, two, three, four, five, six = some(0, -1, -1, 1, -1, -3, -3)
    copies = Copies(low, (one, two), (three, four), (five, six))
    score = sum(log_probabilities(usual, usual, copies, 50))
    assert np.isfinite(score).all()
    for better in (
        Measures(margin + 0.5, length, usual.evenness, usual.language),
        Measures(margin, length, tuple(each + 0.5 for each in usual.evenness), usual.language),
        Measures(margin, length, usual.evenness, tuple(each + 0.5 for each in usual.language)),
    ):
        assert (sum(log_probabilities(better, usual, copies, 50)) >= score - 1e-9).all()


@pytest.fixture(scope="module")
def ntrex(data):
    """Rows in English, French and Russian."""
    table = pq.read_table(data / "eval" / "ntrex" / "ntrex128.parquet").slice(0, 160)
    return [table[name].to_pylist() for name in ("eng_Latn", "fra_Latn", "rus_Cyrl")]


@pytest.mark.data
def test_languages_are_told_by_their_log_odds(ntrex):
    english, french, russian = (pa.array(side, pa.large_string()) for side in ntrex)
    assert np.mean(language_log_odds(french, "fr") > 0) > 0.98
    assert np.mean(language_log_odds(english, "fr") < 0) > 0.98
    assert np.mean(language_log_odds(russian, "uk") > 0) > 0.9  # taken for each other
    assert (language_log_odds(pa.array(["ソースを開く"], pa.large_string()), "ja") > 11).all()
    assert np.isnan(language_log_odds(pa.array(["12 %", ""], pa.large_string()), "fr")).all()
    assert np.isnan(language_log_odds(french, "zgh")).all()


@pytest.mark.data
def test_damaged_copies_of_real_pairs_score_below_them(minilm, ntrex, tmp_path):
    """minilm knows little French: its margins alone cannot tell."""
    english, french, russian = ntrex
    damaged = {
        "shuffled": lambda row: (english[row], french[row - 1]),
        "half": lambda row: (english[row], french[row][: len(french[row]) // 2]),
        "half of source": lambda row: (english[row][: len(english[row]) // 2], french[row]),
        "other language": lambda row: (english[row], russian[row]),
        "copied": lambda row: (english[row], english[row]),
    }
    rows = list(zip(english, french, strict=True))
    kinds = ["" for _ in rows]
    for number, (kind, change) in enumerate(damaged.items()):
        for row in range(8 * number, 8 * number + 8):
            rows.append(change(row))
            kinds.append(kind)
    pq.write_table(
        pa.table({"sentence1": [one for one, _ in rows], "sentence2": [two for _, two in rows]}),
        tmp_path / "pairs.en-fr.parquet",
    )
    filter_pairs(minilm, str(tmp_path / "pairs.en-fr.parquet"), tmp_path / "scored.parquet")
    score = pq.read_table(tmp_path / "scored.parquet")["score"].to_numpy()
    below = {
        kind: np.mean([score[160 + 8 * number + place] < score[8 * number + place] for place in range(8)])
        for number, kind in enumerate(damaged)
    }
    assert below.pop("shuffled") >= 0.75
    assert all(share >= 7 / 8 for share in below.values())
