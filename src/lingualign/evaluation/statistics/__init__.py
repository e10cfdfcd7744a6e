"""Statistics of figures and of their differences: intervals, exact and permutation tests, effect sizes, seeds.

Everything is drawn with fixed seeds: the same outcomes give the same intervals and p-values.
"""

from __future__ import annotations

from lingualign.evaluation.statistics.bootstrap import (
    RESAMPLES,
    bootstrap_means,
    bootstrap_pearson,
    bootstrap_spearman,
    bootstrap_sums,
    interval,
    rate_interval,
    unvaried,
)
from lingualign.evaluation.statistics.effect_sizes import cohens_g, cohens_h, cohens_q, odds_ratio
from lingualign.evaluation.statistics.jackknife import jackknife_interval
from lingualign.evaluation.statistics.mcnemar import McNemar, exact_sign_flip, mcnemar
from lingualign.evaluation.statistics.permutation import (
    PERMUTATIONS,
    permutation_p,
    permuted_f1_differences,
    permuted_means,
    permuted_spearman_differences,
)
from lingualign.evaluation.statistics.ranks import midranks
from lingualign.evaluation.statistics.seeds import bootstrap_p, seed_noise
from lingualign.evaluation.statistics.wilson import CONFIDENCE, Interval, wilson

__all__ = [
    "CONFIDENCE",
    "PERMUTATIONS",
    "RESAMPLES",
    "Interval",
    "McNemar",
    "bootstrap_means",
    "bootstrap_p",
    "bootstrap_pearson",
    "bootstrap_spearman",
    "bootstrap_sums",
    "cohens_g",
    "cohens_h",
    "cohens_q",
    "exact_sign_flip",
    "interval",
    "jackknife_interval",
    "mcnemar",
    "midranks",
    "odds_ratio",
    "permutation_p",
    "permuted_f1_differences",
    "permuted_means",
    "permuted_spearman_differences",
    "rate_interval",
    "seed_noise",
    "unvaried",
    "wilson",
]
