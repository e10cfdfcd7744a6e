"""The table of metrics: how each is computed, what the rows contribute to it, and how models are compared by it.

`METRICS` is read by the scores, the comparison, its verdicts, and all tables and pages. A new metric is a function and
a row of the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.evaluation.bitext import f1_shares
from lingualign.evaluation.left_out import f1_influence, hit_influence
from lingualign.evaluation.statistics import (
    Influence,
    cohens_g,
    cohens_h,
    cohens_q,
    combine,
    combine_sets,
    correlation_interval,
    error_of_sets,
    mcnemar,
    odds_ratio,
    permutation_p,
    permuted_f1_differences,
    permuted_spearman_differences,
    rate_interval,
    wilson,
)
from lingualign.evaluation.sts import pearson, pearson_influence, spearman, spearman_influence

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.evaluation.outcomes import Mined, Retrieved, SuiteOutcomes
    from lingualign.evaluation.suites import Kind
    from lingualign.neighbours import Margin

Shares = tuple["npt.NDArray[np.float64]", Influence]
"""Share of each row of one direction in a figure, (n,), and the influence on its mean."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A figure, and the contributions of the rows to it."""

    value: float
    """The figure; NaN if undefined."""
    influences: dict[int, Influence]
    """Influences by number of rows, see `statistics.combine_sets`; empty if the figure is undefined."""
    rows: int
    rate: bool = True
    """True for a figure in [0, 1], False for a correlation."""

    @property
    def ci95(self) -> list[float] | None:
        """95% interval; None if undefined."""
        if math.isnan(self.value):
            return None
        error = error_of_sets(self.influences)
        return list(
            rate_interval(self.value, error, self.rows * len(self.influences))
            if self.rate
            else correlation_interval(self.value, error)
        )

    @property
    def json_value(self) -> float | None:
        """The value in JSON; None if undefined."""
        return None if math.isnan(self.value) else self.value


