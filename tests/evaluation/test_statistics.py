"""Intervals: exact against plain resampling, close to scipy's, and covering what they should."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lingualign.evaluation.statistics import (
    RESAMPLES,
    bootstrap,
    bootstrap_means,
    bootstrap_spearman,
    interval,
    rate_interval,
    wilson,
)

# P(U + N(0, 0.2) > 0.3) for U uniform on [0, 1]: integrated, not simulated.
TRUE_RATE = float(np.mean(stats.norm.cdf((np.linspace(0, 1, 100_001) - 0.3) / 0.2)))


def drawn_rows(n):
    """The rows of every resample, spelt out."""
    for weights in bootstrap._resamples(n):
        for row in weights:
            yield np.repeat(np.arange(n), row.astype(int))


def test_a_resample_draws_n_rows_with_replacement():
    n = 500
    drawn = list(drawn_rows(n))
    assert len(drawn) == RESAMPLES
    assert all(len(rows) == n for rows in drawn)
    distinct = np.mean([len(set(rows.tolist())) for rows in drawn]) / n
    assert distinct == pytest.approx(1 - 1 / math.e, abs=0.005)


def test_bootstrap_means_are_those_of_the_resampled_rows(monkeypatch):
    values = np.random.default_rng(0).normal(size=(17, 3))
    plain = np.array([values[rows].mean(axis=0) for rows in drawn_rows(17)])
    assert bootstrap_means(values) == pytest.approx(plain)
    assert bootstrap_means(values[:, 1]) == pytest.approx(plain[:, 1])
    monkeypatch.setattr(bootstrap, "_BLOCK", 100)
    assert bootstrap_means(values) == pytest.approx(plain)


@pytest.mark.parametrize("levels", [3, 1000])
def test_bootstrap_spearman_is_that_of_the_resampled_rows(levels):
    random = np.random.default_rng(1)
    x, y = random.integers(levels, size=(2, 40)).astype(float)
    plain = [stats.spearmanr(x[rows], y[rows]).statistic for rows in drawn_rows(40)]
    assert bootstrap_spearman(x, y) == pytest.approx(plain)


def test_a_resample_without_variation_has_no_correlation():
    replicates = bootstrap_spearman([0.1, 0.2], [1, 2])
    assert set(np.unique(replicates.round(9))) == {0.0, 1.0}


def test_intervals_agree_with_scipy():
    random = np.random.default_rng(2)
    x = random.normal(size=300)
    y = x + random.normal(size=300)
    outcomes = random.choice([0, 0.5, 1], p=[0.2, 0.3, 0.5], size=300)
    for data, statistic, ours in (
        ((outcomes,), np.mean, bootstrap_means(outcomes)),
        ((x, y), lambda a, b: stats.spearmanr(a, b).statistic, bootstrap_spearman(x, y)),
    ):
        theirs = stats.bootstrap(
            data, statistic, paired=True, vectorized=False, method="percentile", n_resamples=1000, rng=3
        ).confidence_interval
        assert interval(ours) == pytest.approx(tuple(theirs), abs=0.012)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_scipy(trials):
    successes, n = trials
    theirs = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    low, high = wilson(successes, n)
    assert (low, high) == pytest.approx(tuple(theirs), abs=1e-12)
    assert 0 <= low <= successes / n <= high <= 1


def test_accuracy_interval_covers_the_true_rate_of_two_correlated_directions():
    random = np.random.default_rng(4)
    covered = 0
    for _ in range(200):
        easy = random.random(150)
        both = ((easy + random.normal(0, 0.2, size=(2, 150))) > 0.3).mean(axis=0)
        low, high = rate_interval(both.mean(), bootstrap_means(both), 150)
        covered += low <= TRUE_RATE <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_spearman_interval_covers_the_true_correlation():
    random = np.random.default_rng(5)
    rho = 0.7
    truth = 6 / math.pi * math.asin(rho / 2)
    covered = 0
    for _ in range(150):
        x, noise = random.normal(size=(2, 120))
        low, high = interval(bootstrap_spearman(x, rho * x + math.sqrt(1 - rho**2) * noise))
        covered += low <= truth <= high
    assert 0.88 <= covered / 150 <= 0.99


def test_certainty_is_never_claimed():
    for rate in (0.0, 1.0):
        low, high = rate_interval(rate, np.full(RESAMPLES, rate), 100)
        assert high - low > 0.03
        assert low <= rate <= high


def test_rows_shared_by_files_are_resampled_together():
    outcomes = np.random.default_rng(6).integers(2, size=400).astype(float)
    one, same, opposite = (bootstrap_means(values) for values in (outcomes, outcomes.copy(), 1 - outcomes))
    # The mean of a file and its copy is as uncertain as the file; that of it and its opposite is certain.
    assert interval((one + same) / 2) == interval(one)
    assert (one + opposite) / 2 == pytest.approx(0.5)


def test_more_rows_narrow_the_interval():
    random = np.random.default_rng(7)
    widths = [
        np.ptp(interval(bootstrap_means(random.integers(2, size=n).astype(float)))) for n in (50, 500, 5000)
    ]
    assert all(wide > narrow for wide, narrow in pairwise(widths))
