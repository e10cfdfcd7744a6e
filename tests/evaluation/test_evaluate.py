"""From a model and files to scores.json."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

import lingualign
from lingualign.embedding import fingerprint
from lingualign.errors import InputError
from lingualign.evaluation import evaluate, load_suites, print_scores, save_scores
from lingualign.evaluation.suites import Suite

SIDES = {"sentence1", "sentence2"}
MEANS = {"accuracy", "f1", "xsim", "xsim_distance", "xsim_margin"}
WITH_INTERVAL = [
    "forward",
    "backward",
    "f1",
    "f1_forward",
    "f1_backward",
    "xsim_margin_forward",
    "xsim_margin_backward",
    *sorted(MEANS - {"accuracy", "f1"}),
]
RETRIEVAL = {"accuracy", "ci95", *WITH_INTERVAL, *(f"{figure}_ci95" for figure in WITH_INTERVAL)}
SPACE = {"alignment", "uniformity", "isotropy", "language_identifiability", "hubness"}
SPACE |= {f"{figure}_ci95" for figure in SPACE}


def suite(name, sentences, gold=None):
    kind = "sts" if gold is not None else "bitext" if set(sentences) == SIDES else "nway"
    scores = None if gold is None else np.array(gold, dtype=float)
    return Suite(name, name.split("/")[0], kind, None, sentences, scores)


@pytest.fixture(scope="module")
def model(lookup_model):
    """Words of three languages around 30 meanings, noisier from the first to the third."""
    random = np.random.default_rng(11)
    meanings = random.normal(size=(30, 12))
    return lookup_model(
        {
            f"{language}{row}": meaning + noise * random.normal(size=12)
            for language, noise in (("en", 0.2), ("fr", 0.6), ("ko", 1.5))
            for row, meaning in enumerate(meanings)
        }
    )


def words(language):
    return [f"{language}{row}" for row in range(30)]


@pytest.fixture(scope="module")
def suites():
    random = np.random.default_rng(12)
    return [
        suite("tatoeba/fra-eng", {"sentence1": words("fr"), "sentence2": words("en")}),
        suite("tatoeba/kor-eng", {"sentence1": words("ko"), "sentence2": words("en")}),
        suite("ntrex/all", {"eng_Latn": words("en"), "fra_Latn": words("fr"), "kor_Hang": words("ko")}),
        suite("sts/x", {"sentence1": words("en"), "sentence2": words("ko")}, random.integers(6, size=30)),
        suite("sts/y", {"sentence1": words("fr"), "sentence2": words("ko")}, random.integers(6, size=30)),
    ]


@pytest.fixture(scope="module")
def scores(model, suites):
    return evaluate(model, suites)


def test_scores_have_the_form_of_the_contract(scores, model, suites):
    assert set(scores) == {"model", "lingualign", "suites", "means"}
    assert scores["lingualign"] == lingualign.__version__
    assert scores["model"] == {
        "name": "SentenceTransformer", "fingerprint": fingerprint(model), "dimensions": 12, "prompt": "",
        "prompt_from": "none", "kind": "sentence-transformers",
    }  # fmt: skip
    assert list(scores["suites"]) == [suite.name for suite in suites]
    for suite in suites:
        entry = scores["suites"][suite.name]
        assert (entry["kind"], entry["rows"]) == (suite.kind, 30)
        figures = {
            "bitext": RETRIEVAL | {"space"}, "nway": {"pairs", "mean", "space"},
            "sts": {"spearman", "ci95", "pearson", "pearson_ci95"},
        }[suite.kind]  # fmt: skip
        assert set(entry) == {"kind", "rows"} | figures
    nway = scores["suites"]["ntrex/all"]
    assert list(nway["pairs"]) == ["eng_Latn-fra_Latn", "eng_Latn-kor_Hang", "fra_Latn-kor_Hang"]
    assert all(set(pair) == RETRIEVAL for pair in nway["pairs"].values())
    assert set(nway["mean"]) == MEANS | {"ci95", *(f"{figure}_ci95" for figure in MEANS - {"accuracy"})}
    assert all(set(scores["suites"][suite.name]["space"]) == SPACE for suite in suites[:3])
    assert {group: set(means) - {"ci95"} for group, means in scores["means"].items()} == {
        "tatoeba": MEANS, "ntrex": MEANS, "sts": {"spearman", "pearson"}
    }  # fmt: skip
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_figures_agree_with_each_other(scores):
    suites, means = scores["suites"], scores["means"]
    for entry in (
        suites["tatoeba/fra-eng"],
        suites["tatoeba/kor-eng"],
        *suites["ntrex/all"]["pairs"].values(),
    ):
        assert entry["accuracy"] == pytest.approx((entry["forward"] + entry["backward"]) / 2)
        for figure in ("accuracy", *WITH_INTERVAL):
            low, high = entry["ci95" if figure == "accuracy" else f"{figure}_ci95"]
            assert 0 <= low <= entry[figure] <= high <= 1
        assert entry["f1"] == pytest.approx((entry["f1_forward"] + entry["f1_backward"]) / 2)
        assert entry["f1_forward"] <= entry["forward"]
        one_sided = [entry["xsim_margin_forward"], entry["xsim_margin_backward"]]
        assert entry["xsim_margin"] == pytest.approx(np.mean(one_sided))
    pairs = suites["ntrex/all"]["pairs"]
    # The n-way pair is the bitext seen from the other side.
    assert pairs["eng_Latn-fra_Latn"]["accuracy"] == suites["tatoeba/fra-eng"]["accuracy"]
    assert pairs["eng_Latn-fra_Latn"]["forward"] == suites["tatoeba/fra-eng"]["backward"]
    assert (
        pairs["eng_Latn-fra_Latn"]["xsim_margin_forward"] == suites["tatoeba/fra-eng"]["xsim_margin_backward"]
    )
    assert pairs["eng_Latn-fra_Latn"]["ci95"] == suites["tatoeba/fra-eng"]["ci95"]
    assert all(pair["xsim"] == pytest.approx(1 - pair["accuracy"]) for pair in pairs.values())
    for metric in MEANS:
        mean = np.mean([pair[metric] for pair in pairs.values()])
        assert suites["ntrex/all"]["mean"][metric] == means["ntrex"][metric] == pytest.approx(mean)
    assert means["tatoeba"]["accuracy"] == pytest.approx(
        (suites["tatoeba/fra-eng"]["accuracy"] + suites["tatoeba/kor-eng"]["accuracy"]) / 2
    )
    assert means["sts"]["spearman"] == pytest.approx(
        (suites["sts/x"]["spearman"] + suites["sts/y"]["spearman"]) / 2
    )
    for group in means.values():
        for metric, (low, high) in group["ci95"].items():
            assert low <= group[metric] <= high
    assert 0.2 < suites["tatoeba/kor-eng"]["accuracy"] < suites["tatoeba/fra-eng"]["accuracy"] < 1


def test_scores_repeat_and_do_not_depend_on_the_company(scores, model, suites):
    alone = evaluate(model, suites[2:3])
    assert alone["suites"]["ntrex/all"] == scores["suites"]["ntrex/all"]
    assert alone["means"]["ntrex"] == scores["means"]["ntrex"]


def test_prompt_is_put_before_every_sentence(lookup_model):
    model = lookup_model(
        {"q:": [5, 0, 0], "a": [0, 1, 0], "b": [0, 0, 1], "c": [0, 1, 0.1], "d": [0, 0.1, 1]}
    )
    pairs = suite("x/y", {"sentence1": ["a", "b"], "sentence2": ["c", "d"]})
    scores = evaluate(model, [pairs], prompt="q: ")
    assert scores["model"]["prompt"] == "q: "
    unprompted = suite("x/y", {"sentence1": ["q: a", "q: b"], "sentence2": ["q: c", "q: d"]})
    assert scores["suites"] == evaluate(model, [unprompted])["suites"]


def test_same_vectors_on_both_sides_are_flagged(lookup_model):
    vectors = np.random.default_rng(0).normal(size=(20, 8))
    model = lookup_model({f"{side}{row}": vector for side in "xy" for row, vector in enumerate(vectors)})
    sides = {"sentence1": [f"x{row}" for row in range(20)], "sentence2": [f"y{row}" for row in range(20)]}
    nway = dict(zip(["en", "fr"], sides.values(), strict=True))
    scores = evaluate(model, [suite("a", sides), suite("b", nway)])
    for name in "ab":
        (warning,) = scores["suites"][name]["warnings"]
        assert "have the same vectors in 20 of the 20 rows whose texts differ" in warning
    assert scores["suites"]["a"]["accuracy"] == 1
    assert scores["suites"]["a"]["ci95"][0] < 1


def test_untranslated_sides_are_flagged(model):
    same = suite("a", {"sentence1": words("en"), "sentence2": words("en")[:20] + words("fr")[20:]})
    (warning,) = evaluate(model, [same])["suites"]["a"]["warnings"]
    assert "sentence1 and sentence2 are the same text in 20 of 30 rows" in warning


def test_collapsed_encoder_is_flagged_and_scores_chance(lookup_model):
    model = lookup_model({word: [0.3, 0.1, 0.9] for language in ("en", "fr") for word in words(language)})
    sides = {"sentence1": words("en"), "sentence2": words("fr")}
    scores = evaluate(model, [suite("a", sides), suite("b", sides, gold=range(30))])
    for name in "ab":
        assert "the encoder has collapsed" in scores["suites"][name]["warnings"][0]
    assert scores["suites"]["a"]["accuracy"] == pytest.approx(1 / 30)
    assert scores["suites"]["a"]["space"]["language_identifiability"] == pytest.approx(1 / 2)
    json.dumps(scores, allow_nan=False)


def test_a_correlation_that_is_undefined_is_said_to_be_so(lookup_model):
    random = np.random.default_rng(2)
    vectors = {f"x{row}": random.normal(size=4) for row in range(30)}
    model = lookup_model(vectors | {f"y{row}": vectors[f"x{row}"] for row in range(30)})
    pairs = {
        side: [f"{letter}{row}" for row in range(30)]
        for side, letter in zip(sorted(SIDES), "xy", strict=True)
    }
    good = suite("sts/good", {"sentence1": words("x"), "sentence2": words("x")[::-1]}, gold=range(30))
    scores = evaluate(model, [suite("sts/same", pairs, gold=range(30)), good])
    entry = scores["suites"]["sts/same"]
    assert entry["spearman"] is entry["ci95"] is entry["pearson"] is entry["pearson_ci95"] is None
    assert entry["warnings"] == [
        "the cosine is the same in every row: its correlation with the scores is undefined"
    ]
    # A mean over the suites that happen to be defined would flatter the model.
    assert scores["means"]["sts"] == {
        "spearman": None,
        "pearson": None,
        "ci95": {"spearman": None, "pearson": None},
    }
    console = Console(file=io.StringIO(), width=100)
    print_scores(scores, console)
    assert "undefined" in console.file.getvalue()
    json.dumps(scores, allow_nan=False)


def test_text_that_the_tokenizer_cannot_read_is_flagged_with_the_rate(lookup_model):
    model = lookup_model({f"en{row}": np.eye(20)[row] for row in range(20)})
    half = [f"en{row}" if row % 2 else "알 수 없는" for row in range(20)]
    sides = {"sentence1": [f"en{row}" for row in range(20)], "sentence2": half}
    warnings = evaluate(model, [suite("a", sides)])["suites"]["a"]["warnings"]
    assert any(warning.startswith("75% of the tokens of sentence2 are unknown") for warning in warnings)
    assert not any("sentence1 are unknown" in warning for warning in warnings)


def test_blank_sentences_and_zero_vectors_are_counted(model):
    sides = {"sentence1": ["unknown", *words("en")[1:]], "sentence2": [*words("fr")[:-1], " "]}
    warnings = evaluate(model, [suite("a", sides)])["suites"]["a"]["warnings"]
    assert warnings == [
        "1 of 60 sentences are blank",
        "2 of 60 sentences have a zero vector, which is near nothing",
    ]


def test_bad_input(model, suites):
    with pytest.raises(InputError, match="no suite to evaluate on"):
        evaluate(model, [])
    uneven = suite("x", {"en": words("en"), "fr": words("fr")[:-1], "ko": words("ko")})
    with pytest.raises(InputError, match=r"'x' has columns of different length \(en 30, fr 29, ko 30\)"):
        evaluate(model, [uneven])
    with pytest.raises(InputError, match="suite 'x' has 1 rows: expected at least 2"):
        evaluate(model, [suite("x", {"sentence1": ["a"], "sentence2": ["b"]})])
    with pytest.raises(InputError, match="several suites have the name 'sts/x'"):
        evaluate(model, [suites[3], suites[3]])
    with pytest.raises(InputError, match="no-such-model"):
        evaluate("./no-such-model", suites)


def test_saved_scores_read_back_and_replace_older_ones_whole(tmp_path, scores):
    path = tmp_path / "new" / "scores.json"
    save_scores(scores, path)
    assert json.loads(path.read_text(encoding="utf-8")) == scores
    with pytest.raises(ValueError, match="JSON compliant"):
        save_scores({"means": float("nan")}, path)
    assert json.loads(path.read_text(encoding="utf-8")) == scores
    with pytest.raises(InputError, match=r"scores cannot be written to .*new: Is a directory"):
        save_scores(scores, path.parent)
    assert [file.name for file in path.parent.iterdir()] == ["scores.json"]
    assert [file.name for file in tmp_path.iterdir()] == ["new"]


def test_table_shows_every_suite_and_warning(scores):
    noted = json.loads(json.dumps(scores))
    noted["suites"]["sts/x"]["warnings"] = ["something [odd]"]
    console = Console(file=io.StringIO(), width=80)
    print_scores(noted, console)
    text = console.file.getvalue()
    for name in (*scores["suites"], *scores["means"], *scores["suites"]["ntrex/all"]["pairs"]):
        assert name in text
    assert "something [odd]" in text
    accuracy = scores["suites"]["tatoeba/fra-eng"]["accuracy"]
    assert f"{100 * accuracy:.2f}" in text


@pytest.mark.data
@pytest.mark.timeout(
    900
)  # nearly twenty thousand sentences through a transformer: nothing less gives these figures
def test_published_figures_of_minilm(data, minilm):
    sts = [data / "eval" / "sts" / f"stsb-{language}.parquet" for language in ("en", "fr", "ru", "ko")]
    suites = load_suites([data / "eval" / "tatoeba", *sts])
    scores = evaluate(minilm, suites)["suites"]
    assert {suite.name: suite.rows for suite in suites} == {
        "fra-eng": 1000, "jpn-eng": 1000, "kor-eng": 1000, "rus-eng": 1000,
        "stsb-en": 1379, "stsb-fr": 1379, "stsb-ru": 1379, "stsb-ko": 1379,
    }  # fmt: skip
    forward = {name: round(100 * entry["forward"], 2) for name, entry in scores.items() if "forward" in entry}
    assert forward == {"fra-eng": 8.6, "jpn-eng": 1.7, "kor-eng": 0.6, "rus-eng": 0.2}
    spearman = {name: 100 * entry["spearman"] for name, entry in scores.items() if "spearman" in entry}
    assert {name: round(figure, 2) for name, figure in spearman.items() if name != "stsb-ko"} == {
        "stsb-en": 82.03, "stsb-fr": 64.93, "stsb-ru": 55.55
    }  # fmt: skip
    assert round(spearman["stsb-ko"], 1) == 42.2  # KorSTS


@pytest.mark.data
def test_real_data_reads_as_the_kinds_it_is(data):
    suites = load_suites(data / "eval")
    kinds = {suite.group: suite.kind for suite in suites}
    assert kinds == {"ntrex": "nway", "sts": "sts", "tatoeba": "bitext"}
    assert len(suites) == 15
