"""Sentences that say no more and no less than the figures."""

from __future__ import annotations

import pytest

from lingualign.evaluation.comparison import summary, verdict


def comparison(difference=0.02, ci95=(0.003, 0.037), q=0.08, ahead=None):
    return {"a": "one", "b": "two", "difference": difference, "ci95": list(ci95), "q": q, "ahead": ahead}


def figure(place, suites, metric="accuracy", ahead=None, pair=None):
    found = comparison(q=0.01, ahead=ahead)
    return {"place": place, "suites": suites, "pair": pair, "metric": metric, "comparisons": [found]}


@pytest.mark.parametrize(
    ("found", "end"),
    [
        (
            comparison(),
            "2.0 points, 95% interval 0.3 to 3.7, which is not beyond chance among all comparisons made (q 0.08).",
        ),
        (
            comparison(-0.02, (-0.037, -0.003), 0.123),
            "-2.0 points, 95% interval -3.7 to -0.3, which is not beyond chance among all comparisons made (q 0.12).",
        ),
        (comparison(0.01, (-0.003, 0.023)), "1.0 points, 95% interval -0.3 to 2.3."),
        (comparison(0.01, (0.0, 0.02)), "1.0 points, 95% interval 0.0 to 2.0."),
    ],
)
def test_an_interval_clear_of_zero_is_explained_where_nobody_is_ahead(found, end):
    told = verdict(figure("x", ["x"]), found)
    assert told == f"one and two cannot be told apart on x: a difference of {end}"


def test_a_metric_without_a_mean_of_its_own_is_told():
    figures = [
        figure("set/fra-eng", ["set/fra-eng"]),
        figure("set/kor-eng", ["set/kor-eng"]),
        figure("set/all", ["set/all"]),
        figure("set/all", ["set/all"], "xsim_margin", ahead="two"),
        figure("set/all eng-fra", ["set/all"], pair="eng-fra"),
        figure("set (mean of 3)", ["set/fra-eng", "set/kor-eng", "set/all"], ahead="one"),
    ]
    assert summary("one", "two", figures) == (
        "one is ahead of two on set (mean of 3) by 2.0 points, 95% interval 0.3 to 3.7; "
        "two is ahead of one on set/all (xSIM by margin) by 2.0 points, 95% interval 0.3 to 3.7."
    )


def test_each_metric_is_told_by_its_widest_mean():
    suites = ["set/fra-eng", "set/all", "set/most"]
    figures = [
        *(figure(suite, [suite]) for suite in suites),
        *(figure(suite, [suite], "xsim_margin") for suite in suites[1:]),
        figure("set (mean of 3)", suites),
        figure("set (mean of 2)", suites[1:], "xsim_margin"),
    ]
    assert summary("one", "two", figures) == (
        "On set (mean of 3), on set (mean of 2) (xSIM by margin) one and two cannot be told apart."
    )
