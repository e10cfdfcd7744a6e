"""Every metric of the table, and one more, from outcomes on disk to scores, comparisons, verdicts, tables and pages."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from lingualign.evaluation import (
    Outcomes,
    Suite,
    compare,
    load_outcomes,
    print_comparison,
    print_scores,
    save_outcomes,
    score,
)
from lingualign.evaluation.measure import measure_suite
from lingualign.evaluation.metrics import METRICS, Figure, Metric
from lingualign.evaluation.statistics import Influence, cohens_q
from lingualign.report import save_comparison

ROWS, PAIRS = 60, 40
GOLD = np.arange(ROWS) % 7 - 3.0


def suites():
    def of(name, kind, columns, gold=None, pairs=None):
        sentences = {column: [f"{column} {row}" for row in range(ROWS)] for column in columns}
        return Suite(name, name.split("/")[0], kind, None, sentences, gold, pairs)

    two = ("sentence1", "sentence2")
    return [
        of("bitext/a", "bitext", two),
        of("bitext/b", "bitext", two),
        of("nway/a", "nway", ("eng_Latn", "fra_Latn", "kor_Hang")),
        of("mining/a", "mining", two, pairs=PAIRS),
        of("sts/a", "sts", two, gold=GOLD),
    ]


def outcomes_of(name, noise):
    random = np.random.default_rng(0)
    found = {}
    for suite in suites():
        meaning = random.normal(size=(ROWS, 8))
        vectors = {
            column: np.float32(meaning + noise * random.normal(size=meaning.shape))
            for column in suite.sentences
        }
        found[suite.name] = measure_suite(suite, vectors)
    return Outcomes({"name": name, "fingerprint": name, "dimensions": 8, "prompt": ""}, "0", found)


@pytest.fixture(scope="module")
def two():
    return {"one": [outcomes_of("one", 0.6)], "two": [outcomes_of("two", 1.2)]}


def walk(two, folder, name):
    """Take one metric through everything that reads the table."""
    metric = METRICS[name]
    read = {}
    for label, (outcomes,) in two.items():
        save_outcomes(outcomes, folder / label)
        read[label] = [load_outcomes(folder / label)]
        assert score(read[label][0]) == score(outcomes)
    scores = score(read["one"][0])
    having = [suite for suite in suites() if suite.kind in metric.kinds]
    assert having
    for suite in having:
        entry = scores["suites"][suite.name]
        parts = [*entry["pairs"].values(), entry["mean"]] if suite.kind == "nway" else [entry]
        if metric.entry is None:
            for part in parts if metric.averaged else parts[:1]:
                low, high = part["ci95" if metric.known_by else f"{name}_ci95"]
                assert low <= part[name] <= high
        assert (name in scores["means"][suite.group]) == metric.averaged
    printed = Console(file=io.StringIO(), width=250)
    print_scores(scores, printed)
    if metric.shown:
        assert f" {metric.column or metric.words} " in printed.file.getvalue()

    comparison = compare(read)
    places = [figure for figure in comparison["figures"] if figure["metric"] == name]
    assert {suite.name for suite in suites() if suite.kind in metric.compared} <= {
        suite for figure in places for suite in figure["suites"]
    }
    pages = {ending: folder / f"comparison{ending}" for ending in (".json", ".md", ".tex", ".html")}
    for page in pages.values():
        save_comparison(comparison, page)
    printed = Console(file=io.StringIO(), width=250)
    print_comparison(comparison, printed)
    for figure in places:
        (found,) = figure["comparisons"]
        assert figure["lower_is_better"] == metric.lower_is_better
        assert metric.effect.__name__ in found["effect"]
        assert 0 < found["p"] <= found["q"] <= 1
        assert metric.known_by != (f"({metric.words})" in found["verdict"])
        shown = f"{figure['place']}, {metric.words}{' ↓' if metric.lower_is_better else ''}"
        assert shown in printed.file.getvalue()
        assert shown in pages[".html"].read_text()
        assert metric.words in pages[".md"].read_text()
        assert metric.words in pages[".tex"].read_text()
    if places and not metric.known_by:
        assert f"({metric.words})" in " ".join(comparison["verdicts"])


@pytest.mark.parametrize("name", METRICS)
def test_each_metric_goes_the_whole_way(two, tmp_path, name):
    walk(two, tmp_path, name)


def test_a_correlation_more_is_a_row_more(two, tmp_path, monkeypatch):
    spearman = METRICS["spearman"].figure
    row = Metric("rank order", ("sts",), spearman, compared=("sts",), effect=cohens_q, shown=("sts",))
    monkeypatch.setitem(METRICS, "rank_order", row)
    walk(two, tmp_path, "rank_order")


@pytest.mark.parametrize("lower", [False, True])
def test_a_metric_more_is_a_row_more(two, tmp_path, monkeypatch, lower):
    def first_hit(evidence):
        right = evidence.retrieved.forward.right("distance").astype(float)
        return Figure(float(right.mean()), {len(right): Influence(right / len(right))}, len(right))

    kinds = ("bitext", "nway")
    row = Metric(
        "hits by distance", kinds, first_hit, lower_is_better=lower, shown=("bitext", "nway"), compared=kinds
    )  # fmt: skip
    monkeypatch.setitem(METRICS, "distance_hits", row)
    walk(two, tmp_path, "distance_hits")
    means = score(two["one"][0])["means"]
    assert "distance_hits" in means["bitext"]
    assert "distance_hits" in means["nway"]["ci95"]


def test_every_metric_is_said_of_scores_json():
    from lingualign.evaluation import evaluate

    for name in METRICS:
        # A direction of a metric is said with the metric.
        assert f"``{name.removesuffix('_forward').removesuffix('_backward')}``" in evaluate.__doc__, name