class Evidence:
    """The outcomes that figures are computed from; intermediate results of several figures are cached.

    Parameters
    ----------
    suite
        Outcomes of the suite.
    retrieved
        Retrieval of one language pair of it; None for suites without retrieval.
    """

    def __init__(self, suite: SuiteOutcomes, retrieved: Retrieved | None) -> None:
        self.suite = suite
        self._retrieved = retrieved
        self._hits: dict[Margin, tuple[Shares, Shares]] = {}

    @property
    def retrieved(self) -> Retrieved:
        """Retrieval of the language pair."""
        assert self._retrieved is not None
        return self._retrieved

    @property
    def mined(self) -> Mined:
        """Pairs mined in the suite."""
        assert self.suite.mined is not None
        return self.suite.mined

    @property
    def similarity(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Cosines and people's scores, (n,) each."""
        assert self.suite.predicted is not None
        assert self.suite.gold is not None
        return self.suite.predicted, self.suite.gold

    def hits(self, margin: Margin) -> tuple[Shares, Shares]:
        """Return the rows that retrieve their translation, forward and backward."""
        if margin not in self._hits:
            forward, backward = (
                (right.astype(np.float64), hit_influence(right, way.turns(margin)))
                for way in (self.retrieved.forward, self.retrieved.backward)
                for right in (way.right(margin),)
            )
            self._hits[margin] = forward, backward
        return self._hits[margin]

    @cached_property
    def f1(self) -> tuple[Shares, Shares]:
        """Shares of the rows in F1, forward and backward."""
        forward, backward = (
            (f1_shares(way.retrieved["absolute"]), f1_influence(way.nearest))
            for way in (self.retrieved.forward, self.retrieved.backward)
        )
        return forward, backward

    @cached_property
    def accuracy(self) -> Figure:
        """Share of right rows, the mean of both directions."""
        return _both(self.hits("absolute"))


def _one(way: Shares) -> Figure:
    shares, influence = way
    return Figure(float(shares.mean()), {len(shares): influence}, len(shares))


def _both(ways: tuple[Shares, Shares]) -> Figure:
    (forward, one), (backward, two) = ways
    rows = len(forward)
    return Figure(float(((forward + backward) / 2).mean()), {rows: combine([one, two], [0.5, 0.5])}, rows)


def _one_wrong(way: Shares) -> Figure:
    shares, influence = way
    return Figure(float((1 - shares).mean()), {len(shares): combine([influence], [-1])}, len(shares))


def _both_wrong(ways: tuple[Shares, Shares]) -> Figure:
    (forward, one), (backward, two) = ways
    wrong = 1 - (forward + backward) / 2
    return Figure(float(wrong.mean()), {len(wrong): combine([one, two], [-0.5, -0.5])}, len(wrong))


def _xsim(evidence: Evidence) -> Figure:
    right = evidence.accuracy
    return Figure(1 - right.value, combine_sets([right.influences], [-1]), right.rows)


def _mined_f1(evidence: Evidence) -> Figure:
    mined = evidence.mined
    counts = mined.counts
    right, taken, wanted = counts.sum(axis=0)
    value = float(2 * right / (taken + wanted))
    # To first order, indexed by sentence, so that two models share the index of the same sentence.
    contributions = np.zeros(mined.source.max() + 1)
    contributions[mined.source] = (2 * counts[:, 0] - value * (counts[:, 1] + counts[:, 2])) / (
        taken + wanted
    )
    return Figure(value, {evidence.suite.rows: Influence(contributions)}, len(mined.source))


def _mining_entry(evidence: Evidence, f1: Figure) -> dict[str, Any]:
    """Lay out F1 of mined pairs with precision, recall and threshold."""
    mined = evidence.mined
    right, taken, wanted = mined.counts.sum(axis=0)
    return {
        "mining": {
            "f1": f1.value,
            "ci95": f1.ci95,
            "precision": float(right / taken) if taken else 0.0,
            "precision_ci95": list(wilson(right, taken)) if taken else None,
            "recall": float(right / wanted),
            "recall_ci95": list(wilson(right, wanted)),
            "mined": int(taken),
            "threshold": mined.threshold,
            "threshold_from": mined.threshold_from,
        }
    }


def _correlation(
    evidence: Evidence,
    function: Callable[..., float],
    influence: Callable[..., Influence],
) -> Figure:
    value = function(*evidence.similarity)
    rows = evidence.suite.rows
    influences = {} if math.isnan(value) else {rows: influence(*evidence.similarity)}
    return Figure(value, influences, rows, rate=False)


@dataclass(frozen=True, slots=True)
class SentenceTest:
    """Two models compared sentence by sentence."""

    effect: dict[str, float | None]
    """Effect sizes by name."""
    p: float | None = None
    """P-value of a permutation test; None to keep the jackknife's."""
    mcnemar: dict[str, dict[str, float]] | None = None
    """McNemar's test of one language pair, by direction, as if rows were independent."""


SuitePairs = Sequence[tuple["SuiteOutcomes", "SuiteOutcomes"]]
"""For each suite the outcomes of two models, of one seed each."""


def _compare_hits(margin: Margin) -> Callable[[float, float, SuitePairs, str | None], SentenceTest]:
    """Return the comparison of two models by the sentences that only one retrieves."""

    def compared(a: float, b: float, suites: SuitePairs, pair: str | None) -> SentenceTest:
        right = [[_right(suite, pair, margin) for suite in two] for two in suites]
        mcnemars = None
        if len(right) == 1 and len(right[0][0]) == 2:
            ((x, y),) = right
            ways = {"forward": mcnemar(x[0], y[0]), "backward": mcnemar(x[1], y[1])}
            mcnemars = {
                way: {"only_a": test.only_a, "only_b": test.only_b, "p": test.p} for way, test in ways.items()
            }
        return SentenceTest({"cohens_h": cohens_h(a, b), **_only(right)}, mcnemar=mcnemars)

    return compared


def _right(suite: SuiteOutcomes, pair: str | None, margin: Margin) -> npt.NDArray[np.bool_]:
    """Return the right outcomes of a suite or of one language pair: (outcomes per row, rows)."""
    retrievals = [suite.retrieval[pair]] if pair else suite.retrieval.values()
    hits = [retrieved.hits(margin) for retrieved in retrievals]
    return np.stack([way for each in hits for way in (each.forward, each.backward)])


def _only(right: Sequence[Sequence[npt.NDArray[np.bool_]]]) -> dict[str, float | None]:
    """Return effect sizes from the outcomes that only one of two models has right."""
    only_a = int(sum((x & ~y).sum() for x, y in right))
    only_b = int(sum((~x & y).sum() for x, y in right))
    return {
        "cohens_g": cohens_g(only_a, only_b),
        "odds_ratio": odds_ratio(only_a, only_b),
        "only_a": only_a,
        "only_b": only_b,
    }


def _compare_mined(a: float, b: float, suites: SuitePairs, pair: str | None) -> SentenceTest:
    """Test the mined pairs of two models, which change places for each source sentence."""
    right, nulls = [], []
    for two in suites:
        both = [suite.mined for suite in two if suite.mined is not None]
        sentences = np.union1d(*(mined.source for mined in both))
        tables = []
        for mined in both:
            counts = np.zeros((len(sentences), 3))
            counts[np.searchsorted(sentences, mined.source)] = mined.counts
            tables.append(counts)
        one, other = tables
        right.append([counts[:, 0] > 0 for counts in tables])
        nulls.append(permuted_f1_differences(one[:, :2], other[:, :2], one[:, 2]))
    p = permutation_p(a - b, np.mean(nulls, axis=0))
    return SentenceTest({"cohens_h": cohens_h(a, b), **_only(right)}, p)


def _compare_spearman(a: float, b: float, suites: SuitePairs, pair: str | None) -> SentenceTest:
    nulls = []
    for one, two in suites:
        predicted, gold = Evidence(one, None).similarity
        nulls.append(permuted_spearman_differences(predicted, Evidence(two, None).similarity[0], gold))
    p = permutation_p(a - b, np.mean(nulls, axis=0))
    return SentenceTest({"cohens_q": cohens_q(a, b)}, p)


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of `METRICS`.

    Attributes
    ----------
    words
        Name in tables, pages and verdicts of comparisons.
    kinds
        Kinds of suites that have it.
    figure
        Function that computes it, with its influences, for a suite or a language pair.
    known_by
        True for the main metric of suites: its interval is plain ``ci95``, and verdicts omit its name.
    lower_is_better
        True if the lower of two values is the better one.
    averaged
        True if it is averaged over suites, and over the language pairs of an n-way set.
    entry
        Function that returns its part of a suite's entry in ``scores.json``; by default its name and interval.
    column, shown
        Heading in tables of scores, and the kinds of suites whose tables have it.
    compared
        Kinds of suites on which models are compared by it.
    compared_by_pair
        True if models are also compared on each language pair of an n-way set.
    effect
        Effect size of two values of it.
    compare
        Function that compares two models of one seed each sentence by sentence, from both values, their outcomes
        by suite and the language pair; None to use only the jackknife's test and ``effect``.
    """

    words: str
    kinds: tuple[Kind, ...]
    figure: Callable[[Evidence], Figure]
    known_by: bool = False
    lower_is_better: bool = False
    averaged: bool = True
    entry: Callable[[Evidence, Figure], dict[str, Any]] | None = None
    column: str = ""
    shown: tuple[Kind, ...] = ()
    compared: tuple[Kind, ...] = ()
    compared_by_pair: bool = False
    effect: Callable[[float, float], float | None] = cohens_h
    compare: Callable[[float, float, SuitePairs, str | None], SentenceTest] | None = None


_RETRIEVAL: tuple[Kind, ...] = ("bitext", "nway", "mining")
_TWO_SIDES: tuple[Kind, ...] = ("bitext", "mining")

METRICS: dict[str, Metric] = {
    "accuracy": Metric(
        "accuracy",
        _RETRIEVAL,
        lambda evidence: evidence.accuracy,
        known_by=True,
        column="accuracy",
        shown=_RETRIEVAL,
        compared=_RETRIEVAL,
        compared_by_pair=True,
        compare=_compare_hits("absolute"),
    ),
    "forward": Metric(
        "accuracy forward",
        _RETRIEVAL,
        lambda evidence: _one(evidence.hits("absolute")[0]),
        averaged=False,
        column="forward",
        shown=_TWO_SIDES,
    ),
    "backward": Metric(
        "accuracy backward",
        _RETRIEVAL,
        lambda evidence: _one(evidence.hits("absolute")[1]),
        averaged=False,
        column="backward",
        shown=_TWO_SIDES,
    ),
    "f1": Metric("F1", _RETRIEVAL, lambda evidence: _both(evidence.f1), column="F1", shown=_TWO_SIDES),
    "f1_forward": Metric("F1 forward", _RETRIEVAL, lambda evidence: _one(evidence.f1[0]), averaged=False),
    "f1_backward": Metric("F1 backward", _RETRIEVAL, lambda evidence: _one(evidence.f1[1]), averaged=False),
    "mined_f1": Metric(
        "F1 of mined pairs",
        ("mining",),
        _mined_f1,
        entry=_mining_entry,
        compared=("mining",),
        compare=_compare_mined,
    ),
    "xsim": Metric("xSIM", _RETRIEVAL, _xsim, lower_is_better=True, column="xSIM", shown=("nway",)),
    "xsim_distance": Metric(
        "xSIM by distance",
        _RETRIEVAL,
        lambda evidence: _both_wrong(evidence.hits("distance")),
        lower_is_better=True,
    ),
    "xsim_margin": Metric(
        "xSIM by margin",
        _RETRIEVAL,
        lambda evidence: _both_wrong(evidence.hits("ratio")),
        lower_is_better=True,
        column="xSIM margin",
        shown=("nway",),
        compared=("nway",),
        compare=_compare_hits("ratio"),
    ),
    "xsim_margin_forward": Metric(
        "xSIM by margin forward",
        _RETRIEVAL,
        lambda evidence: _one_wrong(evidence.hits("ratio")[0]),
        lower_is_better=True,
        averaged=False,
    ),
    "xsim_margin_backward": Metric(
        "xSIM by margin backward",
        _RETRIEVAL,
        lambda evidence: _one_wrong(evidence.hits("ratio")[1]),
        lower_is_better=True,
        averaged=False,
    ),
    "spearman": Metric(
        "Spearman",
        ("sts",),
        lambda evidence: _correlation(evidence, spearman, spearman_influence),
        known_by=True,
        column="Spearman",
        shown=("sts",),
        compared=("sts",),
        effect=cohens_q,
        compare=_compare_spearman,
    ),
    "pearson": Metric(
        "Pearson",
        ("sts",),
        lambda evidence: _correlation(evidence, pearson, pearson_influence),
        column="Pearson",
        shown=("sts",),
        effect=cohens_q,
    ),
}
"""Metrics by name, which is their key in ``scores.json``, in the order of that file."""


def metrics_of(kind: Kind) -> dict[str, Metric]:
    """Return the metrics of a kind of suite."""
    return {name: metric for name, metric in METRICS.items() if kind in metric.kinds}


def compared_on(kind: Kind) -> list[str]:
    """List the metrics by which models are compared on a kind of suite."""
    return [name for name, metric in METRICS.items() if kind in metric.compared]


def known_by(figures: Mapping[str, Any]) -> str:
    """Return the main metric of a suite with these figures."""
    return next(name for name, metric in METRICS.items() if metric.known_by and name in figures)
