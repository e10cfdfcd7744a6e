"""From sources to training pairs: nothing is lost, nothing leaks, and the same seed gives the same pairs."""

from __future__ import annotations

import io
import itertools
import json
from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from lingualign.errors import InputError
from lingualign.pairs import (
    PAIR_SCHEMA,
    DataReport,
    PreparedPairs,
    normalise,
    prepare_pairs,
    print_report,
)

if TYPE_CHECKING:
    from pathlib import Path

LANGUAGES = ("en", "fr", "ko")


def write_tsv(
    path: Path, rows: list[tuple[str, ...]], header: tuple[str, ...] = ("sentence1", "sentence2")
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(row) + "\n" for row in [header, *rows]), encoding="utf-8")
    return path


@pytest.fixture
def nway(tmp_path: Path) -> Path:
    """The same 100 sentences in three languages, as three files of one corpus."""
    for a, b in itertools.combinations(LANGUAGES, 2):
        write_tsv(
            tmp_path / "pairs" / "nway" / f"{a}-{b}.tsv", [(f"{a} {i}", f"{b} {i}") for i in range(100)]
        )
    return tmp_path / "pairs"


def sides(table: pa.Table) -> set[str]:
    return {normalise(text) for name in ("sentence1", "sentence2") for text in table[name].to_pylist()}


