"""What is shown of pairs is what is in them, whatever they hold."""

from __future__ import annotations

import io
import re
from collections import Counter
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from rich.console import Console
from test_cleaning import table

from lingualign.cli import main
from lingualign.errors import InputError
from lingualign.pairs import (
    PAIR_SCHEMA,
    cleaning_filters,
    inspect_pairs,
    inspection_page,
    pair_counts,
    print_inspection,
    print_pair_counts,
    read_source,
)
from lingualign.pairs.config import CleaningConfig

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = [("<script>alert(1)</script>", "[bold]&amp;\x1b[31m"), ('"><img src=x onerror=y>', "‮evil")]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.links: list[str | None] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] += 1
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_texts_are_escaped_on_the_page_and_harmless_in_the_terminal() -> None:
    found = inspect_pairs([table(*HOSTILE)], cleaning_filters(CleaningConfig()))
    page = inspection_page(found)
    tags = Tags()
    tags.feed(page)
    assert not {"script", "img", "b", "link", "iframe"} & set(tags.seen)
    assert not {name for name in tags.attributes if name.startswith("on") or name == "src"}
    assert tags.links == ["#group-1"]
    for row in HOSTILE:
        for text in row:
            assert text in tags.text
    out = io.StringIO()
    print_inspection(found, Console(file=out, width=200))
    assert "\x1b" not in out.getvalue()
    assert "[bold]&amp;" in out.getvalue()


def test_a_terminal_of_80_columns_cuts_neither_names_nor_numbers() -> None:
    corpora = [f"a-corpus-with-a-name-of-some-length-{number}" for number in range(3)]
    pairs = table(*[("the same", "the same"), ("123", "456")] * 700)
    named = [
        pairs.set_column(4, PAIR_SCHEMA.field("corpus"), pa.array([name] * 1400).dictionary_encode())
        for name in corpora
    ]
    out = io.StringIO()
    print_inspection(inspect_pairs(named, cleaning_filters(CleaningConfig())), Console(file=out, width=80))
    lines = out.getvalue().partition("for example")[0].splitlines()
    assert max(map(len, lines)) <= 80
    # A long name goes on in the next line of its column.
    column = "".join(line[1:].split("  ")[0].strip() for line in lines)
    shown = re.sub(r"\s+", " ", " ".join(lines))
    for name in corpora:
        assert name in column
    for text in ("1,400", "4,200", "identical sides 2,100", "few letters 2,100"):
        assert text in shown


def test_counts_and_histograms_agree_with_the_pairs(tmp_path: Path) -> None:
    pairs = table(*((f"sentence number {row}", "x" * row) for row in range(200)))
    whole = inspect_pairs([pairs], cleaning_filters(CleaningConfig()))
    parts = inspect_pairs([pairs.slice(0, 70), pairs.slice(70)], cleaning_filters(CleaningConfig()))
    assert len(whole.groups) == 1
    for found in (whole.groups[0], parts.groups[0]):
        assert found.pairs == 200
        assert [int(bars.sum()) for bars in found.lengths] == [200, 200]
        assert found.lengths[1][:3].tolist() == [10, 10, 10]
        assert found.sample == whole.groups[0].sample
        assert found.hits == whole.groups[0].hits
        assert len(set(found.sample)) == 5


def test_a_selection_without_pairs_lists_what_there_is() -> None:
    with pytest.raises(InputError, match=r"nothing to inspect is selected; .* are: en-fr \(1\)"):
        inspect_pairs([table(("a", "b"))], select="en-ko")


@pytest.mark.data
def test_pair_counts_are_those_of_the_files(data: Path) -> None:
    read, _ = read_source(data / "train" / "storybooks")
    counts = pair_counts(each.table for each in read)
    by_hand: Counter[tuple[str, str, str]] = Counter()
    for each in read:
        for row in each.table.select(["corpus", "lang1", "lang2"]).to_pylist():
            by_hand[row["corpus"], *sorted((row["lang1"], row["lang2"]))] += 1
    assert counts == by_hand
    out = io.StringIO()
    print_pair_counts(counts, Console(file=out, width=200))
    assert f"{counts['storybooks', 'en', 'fr']:,}" in out.getvalue()
    assert f"{sum(counts.values()):,}" in out.getvalue()


@pytest.mark.data
def test_the_commands_show_a_set(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = str(data / "train" / "storybooks")
    page = tmp_path / "page.html"
    arguments = ["data", "inspect", "--pairs.sources", source, "--output", str(page)]
    assert main([*arguments, "--decontaminate", str(data / "eval" / "tatoeba")]) == 0
    assert "storybooks" in capsys.readouterr().out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert main(["data", "counts", source]) == 0
    assert "en-fr" in capsys.readouterr().out
    assert main(["data", "inspect", "--pairs.sources", source, "--output", str(tmp_path / "page.txt")]) == 2
    assert "give a name that ends in .html" in capsys.readouterr().err


def test_cosines_make_a_histogram() -> None:
    pairs = table(("a b", "c"), ("d", "e"))
    found = inspect_pairs([pairs], cosine=lambda chunk: pa.array([0.97, -0.5]).to_numpy())
    bars = found.groups[0].cosines
    assert bars is not None
    assert (bars[0], bars[-1], bars.sum()) == (1, 1, 2)
    assert "cosine" in inspection_page(found)
