"""What goes wrong in retrieval, and how it is told."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from lingualign.cli import main
from lingualign.evaluation import load_suites, measure
from lingualign.evaluation.confusions import confusions, difference, hubs, save_errors
from lingualign.report.heatmaps import anchor_and_others, similarity_matrices


@pytest.mark.parametrize(
    ("right", "wrong", "expected"),
    [
        ("He has left.", "he has left", "same text"),
        ("I paid 20 euros for it.", "I paid 25 euros for it.", "numbers"),
        ("He is at home now.", "He is not at home now.", "negation"),
        ("Il est à la maison.", "Il n'est pas à la maison.", "negation"),
        ("저는 학교에 갑니다.", "저는 학교에 안 가지 않습니다.", "negation"),
        ("I saw Mary in the park.", "I saw Susan in the park.", "names"),
        ("The children are playing outside.", "The children were playing outside.", "near-duplicate"),
        ("Yes, please.", "The committee will meet again in the second week of the month.", "length"),
        ("The weather is fine.", "We sold our boat.", "other"),
    ],
)
def test_differences_are_told_apart(right, wrong, expected) -> None:
    assert difference(right, wrong) == expected


@pytest.fixture
def analysed(lookup_model, tmp_path):
    """Three sentences whose targets all lie near that of the first."""
    vectors = {"s0": [1.0, 0, 0], "s1": [0.9, 0.3, 0], "s2": [0.9, 0, 0.3], "t0": [1.0, 0, 0]}
    vectors |= {"t1": [0, 1.0, 0], "t2": [0, 0, 1.0]}
    path = tmp_path / "xx" / "fra-eng.tsv"
    path.parent.mkdir()
    path.write_text("sentence1\tsentence2\ns0\tt0\ns1\tt1\ns2\tt2\n")
    suites = load_suites(tmp_path)
    return measure(lookup_model(vectors), suites), suites


def test_every_confused_sentence_is_given_with_what_was_retrieved(analysed) -> None:
    found = [
        (row["direction"], row["sentence"], row["translation"], row["retrieved"])
        for row in confusions(*analysed)
    ]
    assert found == [("forward", "s1", "t1", "t0"), ("forward", "s2", "t2", "t0")]


def test_hubs_are_the_sentences_that_many_retrieve(analysed) -> None:
    from scipy.stats import skew

    told = hubs(*analysed)
    forward = told["xx/fra-eng sentence1-sentence2 forward"]
    assert forward["most"] == [{"sentence": "t0", "times": 3}]
    assert forward["never"] == 2 / 3
    assert forward["skewness"] == pytest.approx(skew([3, 0, 0]))
    assert told["xx/fra-eng sentence1-sentence2 backward"] == {"skewness": 0.0, "never": 0.0, "most": []}


def test_the_files_agree_with_the_score(analysed, tmp_path) -> None:
    folder = save_errors(*analysed, tmp_path / "errors")
    header, *rows = (folder / "confusions.tsv").read_text().splitlines()
    assert header.split("\t")[:4] == ["suite", "pair", "direction", "row"]
    assert [row.split("\t")[3] for row in rows] == ["1", "2"]
    summary = json.loads((folder / "errors.json").read_text())
    forward = summary["xx/fra-eng sentence1-sentence2 forward"]
    assert forward["confused"] == sum(forward["differences"].values()) == 2


def test_the_two_sides_of_the_aim_are_cosines(minilm) -> None:
    from lingualign.embedding.encoders import open_encoder

    english, french = (
        ["The dog sleeps.", "We eat.", "We eat."],
        ["Le chien dort.", "Nous mangeons.", "On mange."],
    )
    encoder = open_encoder(minilm, precision="fp32")
    teacher, student = similarity_matrices(encoder, encoder, english, french)
    one, two = (minilm.encode(side, normalize_embeddings=True) for side in (english, french))
    np.testing.assert_allclose(teacher, one @ one.T, atol=1e-5)
    np.testing.assert_allclose(student, one @ two.T, atol=1e-5)


@pytest.mark.data
def test_the_command_analyses_real_data(data, tmp_path, capsys) -> None:
    from lingualign.pairs.formats.readers import read_table

    table = read_table(data / "eval/tatoeba/fra-eng.parquet", lambda _: ["sentence1", "sentence2"]).slice(
        0, 60
    )
    suite = tmp_path / "fra-eng.jsonl"
    suite.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    folder = tmp_path / "errors"
    command = [
        "evaluate",
        "minilm",
        "--suite",
        str(suite),
        "--device",
        "cpu",
        "--output",
        str(tmp_path / "s.json"),
    ]
    assert main([*command, "--teacher", "minilm"]) == 2
    assert "--teacher draws heatmaps into the folder of --errors: give both" in capsys.readouterr().err
    assert main([*command, "--errors", str(folder), "--teacher", str(tmp_path / "none")]) == 2
    assert "Encoding" not in capsys.readouterr().err, "a teacher that is none is told of before any work"
    assert main([*command, "--errors", str(folder), "--teacher", "minilm"]) == 0
    entry = json.loads((tmp_path / "s.json").read_text())["suites"]["fra-eng"]
    summary = json.loads((folder / "errors.json").read_text())
    for direction in ("forward", "backward"):
        confused = summary[f"fra-eng sentence1-sentence2 {direction}"]["confused"]
        assert confused == round(60 * (1 - entry[direction]))
    assert ElementTree.parse(folder / "fra-eng.svg").getroot().tag.endswith("svg")
    (read,) = load_suites(suite)
    assert anchor_and_others(read)[0] == read.sentences["sentence2"][:16], "English"
