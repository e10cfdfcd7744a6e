"""The table of cleaning filters: each row goes from its setting to the report, the help and the page of docs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from docstring_parser import parse

from lingualign.pairs import cleaning_filters, prepare_pairs
from lingualign.pairs.cleaning import filters
from lingualign.pairs.config import CleaningConfig

if TYPE_CHECKING:
    import pyarrow as pa

DOCS = Path(__file__).parents[2] / "docs" / "pairs.md"
GOOD = (
    "The weather is very nice in Paris this morning.",
    "Il fait très beau ce matin dans toute la ville de Paris.",
)
POOR = {
    "identical_sides": ("Paris, 7 May", "paris 7 may"),
    "min_characters": ("word " * 300, "mot " * 300),
    "length_ratio": (
        "Yes, of course, we shall all be there tomorrow, the two children and I, at ten.",
        "Oui.",
    ),
    "letters": ("12345 67890 12", "12345 67890 13"),
    "repetition": ("hahahahahahahahahahahaha", "ha, ha et encore ha, dit-elle"),
    "script": ("Это русский текст", "Ceci est du texte"),
    "markup": ("A <b>bold</b> word", "Un mot gras"),
    "mojibake": ("A cafe", "Un cafÃ©"),
    "language": (
        "Das ist ein langer Satz in der deutschen Sprache.",
        "Ceci est une longue phrase en langue française.",
    ),
    "near_duplicates": (GOOD[0] + "!", GOOD[1].replace("ce matin", "ce matin,")),
}
"""A pair that each filter drops, by the key that switches it."""


def write(folder: Path, *pairs: tuple[str, str]) -> Path:
    path = folder / "pairs.en-fr.tsv"
    path.write_text(
        "sentence1\tsentence2\n" + "".join("\t".join(pair) + "\n" for pair in pairs), encoding="utf-8"
    )
    return path


@pytest.mark.parametrize("row", filters.FILTERS, ids=lambda row: row.keys[0])
def test_each_filter_goes_from_its_setting_to_the_report_the_help_and_the_docs(
    tmp_path: Path, row: filters.CleaningFilter
) -> None:
    key = row.keys[0]
    off: dict[str, Any] = {each.keys[0]: None for each in filters.FILTERS if len(each.keys) == 1}
    alone = CleaningConfig(**off)
    if len(row.keys) == 1:
        setattr(alone, key, getattr(CleaningConfig(), key) or 0.8)
    made = [each for each in cleaning_filters(alone) if len(row.keys) > 1 or each.reason != "length"]
    assert len(made) == 1
    report = prepare_pairs(write(tmp_path, GOOD, POOR[key]), filters=made, validation=0).report
    assert report.total.dropped == {made[0].reason: 1}
    assert report.total.train == 1

    described = {each.arg_name: each.description for each in parse(CleaningConfig.__doc__ or "").params}
    assert all(described[name] for name in row.keys)
    [line] = [line for line in DOCS.read_text().splitlines() if line.startswith(f"| {made[0].reason} |")]
    assert all(f"`{name}" in line for name in row.keys)


def test_a_filter_is_added_by_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass
    class Shouting:
        least: float
        reason = "shouting"

        def __call__(self, pairs: pa.Table) -> np.ndarray:
            texts = pairs["sentence1"].to_pylist()
            return np.array(
                [sum(map(str.isupper, text)) >= self.least * len(text) for text in texts], np.bool_
            )

    @dataclass
    class Config(CleaningConfig):
        shouting: float | None = None

    row = filters.CleaningFilter(("shouting",), Shouting)
    monkeypatch.setattr(filters, "FILTERS", (*filters.FILTERS, row))
    assert len(cleaning_filters(Config(shouting=0.5))) == len(cleaning_filters(Config())) + 1
    pairs = write(tmp_path, GOOD, ("COME HERE AT ONCE", "Venez ici tout de suite"))
    report = prepare_pairs(pairs, filters=cleaning_filters(Config(shouting=0.5)), validation=0).report
    assert report.total.dropped == {"shouting": 1}


def test_every_setting_of_cleaning_belongs_to_a_filter() -> None:
    of_rows = {key for row in filters.FILTERS for key in row.keys}
    assert {each.name for each in fields(CleaningConfig)} - of_rows == {"model", "cosine"}
