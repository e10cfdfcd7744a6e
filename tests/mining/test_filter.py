"""Filtering: scores against the formula, what is kept, and the way back into the project's readers."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from lingualign.errors import InputError
from lingualign.mining import filter_pairs
from lingualign.pairs import read_source


@pytest.fixture(scope="module")
def pairs(tatoeba, tmp_path_factory):
    """Forty real pairs, then ten whose target is another's, with a blank side between."""
    path = tmp_path_factory.mktemp("pairs") / "some.en-fr.tsv"
    english, french = (side[:40] for side in tatoeba)
    rows = [
        *zip(english, french, strict=True),
        (english[0], " "),
        *zip(english[:10], french[10:20], strict=True),
    ]
    path.write_text("sentence1\tsentence2\n" + "".join(f"{one}\t{two}\n" for one, two in rows))
    return path, rows


def plain_scores(model, rows, k=4):
    one, two = (model.encode(side, normalize_embeddings=True) for side in zip(*rows, strict=True))
    first = [[row for row, _ in rows].index(text) for text in dict.fromkeys(text for text, _ in rows)]
    second = [[row for _, row in rows].index(text) for text in dict.fromkeys(text for _, text in rows)]
    forward = np.sort(one @ two[second].T, axis=1)[:, -k:].mean(axis=1)
    backward = np.sort(two @ one[first].T, axis=1)[:, -k:].mean(axis=1)
    cosine = (one * two).sum(axis=1)
    return cosine, cosine / ((forward + backward) / 2)


@pytest.mark.data
def test_scores_are_those_of_the_formula_in_every_output(minilm, pairs, tmp_path):
    path, rows = pairs
    kept = [row for row in rows if row[1].strip()]
    cosine, margin = plain_scores(minilm, kept)
    report = filter_pairs(minilm, str(path), tmp_path / "all.parquet")
    assert (report.pairs, report.kept, report.blank) == (51, 50, 1)
    table = pq.read_table(tmp_path / "all.parquet")
    assert list(zip(table["sentence1"].to_pylist(), table["sentence2"].to_pylist(), strict=True)) == kept
    # Vectors are kept in half precision.
    np.testing.assert_allclose(table["cosine"], cosine, atol=2e-3)
    np.testing.assert_allclose(table["margin"], margin, atol=2e-2)
    assert table["margin"].to_numpy()[:40].mean() > table["margin"].to_numpy()[40:].mean()

    for output in ("all.en-fr.tsv.gz", "all.jsonl.xz"):
        filter_pairs(minilm, str(path), tmp_path / output)
        [read], _ = read_source(tmp_path / output)
        assert read.table.select([0, 1, 2, 3, 4]).to_pylist() == table.select([0, 1, 2, 3, 4]).to_pylist()

    product = np.prod([table[part].to_numpy() for part in ("meaning", "whole", "language")], axis=0)
    np.testing.assert_allclose(table["score"], product)
    for by in ("margin", "score"):
        scores = table[by].to_numpy()
        columns = table.column_names if by == "score" else table.column_names[:7]
        filter_pairs(minilm, str(path), tmp_path / f"best.{by}.parquet", by=by, best=7)
        best = pq.read_table(tmp_path / f"best.{by}.parquet")
        chosen = np.sort(np.argsort(-scores, kind="stable")[:7])
        assert best.equals(table.select(columns).take(chosen))
        threshold = float(np.median(scores))
        filter_pairs(minilm, str(path), tmp_path / f"above.{by}.parquet", by=by, threshold=threshold)
        above = pq.read_table(tmp_path / f"above.{by}.parquet")
        assert above.equals(table.select(columns).filter(scores >= threshold))
    assert not list(tmp_path.glob("*.parts"))


@pytest.mark.data
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 99.0}, r"threshold 99 keeps none of 50 pairs: their scores are from 0\.\d+ to 0\.\d+"),
        ({"by": "length"}, "by 'length' is unknown: expected one of score, margin, cosine"),
        ({"threshold": 99.0, "by": "margin"}, r"none of 50 pairs: their margins are from -?\d\.\d+ to \d\.\d+"),
        ({"threshold": 1.0, "best": 3}, "threshold and best are both given"),
        ({"best": 0}, "best is 0; it must be a number of pairs, at least 1"),
        ({"margin": "cosine"}, "margin 'cosine' is unknown"),
        ({"pairs": "/none"}, "source '/none': no such file or folder"),
        ({"output": "o.csv"}, r"not a known kind of file; give \.parquet, \.tsv, \.jsonl"),
        ({"output": "no/o.tsv"}, "its folder does not exist"),
    ],
)  # fmt: skip
def test_what_cannot_be_filtered_is_said(static, pairs, tmp_path, options, message):
    source, output = options.pop("pairs", str(pairs[0])), tmp_path / options.pop("output", "o.tsv")
    with pytest.raises(InputError, match=message):
        filter_pairs(static, source, output, **options)
    assert not output.exists()


@pytest.mark.data
def test_a_few_pairs_are_judged_by_margin_and_that_is_said(static, pairs, tmp_path, caplog):
    few = tmp_path / "few.en-fr.tsv"
    few.write_text("".join(pairs[0].read_text().splitlines(keepends=True)[:11]))
    with pytest.raises(
        InputError, match="10 pairs are too few to learn a score from, which takes 20; give a threshold"
    ):
        filter_pairs(static, str(few), tmp_path / "o.parquet", threshold=0.5)
    report = filter_pairs(static, str(few), tmp_path / "o.parquet", best=3)
    assert report.by == "margin"
    assert "10 pairs are too few to learn a score from, which takes 20: judged by margin" in caplog.text
    assert pq.read_table(tmp_path / "o.parquet").column_names[5:] == ["cosine", "margin"]


@pytest.mark.data
def test_an_interrupted_call_goes_on_to_the_same_scores(static, pairs, tmp_path):
    filter_pairs(static, str(pairs[0]), tmp_path / "whole.parquet")
    output = tmp_path / "o.parquet"
    with pytest.raises(InputError, match="keeps none"):
        filter_pairs(static, str(pairs[0]), output, threshold=2)
    [kept] = (tmp_path / "o.parquet.parts" / "evenness").iterdir()
    kept.write_bytes(kept.read_bytes()[:-8])
    filter_pairs(static, str(pairs[0]), output)
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_what_was_not_read_is_told(static, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.en-fr.tsv").write_text("sentence1\tsentence2\na dog\tun chien\na cat\tun chat\n")
    (tmp_path / "in" / "thesis.docx").write_bytes(b"PK")
    report = filter_pairs(static, str(tmp_path / "in"), tmp_path / "kept.parquet", by="cosine")
    assert report.kept == 2
    [skipped] = report.skipped
    assert "thesis.docx" in skipped.file


@pytest.mark.data
def test_few_pairs_of_a_language_are_judged_by_all_and_unknown_languages_by_none(
    static, pairs, tmp_path, caplog
):
    rows = pairs[0].read_text().splitlines(keepends=True)
    (tmp_path / "in").mkdir()
    for name, some in (("a.en-fr.tsv", rows[:41]), ("b.en-zgh.tsv", rows[:1] + rows[30:40])):
        (tmp_path / "in" / name).write_text("".join(some))
    filter_pairs(static, str(tmp_path / "in"), tmp_path / "o.parquet")
    assert "en-zgh has 10 pairs, too few to learn from: judged by all pairs together" in caplog.text
    table = pq.read_table(tmp_path / "o.parquet")
    assert np.isfinite(table["score"]).all()
    # Of the second side's language nothing is known: it counts for nothing.
    assert (table["language"].to_numpy()[40:] > 0.99).all()
