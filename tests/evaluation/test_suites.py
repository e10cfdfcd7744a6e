"""Reading suites: the same content in every form, and every bad file with its message."""

from __future__ import annotations

import gzip
import json
import logging
import lzma
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from lingualign.errors import InputError
from lingualign.evaluation import load_suites

BITEXT = {"sentence1": ["chat", "« chien »", '"ours"'], "sentence2": ["cat", "dog", "bear"]}
STS = {"sentence1": ["a", "b", "c"], "sentence2": ["d", "e", "f"], "score": [0.0, 2.5, 5.0]}
NWAY = {"eng_Latn": ["cat", "dog"], "fra_Latn": ["chat", "chien"], "ko": ["고양이", "개"]}


def tsv(columns):
    rows = [columns, *zip(*columns.values(), strict=True)]
    return "".join("\t".join(map(str, row)) + "\n" for row in rows).encode()


def jsonl(columns):
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write(path, columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    form = tsv if ".tsv" in path.name else jsonl
    if path.suffix == ".parquet":
        pq.write_table(pa.table(columns), path)
    elif path.suffix == ".gz":
        path.write_bytes(gzip.compress(form(columns)))
    elif path.suffix == ".xz":
        path.write_bytes(lzma.compress(form(columns)))
    elif path.suffix == ".zst":
        path.write_bytes(zstandard.compress(form(columns)))
    else:
        path.write_bytes(form(columns))
    return path


@pytest.mark.parametrize("columns", [BITEXT, STS, NWAY], ids=["bitext", "sts", "nway"])
@pytest.mark.parametrize("ending", ["tsv", "tsv.gz", "tsv.zst", "jsonl", "jsonl.xz"])
def test_every_form_reads_like_parquet(tmp_path, columns, ending):
    write(tmp_path / "parquet" / "set.parquet", columns)
    write(tmp_path / "other" / f"set.{ending}", columns)
    (expected,), (found,) = (load_suites(tmp_path / folder) for folder in ("parquet", "other"))
    assert (found.name, found.kind, found.rows) == ("set", expected.kind, expected.rows)
    assert found.sentences == expected.sentences
    assert (found.gold is None) == (expected.gold is None)
    if columns is STS:
        assert found.gold.tolist() == expected.gold.tolist() == STS["score"]


def test_kind_follows_from_the_columns(tmp_path):
    write(tmp_path / "a.parquet", {**BITEXT, "lang1": ["fr"] * 3, "id": [1, 2, 3]})
    write(tmp_path / "b.parquet", {**STS, "source": ["x"] * 3})
    write(tmp_path / "c.parquet", NWAY)
    suites = load_suites(tmp_path)
    assert [suite.kind for suite in suites] == ["bitext", "sts", "nway"]
    assert list(suites[2].sentences) == ["eng_Latn", "fra_Latn", "ko"]


def test_rows_of_the_split_test_are_scored(tmp_path):
    split = ["test", "train", "test"]
    for name, columns in {"bitext": BITEXT, "sts": STS}.items():
        write(tmp_path / f"{name}.tsv", {**columns, "split": split})
    bitext, sts = load_suites(tmp_path)
    assert bitext.sentences == {"sentence1": ["chat", '"ours"'], "sentence2": ["cat", "bear"]}
    assert sts.gold.tolist() == [0, 5]


def test_rows_outside_the_split_test_are_not_judged(tmp_path):
    broken = {"sentence1": ["a", None, "c"], "sentence2": ["d", "e", "f"], "split": ["test", "train", "test"]}
    assert load_suites(write(tmp_path / "a.jsonl", broken))[0].rows == 2


def test_names_are_paths_below_the_given_folder_and_groups_name_its_parts(tmp_path):
    write(tmp_path / "eval" / "tatoeba" / "fra-eng.tsv.gz", BITEXT)
    write(tmp_path / "eval" / "sts" / "news" / "v1.2.tsv", STS)
    write(tmp_path / "eval" / "extra.parquet", NWAY)

    def named(path):
        return {suite.name: suite.group for suite in load_suites(path)}

    everything = {"extra": "eval", "sts/news/v1.2": "sts", "tatoeba/fra-eng": "tatoeba"}
    assert named(tmp_path / "eval") == everything
    assert named(tmp_path / "eval" / "tatoeba") == {"fra-eng": "tatoeba"}
    assert named(tmp_path / "eval" / "tatoeba" / "fra-eng.tsv.gz") == {"fra-eng": "tatoeba"}
    assert named(tmp_path / "eval" / "tatoeba" / ".." / ".." / "eval") == everything


def test_group_of_the_working_folder_is_its_name(tmp_path, monkeypatch):
    write(tmp_path / "tatoeba" / "fra-eng.tsv", BITEXT)
    monkeypatch.chdir(tmp_path / "tatoeba")
    assert load_suites(".")[0].group == load_suites("fra-eng.tsv")[0].group == "tatoeba"


def test_files_are_read_in_order_and_once(tmp_path):
    for name in ("b", "a", "c"):
        write(tmp_path / "x" / f"{name}.tsv", BITEXT)
    suites = load_suites([tmp_path / "x" / "c.tsv", str(tmp_path / "x")])
    assert [suite.name for suite in suites] == ["c", "a", "b"]


def test_hidden_files_are_passed_over_and_others_named(tmp_path, caplog):
    write(tmp_path / "a.tsv", BITEXT)
    write(tmp_path / ".cache" / "b.tsv", BITEXT)
    (tmp_path / "notes.txt").write_text("x")
    with caplog.at_level(logging.WARNING):
        assert len(load_suites(tmp_path)) == 1
    assert "notes.txt" in caplog.text
    assert ".cache" not in caplog.text


def test_blank_sentences_are_kept(tmp_path):
    blank = {**BITEXT, "sentence2": ["cat", "", "bear"]}
    assert load_suites(write(tmp_path / "a.tsv", blank))[0].sentences == blank


def test_byte_order_mark_and_windows_line_ends_are_no_part_of_the_text(tmp_path):
    (tmp_path / "a.tsv").write_bytes(b"\xef\xbb\xbf" + tsv(BITEXT).replace(b"\n", b"\r\n"))
    assert load_suites(tmp_path)[0].sentences == BITEXT


PARQUET_NAN = {**STS, "score": [1, 2, float("nan")]}
RANGED = {**STS, "min_score": [0, 0, 0], "max_score": [4, 4, 4]}
NO_TEST = {**BITEXT, "split": ["train", "dev", "dev"]}
BAD_FILES = [
    ("a.tsv", {"text": ["a", "b"], "label": ["c", "d"]}, "fits no kind of suite: .*; found text, label"),
    ("a.parquet", {"eng_Latn": ["a", "b"]}, "fits no kind of suite: .*; found eng_Latn"),
    ("a.parquet", {"en": ["a", "b"], "klingonish": ["a", "b"]}, "fits no kind .*; found en, klingonish"),
    ("a.parquet", {"en": ["a", "b"], "fr": [1, 2]}, "column 'fr' holds int64, not text"),
    ("a.parquet", {**BITEXT, "sentence1": [1, 2, 3]}, "column 'sentence1' holds int64, not text"),
    ("a.tsv", b"", "empty, not even a header line"),
    ("a.jsonl", b"\n", "fits no kind of suite: .*; found none"),
    ("a.tsv", b"sentence1\tsentence2\n", "too few rows to score: 0, expected at least 2"),
    ("a.tsv", b"sentence1\tsentence2\na\tb\n", "too few rows to score: 1, expected at least 2"),
    ("a.jsonl", {**BITEXT, "sentence2": ["cat", None, "bear"]}, "row 2 .*: 'sentence2' is missing, expected"),
    ("a.tsv", {**STS, "score": [1, "high", 2]}, "row 2 .*: 'score' is 'high', expected a finite number"),
    ("a.tsv", {**STS, "score": [1, "", 2]}, "row 2 .*: 'score' is '', expected a finite number"),
    ("a.parquet", PARQUET_NAN, "row 3 .*: 'score' is nan, expected a finite number"),
    ("a.parquet", {**STS, "score": [1, None, 2]}, "row 2 .*: 'score' is missing, expected a finite number"),
    ("a.jsonl", {**STS, "score": [True, 1, 2]}, "row 1 .*: 'score' is True, expected a finite number"),
    ("a.jsonl", {**STS, "score": [1, 10**400, 2]}, "row 2 .*: 'score' is 1000.*, expected a finite number"),
    ("a.tsv", {**STS, "score": [3, 3, 3]}, "all 3 scores are 3, so there is no order to compare with"),
    ("a.tsv", RANGED, r"row 3 .*: 'score' is 5, outside the declared range \('max_score' is 4\)"),
    ("a.parquet", RANGED, r"row 3 .*: 'score' is 5, outside the declared range \('max_score' is 4\)"),
    ("a.tsv", NO_TEST, "no rows to score: its column 'split' never says 'test', only dev, train"),
    ("a.tsv", b"sentence1\tsentence2\na\tb\na\n", "line 3: 1 fields, but the header has 2"),
    ("a.tsv", b"sentence1\tsentence2\na\tb\n\xff\tb\n", "line 3: not valid UTF-8"),
    ("a.jsonl", b'{"sentence1": "a"\n', "line 1: not valid JSON"),
    ("a.parquet", b"no parquet", "no parquet file"),
    ("a.tsv.gz", gzip.compress(tsv(BITEXT))[:-12], "damaged or cut off"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES)
def test_bad_file(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content) if isinstance(content, bytes) else write(path, content)
    with pytest.raises(InputError, match=message) as caught:
        load_suites(tmp_path)
    assert str(path) in str(caught.value)


def test_bad_paths(tmp_path):
    with pytest.raises(InputError, match=r"no suite given"):
        load_suites([])
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / 'none'} is neither a folder nor a file")):
        load_suites(tmp_path / "none")
    with pytest.raises(InputError, match=r"expected files of kind parquet, .*found none at all"):
        load_suites(tmp_path)
    for number in range(7):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(InputError, match=r"found 0\.txt, 1\.txt, 2\.txt, 3\.txt, 4\.txt and 2 more"):
        load_suites(tmp_path)
    with pytest.raises(InputError, match=r"0\.txt cannot be a suite: expected a file of kind parquet"):
        load_suites(tmp_path / "0.txt")


def test_two_suites_of_one_name(tmp_path):
    write(tmp_path / "one" / "fra-eng.tsv", BITEXT)
    write(tmp_path / "two" / "fra-eng.tsv", BITEXT)
    with pytest.raises(InputError, match=r"two suites have the name 'fra-eng': .*one.*fra-eng.tsv and .*two"):
        load_suites([tmp_path / "one", tmp_path / "two"])
    assert [suite.name for suite in load_suites(tmp_path)] == ["one/fra-eng", "two/fra-eng"]


def test_an_identifier_is_no_language(tmp_path):
    path = write(tmp_path / "set.tsv", {"id": ["1", "2"], "en": ["cat", "dog"], "fr": ["chat", "chien"]})
    with pytest.raises(
        InputError, match=r"set\.tsv: the column 'id' beside 'en' .* name it 'ind_Latn', else leave"
    ):
        load_suites(path)
    (suite,) = load_suites(write(path, {"ind_Latn": ["kucing", "anjing"], "en": ["cat", "dog"]}))
    assert suite.kind == "nway"
