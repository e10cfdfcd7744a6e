"""Alignment: the search against the plain programme, and the whole way on real sentences."""

from __future__ import annotations

import gzip
import json
import xml.etree.ElementTree as ElementTree
from statistics import NormalDist

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingualign.cli import main
from lingualign.errors import InputError
from lingualign.mining import align_documents, align_vectors, encode_text
from lingualign.mining.alignment.align_documents import joined
from lingualign.pairs import read_source

SKIP = 0.5


def runs(sentences, most):
    """Vectors of all runs of up to so many sentences, as if a text's vector were the sum of its sentences'."""
    return [
        np.array(
            [sentences[start : start + count].sum(axis=0) for start in range(len(sentences) - count + 1)]
        )
        .reshape(-1, sentences.shape[1])
        .astype(np.float32)
        for count in range(1, most + 1)
    ]


@st.composite
def documents(draw, longest=12):
    """Two documents; some of the sentences of one are noisy copies of the other's, in order."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, columns = draw(st.integers(1, longest)), draw(st.integers(1, longest))
    source, target = random.normal(size=(rows, 6)) + 0.5, random.normal(size=(columns, 6)) + 0.5
    common = min(rows, columns)
    shared = np.sort(random.permutation(common)[: draw(st.integers(0, common))])
    target[shared] = source[shared] + 0.4 * random.normal(size=(len(shared), 6))
    most = draw(st.integers(1, 3))
    return runs(source, most), runs(target, most)


def run_lengths(sides, seed):
    """Lengths of sentences, those of one document in a row alike in the other, and of all runs of them."""
    random = np.random.default_rng(seed)
    common = random.integers(1, 200, max(len(side[0]) for side in sides))
    lengths = []
    for side in sides:
        own = random.poisson(common[: len(side[0])])
        lengths.append(
            [np.convolve(own, np.ones(count, int), "valid")[: len(run)] for count, run in enumerate(side, 1)]
        )
    return tuple(lengths)


def plain_costs(source, target, lengths):
    """The cost of every link and that of leaving a sentence out, from the formulas."""

    def distance(one, two):
        return 1 - one @ two / np.linalg.norm(one) / np.linalg.norm(two)

    source_mean = [[np.mean([distance(one, y) for y in target[0]]) for one in run] for run in source]
    target_mean = [[np.mean([distance(x, two) for x in source[0]]) for two in run] for run in target]

    def apart(i, j, a, b):
        mean = source_mean[a - 1][i] + target_mean[b - 1][j]
        return 2 * a * b * distance(source[a - 1][i], target[b - 1][j]) / mean

    def ratio(i, j, a, b):
        return np.log((lengths[1][b - 1][j] + 1) / (lengths[0][a - 1][i] + 1))

    rows, columns = range(len(source[0])), range(len(target[0]))
    grid = np.array([[apart(i, j, 1, 1) for j in columns] for i in rows])
    typical = min(np.median(grid.min(axis=1)), np.median(grid.min(axis=0)))
    ratios = [ratio(i, grid[i].argmin(), 1, 1) for i in rows] + [
        ratio(grid[:, j].argmin(), j, 1, 1) for j in columns
    ]
    ratios += [0.3 * NormalDist().inv_cdf(share) for share in np.arange(0.05, 1, 0.1)]
    middle = np.median(ratios)
    finest = 1 / (1 + np.median(np.concatenate([side[0] for side in lengths])))
    spread = max(1.4826 * np.median(np.abs(ratios - middle)), finest)

    def link(i, j, a, b):
        kind = 0 if a + b == 2 else 3.0 + 1.4 * (a + b - 3)
        z = (ratio(i, j, a, b) - middle) / spread
        return apart(i, j, a, b) + 0.04 * (kind + z**2 / 2)

    return link, (typical + SKIP) / 2


def plain_alignment(source, target, lengths):
    """Least total cost, and its links, by the plain programme over all cells."""
    link, skip = plain_costs(source, target, lengths)
    best = {(0, 0): (0.0, [])}
    for i in range(len(source[0]) + 1):
        for j in range(len(target[0]) + 1):
            ways = [best[i, j]] if (i, j) == (0, 0) else []
            for a in range(len(source) + 1):
                for b in range(len(target) + 1):
                    if (i - a, j - b) not in best or (a, b) == (0, 0) or (not (a and b) and a + b > 1):
                        continue
                    cost, links = best[i - a, j - b]
                    own = link(i - a, j - b, a, b) if a and b else skip
                    ways.append((cost + own, [*links, (i - a, a, j - b, b)]))
            best[i, j] = min(ways, key=lambda way: way[0])
    return best[len(source[0]), len(target[0])]


def as_set(links):
    """Links without the order of what is left out, which is of no matter to the cost."""
    columns = (links.source, links.source_count, links.target, links.target_count)
    found = [tuple(map(int, row)) for row in zip(*columns, strict=True)]
    return {(i if a else None, a, j if b else None, b) for i, a, j, b in found}


def check_whole(links, rows, columns):
    """Every sentence is in one link, in order."""
    for begins, counts, length in (
        (links.source, links.source_count, rows),
        (links.target, links.target_count, columns),
    ):
        np.testing.assert_array_equal(begins, np.cumsum(counts) - counts)
        assert counts.sum() == length


@settings(deadline=None)
@given(documents(8), st.integers(0, 2**32 - 1), st.booleans())
def test_the_alignment_is_that_of_the_plain_programme(sides, seed, with_lengths):
    lengths = run_lengths(sides, seed)
    links = align_vectors(*sides, skip=SKIP, lengths=lengths if with_lengths else None)
    if not with_lengths:
        lengths = tuple([np.zeros(len(run)) for run in side] for side in sides)
    cost, expected = plain_alignment(*sides, lengths)
    assert links.cost.sum() == pytest.approx(cost, rel=1e-4, abs=1e-4)
    link, skip = plain_costs(*sides, lengths)
    columns = (links.source, links.target, links.source_count, links.target_count)
    each = [link(i, j, a, b) if a and b else skip for i, j, a, b in zip(*columns, strict=True)]
    np.testing.assert_allclose(links.cost, each, rtol=1e-3, atol=1e-4)
    check_whole(links, len(sides[0][0]), len(sides[1][0]))
    paired = {link for link in as_set(links) if link[1] and link[3]}
    assert paired == {link for link in expected if link[1] and link[3]}


@given(documents(40), st.integers(1, 5), st.integers(1, 200))
def test_within_any_window_the_alignment_is_whole_and_never_cheaper(sides, window, cells):
    links = align_vectors(*sides, window=window, exact_cells=cells)
    check_whole(links, len(sides[0][0]), len(sides[1][0]))
    assert links.cost.sum() >= align_vectors(*sides).cost.sum() - 1e-4


@given(documents(), st.integers(0, 2**32 - 1))
def test_backwards_or_with_the_sides_exchanged_it_is_the_same_alignment(sides, seed):
    lengths = run_lengths(sides, seed)
    rows, columns = (len(side[0]) for side in sides)
    links = as_set(align_vectors(*sides, lengths=lengths))
    reverse = [[[run[::-1] for run in side] for side in both] for both in (sides, lengths)]
    backwards = as_set(align_vectors(*reverse[0], lengths=reverse[1]))
    turned = {(rows - i - a if a else None, a, columns - j - b if b else None, b) for i, a, j, b in backwards}
    assert turned == links
    exchanged = as_set(align_vectors(*sides[::-1], lengths=lengths[::-1]))
    assert {(i, a, j, b) for j, b, i, a in exchanged} == links


def test_lengths_tell_a_sentence_left_out_from_one_that_is_joined():
    """A sentence so near its neighbour that the vectors alone would join both."""
    random = np.random.default_rng(2)
    one = random.normal(size=(60, 24))
    other = one + 0.3 * random.normal(size=one.shape)
    source = np.insert(one, 31, one[30] + 0.5 * random.normal(size=24), axis=0)
    sides = runs(source, 2), runs(other, 2)
    long = random.integers(30, 100, 60)
    lengths = [[side, side[1:] + side[:-1]] for side in (np.insert(long, 31, 90), long)]
    linked = as_set(align_vectors(*sides, lengths=lengths))
    assert (31, 1, None, 0) in linked
    assert len(linked) == 61


@pytest.mark.parametrize("kind", ["float16", "float32", "all equal"])
def test_a_document_with_itself_is_aligned_one_to_one_at_no_cost(kind):
    sentences = np.random.default_rng(1).normal(size=(300, 32))
    if kind == "all equal":
        sentences[:] = sentences[0]
    side = [run.astype("float16" if kind == "float16" else "float32") for run in runs(sentences, 3)]
    for cells in (1 << 20, 100):
        links = align_vectors(side, side, exact_cells=cells)
        assert (links.source_count == 1).all()
        assert (links.target_count == 1).all()
        assert links.cost.sum() == 0


def edited(sentences, seed):
    """Join some sentences on either side and leave some out; gives both sides and the links left."""
    random = np.random.default_rng(seed)
    sides, links, place = ([], []), set(), 0
    while place < len(sentences):
        edit = random.choice(5, p=[0.6, 0.1, 0.1, 0.1, 0.1])
        count = 2 if edit in (1, 2) else 1
        some = sentences[place : place + count]
        texts = (
            [] if edit == 3 else [joined(some)] if edit == 1 else some,
            [] if edit == 4 else [joined(some)] if edit == 2 else some,
        )
        spans = [
            tuple(range(len(side) + 1, len(side) + len(text) + 1))
            for side, text in zip(sides, texts, strict=True)
        ]
        if all(spans):
            links.add(tuple(spans))
        for side, text in zip(sides, texts, strict=True):
            side += text
        place += len(some)
    return *sides, links


def test_coarse_to_fine_finds_what_the_whole_grid_holds():
    random = np.random.default_rng(5)
    source = random.normal(size=(900, 24)) + 0.3
    kept = random.random(900) > 0.15
    kept[200:330] = False  # a gap much wider than the window
    target = (source + 0.5 * random.normal(size=source.shape))[kept]
    sides = runs(source, 2), runs(target, 2)
    whole = align_vectors(*sides)
    for cells in (1_000, 50_000):
        assert as_set(align_vectors(*sides, exact_cells=cells)) == as_set(whole)


@pytest.fixture(scope="module")
def ntrex(data):
    """English sentences in the order of their texts."""
    return pq.read_table(data / "eval" / "ntrex" / "ntrex128.parquet")["eng_Latn"].to_pylist()[:80]


@pytest.fixture(scope="module")
def texts(ntrex, tmp_path_factory):
    """Two edits of a text with blank lines between, and the links between their lines."""
    folder = tmp_path_factory.mktemp("texts")
    source, target, links = edited(ntrex, 3)
    (folder / "source").write_text("\n" + "\n".join(source) + "\n  \n")
    (folder / "target.gz").write_bytes(gzip.compress("\n".join(target).encode()))
    links = {(tuple(line + 1 for line in one), two) for one, two in links}
    return folder, source, target, links


@pytest.mark.data
def test_every_output_has_the_links_of_real_sentences(static, texts, tmp_path):
    folder, source, target, true = texts
    inputs = str(folder / "source"), str(folder / "target.gz")
    report = align_documents(static, *inputs, tmp_path / "links.parquet")
    table = pq.read_table(tmp_path / "links.parquet")
    rows = table.to_pylist()
    found = {(tuple(row["source_lines"]), tuple(row["target_lines"])) for row in rows}
    paired = {link for link in found if all(link)}
    assert 2 * len(paired & true) / (len(paired) + len(true)) > 0.9
    assert [line for row in rows for line in row["source_lines"]] == list(range(2, len(source) + 2))
    assert [line for row in rows for line in row["target_lines"]] == list(range(1, len(target) + 1))
    assert report.links == len(paired)
    assert report.source == (len(source) + 2, 2, sum(not row["target_lines"] for row in rows))
    assert report.target == (len(target), 0, sum(not row["source_lines"] for row in rows))
    for row in rows:
        assert row["sentence1"] == " ".join(source[line - 2] for line in row["source_lines"])
        assert row["sentence2"] == " ".join(target[line - 1] for line in row["target_lines"])

    align_documents(static, *inputs, tmp_path / "links.en-fr.tsv.zst")
    [read], _ = read_source(tmp_path / "links.en-fr.tsv.zst")
    assert read.table["sentence1"].to_pylist() == [row["sentence1"] for row in rows]
    align_documents(static, *inputs, tmp_path / "links.jsonl")
    assert [json.loads(line) for line in (tmp_path / "links.jsonl").read_text().splitlines()] == rows
    align_documents(static, *inputs, tmp_path / "links.en-fr.tmx")
    units = list(ElementTree.parse(tmp_path / "links.en-fr.tmx").iter("tu"))
    both = [row for row in rows if row["source_lines"] and row["target_lines"]]
    assert [[segment.text for segment in unit.iter("seg")] for unit in units] == [
        [row["sentence1"], row["sentence2"]] for row in both
    ]
    assert {prop.get("type") for unit in units for prop in unit.iter("prop")} == {"cost"}
    assert not list(tmp_path.glob("*.parts"))


@pytest.mark.data
def test_texts_that_do_not_belong_together_are_named(minilm, data, texts, tmp_path, capsys):
    news = pq.read_table(data / "eval" / "ntrex" / "ntrex128.parquet")["eng_Latn"].to_pylist()
    for side in ("one", "two"):
        (tmp_path / side).mkdir()
    (tmp_path / "one" / "related").write_bytes((texts[0] / "source").read_bytes())
    (tmp_path / "two" / "related.gz").write_bytes((texts[0] / "target.gz").read_bytes())
    (tmp_path / "one" / "other").write_text("\n".join(news[:60]))
    (tmp_path / "two" / "other").write_text("\n".join(news[1000:1060]))
    (tmp_path / "one" / "reversed").write_text("\n".join(news[:60]))
    (tmp_path / "two" / "reversed").write_text("\n".join(reversed(news[:60])))
    sides = str(tmp_path / "one"), str(tmp_path / "two")
    assert align_documents(minilm, *sides, tmp_path / "links.tsv").unrelated == ("other", "reversed")
    files = (str(tmp_path / side / "other") for side in ("one", "two"))
    assert main(["align", "minilm", *files, str(tmp_path / "other.tsv")]) == 0
    [warning] = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert "other: most sentences have no partner, or one that is no nearer than a random sentence" in warning


@pytest.mark.data
def test_documents_of_two_folders_are_aligned_each_with_its_namesake(static, texts, tmp_path, capsys):
    folder, *_ = texts
    for side in ("one", "two"):
        (tmp_path / side / "part").mkdir(parents=True)
    (tmp_path / "one" / "a").write_bytes((folder / "source").read_bytes())
    (tmp_path / "two" / "a.gz").write_bytes((folder / "target.gz").read_bytes())
    (tmp_path / "one" / "part" / "b").write_text("The dog sleeps.\nIt rains.\n")
    (tmp_path / "two" / "part" / "b").write_text("The dog sleeps. It rains.\n")
    save = tmp_path / "model"
    static.save(str(save))
    output = tmp_path / "links.tsv"
    assert main(["align", str(save), str(tmp_path / "one"), str(tmp_path / "two"), str(output)]) == 0
    assert "links of 2 documents in" in capsys.readouterr().out
    header, *rows = [line.split("\t") for line in output.read_text().splitlines()]
    assert header == ["document", "source_lines", "target_lines", "cost", "sentence1", "sentence2"]
    assert rows[-1][:3] + rows[-1][4:] == ["part/b", "1,2", "1", *["The dog sleeps. It rains."] * 2]
    assert float(rows[-1][3]) == pytest.approx(
        0.04 * 3, abs=0.01
    )  # of its kind, and hardly anything of lengths
    align_documents(static, str(folder / "source"), str(folder / "target.gz"), tmp_path / "alone.tsv")
    alone = [line.split("\t") for line in (tmp_path / "alone.tsv").read_text().splitlines()[1:]]
    assert [row[1:] for row in rows[:-1]] == alone


def test_sentences_are_joined_as_their_script_does():
    assert joined(["A dog.", "A cat."]) == "A dog. A cat."
    assert joined(["犬がいる。", "猫もいる。"]) == "犬がいる。猫もいる。"
    assert joined(["개가 있다.", "고양이도 있다."]) == "개가 있다. 고양이도 있다."
    assert joined(["これはPython", "です。"]) == "これはPython です。"


def test_long_and_odd_lines_are_aligned(static, tmp_path):
    long = "all work and no play " * 20_000
    (tmp_path / "one").write_text(f"the first\n{long}\nthe end\n")
    (tmp_path / "two").write_text(f"the first\n\n{long}\tx\r\nthe end\n")
    align_documents(static, str(tmp_path / "one"), str(tmp_path / "two"), tmp_path / "links.tsv")
    rows = [line.split("\t") for line in (tmp_path / "links.tsv").read_text().splitlines()[1:]]
    assert [row[:2] for row in rows] == [["1", "1"], ["2", "3"], ["3", "4"]]


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        ({}, {"most": 0}, "most is 0; it must be a number of sentences from 1 to 8"),
        ({}, {"skip": -1.0}, "skip is -1; it must be a cost, at least 0"),
        ({}, {"skip": float("nan")}, "skip is nan; it must be a cost, at least 0"),
        ({}, {"output": "o.csv"}, r"not a known kind of file; give \.parquet, \.tsv, \.jsonl, \.tmx"),
        ({}, {"output": "o.tmx"}, r"its name must tell the languages, as in aligned\.en-fr\.tmx"),
        ({"a": b""}, {}, "a': empty, there is not one sentence in it"),
        ({"b": b"\n \n"}, {}, "b: there is nothing to align in it, for all of its lines are blank"),
        ({"a": b"one\n\xff\n"}, {}, "a, line 2: not valid UTF-8"),
        ({}, {"source": "none"}, "none': no such file"),
        ({}, {"source": ""}, "is a folder and .* is none; give two files or two folders"),
        ({}, {"source": "-", "target": "-"}, "source and target are both -"),
        ({"c/x": b"one\n", "d/y": b"one\n"}, {"source": "c", "target": "d"}, "'x' is not in .* of the same name"),
        ({"c/x": b"one\n", "c/x.gz": b""}, {"source": "c", "target": "c"}, "are one document by name"),
    ],
)  # fmt: skip
def test_what_cannot_be_aligned_is_said_before_any_work(tmp_path, files, options, message):
    for name, content in ({"a": b"one\n", "b": b"one\n"} | files).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    before = set(tmp_path.iterdir())
    options = {"source": "a", "target": "b", "output": "o.tsv"} | options
    source, target = (
        side if side == "-" else str(tmp_path / side)
        for side in (options.pop("source"), options.pop("target"))
    )
    # A model that cannot be loaded: an error about anything else has come before it.
    with pytest.raises(InputError, match=message):
        align_documents("/no/such/model", source, target, tmp_path / options.pop("output"), **options)
    assert set(tmp_path.iterdir()) == before


def test_vectors_that_cannot_be_aligned_are_refused(static, tmp_path):
    side = runs(np.random.default_rng(1).normal(size=(5, 4)), 2)
    broken = [side[0], side[1].copy()]
    broken[1][3, 2] = np.nan
    with pytest.raises(InputError, match="target, row 4: NaN or infinite values"):
        align_vectors(side, broken)
    with pytest.raises(InputError, match="source has vectors of 4 dimensions and target of 3"):
        align_vectors(side, [run[:, :3] for run in side])
    with pytest.raises(InputError, match="source: there is nothing to align in it"):
        align_vectors([side[0][:0]], side)
    (tmp_path / "text").write_text("one\n")
    encode_text(static, str(tmp_path / "text"), tmp_path / "encoded")
    with pytest.raises(InputError, match="is an encoded text, but alignment encodes joined sentences too"):
        align_documents(static, *[str(tmp_path / "encoded")] * 2, tmp_path / "o.tsv")
