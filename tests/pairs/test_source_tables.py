"""The tables of sources and of readers: each row goes through reading, the report, messages, help and docs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docstring_parser import parse
from fuzz_readers import TABLE, seeds

from lingualign.errors import InputError
from lingualign.pairs import prepare_pairs, read_source, sources
from lingualign.pairs.config import PairsConfig
from lingualign.pairs.discovery import Listing, Skipped
from lingualign.pairs.formats import readers
from lingualign.pairs.leaks import read_suites
from lingualign.pairs.table import pair_tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from lingualign.pairs.formats.tabular import Choice

DOCS = (Path(__file__).parents[2] / "docs" / "pairs.md").read_text()


@pytest.mark.parametrize("ending", readers.READERS)
def test_each_reader_goes_from_a_folder_to_the_report_the_messages_and_the_docs(
    tmp_path: Path, ending: str
) -> None:
    named = f"x.en-fr{ending}"
    (tmp_path / named).write_bytes(seeds()[f"x{ending}"])  # a reader without a seed is not fuzzed either
    [read], _ = read_source(tmp_path)
    assert read.table.num_rows
    report = prepare_pairs(tmp_path, validation=0).report
    assert report.files[str(tmp_path / named)].read == read.table.num_rows
    with pytest.raises(InputError, match=rf"{ending}\b.*, Moses pairs"):
        read_source(tmp_path / "missing")
    assert f"`{ending}`" in DOCS


@pytest.mark.parametrize("kind", sources.SOURCES, ids=lambda kind: kind.help)
def test_each_kind_of_source_is_in_messages_help_and_docs(tmp_path: Path, kind: sources.SourceKind) -> None:
    with pytest.raises(InputError) as told:
        read_source(tmp_path / "missing")
    assert kind.words() in str(told.value)
    described = {each.arg_name: each.description or "" for each in parse(PairsConfig.__doc__ or "").params}
    assert kind.help in described["sources"].replace("\n", " ")
    assert kind.help.strip("`").lower().removesuffix(")").removesuffix(" ids") in DOCS.lower()


@pytest.mark.parametrize("units", [False, True])
def test_a_reader_is_added_by_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, units: bool) -> None:
    def columns(path: Path, choose: Choice, _encoding: str | None, _header: bool) -> Iterator[pa.Table]:
        yield TABLE.select(choose(TABLE.column_names))

    def pairs(path: Path, *, corpus: str, **_: object) -> Iterator[pa.Table]:
        return pair_tables((*row.values(), corpus) for row in TABLE.to_pylist())

    row = readers.UnitsReader(pairs) if units else readers.ColumnsReader(columns)
    monkeypatch.setitem(readers.READERS, ".dummy", row)
    (tmp_path / "x.dummy").write_text("anything")
    [read], skipped = read_source(tmp_path)
    assert read.table.num_rows == TABLE.num_rows
    assert not skipped
    report = prepare_pairs(tmp_path / "x.dummy", validation=0).report
    assert report.total.read == TABLE.num_rows
    with pytest.raises(InputError, match=r"\.po, \.dummy, Moses pairs"):
        read_source(tmp_path / "missing")
    if not units:
        assert read_suites([tmp_path]).files == {str(tmp_path / "x.dummy"): 4}


def test_a_kind_of_source_is_added_by_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Remembered:
        name: str
        paths: tuple[Path, ...] = ()

        @property
        def identity(self) -> object:
            return self.name

        def stream(self, asked: PairsConfig, left_out: list[Skipped]) -> Iterator[pa.Table]:
            yield from pair_tables((*row.values(), "memory") for row in TABLE.to_pylist())
            left_out.append(Skipped(self.name, "forgotten: 1"))

    def find(source: str | os.PathLike[str], _: PairsConfig) -> Listing | None:
        text = os.fspath(source)
        return Listing(files=[Remembered(text)]) if text.startswith("memory:") else None

    row = sources.SourceKind(lambda: "memory:NAME", "memory", find)
    monkeypatch.setattr(sources, "SOURCES", (*sources.SOURCES, row))
    [read], skipped = read_source("memory:mine")
    assert (read.file, read.table.num_rows) == ("memory:mine", TABLE.num_rows)
    assert skipped == [Skipped("memory:mine", "forgotten: 1")]
    report = prepare_pairs("memory:mine", validation=0).report
    assert report.files["memory:mine"].read == TABLE.num_rows
    assert report.skipped == skipped
    with pytest.raises(InputError, match=r"or memory:NAME$"):
        read_source("nothing-of-the-kind")