def rows(table: pa.Table) -> list[tuple[str, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def assert_accounts_for_every_row(prepared: PreparedPairs) -> None:
    report = prepared.report
    for tally in (*report.files.values(), *report.language_pairs.values(), report.total):
        assert tally.read == tally.train + tally.validation + sum(tally.dropped.values())
    assert report.total.train == prepared.train.num_rows
    assert report.total.validation == prepared.validation.num_rows
    for figure in ("read", "train", "validation"):
        by_pair = sum(getattr(tally, figure) for tally in report.language_pairs.values())
        assert by_pair == getattr(report.total, figure)


def test_nway_corpora_hold_out_the_same_sentences(nway: Path) -> None:
    prepared = prepare_pairs(nway, select="en-xx", priority=["en", "fr", "ko"], validation=10)
    held: dict[str, set[str]] = {"fr": set(), "ko": set()}
    for row in prepared.validation.to_pylist():
        held[row["lang2"]].add(row["sentence1"])
    assert held["fr"] == held["ko"]
    assert len(held["fr"]) == 10
    assert "in validation" not in prepared.report.total.dropped


def test_a_file_reached_twice_counts_once(nway: Path, tmp_path: Path) -> None:
    file = nway / "nway" / "en-fr.tsv"
    other = tmp_path / "link"
    other.symlink_to(nway)
    once = prepare_pairs(nway, validation=10)
    twice = prepare_pairs([file, nway, other / "nway" / "en-ko.tsv", str(file)], validation=10)
    assert_accounts_for_every_row(twice)
    assert twice.report.total == once.report.total
    assert sorted(rows(twice.train)) == sorted(rows(once.train))
    assert {(skipped.file, skipped.reason) for skipped in twice.report.skipped} == {
        (str(file), "given twice"),
        (str(nway / "nway" / "en-ko.tsv"), f"given twice, read as {other / 'nway' / 'en-ko.tsv'}"),
    }


def test_both_halves_of_a_moses_pair_are_one_file(tmp_path: Path) -> None:
    for side in ("en", "fr"):
        (tmp_path / f"TED.en-fr.{side}").write_text(f"{side} 1\n{side} 2\n", encoding="utf-8")
    prepared = prepare_pairs([tmp_path / "TED.en-fr.fr", tmp_path / "TED.en-fr.en"], validation=0)
    assert_accounts_for_every_row(prepared)
    assert prepared.report.total.read == prepared.train.num_rows == 2
    assert [skipped.reason for skipped in prepared.report.skipped] == ["given twice"]


def test_given_validation_pairs_are_read_as_the_others_and_leave_training(nway: Path, tmp_path: Path) -> None:
    apart = tmp_path / "apart"
    apart.mkdir()
    english = ["EN 3!", "new", "new", " ", "en 50", "leak"]
    french = ["nouveau", "fr 4.", "fr 4.", "vide", "fr 50", "fuite"]
    for side, lines in (("en", english), ("fr", french)):
        (apart / f"TED.fr-en.{side}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    write_tsv(
        apart / "more.tsv", [("de 1", "en 1", "de", "en")], ("sentence1", "sentence2", "lang1", "lang2")
    )
    suite = write_tsv(tmp_path / "suite.tsv", [("Leak.", "-")])

    prepared = prepare_pairs(
        nway, select="en-fr,en-ko", priority=LANGUAGES, validation=apart, decontaminate=suite, per_corpus=90
    )
    assert_accounts_for_every_row(prepared)
    assert rows(prepared.validation) == [
        ("EN 3!", "nouveau", "en", "fr", "TED"), ("new", "fr 4.", "en", "fr", "TED"),
        ("en 50", "fr 50", "en", "fr", "TED"),
    ]  # fmt: skip
    moses = f"{apart / 'TED.fr-en.fr'} + TED.fr-en.en"
    tallies = prepared.report.files
    assert (tallies[moses].read, tallies[moses].train, tallies[moses].validation) == (6, 0, 3)
    assert tallies[moses].dropped == {"empty side": 1, "duplicate": 1, "in a suite": 1}
    assert tallies[str(apart / "more.tsv")].dropped == {"not selected": 1}
    # en 3, fr 4 and en 50 = fr 50 of en-fr, en 3 and en 50 of en-ko; the sample is drawn from the rest.
    assert [tallies[str(nway / "nway" / f"en-{other}.tsv")].dropped for other in ("fr", "ko")] == [
        {"in validation": 3, "not sampled": 7},
        {"in validation": 2, "not sampled": 8},
    ]
    assert not sides(prepared.train) & sides(prepared.validation)


def test_validation_pairs_obey_the_column_names_and_a_file_of_both_is_not_trained_on(tmp_path: Path) -> None:
    header = ("english", "french")
    for name in ("a", "b"):
        write_tsv(tmp_path / name / "en-fr.tsv", [(f"{name}{i}", f"x{name}{i}") for i in range(9)], header)
    held_out = tmp_path / "b" / "en-fr.tsv"
    columns = {"sentence1": "english", "sentence2": "french"}
    prepared = prepare_pairs(tmp_path, validation=held_out, columns=columns, prefer=["fr"])
    assert_accounts_for_every_row(prepared)
    assert set(prepared.train["sentence1"].to_pylist()) == {f"xa{i}" for i in range(9)}
    assert set(prepared.validation["sentence1"].to_pylist()) == {f"xb{i}" for i in range(9)}
    reasons = {skipped.file: skipped.reason for skipped in prepared.report.skipped}
    assert reasons == {str(held_out): "given twice, kept to validate on"}
    with pytest.raises(InputError, match=r"validation: '.*b/en-fr.tsv' holds every file of sources"):
        prepare_pairs(held_out, validation=held_out, columns=columns)


def test_given_validation_pairs_that_come_to_nothing_are_an_error(nway: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"validation: source '.*gone': no such file or folder"):
        prepare_pairs(nway, validation=tmp_path / "gone")
    other = write_tsv(tmp_path / "de-en.tsv", [("de 1", "en 1"), ("", "en 2")])
    with pytest.raises(
        InputError, match=r"validation: no pair of '.*de-en.tsv' is left of 2 read \(.*not selected: 1\)"
    ):
        prepare_pairs(nway, select="en-fr", validation=other)


def test_every_training_pair_is_apart_from_validation(nway: Path) -> None:
    prepared = prepare_pairs(nway, validation=10, priority=LANGUAGES)
    assert not sides(prepared.train) & sides(prepared.validation)
    assert prepared.report.total.dropped["in validation"] > 0
    assert_accounts_for_every_row(prepared)


def test_a_validation_split_is_at_most_a_fifth(nway: Path) -> None:
    prepared = prepare_pairs(nway, validation=10_000)
    assert set(Counter(row[2:] for row in rows(prepared.validation)).values()) == {20}


def test_sampling_is_per_corpus_and_language_pair_and_nested(nway: Path) -> None:
    write_tsv(nway / "other" / "en-fr.tsv", [(f"other {i}", f"autre {i}") for i in range(7)])
    small, large = (prepare_pairs(nway, per_corpus=n, validation=4, select="en-xx") for n in (20, 60))
    kept = Counter(row[2:] for row in rows(small.train) + rows(small.validation))
    assert kept == {("en", "fr", "nway"): 20, ("en", "ko", "nway"): 20, ("en", "fr", "other"): 7}
    assert rows(small.validation) == rows(large.validation)
    assert set(rows(small.train)) < set(rows(large.train))
    assert small.report.total.dropped == {"not selected": 100, "not sampled": 160}


def test_seed_changes_the_sample_and_the_order_of_sources_does_not(nway: Path) -> None:
    files = sorted(nway.rglob("*.tsv"))
    one = prepare_pairs(files, per_corpus=30, validation=5, seed=1)
    same = prepare_pairs(files[::-1], per_corpus=30, validation=5, seed=1)
    other = prepare_pairs(files, per_corpus=30, validation=5, seed=2)
    assert one.train.equals(same.train)
    assert one.validation.equals(same.validation)
    assert one.report == same.report
    assert set(rows(one.train)) != set(rows(other.train))


def test_reasons_are_named_by_file_and_language_pair(tmp_path: Path) -> None:
    header = ("sentence1", "sentence2", "lang1", "lang2")
    pairs = [
        ("good day", "bonjour", "en", "fr"),
        ("bonjour", "good day", "fr", "en"),  # the first again, once oriented
        (" \u3000", "rien", "en", "fr"),
        ("Leaked!", "fuite", "en", "fr"),
        ("same", "same", "en", "en"),
        ("oui", "はい", "fr", "ja"),
        ("yes", "네", "en", "ko"),
        ("yes", "예", "en", "ko"),
    ]
    file = write_tsv(tmp_path / "corpus.tsv", pairs, header)
    suite = write_tsv(tmp_path / "suite" / "x.tsv", [("LEAKED", "x"), ("", "")], ("eng_Latn", "kor_Hang"))
    prepared = prepare_pairs(
        file, languages=["en", "fr", "ko"], select="en-fr", decontaminate=suite.parent, validation=0
    )
    assert rows(prepared.train) == [("good day", "bonjour", "en", "fr", "corpus")]
    assert prepared.report.files[str(file)].dropped == {
        "empty side": 1, "one language": 1, "other language": 1,
        "not selected": 2, "duplicate": 1, "in a suite": 1,
    }  # fmt: skip
    assert prepared.report.language_pairs["en-ko"].dropped == {"not selected": 2}
    assert prepared.report.suites == {str(suite): 2}
    assert_accounts_for_every_row(prepared)


words = st.sampled_from(["a", "b", "c", "A!", "", " ", "d e", "f", "g", "h"])
pair_rows = st.lists(
    st.tuples(words, words, *[st.sampled_from(LANGUAGES)] * 2, st.sampled_from("xy")), max_size=40
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    pair_rows,
    pair_rows,
    st.one_of(st.integers(0, 4), pair_rows),
    st.sampled_from([None, 1, 5]),
    st.integers(0, 9),
)
def test_invariants_hold_for_any_pairs(
    tmp_path: Path,
    one: list[tuple[str, ...]],
    two: list[tuple[str, ...]],
    validation: int | list[tuple[str, ...]],
    per_corpus: int | None,
    seed: int,
) -> None:
    sure = ("sure", "certain", "en", "fr", "z")  # never dropped, so that something is left
    apart = [] if isinstance(validation, int) else [*validation, ("held", "tenu", "en", "fr", "z")]
    given_pairs = write_tsv(tmp_path / "apart.tsv", apart, tuple(PAIR_SCHEMA.names))
    files = [
        write_tsv(tmp_path / f"{i}.tsv", part, tuple(PAIR_SCHEMA.names))
        for i, part in enumerate((one, [*two, sure]))
    ]
    suite = write_tsv(tmp_path / "suite.tsv", [("h.", "-")])
    prepared = prepare_pairs(
        files,
        validation=validation if isinstance(validation, int) else given_pairs,
        per_corpus=per_corpus,
        decontaminate=[suite],
        seed=seed,
        priority=["fr", "ko", "en"],
    )
    assert_accounts_for_every_row(prepared)
    assert prepared.report.total.read == len(one) + len(two) + 1 + len(apart)
    kept = rows(prepared.train) + rows(prepared.validation)
    assert not sides(prepared.train) & sides(prepared.validation)
    assert not {"h"} & (sides(prepared.train) | sides(prepared.validation))
    assert len({row[:4] for row in kept}) == len(kept)
    assert all(row[0].strip() and row[1].strip() for row in kept)
    assert all(["fr", "ko", "en"].index(row[2]) < ["fr", "ko", "en"].index(row[3]) for row in kept)
    sampled = kept if isinstance(validation, int) else rows(prepared.train)
    assert all(count <= (per_corpus or 99) for count in Counter(row[2:] for row in sampled).values())


def test_the_report_is_printed_and_is_json(nway: Path) -> None:
    (nway / "README.md").write_text("about")
    report = prepare_pairs(nway, validation=10).report
    text = io.StringIO()
    print_report(report, Console(file=text, width=100))
    for expected in ("en-fr.tsv", "en-ko", "300", "README.md: not a kind of file"):
        assert expected in text.getvalue()
    saved = json.loads(json.dumps(report.to_json()))
    assert saved["total"]["read"] == sum(file["read"] for file in saved["files"].values()) == 300
    assert isinstance(report, DataReport)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_corpus": 0}, "per_corpus: 0 is not a number of pairs; give 1 or more"),
        ({"validation": -1}, "validation: -1 is not a number of pairs"),
        ({"prefer": ["klingon"]}, "prefer: unknown language code 'klingon'"),
        ({"languages": ["en", "klingon"]}, "languages: unknown language code 'klingon'"),
        ({"languages": ["en"]}, "'all' selects nothing; the language pairs there are: none"),
        ({"select": "en-de"}, r"'en-de' selects nothing; .* en-fr \(100\), en-ko \(100\), fr-ko \(100\)"),
        ({"priority": ["en"]}, r"priority: fr, ko not in the list"),
        ({"decontaminate": ["nowhere"]}, "suite 'nowhere' does not exist"),
        ({"columns": {"text": "x"}}, "columns: 'text' is not a column"),
    ],
)
def test_bad_arguments_are_explained(nway: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prepare_pairs(nway, **options)


def test_missing_sources_and_suites_are_found_before_anything_is_read(nway: Path) -> None:
    (nway / "nway" / "en-fr.tsv").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"no such file or folder"):
        prepare_pairs([nway, nway / "gone"])
    with pytest.raises(InputError, match=r"does not exist"):
        prepare_pairs(nway, decontaminate=[nway / "gone"])
    with pytest.raises(InputError, match=r"sources: none given"):
        prepare_pairs([])


