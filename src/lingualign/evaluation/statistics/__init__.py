"""Statistics of figures and of their differences: intervals, exact and permutation tests, effect sizes, seeds.

All seeds are fixed: the same outcomes give the same intervals and p-values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.evaluation.statistics.intervals import (
        CONFIDENCE,
        Error,
        Influence,
        Interval,
        SeedError,
        combine,
        combine_sets,
        correlation_interval,
        error_of_sets,
        jackknife_interval,
        pooled_freedom,
        rate_interval,
        seed_error,
        t_p,
        t_quantile,
        wilson,
    )
    from lingualign.evaluation.statistics.model_tests import (
        PERMUTATIONS,
        McNemar,
        cohens_g,
        cohens_h,
        cohens_q,
        mcnemar,
        midranks,
        odds_ratio,
        permutation_p,
        permuted_f1_differences,
        permuted_spearman_differences,
    )

__all__ = [
    "CONFIDENCE",
    "PERMUTATIONS",
    "Error",
    "Influence",
    "Interval",
    "McNemar",
    "SeedError",
    "cohens_g",
    "cohens_h",
    "cohens_q",
    "combine",
    "combine_sets",
    "correlation_interval",
    "error_of_sets",
    "jackknife_interval",
    "mcnemar",
    "midranks",
    "odds_ratio",
    "permutation_p",
    "permuted_f1_differences",
    "permuted_spearman_differences",
    "pooled_freedom",
    "rate_interval",
    "seed_error",
    "t_p",
    "t_quantile",
    "wilson",
]

lazy_face(__name__)
