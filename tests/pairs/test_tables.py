"""Files with columns as other programs write them: read rightly, or explained."""

from __future__ import annotations

import csv
import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lingualign.cli import main
from lingualign.errors import InputError
from lingualign.languages import are_languages
from lingualign.pairs import read_source
from lingualign.pairs.hub_datasets import part_pair
from lingualign.report.pair_tables import _short

if TYPE_CHECKING:
    from pathlib import Path

PAIR = ("Hello", "Bonjour", "en", "fr")


def read(path: Path, **options: Any) -> list[tuple[str, ...]]:
    return [
        tuple(row.values())[:4] for file in read_source(path, **options)[0] for row in file.table.to_pylist()
    ]


@pytest.mark.parametrize(
    ("names", "are"),
    [
        (["en", "fr"], True),
        (["eng", "ceb"], True),
        (["eng_Latn", "kor_Hang"], True),
        (["war", "eng"], True),
        (["cat", "fra"], True),
        (["quc", "es"], True),
        (["id", "no"], True),
        (["src_Latn", "en"], True),
        (["src", "tgt"], False),
        (["dev", "set"], False),
        (["old", "new"], False),
        (["all", "new"], False),
        (["en", "src"], False),
        (["fr", "raw"], False),
        (["cat", "sun"], False),
        (["min", "max"], False),
        (["The", "And"], False),
        (["train", "test"], False),
    ],
)
def test_words_are_not_languages(tmp_path: Path, names: list[str], are: bool) -> None:
    assert are_languages(names) is are
    pair = "-".join(names)
    (tmp_path / f"{pair}.csv").write_text("sentence1,sentence2\nHello,Bonjour\n")
    assert (part_pair("-".join(name.partition("_")[0] for name in names)) is not None) is are or "_" in pair
    if are:
        assert read(tmp_path / f"{pair}.csv")[0][:2] == PAIR[:2]
        return
    with pytest.raises(InputError, match="the languages are not known; add columns lang1 and lang2, or name"):
        read(tmp_path / f"{pair}.csv")
    (tmp_path / f"{pair}.csv").write_text(f"{names[0]},{names[1]}\nHello,Bonjour\n")
    with pytest.raises(InputError, match=r"no column 'sentence1'|may hold sentences or identifiers"):
        read(tmp_path / f"{pair}.csv")


def test_a_moses_pair_may_be_in_a_language_that_is_a_word(tmp_path: Path) -> None:
    for pair, side in (("en-new", "en"), ("en-new", "new"), ("src-tgt", "src"), ("src-tgt", "tgt")):
        (tmp_path / f"x.{pair}.{side}").write_text("a\n")
    files, skipped = read_source(tmp_path)
    assert [file.table["lang2"].to_pylist() for file in files] == [["new"]]
    assert len(skipped) == 2


@pytest.mark.parametrize(
    ("names", "languages"),
    [
        (("src", "tgt"), None),
        (("en", "tgt"), None),
        (("old", "new"), None),
        (("translation.a", "translation.b"), None),
        (("de", "ko"), ("de", "ko")),
        (("id", "no"), ("id", "no")),
        (("text.deu_Latn", "text.kor"), ("de", "ko")),
    ],
)
def test_mapped_names_tell_languages_only_where_they_are_plainly_some(
    tmp_path: Path, names: tuple[str, str], languages: tuple[str, str] | None
) -> None:
    columns = dict(zip(("sentence1", "sentence2"), names, strict=True))
    body = f"{names[0]}\t{names[1]}\nHello\tBonjour\n"
    (tmp_path / "TED.en-fr.tsv").write_text(body)
    (tmp_path / "talks.tsv").write_text(body)
    assert read(tmp_path / "TED.en-fr.tsv", columns=columns) == [(*PAIR[:2], *(languages or ("en", "fr")))]
    if languages:
        assert read(tmp_path / "talks.tsv", columns=columns) == [(*PAIR[:2], *languages)]
    else:
        with pytest.raises(InputError, match="the languages are not known"):
            read(tmp_path / "talks.tsv", columns=columns)
    (tmp_path / "TED.en-fr.tsv").write_text(f"{names[0]}\t{names[1]}\tlang1\tlang2\nHello\tBonjour\tet\tlv\n")
    assert read(tmp_path / "TED.en-fr.tsv", columns=columns) == [(*PAIR[:2], "et", "lv")]


