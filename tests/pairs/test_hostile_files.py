"""Archives, encodings, saved data sets and text that is none: read where they can be, else explained."""

from __future__ import annotations

import bz2
import gzip
import json
import zipfile
from collections import deque
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from lingualign.errors import InputError
from lingualign.pairs import prepare_pairs, read_source
from lingualign.pairs.formats.compression import read_blocks

TSV = "sentence1\tsentence2\nhé\tà bientôt, été\n"
LONGER = TSV + "".join(f"Où est l'hôtel {i} ?\tLa forêt est très âgée, déjà {i}.\n" for i in range(40))


def read(source: Path, **options: str) -> list[tuple[str, ...]]:
    return [
        tuple(row.values()) for file in read_source(source, **options)[0] for row in file.table.to_pylist()
    ]


def pack(path: Path, **members: str | bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_an_archive_is_a_folder_with_one_file_or_a_moses_pair(tmp_path: Path) -> None:
    moses = {"TED.en-fr.en": "a\nb\n", "TED.en-fr.fr": "c\nd\n", "README": "about", "__MACOSX/._a": "x"}
    path = pack(tmp_path / "en-fr.txt.zip", **moses)
    expected = [("a", "c", "en", "fr", "TED"), ("b", "d", "en", "fr", "TED")]
    assert read(path) == read(tmp_path) == expected
    assert [Path(each.file).name for each in read_source(path)[1]] == ["README"]
    one = pack(tmp_path / "any.zip", **{"sub/News.en-fr.tsv.bz2": bz2.compress(TSV.encode())})
    assert read(one) == [("hé", "à bientôt, été", "en", "fr", "News")]


@pytest.mark.parametrize(
    ("name", "members", "message"),
    [
        ("x.zip", {"../en-fr.tsv": TSV}, r"a file named '\.\./en-fr\.tsv', which would leave the folder"),
        ("x.zip", {"/etc/en-fr.tsv": TSV}, r"would leave the folder"),
        ("x.zip", {"a\\..\\en-fr.tsv": TSV}, r"would leave the folder"),
        ("x.zip", {"a.en-fr.tsv": TSV, "b.en-fr.tsv": TSV}, r"holds 2 files of pairs \(a\.en-fr\.tsv, b\.en-fr"),
        ("x.zip", {"notes": "x", "en-fr.parquet": b"", "b.zip": b""}, r"no file of pairs in this archive \(found: b"),
        ("en-fr.tsv.zip", {"a": TSV, "b": TSV}, r"must hold one file, and holds 2 \(a, b\); unpack it"),
    ],
)  # fmt: skip
def test_archives_that_harm_are_refused(
    tmp_path: Path, name: str, members: dict[str, str | bytes], message: str
) -> None:
    path = pack(tmp_path / name, **members)
    with pytest.raises(InputError, match=message) as caught:
        read_source(path)
    assert str(path) in str(caught.value)


def test_a_bomb_is_refused_whatever_it_is_packed_with(tmp_path: Path) -> None:
    blanks = b" " * ((1 << 28) + (1 << 21))
    with zipfile.ZipFile(tmp_path / "x.txt.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("x.txt", blanks)
    (tmp_path / "x.txt.zst").write_bytes(zstandard.compress(blanks))
    for ending in (".zip", ".zst"):
        with pytest.raises(
            InputError, match=r"x\.txt.* expands to more than 256 MiB, over 200 times its size"
        ):
            deque(read_blocks(tmp_path / f"x.txt{ending}"), maxlen=0)
    (tmp_path / "en-fr.tsv.gz").write_bytes(gzip.compress(bytes(70 << 20), 1))
    with pytest.raises(InputError, match=r"line 1: goes on for more than 64 MiB; are the line breaks lost"):
        read_source(tmp_path / "en-fr.tsv.gz")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.en-fr.tsv"
    path.write_bytes(TSV.encode(encoding))
    assert read(path) == read(path, encoding="cp1252") == [("hé", "à bientôt, été", "en", "fr", "x")]


def test_an_encoding_is_named_by_the_error_and_taken_from_the_user(tmp_path: Path) -> None:
    path = tmp_path / "x.en-fr.tsv"
    path.write_bytes(LONGER.encode("cp1252"))
    with pytest.raises(
        InputError,
        match=r"line 2: not valid UTF-8 \(byte 0xe9\); the file seems to be in \w+: convert it",
    ):
        read(path)
    assert prepare_pairs(path, encoding="cp1252", validation=0).train["sentence1"][0].as_py() == "hé"
    path.write_bytes(LONGER.encode("utf-16-le"))
    with pytest.raises(InputError, match="every other byte is zero; the file seems to be in utf-16-le"):
        read(path)
    assert len(read(path, encoding="utf-16-le")) == 41
    path.write_bytes(LONGER.encode("cp1252"))
    with pytest.raises(InputError, match=r"line 2: not valid euc_kr .*; give another encoding"):
        read(path, encoding="euc_kr")
    for wrong in ("klingon", "base64"):
        with pytest.raises(InputError, match=f"encoding: '{wrong}' is no encoding of text"):
            read(path, encoding=wrong)


def test_a_file_may_declare_its_encoding(tmp_path: Path) -> None:
    memory = "<tmx><tu><tuv lang='ko'><seg>하나</seg></tuv><tuv lang='en'><seg>one</seg></tuv></tu></tmx>"
    for declared, real in (("euc-kr", "euc-kr"), ("UTF-16", "utf-8")):
        path = tmp_path / "x.tmx"
        path.write_bytes(f'<?xml version="1.0" encoding="{declared}"?>{memory}'.encode(real))
        assert read(path) == [("하나", "one", "ko", "en", "x")]
    catalogue = (
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=ISO-8859-1\\n"\n\nmsgid "a"\nmsgstr "é"\n'
    )
    (tmp_path / "fr.po").write_bytes(catalogue.encode("latin-1"))
    assert read(tmp_path / "fr.po")[0][:2] == ("a", "é")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\0b", r"row 2: sentence2 holds a NUL byte"),
        ("a" * (10 << 20), r"row 2: sentence2 is longer than 1,048,576 bytes"),
    ],
)
def test_what_is_no_sentence_is_named(tmp_path: Path, text: str, message: str) -> None:
    table = {"sentence1": ["x", "y"], "sentence2": ["\u200fא\u202e\u2028", text]}
    pq.write_table(pa.table(table), tmp_path / "en-he.parquet")
    (tmp_path / "en-he.tsv").write_text("sentence1\tsentence2\nx\t\u200fא\u202e\u2028\ny\t" + text + "\n")
    (tmp_path / "en-he.jsonl").write_text(
        "".join(json.dumps({"sentence1": "x", "sentence2": s}) + "\n" for s in table["sentence2"])
    )
    for kind in ("parquet", "tsv", "jsonl"):
        with pytest.raises(InputError, match=message):
            read(tmp_path / f"en-he.{kind}")
    (tmp_path / "m.en-he.en").write_text("x\ny\n")
    (tmp_path / "m.en-he.he").write_text(f"z\n{text}\n")
    with pytest.raises(InputError, match=r"m\.en-he\.he, row 2: the line"):
        read(tmp_path / "m.en-he.he")


