"""Mining: retrieval and calibration against plain loops, and the whole way on real sentences."""

from __future__ import annotations

import csv
import gzip
import random
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingualign.errors import InputError
from lingualign.mining import align_documents, encode_text, filter_pairs, mine_pairs, retrieve
from lingualign.mining import output as output_module
from lingualign.mining.mine import calibrate
from lingualign.mining.parts import hold_parts
from lingualign.neighbours import nearest_neighbours
from lingualign.neighbours.margin import Pairs
from lingualign.neighbours.options import parse_memory
from lingualign.pairs import read_source

corpora = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1)).map(
    lambda drawn: tuple(
        np.random.default_rng(drawn[2] + side).normal(size=(drawn[side], 5)) + 0.5 for side in (0, 1)
    )
)


def plain_candidates(source, target, k, margin):
    """All of both directions' candidates with their scores, written from the formulas."""
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (source, target)]
    cosine = unit[0] @ unit[1].T
    lists = (
        [sorted(range(len(target)), key=lambda j, i=i: -cosine[i, j])[:k] for i in range(len(source))],
        [sorted(range(len(source)), key=lambda i, j=j: -cosine[i, j])[:k] for j in range(len(target))],
    )

    def score(i, j):
        base = (cosine[i, lists[0][i]].mean() + cosine[lists[1][j], j].mean()) / 2
        return {"absolute": cosine[i, j], "ratio": cosine[i, j] / base, "distance": cosine[i, j] - base}[
            margin
        ]

    forward = [{(i, j): score(i, j) for j in near} for i, near in enumerate(lists[0])]
    backward = [{(i, j): score(i, j) for i in near} for j, near in enumerate(lists[1])]
    return forward, backward


def plain_retrieval(source, target, k, margin, retrieval):
    forward, backward = (
        dict(max(each.items(), key=lambda item: item[1]) for each in side)
        for side in plain_candidates(source, target, k, margin)
    )
    if retrieval in ("forward", "backward"):
        return forward if retrieval == "forward" else backward
    if retrieval == "intersect":
        return {pair: score for pair, score in forward.items() if pair in backward}
    taken = {}
    for (i, j), score in sorted({**forward, **backward}.items(), key=lambda item: -item[1]):
        if all(i != one and j != two for one, two in taken):
            taken[i, j] = score
    return taken


def as_dict(pairs):
    return dict(zip(zip(pairs.source.tolist(), pairs.target.tolist(), strict=True), pairs.score, strict=True))


@given(
    corpora,
    st.integers(1, 5),
    st.sampled_from(["absolute", "ratio", "distance"]),
    st.sampled_from(["max", "intersect", "forward", "backward"]),
)
def test_retrieval_is_that_of_plain_loops(sides, k, margin, retrieval):
    found = retrieve(*nearest_neighbours(*sides, k), margin=margin, retrieval=retrieval)
    expected = plain_retrieval(*sides, k, margin, retrieval)
    assert as_dict(found) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert (np.diff(found.score) <= 0).all()


@given(corpora, st.integers(1, 5))
def test_candidates_are_all_neighbours_with_who_found_them(sides, k):
    found = retrieve(*nearest_neighbours(*sides, k), candidates=True)
    forward, backward = (set().union(*lists) for lists in plain_candidates(*sides, k, "ratio"))
    assert set(as_dict(found)) == forward | backward
    for pair, direction in zip(as_dict(found), found.direction, strict=True):
        assert {0: pair in forward - backward, 1: pair in backward - forward, 2: pair in forward & backward}[
            int(direction)
        ]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 4)), min_size=1, unique=True))