def test_nested_columns_are_columns_in_every_kind(tmp_path: Path) -> None:
    rows = [
        {"id": "1", "translation": {"en": "Hello", "fr": "Bonjour"}},
        {"id": "2", "translation": {"en": "Bye", "fr": None}},
        {"id": "3", "translation": None},
    ]
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, tmp_path / "books.parquet")
    (tmp_path / "books.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = io.StringIO(newline="")
    flat = table.flatten()
    csv.writer(text).writerows([flat.column_names, *zip(*flat.to_pydict().values(), strict=True)])
    (tmp_path / "books.csv").write_text(text.getvalue())
    expected = [PAIR, ("Bye", "", "en", "fr"), ("", "", "en", "fr")]
    columns = {"sentence1": "translation.fr", "sentence2": "translation.en"}
    for kind in ("parquet", "jsonl", "csv"):
        assert read(tmp_path / f"books.{kind}") == expected
        assert read(tmp_path / f"books.{kind}", columns=columns)[0] == ("Bonjour", "Hello", "fr", "en")


def test_a_file_without_a_header_is_read_by_positions(tmp_path: Path) -> None:
    (tmp_path / "x.en-fr.tsv").write_text("7\tHello\tBonjour\n8\tBye\tSalut\n")
    (tmp_path / "x.en-fr.csv").write_text('7;Hello;"Bonjour"\n8;Bye;Salut\n')
    columns: dict[str, str | int] = {"sentence1": 2, "sentence2": 3}
    for kind in ("tsv", "csv"):
        assert read(tmp_path / f"x.en-fr.{kind}", columns=columns) == [PAIR, ("Bye", "Salut", "en", "fr")]
    with pytest.raises(InputError, match=r"no column '4'; found '1', '2', '3'"):
        read(tmp_path / "x.en-fr.tsv", columns={"sentence1": 2, "sentence2": 4})
    with pytest.raises(InputError, match=r"columns: give names, or .* positions from 1 for all"):
        read(tmp_path / "x.en-fr.tsv", columns={"sentence1": 1, "sentence2": "b"})
    (tmp_path / "x.en-fr.jsonl").write_text("{}")
    with pytest.raises(InputError, match="columns by position are those of CSV and TSV files"):
        read(tmp_path / "x.en-fr.jsonl", columns=columns)
    out = str(tmp_path / "out")
    config = tmp_path / "c.yaml"
    config.write_text(
        f"pairs: {{sources: [{tmp_path}/x.en-fr.tsv], columns: {{sentence1: 2, sentence2: 3}}, validation: 0}}"
    )
    assert main(["data", "prepare", out, "--config", str(config)]) == 0
    table = pq.read_table(tmp_path / "out" / "train")
    assert table["sentence1"].to_pylist() == ["Hello", "Bye"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("named", [False, True])
def test_the_header_of_a_csv_tells_its_delimiter(tmp_path: Path, delimiter: str, named: bool) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([("sentence1", "sentence2"), ("a, b; c", 'd|\t"e"\n f'), PAIR[:2]])
    path = tmp_path / "x.en-fr.csv"
    path.write_text((f"sep={delimiter}\n" if named else "") + text.getvalue(), newline="")
    assert [row[:2] for row in read(path)] == [("a, b; c", 'd|\t"e"\n f'), PAIR[:2]]


quotable = st.text(st.sampled_from('ab",\t\n é'), max_size=8)


def written(rows: list[tuple[str, str]], quoting: int) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter="\t", quoting=quoting, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(quotable, quotable), max_size=6))
def test_a_tsv_that_was_quoted_is_read_without_its_quotes(
    tmp_path: Path, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path / "x.en-fr.tsv"
    head = [("sentence1", "sentence2"), ('He said "hi".', "Il a dit « salut ».")]
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        path.write_text(written([*head, *rows], quoting), newline="")
        assert [row[:2] for row in read(path)] == [*head[1:], *rows]


def test_a_tab_or_line_break_in_quotes_shows_quoting_where_plain_lines_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "x.en-fr.tsv"
    head = "sentence1\tsentence2\n"
    for row in (("a\tb", "c"), ("c", "a\nb"), ("a\t\t\nb", "c")):
        path.write_text(head + written([row], csv.QUOTE_MINIMAL), newline="")
        assert [each[:2] for each in read(path)] == [row]
    path.write_text(head + '"a\tb\nc"\td\n')
    assert [each[:2] for each in read(path)] == [('"a', "b"), ('c"', "d")]


def test_quotes_that_are_text_stay(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "x.en-fr.tsv"
    head = "sentence1\tsentence2\n"
    for rows in (
        [('"Hi" he said', '"Salut"')],
        [('"He ""said""."', '5" disk')],
        [('"Hello."', "«Bonjour.»")],
        [('"Yes, please."', "x"), ("No, thanks.", "y")],
        [('"a ""b"" c', '"d ""e"""')],
    ):
        path.write_text(head + "".join("\t".join(row) + "\n" for row in rows))
        assert [row[:2] for row in read(path)] == rows
    caplog.clear()
    path.write_text(head + '"Hello."\tBonjour.\n')
    with caplog.at_level(logging.WARNING):
        assert read(path)[0][0] == '"Hello."'
    assert "fields in quotes: 1; the quotes are read as part of the text" in caplog.text
    # As a spreadsheet writes commas.
    spread = [(f'"Well, {row}"', f"bien {row}") for row in range(8)]
    path.write_text(head + "".join("\t".join(row) + "\n" for row in spread))
    assert read(path)[0][:2] == ("Well, 0", "bien 0")


def test_long_fields_blank_lines_and_unwanted_columns(tmp_path: Path) -> None:
    long = "word " * 60_000
    for name, content in {
        "long.en-fr.csv": f'sentence1,sentence2\n"{long}",mot\n',
        "long.en-fr.tsv": f"sentence1\tsentence2\n{long}\tmot\n",
        "dup.en-fr.csv": f"note,sentence1,sentence2,note\n1,{long},mot,2\n",
        "blank.en-fr.csv": f"sentence1,sentence2\n\n{long},mot\n \n\n",
        "blank.en-fr.tsv": f"sentence1\tsentence2\n\n{long}\tmot\n \n\n",
    }.items():
        (tmp_path / name).write_text(content)
        assert read(tmp_path / name) == [(long, "mot", "en", "fr")]
    (tmp_path / "one.tsv").write_text("sentence1\tsentence1\tsentence2\na\tb\tc\n")
    with pytest.raises(InputError, match=r"names 'sentence1' more than once; rename all but one"):
        read(tmp_path / "one.tsv")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('a,b\nc,"d\ne,f\ng,h\n', r"line 3: not valid CSV .*: a quote that is opened here is not closed"),
        (
            'a,b\n"c\nd","e\n' + "f,g\n" * 400_000,
            r"line 4: not valid CSV .*: a quote that is opened here is not closed",
        ),
        ('"a\nb",c\n"d" e,f\n', r"line 4: not valid CSV \('?','? expected after"),
        ('"a\nb",c\nd\n', r"line 4: 1 fields, but the header has 2; a field with a comma, a quote"),
        ("a," + "b" * 1_100_000 + "\n", r"line 2: not valid CSV \(a field of more than 1,048,576 characters"),
    ],
)
def test_the_line_where_a_csv_goes_wrong_is_named(tmp_path: Path, body: str, message: str) -> None:
    path = tmp_path / "x.en-fr.csv"
    path.write_text("sentence1,sentence2\n" + body)
    with pytest.raises(InputError, match=message):
        read(path)


