"""Pairs among sentences without one, against loops written from the definitions."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from lingualign.errors import InputError
from lingualign.evaluation import (
    compare,
    load_outcomes,
    load_suites,
    measure,
    print_scores,
    save_outcomes,
    score,
)
from lingualign.neighbours import cosines

PAIRS, ALONE = 12, 20


def write(path, splits=("test",)):
    rows = []
    for split in splits:
        rows += [
            {"sentence1": f"{split}a{row}", "sentence2": f"{split}b{row}", "gold": True, "split": split}
            for row in range(PAIRS)
        ]
        for row in range(PAIRS, PAIRS + ALONE):
            rows.append({"sentence1": f"{split}a{row}", "gold": False, "split": split})
            rows.append({"sentence2": f"{split}b{row}", "gold": 0, "split": split})
        rows.append({"sentence1": f"{split}a0", "sentence2": "", "gold": "false", "split": split})  # a copy
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def vectors():
    """Sentences without a pair are near a pair's, so that some are mined."""
    random = np.random.default_rng(5)
    table = {}
    for split in ("test", "train"):
        meanings = random.normal(size=(PAIRS, 6))
        for side in "ab":
            for row in range(PAIRS):
                table[f"{split}{side}{row}"] = meanings[row] + 0.5 * random.normal(size=6)
            for row in range(PAIRS, PAIRS + ALONE):
                table[f"{split}{side}{row}"] = meanings[row % PAIRS] + 1.2 * random.normal(size=6)
    return table


def margins(vectors, split):
    """Ratio margins of all with all, one by one."""
    one, two = (
        np.array([vectors[f"{split}{side}{row}"] for row in range(PAIRS + ALONE)], np.float32)
        for side in "ab"
    )
    cosine = np.array([[cosines(x[None], y[None])[0] for y in two] for x in one])
    score = np.empty_like(cosine)
    for i in range(len(one)):
        for j in range(len(two)):
            own = np.sort(cosine[i])[-4:].mean()
            theirs = np.sort(cosine[:, j])[-4:].mean()
            score[i, j] = cosine[i, j] / ((own + theirs) / 2)
    near = (np.argsort(-cosine, 1)[:, :4], np.argsort(-cosine.T, 1)[:, :4])
    return cosine, score, near


def mined(score, near):
    """Each sentence's best of its four nearest, then greedily one to one."""
    best = {(i, max(near[0][i], key=lambda j: score[i, j])) for i in range(len(score))}
    best |= {(max(near[1][j], key=lambda i: score[i, j]), j) for j in range(score.shape[1])}
    taken, left, right = [], set(), set()
    for i, j in sorted(best, key=lambda pair: -score[pair]):
        if i not in left and j not in right:
            taken.append((score[i, j], i, j))
            left.add(i)
            right.add(j)
    return taken


def f1(taken, threshold):
    kept = [(i, j) for value, i, j in taken if value >= threshold]
    right = sum(i == j and i < PAIRS for i, j in kept)
    return 2 * right / (len(kept) + PAIRS), right / len(kept), right / PAIRS, len(kept)


