"""Intervals: close to scipy's, and covering what they should."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lingualign.evaluation.statistics import (
    Influence,
    combine_sets,
    correlation_interval,
    error_of_sets,
    rate_interval,
    wilson,
)
from lingualign.evaluation.sts import spearman, spearman_influence

# P(U + N(0, 0.2) > 0.3) for U uniform on [0, 1]: integrated, not simulated.
TRUE_RATE = float(np.mean(stats.norm.cdf((np.linspace(0, 1, 100_001) - 0.3) / 0.2)))


def of_rows(outcomes):
    """The influence on a mean of independent rows."""
    return Influence(np.asarray(outcomes) / len(outcomes))


def spearman_bounds(x, y):
    return correlation_interval(spearman(x, y), spearman_influence(x, y).error)


def test_intervals_agree_with_scipy():
    random = np.random.default_rng(2)
    x = random.normal(size=300)
    y = x + random.normal(size=300)
    outcomes = random.choice([0, 0.5, 1], p=[0.2, 0.3, 0.5], size=300)
    for data, statistic, ours in (
        ((outcomes,), np.mean, rate_interval(outcomes.mean(), of_rows(outcomes).error, 300)),
        ((x, y), lambda a, b: stats.spearmanr(a, b).statistic, spearman_bounds(x, y)),
    ):
        theirs = stats.bootstrap(
            data, statistic, paired=True, vectorized=False, method="percentile", n_resamples=1000, rng=3
        ).confidence_interval
        assert ours == pytest.approx(tuple(theirs), abs=0.012)


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
        low, high = rate_interval(both.mean(), of_rows(both).error, 150)
        covered += low <= TRUE_RATE <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_spearman_interval_covers_the_true_correlation():
    random = np.random.default_rng(5)
    rho = 0.7
    truth = 6 / math.pi * math.asin(rho / 2)
    covered = 0
    for _ in range(150):
        x, noise = random.normal(size=(2, 120))
        low, high = spearman_bounds(x, rho * x + math.sqrt(1 - rho**2) * noise)
        covered += low <= truth <= high
    assert 0.88 <= covered / 150 <= 0.99


def test_certainty_is_never_claimed():
    for rate in (0.0, 1.0):
        low, high = rate_interval(rate, of_rows(np.full(100, rate)).error, 100)
        assert high - low > 0.03
        assert low <= rate <= high


def test_interval_of_a_low_rate_allows_for_whole_shares_that_were_not_seen():
    random = np.random.default_rng(8)
    # As F1 of a weak model: one row in a hundred is right, and most of these share it with many.
    covered = of_whole = 0
    for _ in range(300):
        right = random.random(300) < 0.01
        shares = right * random.choice([0.05, 1], p=[0.8, 0.2], size=300)
        for values, truth in ((shares, 0.01 * 0.24), (1 - shares, 1 - 0.01 * 0.24)):
            low, high = rate_interval(values.mean(), of_rows(values).error, 300)
            covered += low <= truth <= high
        # Of whole outcomes it is Wilson's.
        low, high = rate_interval(right.mean(), of_rows(right).error, 300)
        of_whole += low <= 0.01 <= high
    assert covered / 600 >= 0.93
    assert of_whole / 300 >= 0.93


def test_rows_shared_by_files_stand_or_fall_together():
    outcomes = np.random.default_rng(6).integers(2, size=400).astype(float)
    one, opposite = ({400: of_rows(values)} for values in (outcomes, 1 - outcomes))
    # The mean of a file and its copy is as uncertain as the file; that of it and its opposite is certain.
    alone = error_of_sets(one).variance
    assert error_of_sets(combine_sets([one, one], [0.5, 0.5])).variance == pytest.approx(alone)
    assert error_of_sets(combine_sets([one, opposite], [0.5, 0.5])).variance == pytest.approx(0, abs=1e-12)
    # A file of other rows is independent.
    other = {300: of_rows(outcomes[:300])}
    both = error_of_sets(combine_sets([one, other], [0.5, 0.5])).variance
    assert both == pytest.approx((alone + error_of_sets(other).variance) / 4)


def test_more_rows_narrow_the_interval():
    random = np.random.default_rng(7)
    widths = []
    for n in (50, 500, 5000):
        outcomes = random.integers(2, size=n).astype(float)
        widths.append(np.ptp(rate_interval(outcomes.mean(), of_rows(outcomes).error, n)))
    assert all(wide > narrow for wide, narrow in pairwise(widths))
