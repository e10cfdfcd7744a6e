"""Bitext accuracy, xSIM and Spearman against plain versions written from the formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata

from lingualign.errors import InputError
from lingualign.evaluation import bitext_accuracy, sts_pearson, sts_spearman, xsim, xsim_errors
from lingualign.evaluation.bitext import margin_retrieved
from lingualign.neighbours import cosines, nearest_neighbours, unit_rows

# Rows of length 0, 1 or 2 with whole entries have exact cosines, so that ties are ties and not a matter of
# rounding; so few of them that duplicates, ties, negative cosines and zero vectors are everywhere.
_ROWS = [
    (0, 0, 0, 0),
    *(tuple(sign * (place == axis) for place in range(4)) for axis in range(4) for sign in (1, -1)),
    (1, 1, 1, 1),
    (1, 1, 1, -1),
    (-1, 1, -1, 1),
    (-1, -1, -1, -1),
    (1, -1, 1, 1),
]
sides = st.integers(1, 9).flatmap(
    lambda n: st.tuples(*[st.lists(st.sampled_from(_ROWS), min_size=n, max_size=n) for _ in range(2)])
)


def cosine(a, b):
    lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0


def nearest(query, candidates, k):
    """Positions of the k candidates of largest cosine; sorting is stable: the first of equals comes first."""
    return sorted(range(len(candidates)), key=lambda j: -cosine(query, candidates[j]))[:k]


def plain_xsim_errors(source, target, margin, k):
    k = min(k, len(source))
    errors = []
    for i, x in enumerate(source):
        scores = {}
        for j in nearest(x, target, k):
            y = target[j]
            base = (
                sum(cosine(x, target[z]) for z in nearest(x, target, k)) / k
                + sum(cosine(y, source[z]) for z in nearest(y, source, k)) / k
            ) / 2
            value = cosine(x, y)
            if margin == "distance":
                value -= base
            elif margin == "ratio":
                value = value / base if base else math.copysign(math.inf, value) if value else -math.inf
            scores[j] = value
        errors.append(max(scores, key=scores.get) != i)
    return errors


@given(sides)
def test_bitext_accuracy_is_that_of_the_plain_search(pair):
    source, target = pair
    outcome = bitext_accuracy(source, target)
    forward = [nearest(x, target, 1) == [i] for i, x in enumerate(source)]
    backward = [nearest(y, source, 1) == [i] for i, y in enumerate(target)]
    assert outcome.forward.tolist() == forward
    assert outcome.backward.tolist() == backward
    assert outcome.accuracy == pytest.approx((sum(forward) + sum(backward)) / (2 * len(source)))


@given(sides, st.sampled_from(["absolute", "ratio", "distance"]), st.integers(1, 5))
def test_xsim_is_that_of_the_formula(pair, margin, k):
    assert xsim_errors(*pair, margin=margin, k=k).tolist() == plain_xsim_errors(*pair, margin, k)


@pytest.mark.parametrize("margin", ["absolute", "ratio", "distance"])
def test_xsim_of_dense_vectors_is_that_of_the_formula(margin):
    random = np.random.default_rng(3)
    source = random.normal(size=(40, 6))
    target = source + random.normal(size=(40, 6))
    plain = plain_xsim_errors(source.tolist(), target.tolist(), margin, 4)
    assert xsim_errors(source, target, margin=margin).tolist() == plain
    assert 0 < xsim(source, target, margin=margin) == np.mean(plain) < 1


@given(sides)
def test_absolute_xsim_is_one_minus_accuracy_in_that_direction(pair):
    source, target = pair
    outcome = bitext_accuracy(source, target)
    assert xsim(source, target, margin="absolute") == pytest.approx(1 - outcome.forward.mean())
    assert xsim(target, source, margin="absolute") == pytest.approx(1 - outcome.backward.mean())


def test_ratio_margin_passes_over_a_hub_that_the_cosine_falls_for():
    meaning, common, noise = np.eye(4, 9), np.eye(9)[4], np.eye(9)[5:]
    source = meaning + common
    target = meaning + 0.5 * noise
    target[0] = meaning[0] + 3 * common
    assert xsim(source, target, margin="absolute") == 3 / 4
    assert xsim(source, target, margin="ratio") == xsim(source, target, margin="distance") == 0


def test_collapsed_encoder_scores_chance():
    same = np.tile(np.random.default_rng(0).normal(size=7), (50, 1))
    outcome = bitext_accuracy(same, same)
    assert outcome.forward.sum() == outcome.backward.sum() == 1
    assert xsim(same, same) == 1 - 1 / 50


def test_margin_never_prefers_a_candidate_without_evidence():
    zero, one = np.zeros((3, 4)), np.eye(4)[:3]
    there, back = nearest_neighbours(zero, one, 4)
    assert margin_retrieved(there, back, "ratio").tolist() == [0, 0, 0]


@given(
    sides.filter(lambda pair: len(set(cosines(*pair))) > 1),
    st.lists(st.integers(0, 5), min_size=9, max_size=9).filter(lambda gold: len(set(gold)) > 3),
)
def test_correlations_are_those_of_scipy(pair, gold):
    gold = gold[: len(pair[0])]
    if len(set(gold)) < 2:
        return
    found = [cosine(x, y) for x, y in zip(*pair, strict=True)]
    assert sts_pearson(*pair, gold) == pytest.approx(pearsonr(found, gold).statistic, abs=1e-4)
    ranks = rankdata(found)
    assert sts_spearman(*pair, gold) == pytest.approx(pearsonr(ranks, rankdata(gold)).statistic)


def test_correlation_of_cosines_that_are_all_equal_is_undefined():
    same = np.ones((4, 3))
    assert math.isnan(sts_spearman(same, same, [1, 2, 3, 4]))
    assert math.isnan(sts_pearson(same, same, [1, 2, 3, 4]))


def test_scale_of_a_vector_does_not_matter():
    random = np.random.default_rng(5)
    source, target = random.normal(size=(2, 60, 8))
    scaled = source * random.uniform(0.01, 100, size=(60, 1))
    assert np.array_equal(xsim_errors(scaled, target), xsim_errors(source, target))
    assert unit_rows(scaled) == pytest.approx(unit_rows(source), abs=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"margin": "cosine"}, "margin 'cosine' is unknown: expected one of absolute, ratio, distance"),
     ({"k": 0}, "k = 0 is not a number of neighbours: expected 1 or more")],
)  # fmt: skip
def test_bad_options_of_xsim(options, message):
    with pytest.raises(InputError, match=message):
        xsim(np.eye(3), np.eye(3), **options)
