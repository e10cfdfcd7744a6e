"""What is written is read back, in every format and compression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lingualign.errors import InputError
from lingualign.pairs import PAIR_SCHEMA, read_source
from lingualign.pairs.formats.compression import COMPRESSIONS
from lingualign.pairs.formats.writers import check_output, write_pairs, write_tsv
from lingualign.pairs.table import pair_tables

if TYPE_CHECKING:
    from pathlib import Path

OUTPUTS = [
    "x.parquet",
    *(f"x{kind}{ending}" for kind in (".tsv", ".jsonl", ".tmx") for ending in ("", *COMPRESSIONS)),
]

# What XML can hold, and TSV without blanks in place of tabs and line breaks.
in_xml = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff"), max_size=20
)
in_cells = in_xml | st.sampled_from(
    ["<seg> & ]]>", '"quoted"', '"a ""b"""', '"a, b"', '"', "\u200f\u202bאב", "\u2028\u0085"]
)
corpora = st.sampled_from(["news", "ted <talks>"])
languages = st.sampled_from([("en", "fr"), ("ko", "en"), ("ceb", "zh")])


def rows(sentence: st.SearchStrategy[str]) -> st.SearchStrategy[list[tuple[str, ...]]]:
    row = st.tuples(sentence, sentence, languages, corpora).map(lambda r: (r[0], r[1], *r[2], r[3]))
    return st.lists(row, min_size=1, max_size=10)


@pytest.mark.parametrize("name", OUTPUTS)
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    breaks = st.sampled_from(["a\tb", "line\nline", "return\rline\r\nline"])

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
    @given(rows(in_cells if ".tsv" in name else in_cells | breaks))
    @example([('"', "", "en", "fr", "news")] * 2)
    @example([('"a ""b"""', '"c"', "en", "fr", "news"), ("5, 6", "", "en", "fr", "news")])
    @example([('"1, 2"', '"é, d"', "en", "fr", "news")] * 8)
    def check(pairs: list[tuple[str, ...]]) -> None:
        [table] = pair_tables(pairs)
        write_pairs(table, tmp_path / name)
        first = (tmp_path / name).read_bytes()
        write_pairs(table, tmp_path / name)
        assert (tmp_path / name).read_bytes() == first
        [file] = read_source(tmp_path / name)[0]
        assert file.table.schema.equals(PAIR_SCHEMA)
        assert [tuple(row.values()) for row in file.table.to_pylist()] == pairs

    check()


@pytest.mark.parametrize("cell", ['"', '"Hi"', '"a ""b"""', '"a, b"', 'a "b"'])
def test_quotes_that_are_text_stay_in_a_tsv_and_change_no_other_bytes(tmp_path: Path, cell: str) -> None:
    [table] = pair_tables([(cell, "x", "en", "fr", "c")] * 8)
    mined = pa.table({"score": [1.25] * 8, "source": table["sentence1"], "target": table["sentence2"]})
    write_tsv(table, tmp_path / "x.tsv")
    write_tsv(mined, tmp_path / "mined.en-fr.tsv", header=False)
    for name, line in (("x.tsv", f"{cell}\tx\ten\tfr\tc\n"), ("mined.en-fr.tsv", f"1.250000\t{cell}\tx\n")):
        [file] = read_source(tmp_path / name)[0]
        assert file.table["sentence1"].to_pylist() == [cell] * 8
        plain = (tmp_path / name).read_text(encoding="utf-8").endswith(line * 8)
        assert plain == (cell not in ('"a ""b"""', '"a, b"'))


def test_scores_go_with_the_pairs_and_control_characters_stay_behind(tmp_path: Path) -> None:
    [table] = pair_tables([("a\0\x1f\ufffeb", "c", "en", "fr", "x")])
    write_pairs(table.append_column("margin", pa.array([1.25])), tmp_path / "scored.tmx")
    written = (tmp_path / "scored.tmx").read_text(encoding="utf-8")
    assert '<prop type="margin">1.250000</prop>' in written
    assert 'srclang="en"' in written
    [file] = read_source(tmp_path / "scored.tmx")[0]
    assert file.table["sentence1"].to_pylist() == ["ab"]


def test_an_output_of_no_known_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not a known kind of file; give \.parquet, \.tsv, \.jsonl, \.tmx"):
        check_output(tmp_path / "x.xlsx", overwrite=False)


@pytest.mark.data
def test_real_pairs_survive_every_format(data: Path, tmp_path: Path) -> None:
    source = min((data / "train").rglob("*.parquet"), key=lambda path: path.stat().st_size)
    [original] = read_source(source)[0]
    for name in ("x.parquet", "x.tsv.zst", "x.jsonl.zip", "x.tmx.bz2"):
        write_pairs(original.table, tmp_path / name)
        [again] = read_source(tmp_path / name)[0]
        assert again.table.to_pylist() == original.table.to_pylist()
