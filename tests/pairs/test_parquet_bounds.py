"""A small parquet file that expands to gigabytes is refused before it does; what is only repetitive is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lingualign.embedding.encoders import open_encoder
from lingualign.errors import InputError
from lingualign.evaluation import load_suites
from lingualign.pairs import read_source
from lingualign.pairs.formats import parquet as bounded

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 1_000_000
MEBIBYTE = "a" * (1 << 20)


def repeated(text: str, rows: int = ROWS) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array([0]).take(pa.array([0] * rows)).cast(pa.int32()), [text])


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        # a terabyte in 16 KB
        ({"sentence1": repeated(MEBIBYTE), "sentence2": repeated("b")}, {"dictionary_pagesize_limit": 1 << 30}),
        ({"sentence1": [MEBIBYTE] * 300, "sentence2": ["b"] * 300}, {"use_dictionary": False}),
        (
            {"sentence1": [MEBIBYTE] * 300, "sentence2": ["b"] * 300},
            {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"},
        ),
        ({"translation": [{"en": MEBIBYTE, "fr": "b"}] * 300}, {}),
    ],
    ids=["dictionary", "page", "delta", "nested"],
)  # fmt: skip
def test_a_parquet_bomb_is_refused(tmp_path: Path, columns: dict, options: dict) -> None:
    path = tmp_path / "x.en-fr.parquet"
    pq.write_table(pa.table(columns), path, compression="zstd", **options)
    assert path.stat().st_size < 1 << 15
    before = pa.total_allocated_bytes()
    with pytest.raises(
        InputError, match=r"x\.en-fr\.parquet: expands to more than 256 MiB, over 200 times its"
    ):
        read_source(path)
    assert pa.total_allocated_bytes() - before < 1 << 29


def test_scores_and_vectors_are_bounded_too(tmp_path: Path) -> None:
    score = repeated("1" + "0" * (1 << 10))
    sides = {"sentence1": repeated("a"), "sentence2": repeated("b")}
    pq.write_table(pa.table({**sides, "score": score}), tmp_path / "sts.parquet", compression="zstd")
    with pytest.raises(InputError, match=r"sts\.parquet: expands to more than"):
        load_suites([str(tmp_path)])
    vector = pa.array([[0.0] * 64]).take(pa.array([0] * ROWS))
    table = pa.table({"sentence": repeated("a"), "vector": vector})
    pq.write_table(table, tmp_path / "vectors.parquet", compression="zstd")
    with pytest.raises(InputError, match=r"vectors\.parquet: expands to more than"):
        open_encoder(str(tmp_path / "vectors.parquet"))


@pytest.mark.parametrize("encoding", [None, "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", "PLAIN"])
def test_whatever_way_text_is_written_it_is_read(tmp_path: Path, monkeypatch, encoding: str | None) -> None:
    monkeypatch.setattr(bounded, "_BATCH_BYTES", 1 << 12)
    texts = ["", "été", None, "x" * 3000, *(f"sentence {i % 700} of many" for i in range(3000))]
    other = pa.array(reversed(texts), pa.large_string())
    # Arrow reads no dictionary of its own from the other encodings.
    table = pa.table({"sentence1": texts, "sentence2": other if encoding else other.dictionary_encode()})
    options = {"use_dictionary": False, "column_encoding": encoding} if encoding else {}
    # The small limit makes pages without a dictionary follow those with one.
    for name, more in (("one", {}), ("mixed", {"dictionary_pagesize_limit": 512, "data_page_size": 1024})):
        path = tmp_path / f"{name}.en-fr.parquet"
        pq.write_table(table, path, row_group_size=1000, **options, **more)
        [file], _ = read_source(path)
        expected = [text or "" for text in texts]
        assert file.table["sentence1"].to_pylist() == expected
        assert file.table["sentence2"].to_pylist() == expected[::-1]
