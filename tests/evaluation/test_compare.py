"""Models told apart: from outcomes of sentences to verdicts, and every mistake on the way."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from scipy import stats

from lingualign.errors import InputError
from lingualign.evaluation import (
    compare,
    evaluate,
    load_outcomes,
    measure,
    print_comparison,
    save_outcomes,
    score,
    xsim,
)
from lingualign.evaluation.outcomes import sentence_ids
from lingualign.evaluation.suites import Suite

ROWS = 120


def suite(name, columns, gold=None):
    kind = "sts" if gold is not None else "bitext" if "sentence1" in columns else "nway"
    sentences = {column: [f"{language}{row}" for row in range(ROWS)] for column, language in columns.items()}
    return Suite(name, name.split("/")[0], kind, None, sentences, gold)


MEANINGS = np.random.default_rng(0).normal(size=(ROWS, 16))
GOLD = np.round(np.sum(MEANINGS * np.roll(MEANINGS, 1, axis=0), axis=1))
SUITES = [
    suite("tatoeba/fra-eng", {"sentence1": "fr", "sentence2": "en"}),
    suite("tatoeba/kor-eng", {"sentence1": "ko", "sentence2": "en"}),
    suite("ntrex/all", {"eng_Latn": "en", "fra_Latn": "fr", "kor_Hang": "ko"}),
    Suite("sts/x", "sts", "sts", None, {"sentence1": [f"en{row}" for row in range(ROWS)],
          "sentence2": [f"fr{(row - 1) % ROWS}" for row in range(ROWS)]}, GOLD),
]  # fmt: skip


@pytest.fixture(scope="module")
def measured(lookup_model):
    """The outcomes of a model by its noise and its seed."""
    kept = {}

    def of(noise, seed=1):
        if (noise, seed) not in kept:
            random = np.random.default_rng(seed)
            vectors = {
                f"{language}{row}": meaning + scale * noise * random.normal(size=16)
                for language, scale in (("en", 0.3), ("fr", 1.0), ("ko", 1.6))
                for row, meaning in enumerate(MEANINGS)
            }
            model = lookup_model(vectors)
            kept[noise, seed] = (model, measure(model, SUITES))
        return kept[noise, seed]

    return of


@pytest.fixture(scope="module")
def good(measured):
    return measured(0.7)[1]


@pytest.fixture(scope="module")
def poor(measured):
    return measured(1.1)[1]


def figure(comparison, place, metric="accuracy"):
    (found,) = (each for each in comparison["figures"] if (each["place"], each["metric"]) == (place, metric))
    return found


def hits(outcomes, name):
    (retrieval,) = outcomes.suites[name].retrieval.values()
    return np.stack([retrieval.hits().forward, retrieval.hits().backward]).astype(int)


@pytest.mark.parametrize("place", ["kept", "kept/file.parquet"])
def test_outcomes_read_back_give_the_same_scores(tmp_path, measured, place):
    model, outcomes = measured(0.7)
    file = save_outcomes(outcomes, tmp_path / place)
    assert file == tmp_path / ("kept/outcomes.parquet" if place == "kept" else place)
    again = load_outcomes(tmp_path / place)
    assert score(again) == score(outcomes) == evaluate(model, SUITES)
    assert compare({"a": [outcomes], "b": [again]})["figures"][0]["comparisons"][0]["p"] == 1


def test_kept_outcomes_say_which_row_was_retrieved(tmp_path, measured):
    model, outcomes = measured(0.7)
    table = pq.read_table(save_outcomes(outcomes, tmp_path)).to_pandas()
    vectors = [model.encode([f"{language}{row}" for row in range(ROWS)]) for language in ("fr", "en")]
    of_suite = table[table["suite"] == "tatoeba/fra-eng"]
    accuracy = (of_suite["forward"] == of_suite["row"]).mean()
    assert accuracy == evaluate(model, SUITES)["suites"]["tatoeba/fra-eng"]["forward"]
    for margin in ("distance", "ratio"):
        wrong = of_suite[f"forward_{margin}"] != of_suite["row"]
        assert wrong.mean() == pytest.approx(xsim(*vectors, margin=margin))
    entry = score(outcomes)["suites"]["tatoeba/fra-eng"]
    assert entry["xsim_margin_forward"] == pytest.approx(xsim(*vectors, margin="ratio"))
    assert entry["xsim_margin_backward"] == pytest.approx(xsim(*vectors[::-1], margin="ratio"))
    sts = table[table["suite"] == "sts/x"]
    assert (sts["gold"] == GOLD).all()
    assert stats.spearmanr(sts["predicted"], sts["gold"]).statistic == pytest.approx(
        score(outcomes)["suites"]["sts/x"]["spearman"]
    )
    assert sts["forward"].isna().all()


def test_an_id_follows_from_the_text_of_a_row_alone():
    sides = {"sentence1": ["a", "b", "a", "a"], "sentence2": ["x", "y", "x", "z"]}
    ids = sentence_ids(sides)
    assert len(set(ids)) == 4
    assert ids[2] == f"{ids[0]}-2"
    assert sentence_ids({"en": ["b"], "fr": ["y"]}) == ids[1:2]
    assert sentence_ids({"en": ["by"], "fr": [""]}) != ids[1:2]


def test_a_comparison_is_what_its_parts_say(good, poor):
    comparison = compare({"good": [good], "poor": [poor]})
    assert json.loads(json.dumps(comparison, allow_nan=False)) == comparison
    scores = {"good": score(good), "poor": score(poor)}
    for name in ("tatoeba/fra-eng", "tatoeba/kor-eng"):
        found = figure(comparison, name)
        for label in ("good", "poor"):
            assert found["models"][label]["value"] == scores[label]["suites"][name]["accuracy"]
            assert found["models"][label]["ci95"] == scores[label]["suites"][name]["ci95"]
        (each,) = found["comparisons"]
        a, b = hits(good, name), hits(poor, name)
        assert each["difference"] == pytest.approx(a.mean() - b.mean())
        # Few rows are turned by the same sentence here, so that tests of independent rows say nearly the same.
        theirs = stats.permutation_test(
            (a.sum(axis=0), b.sum(axis=0)),
            lambda x, y, axis=-1: np.sum(x - y, axis=axis),
            permutation_type="samples",
            vectorized=True,
            rng=1,
        )
        assert each["p"] == pytest.approx(theirs.pvalue, abs=0.01)
        only_a, only_b = int((a > b).sum()), int((b > a).sum())
        assert (each["effect"]["only_a"], each["effect"]["only_b"]) == (only_a, only_b)
        assert each["effect"]["cohens_g"] == pytest.approx(only_a / (only_a + only_b) - 0.5)
        assert each["mcnemar"]["forward"]["only_a"] + each["mcnemar"]["backward"]["only_a"] == only_a
        theirs = stats.bootstrap(
            (a.mean(axis=0) - b.mean(axis=0),), np.mean, method="percentile", n_resamples=5000, rng=2
        ).confidence_interval
        assert each["ci95"] == pytest.approx(tuple(theirs), abs=0.02)
    mean = figure(comparison, "tatoeba (mean of 2)")
    assert mean["models"]["good"]["ci95"] == scores["good"]["means"]["tatoeba"]["ci95"]["accuracy"]
    assert figure(comparison, "ntrex/all", "xsim_margin")["lower_is_better"]
    pairs = [each["pair"] for each in comparison["figures"] if each["pair"]]
    assert pairs == ["eng_Latn-fra_Latn", "eng_Latn-kor_Hang", "fra_Latn-kor_Hang"]


def test_false_discoveries_are_controlled_over_the_whole_table(good, poor, measured):
    comparison = compare({"good": [good], "poor": [poor], "other": [measured(0.72, 2)[1]]})
    found = [each for figure in comparison["figures"] for each in figure["comparisons"]]
    # Benjamini and Hochberg's step-up, spelt out.
    ps = np.array([each["p"] for each in found])
    order = np.argsort(ps)
    stepped = ps[order] * len(ps) / np.arange(1, len(ps) + 1)
    q = np.minimum.accumulate(stepped[::-1])[::-1].clip(max=1)
    assert [found[row]["q"] for row in order] == pytest.approx(q.tolist())
    for each in found:
        low, high = each["ci95"]
        assert bool(each["ahead"]) == (each["q"] < 0.05 and not low <= 0 <= high)


def test_verdicts_say_in_words_what_the_figures_say(good, poor):
    comparison = compare({"good": [good], "poor": [poor]})
    (each,) = figure(comparison, "tatoeba/kor-eng")["comparisons"]
    low, high = each["ci95"]
    assert each["ahead"] == "good"
    assert each["verdict"] == (
        f"good is ahead of poor on tatoeba/kor-eng by {100 * each['difference']:.1f} points, "
        f"95% interval {100 * low:.1f} to {100 * high:.1f}."
    )
    (margin,) = figure(comparison, "ntrex/all", "xsim_margin")["comparisons"]
    assert margin["difference"] < 0
    assert margin["ahead"] == "good"
    (told,) = comparison["verdicts"]
    assert told.startswith("good is ahead of poor on tatoeba (mean of 2) by ")
    assert "tatoeba/" not in told
    # The other way round the same is said.
    (turned,) = compare({"poor": [poor], "good": [good]})["verdicts"]
    assert turned.startswith("good is ahead of poor on tatoeba (mean of 2) by ")


def test_equal_models_are_not_told_apart_and_nothing_is_certain(good, measured):
    twin = replace(good, model={**good.model, "prompt": "other"})
    comparison = compare({"a": [good], "b": [twin]})
    (told,) = comparison["verdicts"]
    assert told == (
        "On tatoeba (mean of 2), on ntrex/all, on ntrex/all (xSIM by margin), on sts/x "
        "a and b cannot be told apart."
    )
    (each,) = figure(comparison, "tatoeba/fra-eng")["comparisons"]
    assert (each["difference"], each["p"], each["ahead"]) == (0, 1, None)
    assert each["ci95"][0] < -0.01 < 0.01 < each["ci95"][1]
    assert each["verdict"].startswith(
        "a and b cannot be told apart on tatoeba/fra-eng: a difference of 0.0 points"
    )
    assert figure(comparison, "tatoeba/fra-eng")["level_with_best"] == ["b"]


def test_seeds_are_repeated_measures(measured):
    groups = {
        "good": [measured(0.7, seed)[1] for seed in (1, 2, 3)],
        "poor": [measured(1.1, seed)[1] for seed in (4, 5)],
    }
    comparison = compare(groups)
    found = figure(comparison, "tatoeba/kor-eng")
    for label, seeds in groups.items():
        values = [score(seed)["suites"]["tatoeba/kor-eng"]["accuracy"] for seed in seeds]
        assert found["models"][label]["seeds"] == values
        assert found["models"][label]["value"] == pytest.approx(np.mean(values))
    (each,) = found["comparisons"]
    assert each["test"] == "jackknife"
    assert each["difference"] == pytest.approx(
        found["models"]["good"]["value"] - found["models"]["poor"]["value"]
    )
    alone = compare({"good": groups["good"][:1], "poor": groups["poor"]})
    assert "good has a single seed: its intervals say nothing of what another would give" in alone["warnings"]
    with pytest.raises(InputError, match="two seeds of 'good' are the same model"):
        compare({"good": [groups["good"][0]] * 2, "poor": groups["poor"]})


def test_the_interval_of_a_few_seeds_stays_within_what_a_figure_can_be(lookup_model):
    rows = 50
    suites = [
        Suite("x/x", "x", "bitext", None, {"sentence1": [f"a{row}" for row in range(rows)],
              "sentence2": [f"b{row}" for row in range(rows)]}, None)
    ]  # fmt: skip

    def seed(wrong, turned):
        vectors = {f"{side}{row}": np.eye(rows)[row] for side in "ab" for row in range(rows)}
        for row in range(wrong):
            vectors[f"b{row}"] = np.eye(rows)[(row + turned) % rows] + 0.01 * np.eye(rows)[row]
        return measure(lookup_model(vectors), suites)

    found = compare({"a": [seed(1, 5), seed(3, 7)], "b": [seed(0, 1), measure(lookup_model(
        {f"{side}{row}": 2 * np.eye(rows)[row] for side in "ab" for row in range(rows)}), suites)]})  # fmt: skip
    entry = figure(found, "x/x")["models"]
    assert entry["a"]["ci95"][0] < entry["a"]["value"] < entry["a"]["ci95"][1] == 1
    assert entry["b"]["value"] == entry["b"]["ci95"][1] == 1
    assert 0.9 < entry["b"]["ci95"][0] < 1, "two faultless seeds of 50 rows are not certain"


def test_what_is_undefined_is_not_compared(good, lookup_model):
    collapsed = measure(
        lookup_model(
            {f"{language}{row}": [1.0] * 3 for language in ("en", "fr", "ko") for row in range(ROWS)}
        ),
        SUITES,
    )
    comparison = compare({"good": [good], "collapsed": [collapsed]})
    found = figure(comparison, "sts/x", "spearman")
    assert found["models"]["collapsed"]["value"] is None
    (each,) = found["comparisons"]
    assert each["p"] is each["q"] is each["difference"] is each["ahead"] is None
    assert each["verdict"].startswith("good and collapsed cannot be compared on sts/x")
    assert comparison["verdicts"][0].endswith("; on sts/x they cannot be compared.")
    assert any("collapsed, sts/x: " in warning for warning in comparison["warnings"])
    json.dumps(comparison, allow_nan=False)
    console = Console(file=io.StringIO(), width=120)
    print_comparison(comparison, console)
    assert "undefined" in console.file.getvalue()


def test_models_measured_on_different_rows_are_refused(good, poor):
    fewer = replace(poor, suites={name: poor.suites[name] for name in list(poor.suites)[:2]})
    with pytest.raises(InputError, match="only one of them has 'ntrex/all'"):
        compare({"good": [good], "fewer": [fewer]})
    sts = poor.suites["sts/x"]
    for changed in (
        replace(sts, sentences=sts.sentences[::-1]),
        replace(sts, gold=sts.gold + 1),
        replace(sts, group="other"),
    ):
        other = replace(poor, suites={**poor.suites, "sts/x": changed})
        with pytest.raises(InputError, match="measured on different rows of 'sts/x': the file has changed"):
            compare({"good": [good], "other": [other]})
    with pytest.raises(InputError, match="1 models to compare: give at least two"):
        compare({"good": [good]})


def test_damaged_outcomes_are_one_error(tmp_path, good):
    with pytest.raises(InputError, match="no outcomes here; `lingualign evaluate MODEL --outcomes"):
        load_outcomes(tmp_path)
    path = save_outcomes(good, tmp_path)
    table = pq.read_table(path)
    far = table["forward"].to_pylist()
    far[0] = ROWS
    lost = table.schema.get_field_index("forward")
    broken = {
        "metadata": table.replace_schema_metadata(None),
        "names rows that are not there": table.set_column(lost, "forward", pa.array(far)),
        "incomplete or out of order": table.slice(1),
        "'gold' is not a number": table.set_column(
            table.schema.get_field_index("gold"), "gold", pa.nulls(len(table), pa.float64())
        ),
        "KeyError": table.drop_columns(["backward"]),
    }
    for reason, changed in broken.items():
        pq.write_table(changed, path)
        with pytest.raises(InputError, match="holds no outcomes of a model, or is damaged") as caught:
            load_outcomes(path)
        assert reason in str(caught.value) or reason == "metadata"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="holds no outcomes of a model, or is damaged"):
        load_outcomes(path)


def test_outcomes_of_an_earlier_version_name_the_cure_and_are_read_where_nothing_is_missing(tmp_path, good):
    path = save_outcomes(good, tmp_path)
    table = pq.read_table(path)
    since = [name for name in table.column_names if name.endswith(("_nearest", "_turned"))]
    assert len(since) == 6
    pq.write_table(table.drop_columns(since), path)
    with pytest.raises(InputError) as caught:
        load_outcomes(path)
    assert str(caught.value) == (
        f"{path} was written by lingualign {good.version}, without the second-nearest sentences that the intervals of "
        "'tatoeba/fra-eng' are computed from; make it again with `lingualign evaluate MODEL --outcomes`"
    )
    similar = replace(good, suites={"sts/x": good.suites["sts/x"]})
    table = pq.read_table(save_outcomes(similar, path))
    pq.write_table(table.drop_columns(since), path)
    assert score(load_outcomes(path)) == score(similar)


@pytest.mark.parametrize("column", ["forward_nearest", "backward_ratio_turned"])
def test_damage_in_what_intervals_need_is_one_error(tmp_path, good, column):
    path = save_outcomes(good, tmp_path)
    table = pq.read_table(path)
    lists = table[column].to_pylist()
    for damaged in (None, [ROWS, 0], [-1, 0], [None, 0], [0]):
        if damaged == [0] and column != "forward_nearest":
            continue
        changed = pa.array([damaged, *lists[1:]], pa.list_(pa.int64()))
        pq.write_table(table.set_column(table.schema.get_field_index(column), column, changed), path)
        with pytest.raises(InputError, match="holds no outcomes of a model, or is damaged"):
            load_outcomes(path)
