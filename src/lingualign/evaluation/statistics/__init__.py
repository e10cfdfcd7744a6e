"""Statistics of figures and of their differences: intervals, exact and permutation tests, effect sizes, seeds.

What is drawn is drawn with fixed seeds: the same outcomes give the same intervals and p-values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.evaluation.statistics.effect_sizes import cohens_g, cohens_h, cohens_q, odds_ratio
    from lingualign.evaluation.statistics.influence import (
        Error,
        Influence,
        combine,
        combine_sets,
        correlation_interval,
        error_of_sets,
        pooled_freedom,
        rate_interval,
    )
    from lingualign.evaluation.statistics.jackknife import jackknife_interval
    from lingualign.evaluation.statistics.mcnemar import McNemar, mcnemar
    from lingualign.evaluation.statistics.permutation import (
        PERMUTATIONS,
        permutation_p,
        permuted_f1_differences,
        permuted_spearman_differences,
    )
    from lingualign.evaluation.statistics.ranks import midranks
    from lingualign.evaluation.statistics.seeds import SeedError, seed_error
    from lingualign.evaluation.statistics.wilson import CONFIDENCE, Interval, t_p, t_quantile, wilson

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
