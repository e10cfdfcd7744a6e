"""Prepared pairs are taken as they are; what contradicts their preparation, or damages them, is refused."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from lingualign.errors import InputError
from lingualign.pairs import Manifest, prepare_pairs, prepare_shards, prepared_pairs
from lingualign.pairs.config import DataConfig, PairsConfig
from lingualign.training.config import RunConfig
from lingualign.training.data import prepare

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Prepared pairs of three languages."""
    for a, b in itertools.combinations(("en", "fr", "ko"), 2):
        path = tmp_path / "news" / f"{a}-{b}.tsv"
        path.parent.mkdir(exist_ok=True)
        rows = "".join(f"{a} {i}\t{b} {i}\n" for i in range(50))
        path.write_text(f"sentence1\tsentence2\n{rows}{rows[:9]}")
    pairs = PairsConfig(sources=[str(tmp_path / "news")], validation=5, per_corpus=40)
    prepare_shards(DataConfig(pairs=pairs), tmp_path / "made")
    return tmp_path / "made"


def rows(table: pa.Table) -> list[tuple[str, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def test_a_run_takes_prepared_pairs_with_their_report(folder: Path) -> None:
    expected = prepare_pairs(folder.parent / "news", validation=5, per_corpus=40, prefer=["en"], seed=7)
    config = RunConfig(output="-", pairs=PairsConfig(sources=[str(folder)]))
    taken = prepare(config)
    assert (rows(taken.train), rows(taken.validation)) == (rows(expected.train), rows(expected.validation))
    assert taken.report == expected.report
    assert taken.priority == expected.priority


@pytest.mark.parametrize(
    ("narrowed", "reason"),
    [({"select": "en-xx"}, "not selected"), ({"languages": ["en", "fr"]}, "other language")],
)
def test_fewer_languages_may_be_taken_and_are_accounted_for(
    folder: Path, narrowed: dict[str, object], reason: str
) -> None:
    whole = prepared_pairs(PairsConfig(sources=[str(folder)]))
    taken = prepared_pairs(PairsConfig(sources=[str(folder)], **narrowed))
    wanted = {("en", "fr"), ("en", "ko")} if "select" in narrowed else {("en", "fr")}
    assert rows(taken.train) == [row for row in rows(whole.train) if row[2:4] in wanted]
    assert rows(taken.validation) == [row for row in rows(whole.validation) if row[2:4] in wanted]
    for tallies in (taken.report.files, taken.report.language_pairs):
        for tally in tallies.values():
            assert tally.read == tally.train + tally.validation + sum(tally.dropped.values())
    total = taken.report.total
    assert (total.train, total.validation) == (taken.train.num_rows, taken.validation.num_rows)
    left = whole.train.num_rows + whole.validation.num_rows
    assert total.dropped[reason] == left - total.train - total.validation


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_corpus": 39}, r"per_corpus is 39 and was 40 when .* was prepared\. Leave out .* or prepare"),
        ({"validation": 7}, "validation is 7 and was 5"),
        ({"columns": {"sentence1": "x"}}, "columns is {'sentence1': 'x'} and was None"),
        (
            {"priority": ["fr", "en", "ko"]},
            r"priority \['fr', 'en', 'ko'\] turns en-fr round, .* was en, fr, ko",
        ),
        ({"select": "de-xx"}, r"select: 'de-xx' selects nothing; the language pairs there are: en-fr"),
        ({"languages": ["klingon"]}, "languages: unknown language code 'klingon'"),
    ],
)
def test_what_contradicts_the_preparation_is_refused(
    folder: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        prepared_pairs(PairsConfig(sources=[str(folder)], **options))


def test_what_was_settled_may_be_said_again(folder: Path) -> None:
    again = PairsConfig(sources=[str(folder)], per_corpus=40, validation=5, priority=["en", "fr", "ko"])
    whole = prepared_pairs(PairsConfig(sources=[str(folder)]))
    assert rows(prepared_pairs(again).train) == rows(whole.train)


def test_pairs_that_are_not_clean_of_a_suite_are_refused(folder: Path) -> None:
    sentence = prepared_pairs(PairsConfig(sources=[str(folder)])).train["sentence2"][0].as_py()
    suite = folder.parent / "suite.tsv"
    suite.write_text(f"sentence1\tsentence2\n{sentence.upper()}!\t-\n")
    clean = folder.parent / "clean.tsv"
    clean.write_text("sentence1\tsentence2\nnowhere\t-\n")
    config = PairsConfig(sources=[str(folder)])
    assert prepared_pairs(config, [str(clean)]).train.num_rows
    with pytest.raises(
        InputError, match=r"decontaminate: \d+ of the pairs in .* again with --decontaminate .*suite"
    ):
        prepared_pairs(config, [str(clean), str(suite)])


def test_prepared_pairs_are_a_source_by_themselves(folder: Path) -> None:
    with pytest.raises(InputError, match=r"holds prepared pairs, which are a source by themselves"):
        prepared_pairs(PairsConfig(sources=[str(folder.parent / "news"), str(folder)]))


def test_damage_is_found(folder: Path) -> None:
    config = PairsConfig(sources=[str(folder)])
    shard = folder / "train" / "00000.parquet"
    content = shard.read_bytes()
    for changed, message in (
        (content[:-1], "bytes and not the"),
        (content[:99] + bytes([content[99] ^ 1]) + content[100:], "was altered after it was written"),
        (None, "is missing"),
    ):
        shard.unlink()
        if changed is not None:
            shard.write_bytes(changed)
        with pytest.raises(InputError, match=message):
            prepared_pairs(config)
        shard.write_bytes(content)
    manifest = folder / "manifest.json"
    text = manifest.read_text()
    for damaged in (
        text.replace("train/00000.parquet", "../news/en-fr.tsv"),
        text.replace('"counts": [', '"counts": [3, '),
        text.replace('"priority"', '"order"'),
        text[:-9],
    ):
        manifest.write_text(damaged)
        with pytest.raises(InputError, match=r"manifest\.json: not the manifest of prepared pairs \(.*again"):
            Manifest.read(folder)
    manifest.write_text('{"format": 1}')
    assert Manifest.read(folder) is None
