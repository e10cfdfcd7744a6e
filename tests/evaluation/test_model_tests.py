"""Tests of two models: exact where they say so, equal to scipy's, and right as often as they claim."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lingualign.evaluation.statistics import (
    Influence,
    cohens_g,
    cohens_h,
    cohens_q,
    combine_sets,
    error_of_sets,
    mcnemar,
    odds_ratio,
    permutation_p,
    permuted_spearman_differences,
    seed_error,
    t_p,
    t_quantile,
)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200))
def test_mcnemar_is_the_binomial_test_of_the_discordant(outcomes):
    a, b = np.array(outcomes).T
    found = mcnemar(a, b)
    assert (found.only_a, found.only_b) == (
        sum(x and not y for x, y in outcomes),
        sum(y and not x for x, y in outcomes),
    )
    # The tail of a fair coin, doubled, is the two-sided test: the coin is symmetric.
    tosses, heads = found.only_a + found.only_b, max(found.only_a, found.only_b)
    tail = sum(math.comb(tosses, k) for k in range(heads, tosses + 1)) / 2**tosses
    assert found.p == pytest.approx(min(1, 2 * tail))


def test_permuted_spearman_differences_are_those_of_exchanged_midranks():
    random = np.random.default_rng(3)
    gold = random.integers(6, size=50).astype(float)
    a = gold + random.normal(size=50)
    b = gold + 2 * random.normal(size=50)
    ranks = [stats.rankdata(values) for values in (a, b, gold)]

    def statistic(x, y, axis=-1):
        return stats.pearsonr(x, ranks[2], axis=axis)[0] - stats.pearsonr(y, ranks[2], axis=axis)[0]

    theirs = stats.permutation_test(
        tuple(ranks[:2]), statistic, permutation_type="samples", vectorized=True, rng=4
    )
    observed = stats.spearmanr(a, gold).statistic - stats.spearmanr(b, gold).statistic
    assert theirs.statistic == pytest.approx(observed)
    null = permuted_spearman_differences(a, b, gold)
    assert permutation_p(observed, null) == pytest.approx(theirs.pvalue, abs=0.02)
    assert np.quantile(null, [0.05, 0.5, 0.95]) == pytest.approx(
        np.quantile(theirs.null_distribution, [0.05, 0.5, 0.95]), abs=0.03
    )
    # The scale of a model's cosines is no matter.
    assert np.array_equal(permuted_spearman_differences(a, 5 * b - 2, gold), null)


def of_rows(outcomes):
    """The influence on a mean of independent rows."""
    return {len(outcomes): Influence(np.asarray(outcomes) / len(outcomes))}


def test_tests_of_equal_models_cry_wolf_as_often_as_they_say():
    random = np.random.default_rng(6)
    few, rows, permuted = [], [], []
    for _ in range(300):
        easy = random.random(120)
        a, b = ((easy + random.normal(0, 0.3, size=(2, 120))) > 0.4).astype(float)
        for outcomes, ps in (((a, b), rows), ((a[:15], b[:15]), few)):
            error = error_of_sets(of_rows(outcomes[0] - outcomes[1]))
            difference = np.mean(outcomes[0] - outcomes[1])
            ps.append(t_p(difference / math.sqrt(error.variance), error.freedom) if difference else 1.0)
        gold, noise_a, noise_b = random.normal(size=(3, 60))
        x, y = gold + noise_a, gold + noise_b
        observed = stats.spearmanr(x, gold).statistic - stats.spearmanr(y, gold).statistic
        permuted.append(permutation_p(observed, permuted_spearman_differences(x, y, gold)))
    # 0.05 in the long run, less where few outcomes differ; 0.09 is three deviations above.
    assert np.mean(np.array(few) < 0.05) < 0.09
    assert 0.015 < np.mean(np.array(rows) < 0.05) < 0.09
    assert 0.015 < np.mean(np.array(permuted) < 0.05) < 0.09


def test_interval_of_a_paired_difference_covers_the_true_one():
    random = np.random.default_rng(7)
    covered = 0
    truth = (
        stats.norm.cdf(0.5 / math.sqrt(2)) - 0.5
    )  # P(u + noise + 0.5 > 0) - P(u + noise > 0), u, noise ~ N(0, 1)
    for _ in range(300):
        easy, noise_a, noise_b = random.normal(size=(3, 200))
        a, b = easy + noise_a + 0.5 > 0, easy + noise_b > 0
        error = error_of_sets(combine_sets([of_rows(a), of_rows(b)], [1, -1]))
        covered += abs(a.mean() - b.mean() - truth) <= t_quantile(error.freedom) * math.sqrt(error.variance)
    assert 0.915 <= covered / 300 <= 0.98


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_error_of_a_mean_over_seeds_is_that_of_seeds_and_rows(seeds):
    """Seeds that move the figure as much as the rows do: rows alone would say a third of it, both twice too much."""
    random = np.random.default_rng(8)
    rows, differences, told, naive = 100, [], [], []
    for _ in range(400):
        shared = random.normal(size=rows)
        groups = [shared + random.normal(0, 0.15, size=(seeds, 1)) for _ in range(2)]
        groups = [group + random.normal(size=(seeds, rows)) for group in groups]
        influences = [[of_rows(seed) for seed in group] for group in groups]
        parts = [
            seed_error(list(group.mean(axis=1)), each) for group, each in zip(groups, influences, strict=True)
        ]
        of_rows_alone = error_of_sets(
            combine_sets([*influences[0], *influences[1]], [1 / seeds] * seeds + [-1 / seeds] * seeds)
        ).variance
        differences.append(groups[0].mean() - groups[1].mean())
        told.append(of_rows_alone + sum(part.variance - part.of_rows for part in parts))
        naive.append(of_rows_alone)
    assert np.mean(told) == pytest.approx(np.var(differences), rel=0.2)
    assert np.mean(naive) < 0.5 * np.var(differences)


def test_seeds_that_agree_have_no_error_of_their_own():
    outcomes = of_rows([0, 1, 1, 1])
    error = seed_error([0.75, 0.75], [outcomes, outcomes])
    assert (error.variance, error.of_rows, error.freedom) == (0, 0, 1)


def test_effect_sizes_are_those_of_the_book():
    # Cohen (1988), tables 6.2.2, 5.2 and 4.2.2: phi(.5) = 1.571, phi(.25) = 1.047; z(.5) = .549, z(.2) = .203.
    assert cohens_h(0.5, 0.25) == pytest.approx(1.571 - 1.047, abs=0.001)
    assert cohens_h(1, 0) == pytest.approx(math.pi)
    assert cohens_q(0.5, 0.2) == pytest.approx(0.549 - 0.203, abs=0.001)
    assert cohens_q(1.0, 0.2) is None
    assert cohens_g(65, 35) == pytest.approx(0.15)
    assert cohens_g(0, 0) is odds_ratio(3, 0) is None
    assert odds_ratio(65, 35) == pytest.approx(65 / 35)
