"""Encoding a file: every form of input and output, order, interruptions, and what is refused."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import subprocess
import sys
from itertools import chain
from types import SimpleNamespace

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from lingualign.embedding import encode
from lingualign.errors import InputError
from lingualign.mining import EncodedText, EncodeReport, encode_text, sentences
from lingualign.mining.encoded_text import StackedRows
from lingualign.mining.sentences import read_sentences

TEXT = ["The dog sleeps.", "", "Le chien dort.", "  ", "The dog sleeps.", "개가 잔다.", "a\u2028b", "x" * 300]


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(sentences, "CHUNK_ROWS", 3)


def _lines(path, texts=TEXT):
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8", newline="")
    return str(path)


def _vectors(folder):
    text = EncodedText(folder)
    return text.sentences().to_pylist(), StackedRows(text.vectors)[:]


def test_every_output_holds_the_same_vectors_in_the_order_of_the_lines(static, tmp_path, small_chunks):
    source = _lines(tmp_path / "text")
    for output in ("folder", "one.npy", "one.parquet", "one.faiss"):
        assert encode_text(static, source, tmp_path / output) == EncodeReport(rows=8, kept=0)
    texts, vectors = _vectors(tmp_path / "folder")
    assert texts == TEXT
    assert vectors.dtype == np.float16
    np.testing.assert_array_equal(vectors, encode(static, TEXT, precision="fp32").astype(np.float16))
    np.testing.assert_array_equal(np.load(tmp_path / "one.npy"), vectors)
    table = pq.read_table(tmp_path / "one.parquet")
    assert table["sentence"].to_pylist() == TEXT
    np.testing.assert_array_equal(np.array(table["vector"].to_pylist(), np.float16), vectors)
    index = faiss.read_index(str(tmp_path / "one.faiss"))
    np.testing.assert_array_equal(index.reconstruct_n(0, index.ntotal), vectors.astype(np.float32))
    assert index.search(vectors[5:6].astype(np.float32), 1)[1].tolist() == [[5]]
    assert {path.name for path in tmp_path.iterdir()} == {
        "text",
        "folder",
        "one.npy",
        "one.parquet",
        "one.faiss",
    }


def test_every_input_gives_the_same_sentences(tmp_path, monkeypatch, small_chunks):
    plain = "".join(f"{text}\n" for text in TEXT).encode()
    (tmp_path / "text").write_bytes(b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n").removesuffix(b"\r\n"))
    (tmp_path / "text.en.gz").write_bytes(gzip.compress(plain[:20]) + gzip.compress(plain[20:]))
    (tmp_path / "text.xz").write_bytes(lzma.compress(plain))
    (tmp_path / "text.zst").write_bytes(zstandard.ZstdCompressor().compress(plain))
    table = pa.table({"id": ["a"] * 8, "sentence": [text or None for text in TEXT]})
    pq.write_table(table, tmp_path / "text.parquet", row_group_size=3)
    rows = [json.dumps({"sentence": text}) for text in TEXT]
    (tmp_path / "text.jsonl").write_text("\n".join(rows))
    (tmp_path / "text.tsv").write_text("\n".join(["id\ttext", *(f"1\t{text}" for text in TEXT)]), newline="")
    for path in sorted(tmp_path.iterdir()):
        chunks = list(read_sentences(str(path)))
        assert [text for chunk in chunks for text in chunk] == TEXT, path.name
        assert [len(chunk) for chunk in chunks] == [3, 3, 2]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(plain)))
    assert list(chain(*read_sentences("-"))) == TEXT
    assert list(chain(*read_sentences(str(tmp_path / "text.tsv"), "id"))) == ["1"] * 8


@pytest.mark.data
@pytest.mark.parametrize("name", ["text", "text.tsv", "text.csv", "text.jsonl", "text.parquet"])
def test_memory_does_not_grow_with_the_input(tmp_path, name):
    texts = [f"{number} is what this line of many is about" for number in range(400_000)]
    path = tmp_path / name
    if path.suffix == ".parquet":
        pq.write_table(pa.table({"text": texts}), path)
    else:
        head, row = {
            ".tsv": ("text\n", "{}"),
            ".csv": ("text\n", '"{}"'),
            ".jsonl": ("", '{{"text": "{}"}}'),
        }.get(path.suffix, ("", "{}"))
        path.write_text(head + "".join(row.format(text) + "\n" for text in texts), encoding="utf-8")
    before = pa.total_allocated_bytes()
    read, most = [], 0
    for chunk in read_sentences(str(path)):
        read += chunk
        most = max(most, pa.total_allocated_bytes() - before)
    assert read == texts
    assert most < sum(map(len, texts))  # which the whole of it would take in Arrow, and its offsets


def test_real_sentences_keep_their_vectors(minilm, tatoeba, tmp_path):
    texts = [*tatoeba[1][:40], *tatoeba[0][:10], *tatoeba[1][:5]]
    encode_text("minilm", _lines(tmp_path / "text", texts), tmp_path / "out")
    _, vectors = _vectors(tmp_path / "out")
    plain = minilm.encode(texts, normalize_embeddings=True)
    assert (vectors.astype(np.float32) * plain).sum(axis=1).min() > 0.9998
    np.testing.assert_array_equal(vectors[:5], vectors[-5:])


def test_a_killed_process_is_gone_on_from_to_the_same_bytes(static, tmp_path, monkeypatch):
    static.save(str(tmp_path / "model"))
    source = _lines(tmp_path / "text", [f"sentence number {number}" for number in range(20)])
    out = tmp_path / "killed"
    code = f"""