def test_a_suite_without_sentences_is_an_error(nway: Path, tmp_path: Path) -> None:
    write_tsv(tmp_path / "suite" / "scores.tsv", [("1", "train")], ("score", "split"))
    with pytest.raises(InputError, match=r"suite '.*suite' holds no sentences; expected parquet, CSV"):
        prepare_pairs(nway, decontaminate=tmp_path / "suite")


def test_identifiers_of_a_suite_are_not_its_sentences(nway: Path, tmp_path: Path) -> None:
    suite = write_tsv(tmp_path / "suite.tsv", [("en 1", "x", "y")], ("id", "sentence1", "sentence2"))
    assert "in a suite" not in prepare_pairs(nway, decontaminate=suite).report.total.dropped
    write_tsv(suite, [("en 1", "x", "y")], ("id", "en", "fr"))
    with pytest.raises(
        InputError, match=r"suite\.tsv: the column 'id' beside 'en' may hold sentences or identif"
    ):
        prepare_pairs(nway, decontaminate=suite)


def test_nothing_left_is_an_error_that_says_why(tmp_path: Path) -> None:
    file = write_tsv(tmp_path / "en-fr.tsv", [("a", "b"), ("A.", "c")])
    suite = write_tsv(tmp_path / "suite.tsv", [("a", "z")])
    with pytest.raises(InputError, match=r"no training pair is left of 2 read \(dropped: in a suite: 2\)"):
        prepare_pairs(file, decontaminate=suite)