def test_calibration_counts_as_a_plain_loop_does(mined):
    mined = sorted(mined, key=lambda row: -row[2])
    source, target, score = np.array(mined).T
    nothing = np.zeros(len(mined))
    found = calibrate(
        Pairs(source, target, nothing, score.astype(float), nothing), np.array([1, 2, 2]), np.array([3, 2, 3])
    )
    gold = {(1, 3), (2, 2), (2, 3)}
    judged = [(i, j, s) for i, j, s in mined if i in (1, 2) or j in (2, 3)]
    if not judged:
        assert found is None
        return
    for place, threshold in enumerate(sorted({s for _, _, s in judged}, reverse=True)):
        kept = [(i, j) for i, j, s in judged if s >= threshold]
        right = sum(pair in gold for pair in kept)
        assert found.threshold[place] == threshold
        assert found.precision[place] == right / len(kept)
        assert found.recall[place] == right / 3
        assert found.f1[place] == pytest.approx(2 * right / (len(kept) + 3))


@pytest.fixture(scope="module")
def mined(minilm, tatoeba, tmp_path_factory):
    """Real sentences, shuffled, with copies and blank lines; mined from English text to the same in other order."""
    folder = tmp_path_factory.mktemp("mined")
    english = list(dict.fromkeys(tatoeba[0]))[:60]
    source, target = [*english[:50], "", english[3], english[3]], ["  ", *english[10:], english[3], "a\tb"]
    random.Random(0).shuffle(target)
    for name, lines in (("source", source), ("target", target)):
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
    report = mine_pairs(minilm, str(folder / "source"), str(folder / "target"), folder / "mined.parquet")
    return folder, source, target, report


@pytest.mark.data
def test_real_sentences_find_their_copies_with_all_lines_and_no_blank_one(mined):
    folder, source, target, report = mined
    assert report.source == (53, 50, 1)
    assert report.target == (53, 52, 1)
    rows = pq.read_table(folder / "mined.parquet").to_pylist()
    assert report.pairs == len(rows)
    same = {row["source"] for row in rows if row["source"] == row["target"]}
    assert same == set(source) & set(target)
    for row in rows:
        assert row["source_lines"] == [n for n, line in enumerate(source, 1) if line == row["source"]]
        assert row["target_lines"] == [n for n, line in enumerate(target, 1) if line == row["target"]]
        assert row["source"] in same or row["score"] < min(r["score"] for r in rows if r["source"] in same)
    for side in ("source", "target"):
        assert len({row[side] for row in rows}) == len(rows)
    assert {path.name for path in folder.iterdir()} >= {"source", "target", "mined.parquet"}
    assert not list(folder.glob("*.parts"))


@pytest.mark.data
def test_every_form_of_output_holds_the_same_pairs(minilm, mined):
    folder = mined[0]
    rows = pq.read_table(folder / "mined.parquet").to_pylist()
    expected = [(f"{r['score']:.6f}", r["source"], r["target"].replace("\t", " ")) for r in rows]
    for side in ("source", "target"):
        encode_text(minilm, str(folder / side), folder / f"{side}-encoded")
    encoded = [str(folder / f"{side}-encoded") for side in ("source", "target")]
    outputs = ("out.tsv", "out.tsv.gz", "out.en-fr", "out.en-fr.tmx")
    for output, options in zip(outputs, ({}, {"precision": "bf16"}, {"memory": 20 << 20}, {}), strict=True):
        mine_pairs(minilm, *encoded, folder / output, **options)
    tsv = (folder / "out.tsv").read_text()
    assert list(csv.reader(tsv.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)) == [
        *map(list, expected)
    ]
    assert gzip.decompress((folder / "out.tsv.gz").read_bytes()).decode() == tsv
    for place, language in ((1, "en"), (2, "fr")):
        lines = (folder / f"out.en-fr.{language}").read_text().splitlines()
        assert lines == [row[place] for row in expected]
    units = ElementTree.parse(folder / "out.en-fr.tmx").iter("tu")
    assert [(u.find("prop").text, *(s.text for s in u.iter("seg"))) for u in units] == [
        (f"{r['score']:.6f}", r["source"], r["target"]) for r in rows
    ]
    # The project's own readers take all of them as they come.
    for name in ("again.en-fr.tsv", "again.en-fr.parquet"):
        mine_pairs(minilm, *encoded, folder / name)
    for name in ("again.en-fr.tsv", "again.en-fr.parquet", "out.en-fr.en", "out.en-fr.tmx"):
        [read], _ = read_source(folder / name)
        assert [text.replace("\t", " ") for text in read.table["sentence2"].to_pylist()] == [
            target for _, _, target in expected
        ]
        assert filter_pairs(minilm, str(folder / name), folder / f"{name}.jsonl", by="cosine").kept == len(
            rows
        )


