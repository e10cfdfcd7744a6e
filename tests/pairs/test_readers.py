"""What is written in any format is read back; what cannot be read is explained."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lingualign.errors import InputError
from lingualign.pairs import PAIR_SCHEMA, read_source

if TYPE_CHECKING:
    from collections.abc import Callable


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("any name", content)
    return packed.getvalue()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zip": zipped,
}
Rows = list[tuple[str, ...]]

line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\t\n\r\ufeff"), max_size=20)
# A cell that is quoted as a whole with a quote or comma within is the one that a TSV cannot tell from quoting.
plain = line.filter(lambda cell: not re.fullmatch('".*[",].*"', cell, re.DOTALL))
anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufeff"), max_size=20)


def rows(sentence: st.SearchStrategy[str]) -> st.SearchStrategy[Rows]:
    languages = st.sampled_from([("en", "fr"), ("ko", "en"), ("ja", "ru")])
    row = st.tuples(sentence, sentence, languages, st.sampled_from(["news", "ted talks"]))
    return st.lists(row.map(lambda r: (r[0], r[1], *r[2], r[3])), min_size=1, max_size=15)


def tsv(pairs: Rows) -> bytes:
    return "".join("\t".join(row) + "\n" for row in [tuple(PAIR_SCHEMA.names), *pairs]).encode()


def comma(pairs: Rows) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([tuple(PAIR_SCHEMA.names), *pairs])
    return text.getvalue().encode()


def jsonl(pairs: Rows) -> bytes:
    return "".join(
        json.dumps(dict(zip(PAIR_SCHEMA.names, row, strict=True))) + "\n" for row in pairs
    ).encode()


def read_rows(source: Path, **options: dict[str, str]) -> Rows:
    files, _ = read_source(source, **options)
    for file in files:
        assert file.table.schema.equals(PAIR_SCHEMA)
    return [tuple(row.values()) for file in files for row in file.table.to_pylist()]


function_scoped = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize(
    ("kind", "write", "sentence"), [("tsv", tsv, plain), ("csv", comma, anything), ("jsonl", jsonl, anything)]
)
def test_text_tables_round_trip(
    tmp_path: Path,
    kind: str,
    write: Callable[[Rows], bytes],
    sentence: st.SearchStrategy[str],
    compression: str,
) -> None:
    @function_scoped
    @given(rows(sentence))
    @example([('"', "", "en", "fr", "news")] * 2)
    @example([('"', 'x""y', "en", "fr", "news"), ('"', "", "en", "fr", "news")])
    @example([(',"', '"', "en", "fr", "news")] * 16)
    def check(pairs: Rows) -> None:
        path = tmp_path / f"pairs.{kind}{compression}"
        path.write_bytes(COMPRESS[compression](write(pairs)))
        assert read_rows(path) == pairs

    check()


@function_scoped
@given(pairs=rows(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)))
def test_parquet_round_trips(tmp_path: Path, pairs: Rows) -> None:
    path = tmp_path / "pairs.parquet"
    table = pa.table(list(zip(*pairs, strict=True)), names=PAIR_SCHEMA.names)
    pq.write_table(table.set_column(0, "sentence1", table["sentence1"].dictionary_encode()), path)
    assert read_rows(path) == pairs


@pytest.mark.parametrize("first", COMPRESS)
@pytest.mark.parametrize("second", COMPRESS)
def test_moses_files_find_each_other(tmp_path: Path, first: str, second: str) -> None:
    english, korean = ["One.", "", "Two \u2028 lines"], ["하나.", "둘", "셋\x85"]
    paths = [tmp_path / f"TED.en-ko.en{first}", tmp_path / f"TED.en-ko.ko{second}"]
    paths[0].write_bytes(COMPRESS[first]("\n".join(english).encode()))
    paths[1].write_bytes(COMPRESS[second]("\r\n".join([*korean, ""]).encode()))
    expected = [(e, k, "en", "ko", "TED") for e, k in zip(english, korean, strict=True)]
    for source in (*paths, tmp_path):
        assert read_rows(source) == expected


def test_names_give_languages_and_corpus(tmp_path: Path) -> None:
    (tmp_path / "ted").mkdir()
    body = b"sentence1\tsentence2\nhello\tbonjour\n"
    for name, expected in {
        "ted/en-fr.tsv": ("en", "fr", "ted"),
        "ted/News.v2.eng_Latn-fra_Latn.tsv": ("en", "fr", "News.v2"),
    }.items():
        (tmp_path / name).write_bytes(body)
        assert read_rows(tmp_path / name) == [("hello", "bonjour", *expected)]


def test_columns_are_mapped_and_tags_reduced(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    path.write_text(
        json.dumps({"english": "a", "other": "b", "lang1": "en-US", "lang2": "kor_Hang", "n": 3}) + "\n\n"
    )
    columns = {"sentence1": "english", "sentence2": "other"}
    assert read_rows(path, columns=columns) == [("a", "b", "en", "ko", "talks")]


def test_tsv_is_not_quoted_and_csv_is(tmp_path: Path) -> None:
    (tmp_path / "en-fr.tsv").write_text('sentence1\tsentence2\n"Hi\t"a ""b""\n')
    (tmp_path / "en-fr.csv").write_text('sentence1,sentence2\n"Hi,\nyou","a ""b""\tc"\n')
    assert [row[:2] for row in read_rows(tmp_path / "en-fr.tsv")] == [('"Hi', '"a ""b""')]
    assert [row[:2] for row in read_rows(tmp_path / "en-fr.csv")] == [("Hi,\nyou", 'a "b"\tc')]


def test_a_folder_is_read_in_order_and_says_what_it_leaves(tmp_path: Path) -> None:
    body = b"sentence1\tsentence2\nhello\tbonjour\n"
    for name in ("b/en-fr.tsv", "a/x.en-fr.tsv", ".hidden/en-fr.tsv", "a/.en-fr.tsv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(body)
    (tmp_path / "README").write_text("about")
    (tmp_path / "a" / "x.en-ko.ko").write_text("하나\n")
    (tmp_path / "loop").symlink_to(tmp_path)
    files, skipped = read_source(tmp_path)
    assert [Path(file.file).relative_to(tmp_path).as_posix() for file in files] == [
        "a/x.en-fr.tsv",
        "b/en-fr.tsv",
    ]
    reasons = {Path(file.file).name: file.reason for file in skipped}
    assert set(reasons) == {"README", "x.en-ko.ko", "loop"}
    assert "ending in .en, is missing" in reasons["x.en-ko.ko"]
    assert "not followed" in reasons["loop"]


HEAD = b"sentence1\tsentence2\n"
LANGUAGES = b"sentence1\tsentence2\tlang1\tlang2\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "en-fr.tsv",
            b"hello\tbonjour\nbye\tsalut\n",
            r"no column 'sentence1' and no column 'sentence2'; found 'hello', 'bonjour'.*header line",
        ),
        ("en-fr.tsv", b"", r"empty, not even a header"),
        ("en-fr.tsv", HEAD + b"a\tb\na\tb\tc\n", r"line 3: 3 fields, but the header has 2"),
        ("en-fr.tsv", b"sentence1\tsentence1\na\tb\n", r"'sentence1' more than once"),
        ("en-fr.tsv", HEAD + b"a\tb\nc\t\xff\n", r"line 3: not valid UTF-8 \(byte 0xff\)"),
        ("pairs.tsv", HEAD + b"a\tb\n", r"languages are not known; add columns lang1 and lang2, or name"),
        (
            "pairs.tsv",
            LANGUAGES + b"a\tb\ten\tfr\na\tb\ten\tklingon\n",
            r"row 2: lang2: unknown language code 'klingon'",
        ),
        ("en-fr.csv", b'sentence1,sentence2\n"a,b\n', r"line \d: not valid CSV \(unexpected end of data\)"),
        ("en-fr.csv", b"sentence1,sentence2\na,b,c\n", r"line 2: 3 fields, but the header has 2"),
        ("en-fr.jsonl", b'{"sentence1": "a", "sentence2": "b"}\n{"sentence1": \n', r"line 2: not valid JSON"),
        ("en-fr.jsonl", b'{"sentence1": "a", "sentence2": 5}\n', r"line 1: 'sentence2' is 5, not text"),
        (
            "en-fr.jsonl",
            b'{"sentence1": "a", "sentence2": "\\ud800"}\n',
            r"line 1: 'sentence2' holds half a surrogate",
        ),
        ("en-fr.jsonl", b"[1]\n", r"line 1: not a JSON object"),
        ("en-fr.parquet", b"PAR1 and no more", r"damaged or cut off, or no parquet file"),
        ("en-fr.tsv.gz", gzip.compress(HEAD * 99)[:-12], r"damaged or cut off \.gz file"),
        ("en-fr.tsv.xz", lzma.compress(HEAD * 99)[:-12], r"damaged or cut off \.xz file"),
        ("en-fr.tsv.zst", COMPRESS[".zst"](HEAD * 99)[:-3], r"damaged or cut off \.zst file"),
        ("en-fr.tsv.zst", b"not zstandard", r"damaged or cut off \.zst file"),
        ("en-fr.tsv.gz", b"", r"damaged or cut off \.gz file \(it is empty\)"),
        ("x.en-fr.fr", b"a\n", r"its other side x\.en-fr\.en is not beside it"),
        ("notes.txt", b"a\n", r"not a kind of file that holds pairs; known are .*\.parquet"),
    ],
)
def test_bad_files_are_explained(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_source(path)
    assert str(path) in str(caught.value)


def test_moses_sides_of_different_length_are_counted(tmp_path: Path) -> None:
    (tmp_path / "x.en-fr.en").write_text("a\nb\nc\n")
    (tmp_path / "x.en-fr.fr").write_text("a\nb\n")
    with pytest.raises(InputError, match=r"x\.en-fr\.en has 3 lines, .*x\.en-fr\.fr has 2"):
        read_source(tmp_path)


def test_parquet_columns_that_are_not_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "en-fr.parquet"
    pq.write_table(pa.table({"sentence1": ["a"], "sentence2": [5]}), path)
    with pytest.raises(InputError, match="column 'sentence2' holds int64, not text"):
        read_source(path)
    broken = pa.array([b"fine", b"\xff"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"sentence1": ["a", "b"], "sentence2": broken}), path)
    with pytest.raises(InputError, match="row 2: column 'sentence2' is not valid UTF-8"):
        read_source(path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere/at/all", r"no such file or folder; give a folder, a file"),
        ("missing/en-fr.tsv", r"no such file or folder"),
    ],
)
def test_sources_that_are_not_there(source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_source(source)


def test_a_folder_without_pairs_lists_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match=r"no file of pairs in this folder \(found: notes.txt\)"):
        read_source(tmp_path)


def test_a_column_mapping_of_another_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match="columns: 'source' is not a column of a pair table; allowed are sentence1"
    ):
        read_source(tmp_path, columns={"source": "english"})


def test_an_identifier_is_not_read_as_a_language(tmp_path: Path) -> None:
    path = tmp_path / "set.en-id.tsv"
    path.write_text("id\ten\tfr\n1\tcat\tchat\n", encoding="utf-8")
    with pytest.raises(
        InputError, match=r"set\.en-id\.tsv: the column 'id' beside 'en' .* 'ind_Latn', else leave"
    ):
        read_source(path)
    # Named in so many words, or mapped, it is text.
    path.write_text("ind\ten\nkucing\tcat\n", encoding="utf-8")
    [named] = read_source(path)[0]
    path.write_text("id\ten\tkey\nkucing\tcat\t7\n", encoding="utf-8")
    [mapped] = read_source(path, columns={"sentence1": "id", "sentence2": "en"})[0]
    row = {"sentence1": "kucing", "sentence2": "cat", "lang1": "id", "lang2": "en", "corpus": "set"}
    assert named.table.to_pylist() == mapped.table.to_pylist() == [row]