@pytest.mark.data
def test_real_pairs_agree_with_a_plain_recount(data: Path) -> None:
    files = [data / "train" / "storybooks" / "en-fr.parquet", data / "train" / "tatoeba" / "en-fr.parquet"]
    suite = data / "eval" / "sts" / "stsb-fr.parquet"
    evaluation = pq.read_table(suite, columns=["sentence1", "sentence2"])
    known = {normalise(text) for column in evaluation.columns for text in column.to_pylist()}

    read: Counter[str] = Counter()
    leaks: Counter[str] = Counter()
    repeats: Counter[str] = Counter()
    expected, seen = [], set()
    for path in files:
        for row in pq.read_table(path).to_pylist():
            read[str(path)] += 1
            pair = (row["sentence2"], row["sentence1"])  # French is the anchor
            if pair in seen:
                repeats[str(path)] += 1
            elif {normalise(text) for text in pair} & known:
                leaks[str(path)] += 1
            else:
                expected.append((*pair, "fr", "en", row["corpus"]))
            seen.add(pair)

    prepared = prepare_pairs(files, priority=["fr", "en"], validation=0, decontaminate=[suite])
    assert sum(leaks.values()) > 0
    for path, tally in prepared.report.files.items():
        dropped = {"duplicate": repeats[path], "in a suite": leaks[path]}
        assert (tally.read, tally.dropped) == (read[path], {reason: n for reason, n in dropped.items() if n})
    assert rows(prepared.train) == expected


@pytest.mark.data
def test_real_pairs_are_clean_of_the_suites_they_were_cleaned_of(data: Path) -> None:
    suites = [data / "eval" / "tatoeba", data / "eval" / "ntrex"]
    prepared = prepare_pairs(data / "train" / "tatoeba", validation=0, decontaminate=suites)
    assert prepared.report.total.train > 0
    assert "in a suite" not in prepared.report.total.dropped
