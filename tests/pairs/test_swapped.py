"""Sides in each other's language are told wherever pairs are read; sides in their own never are."""

from __future__ import annotations

import io
import itertools
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from rich.console import Console
from test_cleaning import table

from lingualign.cli import main
from lingualign.pairs import (
    inspect_pairs,
    inspection_page,
    prepare_pairs,
    prepare_shards,
    prepared_pairs,
    print_report,
)
from lingualign.pairs.cleaning.language import Swapped, SwappedSides
from lingualign.pairs.config import DataConfig, PairsConfig
from lingualign.pairs.formats.readers import read_table
from lingualign.samples import EVERYDAY

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = read_table(EVERYDAY / "train.tsv", list).slice(0, 60)


def pairs_of(lang1: str, lang2: str, told: tuple[str, str]) -> pa.Table:
    return table(
        *zip(SAMPLE[lang1].to_pylist(), SAMPLE[lang2].to_pylist(), strict=True),
        languages=told,
    )


def found(*tables: pa.Table) -> list[Swapped]:
    swapped = SwappedSides()
    for each in tables:
        swapped.look_at("talks", each)
    return swapped.found()


@pytest.mark.parametrize(("lang1", "lang2"), list(itertools.permutations(SAMPLE.column_names, 2)))
def test_sides_of_any_two_languages_are_told_apart(lang1: str, lang2: str) -> None:
    assert not found(pairs_of(lang1, lang2, (lang1, lang2)))
    [swapped] = found(pairs_of(lang1, lang2, (lang2, lang1)))
    assert (swapped.where, swapped.lang1, swapped.lang2) == ("talks", lang2, lang1)
    assert swapped.swapped == swapped.shown > 10


def test_one_of_two_languages_may_be_unknown() -> None:
    # lid.176 knows no Bemba; English where Bemba should be is plain all the same.
    bemba = "Abantu abengi baishile ku mushi wesu uno mwaka ninshi bonse bashala na ifwe."
    english = "Many people came to our village this year, and all of them stayed with us."
    rows = [(bemba, english)] * 5
    assert not found(table(*rows, languages=("bem", "en")))
    [swapped] = found(table(*rows, languages=("en", "bem")))
    assert (swapped.swapped, swapped.shown) == (5, 5)
    assert not found(table(*rows, languages=("bem", "ee")))


def test_untranslated_related_and_wrong_sentences_are_no_swap() -> None:
    english = "Many people came to our village this year, and all of them stayed with us."
    german = "Dieses Jahr kamen viele Leute in unser Dorf, und alle blieben bei uns zu Hause."
    norwegian = "I år kom det mange mennesker til landsbyen vår, og alle sammen ble hos oss."
    assert not found(table(*[(english, english)] * 5, languages=("fr", "en")))
    assert not found(table(*[(norwegian, german)] * 5, languages=("da", "sv")))
    assert not found(table(*[(german, norwegian)] * 5, languages=("en", "fr")))


def test_a_file_is_looked_at_alike_in_whatever_chunks() -> None:
    swapped = pairs_of("ko", "en", ("en", "ko"))
    both = pa.concat_tables([swapped] * 8 + [pairs_of("en", "fr", ("en", "fr"))] * 3)
    whole = found(both)
    assert [(each.lang1, each.lang2) for each in whole] == [("en", "ko")]
    assert found(*(both.slice(start, 77) for start in range(0, both.num_rows, 77))) == whole


def write_swapped(folder: Path) -> Path:
    """Write Korean and English pairs whose name says English and Korean, and right ones of French beside them."""
    folder.mkdir()
    for name, first, second in (("one.en-ko.tsv", "ko", "en"), ("two.en-fr.tsv", "en", "fr")):
        lines = zip(SAMPLE[first].to_pylist(), SAMPLE[second].to_pylist(), strict=True)
        body = "".join(f"{a}\t{b}\n" for a, b in lines)
        (folder / name).write_text("sentence1\tsentence2\n" + body, encoding="utf-8")
    return folder


def test_preparing_warns_in_memory_on_disk_and_when_read_back(tmp_path: Path) -> None:
    source = write_swapped(tmp_path / "pairs")
    in_memory = prepare_pairs(source, validation=5).report
    [swapped] = in_memory.swapped
    assert swapped.where.endswith("one.en-ko.tsv")
    out = io.StringIO()
    print_report(in_memory, Console(file=out, width=60))
    assert (
        f"warning: the sides of {swapped.where} look swapped: {swapped.swapped} of {swapped.shown} pairs looked at "
        "are ko-en, not en-ko; exchange the columns" in out.getvalue()
    )
    assert in_memory.to_json()["swapped"][0]["swapped"] == swapped.swapped

    folder = tmp_path / "prepared"
    manifest = prepare_shards(DataConfig(PairsConfig([str(source)], validation=5)), folder)
    assert manifest.swapped == [swapped]
    assert prepared_pairs(PairsConfig([str(folder)])).report.swapped == [swapped]


def test_the_manifest_of_right_pairs_is_as_ever(tmp_path: Path) -> None:
    source = write_swapped(tmp_path / "pairs")
    (source / "one.en-ko.tsv").rename(source / "one.ko-en.tsv")
    folder = tmp_path / "prepared"
    prepare_shards(DataConfig(PairsConfig([str(source)], validation=5)), folder)
    assert "swapped" not in (folder / "manifest.json").read_text()
    assert not prepared_pairs(PairsConfig([str(folder)])).report.swapped


def test_the_commands_warn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(write_swapped(tmp_path / "pairs"))
    page = tmp_path / "page.html"
    prepare = [
        "data",
        "prepare",
        str(tmp_path / "out"),
        "--pairs.validation",
        "5",
        "--cleaning.language",
        "null",
    ]
    for command in (["data", "inspect", "--output", str(page)], prepare):
        assert main([*command, "--pairs.sources", source]) == 0
        assert "look swapped: " in (shown := capsys.readouterr().out)
        assert shown.count("look swapped: ") == 1
    assert "look swapped: " in page.read_text(encoding="utf-8")
    inspection = inspect_pairs([pairs_of("en", "ko", ("en", "ko"))])
    assert not inspection.swapped
    assert "look swapped" not in inspection_page(inspection)
