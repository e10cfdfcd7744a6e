"""Every format of the table is written by the commands that offer it, and one more row is all that another takes."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pyarrow.csv as pc
import pytest

from lingualign.cli import main
from lingualign.errors import InputError
from lingualign.mining import align_documents, mine_pairs
from lingualign.pairs.formats.writers import OUTPUTS, OutputFormat, languages_of

if TYPE_CHECKING:
    from pathlib import Path

ENGLISH = ["a cat sleeps", "two dogs run", "the sea is blue", "my house is old"]


@pytest.fixture
def sides(tmp_path: Path) -> list[str]:
    for name in ("source", "target"):
        (tmp_path / name).write_text("\n".join(ENGLISH))
    rows = "".join(f"{text}\t{text}\n" for text in ENGLISH)
    (tmp_path / "pairs.en-fr.tsv").write_text(f"sentence1\tsentence2\n{rows}")
    return [str(tmp_path / "source"), str(tmp_path / "target")]


def test_one_more_row_is_written_by_every_command(sides, tmp_path, monkeypatch, capsys) -> None:
    def write(table, output: Path) -> None:
        pc.write_csv(table.select(["sentence1", "sentence2"]), output)

    row = OutputFormat(lambda output: output.suffix == ".csv", write, form=".csv", mined=".csv")
    monkeypatch.setitem(OUTPUTS, "csv", row)
    main(["mine", "minilm", *sides, str(tmp_path / "mined.csv")])
    main(["align", "minilm", *sides, str(tmp_path / "aligned.csv")])
    main(
        ["filter", "minilm", str(tmp_path / "pairs.en-fr.tsv"), str(tmp_path / "kept.csv"), "--by", "cosine"]
    )
    for name in ("mined", "aligned", "kept"):
        table = pc.read_csv(tmp_path / f"{name}.csv")
        assert sorted(table["sentence1"].to_pylist()) == sorted(ENGLISH)
        assert table["sentence1"] == table["sentence2"]
    with pytest.raises(
        InputError, match=r"give \.tsv, \.csv, \.parquet, \.tmx named as in mined\.en-fr\.tmx, or Moses"
    ):
        mine_pairs("minilm", *sides, tmp_path / "mined.txt")


@pytest.mark.parametrize("kind", OUTPUTS)
def test_the_help_of_the_commands_names_every_format(kind: str, capsys) -> None:
    row = OUTPUTS[kind]
    assert row.form or row.mined
    for command, form in (("filter", row.form), ("align", row.form), ("mine", row.mined)):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        shown = "".join(capsys.readouterr().out.split())  # a line may end at a hyphen
        # Of Moses text and TMX the help shows a name, such as mined.en-fr.
        assert form is None or form.split()[-1] in shown


def test_languages_are_read_off_names_that_compression_ends(sides, static, tmp_path) -> None:
    assert languages_of(tmp_path / "a.b.en-fr.tmx.gz") == languages_of(tmp_path / "en-fr.tmx") == ["en", "fr"]
    assert languages_of(tmp_path / "aligned.tmx") is None
    align_documents(static, *sides, tmp_path / "aligned.en-fr.tmx.gz")
    with gzip.open(tmp_path / "aligned.en-fr.tmx.gz") as file:
        assert len(list(ElementTree.parse(file).iter("tu"))) == len(ENGLISH)