@pytest.mark.parametrize("tuned_on", ["train", "test"])
def test_pairs_are_retrieved_and_mined_as_a_plain_loop_does(
    lookup_model, vectors, tmp_path, tuned_on
) -> None:
    write(tmp_path / "bucc" / "fr-en.jsonl", ("train", "test") if tuned_on == "train" else ("test",))
    (suite,) = load_suites(tmp_path)
    assert (suite.name, suite.kind, suite.rows) == ("bucc/fr-en", "mining", PAIRS)
    assert {len(texts) for texts in suite.sentences.values()} == {PAIRS + ALONE}
    outcomes = measure(lookup_model(vectors), [suite])
    entry = score(outcomes)["suites"]["bucc/fr-en"]

    cosine, ratio, near = margins(vectors, "test")
    forward = [cosine[i].argmax() == i for i in range(PAIRS)]
    backward = [cosine[:, j].argmax() == j for j in range(PAIRS)]
    assert (entry["forward"], entry["backward"]) == (np.mean(forward), np.mean(backward))
    assert entry["accuracy"] == pytest.approx((np.mean(forward) + np.mean(backward)) / 2)

    tuning = mined(*margins(vectors, tuned_on)[1:])
    threshold = max((value for value, *_ in tuning), key=lambda value: f1(tuning, value)[0])
    expected = f1(mined(ratio, near), threshold)
    found = entry["mining"]
    assert found["threshold"] == pytest.approx(threshold)
    assert [found[key] for key in ("f1", "precision", "recall", "mined")] == pytest.approx(expected)
    assert 0.2 < found["f1"] < 1, "neither trivial nor hopeless"
    for figure, interval in (("f1", "ci95"), ("precision", "precision_ci95"), ("recall", "recall_ci95")):
        low, high = found[interval]
        assert 0 <= low <= found[figure] <= high <= 1
    doubt = any("F1 is an upper bound" in warning for warning in entry.get("warnings", []))
    assert doubt is (tuned_on == "test")
    assert found["threshold_from"] == ("training" if tuned_on == "train" else "test")

    kept = load_outcomes(save_outcomes(outcomes, tmp_path / "outcomes.parquet"))
    assert score(kept)["suites"] == score(outcomes)["suites"]

    compared = compare({"one": [outcomes], "two": [kept]})
    assert compared["mined"]["bucc/fr-en"]["two"] == [entry["mining"]]

    console = Console(file=io.StringIO(), width=80)
    print_scores(score(outcomes), console)
    assert f"{100 * found['f1']:.2f}" in console.file.getvalue()


def test_what_two_models_mine_is_tested_sentence_by_sentence(lookup_model, vectors, tmp_path) -> None:
    write(tmp_path / "bucc.jsonl", ("train", "test"))
    suites = load_suites(tmp_path)
    random = np.random.default_rng(6)
    worse = {word: vector + 1.5 * random.normal(size=6) for word, vector in vectors.items()}
    seeds = {
        name: measure(lookup_model(table), suites) for name, table in (("good", vectors), ("worse", worse))
    }
    kept = {name: [load_outcomes(save_outcomes(seed, tmp_path / name))] for name, seed in seeds.items()}
    compared = compare(kept)
    [figure] = [figure for figure in compared["figures"] if figure["metric"] == "mined_f1"]
    [found] = figure["comparisons"]

    def f1_of(taken):
        """From {source: target}."""
        right = sum(i == j and i < PAIRS for i, j in taken.items())
        return 2 * right / (len(taken) + PAIRS)

    of_seeds = [seed.suites["bucc"].mined for seed in seeds.values()]
    a, b = ({i: j for i, j in zip(of.source, of.target, strict=True) if j >= 0} for of in of_seeds)
    assert max(a) >= PAIRS or max(b) >= PAIRS, "sentences without a pair are mined too"
    assert found["difference"] == pytest.approx(f1_of(a) - f1_of(b))
    effect = found["effect"]
    right_a, right_b = ({i for i, j in taken.items() if i == j and i < PAIRS} for taken in (a, b))
    assert (effect["only_a"], effect["only_b"]) == (len(right_a - right_b), len(right_b - right_a))

    extreme = 0
    for _ in range(4_000):
        one, two = dict(a), dict(b)
        for sentence in a.keys() | b.keys():
            if random.random() < 0.5:
                for mine, theirs in ((one, b), (two, a)):
                    mine.pop(sentence, None)
                    if sentence in theirs:
                        mine[sentence] = theirs[sentence]
        extreme += abs(f1_of(one) - f1_of(two)) >= abs(found["difference"]) - 1e-12
    assert found["test"] == "permutation"
    assert found["p"] == pytest.approx(extreme / 4_000, abs=0.03)

    # The interval is that of drawing sentences, all of the text, with replacement.
    differences = []
    for _ in range(4_000):
        drawn = np.bincount(random.integers(PAIRS + ALONE, size=PAIRS + ALONE), minlength=PAIRS + ALONE)
        of = []
        for taken in (a, b):
            right = sum(drawn[i] for i, j in taken.items() if i == j and i < PAIRS)
            of.append(2 * right / (sum(drawn[i] for i in taken) + drawn[:PAIRS].sum()))
        differences.append(of[0] - of[1])
    low, high = found["ci95"]
    assert [low, high] == pytest.approx(list(np.percentile(differences, [2.5, 97.5])), abs=0.1)
    alone = {name: figure["models"][name]["ci95"] for name in kept}
    assert high - low < sum(upper - lower for lower, upper in alone.values())
    assert "(F1 of mined pairs)" in found["verdict"]