@pytest.mark.data
def test_calibration_plants_known_pairs_and_takes_them_out_again(minilm, tatoeba, tmp_path, capsys):
    english, french = ([side[i] for i in range(120)] for side in tatoeba)
    (tmp_path / "en").write_text("\n".join(english[:80]))
    (tmp_path / "fr").write_text("\n".join(french[:80][::-1]))
    known = "".join(f"{one}\t{two}\n" for one, two in zip(english[70:], french[70:], strict=True))
    (tmp_path / "known.en-fr.tsv").write_text("sentence1\tsentence2\n" + known)
    paths = [str(tmp_path / name) for name in ("en", "fr")]
    report = mine_pairs(
        minilm, *paths, tmp_path / "o.parquet",
        calibrate_on=str(tmp_path / "known.en-fr.tsv"), plot=tmp_path / "curves.svg", progress=True,
    )  # fmt: skip
    found = report.calibration
    assert found.planted == 50
    assert report.threshold == found.threshold[found.best]
    assert found.f1[found.best] == found.f1.max() > 0.2
    assert "50 planted pairs" in capsys.readouterr().out
    drawn = (tmp_path / "curves.svg").read_text()
    assert ElementTree.fromstring(drawn).tag.endswith("svg")
    assert f"threshold {report.threshold:.4f}" in drawn
    rows = pq.read_table(tmp_path / "o.parquet").to_pylist()
    assert {row["source"] for row in rows} <= set(english[:80])
    assert {row["target"] for row in rows} <= set(french[:80])
    assert min(row["score"] for row in rows) >= report.threshold
    assert report.pairs == len(rows) > 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 99.0}, r"threshold 99 keeps none of 3 pairs: their scores are from \d\.\d+ to \d\.\d+; give a"),
        ({"threshold": 1.0, "calibrate_on": "x"}, "threshold and calibrate are both given"),
        ({"plot": "p.svg"}, "there is nothing to plot without calibrate"),
        ({"plot": "p.txt", "calibrate_on": "x"}, r"plot 'p\.txt': not a known kind of file; give \.svg"),
        ({"margin": "ratios"}, "margin 'ratios' is unknown: expected one of absolute, ratio, distance"),
        ({"retrieval": "both"}, "retrieval 'both' is unknown: expected one of max, intersect, forward, backward"),
        ({"k": 0}, "k = 0 is not a number of neighbours"),
        ({"memory": 1 << 20}, r"memory is 1 MiB, .* give at least \d+ MiB"),
        ({"target": "nowhere"}, "no such file or folder; give a text, or a folder made by lingualign encode"),
        ({"target": "blank"}, "there is nothing to match in it, for all of its lines are blank"),
        ({"target": "empty"}, "empty, there is not one sentence in it"),
        ({"target": "prompted"}, "prompted: encoded with another encoder than the one given: the prompt differ"),
        ({"output": "out.txt"}, r"not a known kind of file; give \.tsv, \.parquet"),
        ({"output": "source"}, "not a known kind of file"),
        ({"output": "there.tsv"}, "exists; give another name, or --overwrite it"),
        ({"output": "no/where.tsv"}, "its folder does not exist"),
        ({"output": "/proc/out.tsv"}, "'/proc' cannot be written to: .*; give another output"),
        ({"calibrate_on": "/none"}, "source '/none': no such file or folder"),
        ({"parts": "thesis"}, "is in the way"),
    ],
)  # fmt: skip
def test_what_cannot_be_mined_is_said(static, tmp_path, options, message):
    (tmp_path / "source").write_text("one dog\ntwo cats\nthree birds\n")
    (tmp_path / "blank").write_text("\n \n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "there.tsv").write_text("mine")
    encode_text(static, str(tmp_path / "source"), tmp_path / "prompted", prompt="query: ")
    if options.get("parts"):
        (tmp_path / "out.tsv.parts").mkdir()
        (tmp_path / "out.tsv.parts" / options["parts"]).write_text("mine")
    options = {name: value for name, value in options.items() if name != "parts"}
    paths = [
        str(tmp_path / options.pop(name, default))
        for name, default in (("source", "source"), ("target", "source"), ("output", "out.tsv"))
    ]
    with pytest.raises(InputError, match=message):
        mine_pairs(static, *paths, **options)
    assert not (tmp_path / "out.tsv").exists()
    assert (tmp_path / "there.tsv").read_text() == "mine"


def test_an_output_is_made_by_one_process_at_a_time(static, tmp_path):
    source, out = tmp_path / "source", tmp_path / "out.tsv"
    source.write_text("one dog\ntwo cats\nthree birds\n")
    with hold_parts(out), pytest.raises(InputError, match=r"out\.tsv': another process is making it"):
        mine_pairs(static, str(source), str(source), out)
    with hold_parts(out, keep=True) as parts, pytest.raises(InputError, match="another process is making it"):
        align_documents(static, str(source), str(source), out)
    assert parts.is_dir(), "the one that was refused has not removed it"
    assert mine_pairs(static, str(source), str(source), out).pairs == 3
    assert not parts.exists()


def test_nothing_is_left_where_nothing_was_begun(tmp_path):
    (tmp_path / "source").write_text("one dog\n")
    with pytest.raises(InputError, match="model"):
        mine_pairs(str(tmp_path / "none"), *[str(tmp_path / "source")] * 2, tmp_path / "out.tsv")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_vectors_are_pooled_as_asked_in_every_command(minilm, tmp_path):
    minilm[0].model.save_pretrained(tmp_path / "plain")
    minilm.tokenizer.save_pretrained(tmp_path / "plain")
    model, source = str(tmp_path / "plain"), str(tmp_path / "source")
    (tmp_path / "source").write_text("one dog\ntwo cats\nthree birds\n")
    encode_text(model, source, tmp_path / "encoded", pooling="cls")
    with pytest.raises(InputError, match="the models differ"):
        mine_pairs(model, str(tmp_path / "encoded"), source, tmp_path / "out.tsv")
    assert (
        mine_pairs(model, str(tmp_path / "encoded"), source, tmp_path / "out.tsv", pooling="cls").pairs == 3
    )
    (tmp_path / "pairs.en-fr.tsv").write_text("sentence1\tsentence2\none dog\ttwo cats\n")
    cosines = set()
    for pooling in ("cls", "mean"):
        out = tmp_path / f"{pooling}.parquet"
        filter_pairs(model, str(tmp_path / "pairs.en-fr.tsv"), out, by="cosine", pooling=pooling)
        cosines.add(pq.read_table(out)["cosine"].to_pylist()[0])
    assert len(cosines) == 2


def test_a_sentence_of_many_lines_is_written_piece_by_piece(static, tmp_path, monkeypatch):
    lines = ["a line of many", *(f"sentence {number}" for number in range(9)), *["a line of many"] * 20]
    (tmp_path / "source").write_text("\n".join(["", *lines]))
    paths = [str(tmp_path / "source")] * 2
    mine_pairs(static, *paths, tmp_path / "whole.parquet", candidates=True)
    monkeypatch.setattr(output_module, "_LINES_OF_A_PIECE", 30)
    mine_pairs(static, *paths, tmp_path / "pieces.parquet", candidates=True)
    whole, pieces = (pq.ParquetFile(tmp_path / f"{name}.parquet") for name in ("whole", "pieces"))
    assert pieces.num_row_groups > 5 > whole.num_row_groups == 1
    assert pieces.read().equals(whole.read())
    expected = {line: [n for n, each in enumerate(["", *lines], 1) if each == line] for line in lines}
    for row in whole.read().to_pylist():
        assert row["source_lines"] == expected[row["source"]]
        assert row["target_lines"] == expected[row["target"]]


def test_an_interrupted_mining_goes_on_and_ends_the_same(static, tmp_path, monkeypatch):
    from lingualign.mining import mine as module
    from lingualign.neighbours import search

    monkeypatch.setattr(search, "TILE_COLUMNS", 8)
    lines = [f"sentence number {number}" for number in range(40)]
    (tmp_path / "one").write_text("\n".join(lines))
    (tmp_path / "two").write_text("\n".join(reversed(lines)))
    paths = [str(tmp_path / name) for name in ("one", "two")]
    mine_pairs(static, *paths, tmp_path / "whole.tsv")
    whole = nearest_neighbours

    def stopped(*arguments, **options):
        options["checkpoint"].seconds = 0
        steps = []

        def advance(done):
            if steps.append(done) or sum(steps) > 800:
                raise KeyboardInterrupt

        return whole(*arguments, **{**options, "advance": advance})

    monkeypatch.setattr(module, "nearest_neighbours", stopped)
    with pytest.raises(KeyboardInterrupt):
        mine_pairs(static, *paths, tmp_path / "out.tsv")
    assert {path.name for path in (tmp_path / "out.tsv.parts").iterdir()} == {
        ".lock",
        "source",
        "target",
        "search",
    }
    gone_on = []
    monkeypatch.setattr(
        module,
        "nearest_neighbours",
        lambda *a, **o: whole(*a, **{**o, "advance": gone_on.append}),
    )
    mine_pairs(static, *paths, tmp_path / "out.tsv")
    assert gone_on[0] >= 640
    assert (tmp_path / "out.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()
    assert not (tmp_path / "out.tsv.parts").exists()


@pytest.mark.parametrize(
    ("amount", "read"), [("4GiB", 4 << 30), ("512 MB", 512 << 20), ("1.5g", 3 << 29), ("7", 7)]
)
def test_memory_is_read_as_people_write_it(amount, read):
    assert parse_memory(amount) == read


def test_memory_that_is_none_is_refused():
    with pytest.raises(InputError, match="memory is 'much'; it must be an amount such as 4GiB"):
        parse_memory("much")


def test_an_approximate_search_of_all_lists_mines_the_same(static, tmp_path):
    random_texts = random.Random(3)
    for name in ("source", "target"):
        lines = [
            " ".join(random_texts.choices(["dog", "chien", "eats", "mange", "bread", "pain"], k=9))
            for _ in range(60)
        ]
        (tmp_path / name).write_text("".join(f"{line}\n" for line in dict.fromkeys(lines)))
    sides = str(tmp_path / "source"), str(tmp_path / "target")
    mine_pairs(static, *sides, tmp_path / "exact.tsv")
    mine_pairs(static, *sides, tmp_path / "lists.tsv", approximate=True)
    assert (tmp_path / "lists.tsv").read_bytes() == (tmp_path / "exact.tsv").read_bytes()


def test_an_approximate_search_without_faiss_is_refused_before_anything_is_encoded(tmp_path, monkeypatch):
    (tmp_path / "text").write_text("One.\nTwo.\n")
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match="need FAISS, which is not installed"):
        mine_pairs("no/model", *[str(tmp_path / "text")] * 2, tmp_path / "out.tsv", approximate=True)
    assert [path.name for path in tmp_path.iterdir()] == ["text"]