def test_a_saved_data_set_is_a_source(tmp_path: Path) -> None:
    sides = {"sentence1": ["a", "b"], "sentence2": ["c", None]}
    saved = datasets.Dataset.from_dict(sides)
    saved.save_to_disk(tmp_path / "data" / "TED.en-fr", num_shards=2)
    expected = [("a", "c", "en", "fr", "TED"), ("b", "", "en", "fr", "TED")]
    assert read(tmp_path / "data") == read(tmp_path / "data" / "TED.en-fr") == expected
    splits = datasets.DatasetDict({"train": saved, "test": saved.select([0])})
    splits.save_to_disk(tmp_path / "en-fr")
    assert [row[:4] for row in read(tmp_path / "en-fr")] == [row[:4] for row in expected]
    nested = datasets.Dataset.from_dict({"translation": [{"en": "a", "fr": "c"}]})
    nested.save_to_disk(tmp_path / "nested.en-fr")
    columns = {"sentence1": "translation.en", "sentence2": "translation.fr"}
    files, _ = read_source(tmp_path / "nested.en-fr", columns=columns)
    assert files[0].table["sentence2"].to_pylist() == ["c"]
    datasets.DatasetDict({"test": saved}).save_to_disk(tmp_path / "test-only")
    with pytest.raises(InputError, match=r"no split 'train'; found \['test'\]"):
        read(tmp_path / "test-only")
    state = tmp_path / "nested.en-fr" / "state.json"
    for outside in ("../data-00000-of-00001.arrow", "/etc/passwd", "\ud800", "\0"):
        state.write_text(json.dumps({"_data_files": [{"filename": outside}]}))
        with pytest.raises(InputError, match=r"state\.json: names no Arrow files of this folder"):
            read_source(tmp_path / "nested.en-fr", columns=columns)


def test_columns_whose_names_are_no_text_are_damage(tmp_path: Path) -> None:
    pq.write_table(pa.table({"sentence1": ["a"], "sentence2": ["b"]}), tmp_path / "en-fr.parquet")
    content = (tmp_path / "en-fr.parquet").read_bytes()
    (tmp_path / "en-fr.parquet").write_bytes(content.replace(b"sentence2", b"\x00\x80ntence2"))
    datasets.Dataset.from_dict({"a": ["b"]}).save_to_disk(tmp_path / "saved.en-fr")
    [arrow] = (tmp_path / "saved.en-fr").glob("*.arrow")
    arrow.write_bytes(arrow.read_bytes().replace(b"\x01\0\0\0a\0", b"\x01\0\0\0\x80\0"))
    for source in ("en-fr.parquet", "saved.en-fr"):
        with pytest.raises(InputError, match=r"damaged|cut off"):
            read(tmp_path / source)