def test_outcomes_that_have_lost_what_was_mined_are_refused(lookup_model, vectors, tmp_path) -> None:
    write(tmp_path / "x.jsonl")
    path = save_outcomes(measure(lookup_model(vectors), load_suites(tmp_path)), tmp_path / "o.parquet")
    table = pq.read_table(path)
    column = table.schema.get_field_index("mined_right")
    lost = pa.array([None, *table["mined_right"].to_pylist()[1:]], pa.bool_())
    pq.write_table(table.set_column(column, "mined_right", lost), path)
    with pytest.raises(InputError, match="what was mined for some sentence is missing"):
        load_outcomes(path)


def test_pairs_mined_without_a_fault_are_not_certain(lookup_model, tmp_path) -> None:
    table = {f"{side}{row}": np.eye(PAIRS)[row] for side in "ab" for row in range(PAIRS)}
    rows = [{"sentence1": f"a{row}", "sentence2": f"b{row}", "gold": True} for row in range(PAIRS)]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = score(measure(lookup_model(table), load_suites(tmp_path)))["suites"]["x"]["mining"]
    assert found["f1"] == found["ci95"][1] == 1
    assert 0.5 < found["ci95"][0] < 0.9


@pytest.mark.parametrize("nothing_in", ["train", "test"])
def test_where_no_pair_is_mined_that_is_said(lookup_model, vectors, tmp_path, nothing_in) -> None:
    write(tmp_path / "x.jsonl", ("train", "test"))
    zeros = {
        word: np.zeros(6) if word.startswith(f"{nothing_in}a") else each for word, each in vectors.items()
    }
    outcomes = measure(lookup_model(zeros), load_suites(tmp_path))
    entry = score(outcomes)["suites"]["x"]
    assert entry["mining"]["f1"] == entry["mining"]["mined"] == 0
    assert entry["mining"]["ci95"][0] == 0
    if nothing_in == "train":
        assert entry["mining"]["threshold"] is None
        assert any("no pair is mined from its training sentences" in warning for warning in entry["warnings"])
    console = Console(file=io.StringIO(), width=120)
    print_scores(score(load_outcomes(save_outcomes(outcomes, tmp_path / "o.parquet"))), console)
    assert ("undefined" in console.file.getvalue()) is (nothing_in == "train")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"sentence1": "x", "gold": True}, r"row \d+ .*: 'gold' is true, but a sentence is missing"),
        ({"sentence1": "x", "gold": "maybe"}, r"row \d+ .*: 'gold' is 'maybe', expected true or false"),
    ],
)
def test_a_row_that_contradicts_itself_is_refused(tmp_path, line, message) -> None:
    path = tmp_path / "x.jsonl"
    write(path)
    path.write_text(path.read_text() + json.dumps({**line, "split": "test"}) + "\n")
    with pytest.raises(InputError, match=message):
        load_suites(path)


def test_without_pairs_there_is_nothing_to_find(tmp_path) -> None:
    (tmp_path / "x.tsv").write_text("sentence1\tsentence2\tgold\na\tb\t0\nc\td\t1\n")
    with pytest.raises(InputError, match="too few pairs to be found: expected at least 2"):
        load_suites(tmp_path / "x.tsv")
