"""The figures of the space against their formulas, and on spaces whose shape is known."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score

from lingualign.errors import InputError
from lingualign.evaluation import space
from lingualign.evaluation.bitext import f1_shares
from lingualign.evaluation.space import alignment, hubness, isotropy, language_hits, uniformity
from lingualign.neighbours import unit_rows


@pytest.fixture
def sides():
    random = np.random.default_rng(0)
    one = random.normal(size=(90, 8)) + 0.5
    return one, one + random.normal(0, 0.4, size=(90, 8))


@given(st.lists(st.integers(0, 11), min_size=12, max_size=12))
def test_f1_is_the_weighted_f1_of_scikit_learn(retrieved):
    theirs = f1_score(np.arange(12), retrieved, average="weighted", zero_division=0)
    assert f1_shares(np.array(retrieved)).mean() == pytest.approx(theirs)


def test_alignment_and_uniformity_are_those_of_the_formulas(sides, monkeypatch):
    one, two = (unit_rows(side).astype(np.float64) for side in sides)
    assert alignment(*sides) == pytest.approx(
        np.mean([sum((x - y) ** 2) for x, y in zip(one, two, strict=True)])
    )
    plain = math.log(np.mean([math.exp(-2 * sum((x - y) ** 2)) for x, y in combinations(one, 2)]))
    assert uniformity(sides[0]) == pytest.approx(plain, rel=1e-5)
    monkeypatch.setattr(space, "_BLOCK", 7)
    assert uniformity(sides[0]) == pytest.approx(plain, rel=1e-5)
    assert uniformity(np.ones((5, 3))) == pytest.approx(0, abs=1e-6)
    # On a sphere of many dimensions any two are at right angles.
    assert uniformity(np.eye(200)) == pytest.approx(-4)


def test_isotropy_is_that_of_the_formula(sides):
    unit = unit_rows(sides[0]).astype(np.float64)
    _, directions = np.linalg.eigh(unit.T @ unit)
    sums = [sum(math.exp(sign * (c @ v)) for v in unit) for c in directions.T for sign in (1, -1)]
    assert isotropy(sides[0]) == pytest.approx(min(sums) / max(sums))
    assert isotropy(np.concatenate([np.eye(6), -np.eye(6)])) == pytest.approx(1)
    assert isotropy(np.ones((9, 6))) == pytest.approx(math.exp(-2))


def test_a_probe_finds_a_language_that_is_there_and_none_that_is_not():
    random = np.random.default_rng(1)
    meaning = random.normal(size=(300, 16))
    noisy = [meaning + random.normal(0, 0.5, size=meaning.shape) for _ in range(3)]
    apart = [side + 3 * np.eye(16)[language] for language, side in enumerate(noisy)]
    assert language_hits(apart).mean() > 0.9
    assert language_hits(noisy).mean() == pytest.approx(1 / 3, abs=0.07)
    # Learnt rows are not probed: even as many dimensions as rows find nothing in noise.
    assert language_hits(list(random.normal(size=(2, 60, 200)))).mean() == pytest.approx(1 / 2, abs=0.15)
    assert language_hits([meaning, meaning]).mean() == pytest.approx(1 / 2)


def test_hubness_is_the_skewness_of_occurrences():
    index = np.random.default_rng(2).zipf(1.5, size=(200, 4)) % 50
    assert hubness(index, 60) == pytest.approx(stats.skew(np.bincount(index.ravel(), minlength=60)))
    assert hubness(np.arange(10)[:, None], 10) == 0
    assert hubness(np.zeros((10, 1), int), 10) == pytest.approx(stats.skew([10] + [0] * 9))


def test_sides_that_do_not_match_are_refused():
    with pytest.raises(InputError, match=r"shape \(3, 4\) on one side and \(2, 4\) on the other"):
        alignment(np.ones((3, 4)), np.ones((2, 4)))
