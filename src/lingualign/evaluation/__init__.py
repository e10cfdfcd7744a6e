"""Evaluation: bitext retrieval, xSIM and semantic similarity, each with its uncertainty.

`load_suites` reads files into suites (translation pairs, n-way parallel sets, graded sentence pairs),
`evaluate` encodes each distinct sentence once and scores every suite in the form of ``scores.json``,
`print_scores` prints them and `save_scores` writes them. `evaluate` is two steps in one: `measure` finds the outcome of
each sentence, which `save_outcomes` writes, and `score` computes the figures from outcomes. `compare` compares models
by their outcomes, with the tests in ``statistics/``. `BitextEvaluator` is the quick form for the middle of a training
run. `bitext_accuracy`, `xsim`, `sts_spearman` and the functions in ``space.py`` are metrics of plain vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.evaluation.bitext import BitextAccuracy, bitext_accuracy, xsim, xsim_errors
    from lingualign.evaluation.compare import compare
    from lingualign.evaluation.evaluator import BitextEvaluator
    from lingualign.evaluation.measure import measure
    from lingualign.evaluation.outcomes import Outcomes
    from lingualign.evaluation.outcomes_file import load_outcomes, save_outcomes
    from lingualign.evaluation.scores import evaluate, save_scores, score
    from lingualign.evaluation.sts import sts_pearson, sts_spearman
    from lingualign.evaluation.suites import Suite, in_languages, load_suites
    from lingualign.report.comparison_tables import print_comparison
    from lingualign.report.score_tables import print_scores

__all__ = [
    "BitextAccuracy",
    "BitextEvaluator",
    "Outcomes",
    "Suite",
    "bitext_accuracy",
    "compare",
    "evaluate",
    "in_languages",
    "load_outcomes",
    "load_suites",
    "measure",
    "print_comparison",
    "print_scores",
    "save_outcomes",
    "save_scores",
    "score",
    "sts_pearson",
    "sts_spearman",
    "xsim",
    "xsim_errors",
]

lazy_face(__name__)
