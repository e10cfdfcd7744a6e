"""Tests of two models: exact where they say so, equal to scipy's, and right as often as they claim."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lingualign.evaluation.statistics import (
    PERMUTATIONS,
    bootstrap_means,
    bootstrap_p,
    bootstrap_pearson,
    cohens_g,
    cohens_h,
    cohens_q,
    exact_sign_flip,
    interval,
    mcnemar,
    odds_ratio,
    permutation_p,
    permuted_means,
    permuted_spearman_differences,
    seed_noise,
)
from lingualign.evaluation.statistics.bootstrap import _resamples


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
    assert exact_sign_flip(a.astype(int) - b.astype(int)) == pytest.approx(found.p, rel=1e-9)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_sign_flips_are_counted_exactly(differences):
    sums = [
        sum(sign * size for sign, size in zip(signs, differences, strict=True))
        for signs in product((1, -1), repeat=len(differences))
    ]
    extreme = np.mean([abs(each) >= abs(sum(differences)) for each in sums])
    assert exact_sign_flip(differences) == pytest.approx(extreme)


def test_clear_differences_have_their_exact_p_and_not_that_of_rounding():
    """Whole numbers of any size, in Python's own, count what floating point might lose."""
    random = np.random.default_rng(9)
    differences = random.choice([-2, -1, 1, 2, 3], p=[0.03, 0.05, 0.3, 0.32, 0.3], size=400)
    ways = {0: 1}
    for size in np.abs(differences).tolist():
        grown = dict.fromkeys([*(each + size for each in ways), *(each - size for each in ways)], 0)
        for each, count in ways.items():
            grown[each + size] += count
            grown[each - size] += count
        ways = grown
    extreme = sum(count for each, count in ways.items() if abs(each) >= abs(differences.sum()))
    exact = float(Fraction(extreme, 2**400))
    assert exact < 1e-50
    assert exact_sign_flip(differences) == pytest.approx(exact, rel=1e-9)


def test_a_sign_flip_test_of_many_rows_is_near_the_normal_one_and_never_zero():
    random = np.random.default_rng(0)
    differences = random.integers(-20, 21, size=3000) + (random.random(3000) < 0.03)
    z = differences.sum() / math.sqrt((differences**2).sum())
    assert exact_sign_flip(differences) == pytest.approx(2 * stats.norm.sf(abs(z)), abs=0.005)
    assert exact_sign_flip(np.full(200, 2)) == pytest.approx(2.0**-199)
    assert exact_sign_flip(np.full(3000, 2)) > 0


def test_permuted_means_are_those_of_scipy():
    random = np.random.default_rng(1)
    a, b = random.random((2, 60))
    theirs = stats.permutation_test(
        (a, b),
        lambda x, y, axis=-1: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        rng=2,
    )
    null = permuted_means(a - b)
    assert len(null) == PERMUTATIONS
    assert permutation_p(float(np.mean(a - b)), null) == pytest.approx(theirs.pvalue, abs=0.02)
    assert null.std() == pytest.approx(theirs.null_distribution.std(), rel=0.05)


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


def test_bootstrap_pearson_is_that_of_the_resampled_rows():
    random = np.random.default_rng(5)
    x, y = 1e4 + random.normal(size=(2, 25))
    rows = [np.repeat(np.arange(25), weights.astype(int)) for block in _resamples(25) for weights in block]
    plain = [stats.pearsonr(x[drawn], y[drawn]).statistic for drawn in rows]
    assert bootstrap_pearson(x, y) == pytest.approx(plain, abs=1e-6)
    assert set(np.unique(bootstrap_pearson([1, 2], [1, 2]).round(9))) == {0.0, 1.0}


def test_tests_of_equal_models_cry_wolf_as_often_as_they_say():
    random = np.random.default_rng(6)
    exact, permuted = [], []
    for _ in range(300):
        easy = random.random(120)
        a, b = ((easy + random.normal(0, 0.3, size=(2, 120))) > 0.4).astype(int)
        exact.append(exact_sign_flip(a - b))
        gold, noise_a, noise_b = random.normal(size=(3, 60))
        x, y = gold + noise_a, gold + noise_b
        observed = stats.spearmanr(x, gold).statistic - stats.spearmanr(y, gold).statistic
        permuted.append(permutation_p(observed, permuted_spearman_differences(x, y, gold)))
    # Exactly 0.05 in the long run, less for the exact test of few outcomes; 0.09 is three deviations above.
    assert np.mean(np.array(exact) < 0.05) < 0.09
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
        low, high = interval(bootstrap_means(a) - bootstrap_means(b))
        covered += low <= truth <= high
    assert 0.915 <= covered / 300 <= 0.98


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_interval_over_seeds_covers_the_difference_of_all_seeds(seeds):
    """Seeds that move the figure as much as the sentences do: without their noise 95% would be a third of that."""
    random = np.random.default_rng(8)
    rows, covered, naive = 100, 0, 0
    for _ in range(300):
        shared = random.normal(size=rows)
        groups = [shared + random.normal(0, 0.15, size=(seeds, 1)) for _ in range(2)]
        groups = [group + random.normal(size=(seeds, rows)) for group in groups]
        means = [bootstrap_means(group.mean(axis=0)) for group in groups]
        noise = [seed_noise(group.mean(axis=1), number) for number, group in enumerate(groups)]
        low, high = interval(((means[0] - means[1])[:, None] + noise[0] - noise[1]).ravel())
        covered += low <= 0 <= high
        low, high = interval(means[0] - means[1])
        naive += low <= 0 <= high
    assert covered / 300 >= 0.93
    assert naive / 300 < 0.9


def test_seeds_of_one_group_share_their_draws_and_those_of_two_do_not():
    figures = [0.5, 0.7, 0.6]
    assert np.array_equal(seed_noise(figures, 1), seed_noise(figures, 1))
    assert abs(np.corrcoef(seed_noise(figures, 0).ravel(), seed_noise(figures, 1).ravel())[0, 1]) < 0.1
    assert not seed_noise([0.5]).any()


def test_p_of_replicates_is_the_level_at_which_the_interval_reaches_zero():
    replicates = np.random.default_rng(9).normal(1.5, 1, size=10_000)
    p = bootstrap_p(replicates)
    assert p == pytest.approx(2 * stats.norm.cdf(-1.5), abs=0.01)
    assert np.quantile(replicates, p / 2) == pytest.approx(0, abs=0.02)
    assert bootstrap_p(np.zeros(100)) == 1
    assert 0 < bootstrap_p(np.ones(1000)) < 0.003


def test_effect_sizes_are_those_of_the_book():
    # Cohen (1988), tables 6.2.2, 5.2 and 4.2.2: phi(.5) = 1.571, phi(.25) = 1.047; z(.5) = .549, z(.2) = .203.
    assert cohens_h(0.5, 0.25) == pytest.approx(1.571 - 1.047, abs=0.001)
    assert cohens_h(1, 0) == pytest.approx(math.pi)
    assert cohens_q(0.5, 0.2) == pytest.approx(0.549 - 0.203, abs=0.001)
    assert cohens_q(1.0, 0.2) is None
    assert cohens_g(65, 35) == pytest.approx(0.15)
    assert cohens_g(0, 0) is odds_ratio(3, 0) is None
    assert odds_ratio(65, 35) == pytest.approx(65 / 35)