def test_what_mine_writes_is_read_as_it_comes(tmp_path: Path) -> None:
    (tmp_path / "mined.en-fr.tsv").write_text('1.203444\tHello\tBonjour\n0.900000\t"Bye"\tSalut\n')
    scored = {
        "score": [1.2],
        "cosine": [0.9],
        "source": ["Hello"],
        "target": ["Bonjour"],
        "source_lines": [[1, 2]],
    }
    pq.write_table(pa.table(scored), tmp_path / "mined.en-fr.parquet")
    assert read(tmp_path / "mined.en-fr.tsv") == [PAIR, ('"Bye"', "Salut", "en", "fr")]
    assert read(tmp_path / "mined.en-fr.parquet") == [PAIR]


def test_counts_and_inspect_name_what_they_do_not_read(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.en-fr.tsv").write_text("sentence1\tsentence2\nHello\tBonjour\n")
    (tmp_path / "notes.docx").write_text("")
    (tmp_path / "y.en-fr.en").write_text("a\n")
    (tmp_path / "z.tmx").write_text("<tmx><body><tu><tuv xml:lang='en'><seg>a</seg></tuv></tu></body></tmx>")
    told = []
    for command in (
        ["data", "prepare", str(tmp_path_factory.mktemp("made") / "out"), "--pairs.sources", str(tmp_path)],
        ["data", "counts", str(tmp_path)],
        ["data", "inspect", "--pairs.sources", str(tmp_path)],
    ):
        assert main(command) == 0
        lines = capsys.readouterr().out.splitlines()
        told.append([line for line in lines if line.startswith("not read: ")])
    assert len(told[0]) == 3
    assert told[1] == told[2] == told[0]


def test_what_acts_on_a_terminal_is_hidden_and_text_is_shown() -> None:
    text = "می\u200cروم क्\u200dष a\u00a0b\u3000c\u00ad👩\u200d💻"
    assert _short(text) == text
    assert _short("a\x1b\u202eb\u2028c\u200f\x85\t") == "a\ufffd\ufffdb\ufffdc\ufffd\ufffd\ufffd"
