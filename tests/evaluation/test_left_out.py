"""What each row contributes to a figure: the figure of all rows less that of the others, searched and scored anew."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingualign.evaluation.bitext import xsim_errors
from lingualign.evaluation.left_out import SEARCHED, find_retrieval
from lingualign.evaluation.measure import measure_mining
from lingualign.evaluation.outcomes import SuiteOutcomes
from lingualign.evaluation.scores import mean_figure, score_suite
from lingualign.evaluation.statistics import error_of_sets
from lingualign.evaluation.sts import pearson, pearson_influence, spearman, spearman_influence
from lingualign.evaluation.suites import Suite
from lingualign.neighbours import nearest_neighbours

_ROWS = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0), (1, 1, 1), (1, -1, 1), (1, 1, 0), (2, 1, 0)]
sides = st.integers(3, 9).flatmap(
    lambda n: st.tuples(*[st.lists(st.sampled_from(_ROWS), min_size=n, max_size=n) for _ in range(2)])
)


def figures_of(source, target):
    """Every figure of retrieval from the vectors."""
    source, target = np.asarray(source, np.float32), np.asarray(target, np.float32)
    retrieval = find_retrieval(*nearest_neighbours(source, target, SEARCHED), len(source))
    ids = [str(row) for row in range(len(source))]
    return score_suite(SuiteOutcomes("x", "x", "bitext", ids, {"a-b": retrieval})).figures


def plain_figures(source, target):
    """The same, from the table of all cosines and a loop."""
    source, target = np.asarray(source, np.float32), np.asarray(target, np.float32)
    rows = len(source)
    # As the search has them: summed in double precision, rounded to single.
    lengths = [np.maximum(np.linalg.norm(side.astype(float), axis=1), 1e-30) for side in (source, target)]
    cosine = np.where(
        np.outer(*[np.any(side, axis=1) for side in (source, target)]),
        (source.astype(float) @ target.T.astype(float)) / np.outer(*lengths), 0,
    ).astype(np.float32)  # fmt: skip
    found = {}
    for name, table in (("forward", cosine), ("backward", cosine.T)):
        best = table.argmax(axis=1)
        found[name] = np.mean([best[row] == row for row in range(rows)])
        found[f"f1_{name}"] = np.mean(
            [2 / (1 + np.sum(best == row)) if best[row] == row else 0 for row in range(rows)]
        )
        errors = xsim_errors(*((source, target) if name == "forward" else (target, source)))
        found[f"xsim_margin_{name}"] = errors.mean()
        errors = xsim_errors(
            *((source, target) if name == "forward" else (target, source)), margin="distance"
        )
        found[f"xsim_distance_{name}"] = errors.mean()
    for mean in ("accuracy", "f1", "xsim_margin", "xsim_distance"):
        part = "" if mean == "accuracy" else f"{mean}_"
        found[mean] = (found[f"{part}forward"] + found[f"{part}backward"]) / 2
    return found


def check_every_row_left_out(source, target):
    source, target = np.asarray(source, np.float32), np.asarray(target, np.float32)
    rows = len(source)
    figures, whole = figures_of(source, target), plain_figures(source, target)
    left = [plain_figures(np.delete(source, row, 0), np.delete(target, row, 0)) for row in range(rows)]
    for metric, figure in figures.items():
        if metric == "xsim":
            continue
        assert figure.value == pytest.approx(whole[metric])
        # The sum over rows, not their mean: what a row adds to it. An error rate's own outcome counts rights.
        expected = [rows * whole[metric] - (rows - 1) * each[metric] for each in left]
        own = rows * figure.influences[rows].contributions + (1 if metric.startswith("xsim") else 0)
        assert own == pytest.approx(np.array(expected)), metric


@given(sides)
@settings(max_examples=60, deadline=None)
def test_ties_and_duplicates_and_zeros_left_out_row_by_row(pair):
    check_every_row_left_out(*pair)


@pytest.mark.parametrize(("rows", "hubs"), [(5, 0), (6, 1), (40, 0.0), (40, 2.0)])
def test_dense_vectors_left_out_row_by_row(rows, hubs):
    random = np.random.default_rng(rows)
    meaning = random.normal(size=(rows, 6))
    source, target = (
        meaning + random.normal(size=meaning.shape) + hubs * random.exponential(size=(rows, 1))
        for _ in range(2)
    )
    # A twin: of equally near candidates the first is retrieved, and without it the second.
    source[3], target[4] = source[1], target[2]
    check_every_row_left_out(source, target)


def test_real_vectors_left_out_row_by_row():
    from lingualign.embedding import encode, load_model
    from lingualign.evaluation import load_suites
    from lingualign.samples import EVERYDAY

    (suite,) = load_suites(EVERYDAY / "test.tsv")
    model = load_model("minilm")
    one, two = list(suite.sentences.values())[:2]
    check_every_row_left_out(encode(model, one), encode(model, two))


def test_sentences_without_a_pair_are_left_out_too():
    random = np.random.default_rng(3)
    rows, firsts, seconds = 12, 20, 17
    meaning = random.normal(size=(firsts + seconds, 5))
    source = (meaning[:firsts] + random.normal(size=(firsts, 5))).astype(np.float32)
    target = np.concatenate([meaning[:rows], meaning[firsts : firsts + seconds - rows]])
    target = (target + random.normal(size=target.shape) + 0.8).astype(np.float32)

    def rights(source, target, rows):
        retrieval = find_retrieval(*nearest_neighbours(source, target, SEARCHED), rows)
        ways = (retrieval.forward, retrieval.backward)
        return [[way.right(margin) for margin in ("absolute", "distance", "ratio")] for way in ways], ways

    whole, ways = rights(source, target, rows)
    # Numbers: rows, then the other sentences of the second side, then those of the first.
    for number in range(firsts + seconds - rows):
        pair = number < rows
        less_source, less_target = source, target
        if pair or number >= seconds:
            less_source = np.delete(source, number if pair else number - seconds + rows, 0)
        if number < seconds:
            less_target = np.delete(target, number, 0)
        without, _ = rights(less_source, less_target, rows - pair)
        for way, before, after in zip(ways, whole, without, strict=True):
            for margin, one, two in zip(("absolute", "distance", "ratio"), before, after, strict=True):
                others = np.delete(np.arange(rows), number) if pair else np.arange(rows)
                row, by = way.turns(margin).T
                assert sorted(row[by == number]) == others[one[others] != two].tolist()


def test_rows_that_one_sentence_turns_are_one_event():
    """Pairs of rows of their own, but for some that a hub turns: these stand or fall together."""
    rows = 120
    source, target = np.eye(rows), np.eye(rows)
    apart = target.copy()
    together = target.copy()
    for row in range(1, 31):
        apart[row] = 1.1 * np.eye(rows)[rows - row] + np.eye(rows)[row]  # each is turned by another row
        together[row] = 1.1 * np.eye(rows)[0] + np.eye(rows)[row]  # all are turned by the first
    one, other = (figures_of(source, wrong)["backward"] for wrong in (apart, together))
    assert one.value == other.value == 90 / 120
    variances = [figure.influences[rows].error.variance for figure in (one, other)]
    # 30 rows of probability 1/4 that are independent; and one event that moves the figure by 30 rows.
    assert variances[0] == pytest.approx(0.75 * 0.25 / rows, rel=0.7)
    assert variances[1] == pytest.approx((30 / rows) ** 2, rel=0.3)
    assert np.ptp(other.ci95) > 3 * np.ptp(one.ci95)
    assert other.influences[rows].error.freedom_of_hubs < 5 < one.influences[rows].error.freedom_of_hubs


def test_of_means_over_language_pairs_the_rows_are_the_same_rows():
    random = np.random.default_rng(5)
    meaning = random.normal(size=(80, 6))
    one = figures_of(meaning, meaning + random.normal(size=meaning.shape))["accuracy"]
    twice = mean_figure([one, one])
    assert twice.ci95 == pytest.approx(one.ci95)
    other = figures_of(meaning[:60], meaning[:60] + random.normal(size=(60, 6)))["accuracy"]
    both = mean_figure([one, other])
    assert error_of_sets(both.influences).variance == pytest.approx(
        (error_of_sets(one.influences).variance + error_of_sets(other.influences).variance) / 4
    )


@pytest.mark.parametrize("levels", [3, 1000])
def test_correlations_left_out_row_by_row(levels):
    random = np.random.default_rng(6)
    x = random.integers(levels, size=400) + random.integers(levels, size=400)
    y = x + random.integers(levels, size=400)
    for figure, influence in ((spearman, spearman_influence), (pearson, pearson_influence)):
        left = np.array([figure(np.delete(x, row), np.delete(y, row)) for row in range(400)])
        contributions = influence(x, y).contributions
        # To first order: the jackknife's differ by terms of 1 / n.
        assert contributions == pytest.approx(left.mean() - left, abs=0.02 * np.abs(contributions).max())
        assert contributions.sum() == pytest.approx(0, abs=1e-9)


def test_mined_pairs_left_out_one_by_one():
    """Of an F1 the contribution of a source sentence, to first order, is that of leaving out what it was mined with."""
    random = np.random.default_rng(7)
    meaning = random.normal(size=(60, 8))
    vectors = {
        side: np.float32(meaning + 0.7 * random.normal(size=meaning.shape))
        for side in ("sentence1", "sentence2")
    }
    texts = {side: [f"{side}{row}" for row in range(60)] for side in vectors}
    suite = Suite("x", "x", "mining", None, texts, None, 40)
    retrieval, mined, *_ = measure_mining(suite, vectors, None)
    outcomes = SuiteOutcomes(
        "x", "x", "mining", texts["sentence1"][:40], {"sentence1-sentence2": retrieval}, mined=mined
    )
    figure = score_suite(outcomes).figures["mined_f1"]
    counts = mined.counts
    left = [2 * each[0] / (each[1] + each[2]) for each in (counts.sum(axis=0) - row for row in counts)]
    assert figure.influences[40].contributions[mined.source] == pytest.approx(
        figure.value - np.array(left), abs=0.002
    )
    assert json.dumps(figure.ci95)