import os
from lingualign.mining import encode_folder, encode_text, sentences
sentences.CHUNK_ROWS = 4
whole = encode_folder.write_shard
def killed(folder, number, *rest):
    written = whole(folder, number, *rest)
    if number == 2:
        os._exit(9)
    return written
encode_folder.write_shard = killed
encode_text({str(tmp_path / "model")!r}, {source!r}, {str(out)!r}, precision="fp32")
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    with pytest.raises(
        InputError, match="its encoding was interrupted; run the same lingualign encode again"
    ):
        EncodedText(out)
    monkeypatch.setattr(sentences, "CHUNK_ROWS", 4)
    model = str(tmp_path / "model")
    assert encode_text(model, source, out, precision="fp32") == EncodeReport(rows=20, kept=8)
    assert encode_text(model, source, tmp_path / "whole", precision="fp32") == EncodeReport(rows=20, kept=0)
    files = [path.name for path in sorted((tmp_path / "whole").iterdir())]
    assert len(files) == 12
    for name in files:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_missing_or_altered_shard_is_named_and_made_anew(static, tmp_path, small_chunks, caplog):
    source, out = _lines(tmp_path / "text"), tmp_path / "out"
    encode_text(static, source, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / "shard-000000.sentences.parquet").unlink()
    with pytest.raises(InputError, match=r"shard-000000\.sentences\.parquet is missing: run the same"):
        EncodedText(out)
    altered = bytearray(before["shard-000002.vectors.npy"])
    altered[-1] ^= 1
    (out / "shard-000002.vectors.npy").write_bytes(altered)
    assert encode_text(static, source, out) == EncodeReport(rows=8, kept=3)
    assert "shard-000002.vectors.npy was altered after it was written: encoded anew" in caplog.text
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_folder_never_mixes_models_prompts_or_texts(static, minilm, tmp_path, small_chunks):
    source, out = _lines(tmp_path / "text"), tmp_path / "out"
    encode_text(static, source, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for model, options, text, message in (
        (minilm, {}, TEXT, "begun with another encoder: the models differ"),
        (static, {"prompt": "query: "}, TEXT, "the prompt differ: '' and 'query: '"),
        (static, {}, [*TEXT[:4], "other"], r"the encoding of another text \(shard 1 holds other sentences\)"),
        (static, {}, TEXT[:6], r"another text \(it has 8 sentences and the input 6\)"),
    ):
        with pytest.raises(InputError, match=message):
            encode_text(model, _lines(tmp_path / "other", text), out, **options)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    for model, text in ((static, "nowhere"), (static, _lines(tmp_path / "none", [])), ("/none", source)):
        with pytest.raises(InputError):
            encode_text(model, text, out, overwrite=True)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert encode_text(static, _lines(tmp_path / "other", ["one"]), out, overwrite=True).rows == 1
    assert _vectors(out)[0] == ["one"]


def test_a_folder_keeps_to_one_precision_where_it_moves_the_vectors(static, minilm, tmp_path, small_chunks):
    source = _lines(tmp_path / "text")
    encode_text(minilm, source, tmp_path / "out", precision="fp32")
    with pytest.raises(InputError, match="the precision differs: 'fp32' and 'bf16'"):
        encode_text(minilm, source, tmp_path / "out", precision="bf16")
    encode_text(static, source, tmp_path / "table", precision="fp32")
    report = encode_text(static, source, tmp_path / "table", precision="bf16")
    assert report.kept == report.rows


def test_a_manifest_that_is_none_is_refused(static, tmp_path):
    out = tmp_path / "out"
    encode_text(static, _lines(tmp_path / "text"), out)
    good = json.loads((out / "manifest.json").read_text())
    for wrong, message in (
        ("{", "not the manifest of an encoded text"),
        (json.dumps({**good, "format": 9}), "of format 9 and not 1"),
        (json.dumps({**good, "shards": [{**good["shards"][0], "number": "../../x"}]}), "number is '../../x'"),
        (json.dumps({**good, "shards": [{**good["shards"][0], "number": 7}]}), "not numbered 0, 1, 2"),
        (json.dumps({**good, "encoder": {**good["encoder"], "dimensions": 31}}), "float16 of shape"),
    ):
        (out / "manifest.json").write_text(wrong)
        with pytest.raises(InputError, match=message):
            EncodedText(out)


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("text", b"", {}, "empty, there is not one sentence in it"),
        (
            "text",
            b"good\nbad \xff\n",
            {},
            r"line 2: not valid UTF-8 \(byte 0xff\); which encoding it is in is not certain, the likeliest first",
        ),
        ("text", "good\nbad\n".encode("utf-16-le"), {}, "the file seems to be in utf-16-le"),
        (
            "text",
            b"endless " * (9 << 20),
            {},
            "line 1: goes on for more than 64 MiB; are the line breaks lost",
        ),
        ("text.gz", gzip.compress(b"a\n" * 99)[:-9], {}, r"damaged or cut off \.gz file"),
        ("text.gz", b"", {}, r"damaged or cut off \.gz file \(it is empty\)"),
        ("text.parquet", b"no", {}, "damaged or cut off, or no parquet file"),
        (
            "text.tsv",
            b"a\tb\n1\t2\n",
            {},
            "no column 'sentence' or 'text'; found 'a', 'b': name one with column",
        ),
        ("text.tsv", b"a\tb\n1\t2\n", {"column": "c"}, "no column 'c'; found 'a', 'b'"),
        ("text", b"a\n", {"column": "c"}, "is plain text, which has no columns"),
    ],
)
def test_an_input_that_cannot_be_used_is_named(static, tmp_path, name, content, options, message):
    (tmp_path / name).write_bytes(content)
    for output in ("out", "out.npy"):
        with pytest.raises(InputError, match=message):
            encode_text(static, str(tmp_path / name), tmp_path / output, **options)
    assert not list(tmp_path.glob("*.npy"))


def test_an_output_in_the_way_is_left_alone(static, tmp_path):
    source = _lines(tmp_path / "text")
    (tmp_path / "there.npy").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("mine")
    (tmp_path / "prepared").mkdir()
    (tmp_path / "prepared" / "manifest.json").write_text('{"format": 1, "files": {}}')
    for output, message in (
        ("there.npy", "exists; give another name, or --overwrite it"),
        ("folder", r"holds other files \(thesis.tex\); give an empty or a new folder"),
        ("prepared", "not the manifest of an encoded text, or a damaged one"),
        ("text", "is a file; give a folder, or a name that ends in .npy, .parquet, .faiss"),
        ("text/below", "cannot be written: Not a directory"),
    ):
        with pytest.raises(InputError, match=message):
            encode_text(static, source, tmp_path / output)
        if not output.endswith(".npy"):
            with pytest.raises(InputError, match=message):
                encode_text(static, source, tmp_path / output, overwrite=True)
    assert (tmp_path / "prepared" / "manifest.json").exists()
    assert (tmp_path / "there.npy").read_text() == (tmp_path / "folder" / "thesis.tex").read_text() == "mine"
    assert encode_text(static, source, tmp_path / "there.npy", overwrite=True).rows == 8
