"""Prepared on disk or in memory, the pairs are the same; the shards are the same bytes; nothing half-written stays."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lingualign.errors import InputError
from lingualign.pairs import (
    PAIR_SCHEMA,
    prepare_pairs,
    prepare_shards,
    prepared_pairs,
    read_source,
    shards,
)
from lingualign.pairs.config import DataConfig, PairsConfig
from lingualign.training.config import RunConfig
from lingualign.training.data import prepare

if TYPE_CHECKING:
    from lingualign.pairs.selection import Mask

LANGUAGES = ("en", "fr", "ko")


class WithoutDigits:
    """A filter of one row."""

    reason = "no digit"

    def __call__(self, pairs: pa.Table) -> Mask:
        digits = (
            pc.match_substring_regex(pairs[side], "[0-9]").to_numpy() for side in pairs.column_names[:2]
        )
        return ~np.logical_or(*digits)


class SeenBefore:
    """A filter that remembers, so that the order of the rows matters: each third of those that end alike goes."""

    reason = "third of its kind"

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def __call__(self, pairs: pa.Table) -> Mask:
        ends = [text[-3:] for text in pairs["sentence2"].to_pylist()]
        mask = []
        for end in ends:
            self._seen[end] += 1
            mask.append(self._seen[end] % 3 == 0)
        return np.array(mask, np.bool_)


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    """Pairs in every kind of file, with duplicates, blanks, leaks and shared sentences."""
    rng = random.Random(3)
    words = [*["sun", "moon", "Sun!", "a", "rain 7", "", " ", "leak"] * 4, *(f"word {i}" for i in range(400))]
    folder = tmp_path / "corpora"
    for place, (a, b) in enumerate([*itertools.permutations(LANGUAGES, 2), ("en", "en"), ("de", "en")]):
        rows = [(rng.choice(words), f"{b} {rng.choice(words)}") for _ in range(140)]
        rows += rows[:10]
        path = folder / f"corpus{place % 3}" / f"{a}-{b}{place}"
        path.parent.mkdir(parents=True, exist_ok=True)
        header = ("sentence1", "sentence2")
        named = path.with_name(f"x{place}.{a}-{b}")
        match place % 4:
            case 0:
                table = pa.table(dict(zip(header, zip(*rows, strict=True), strict=True)))
                pq.write_table(table, f"{named}.parquet")
            case 1:
                text = "".join("\t".join(row) + "\n" for row in [header, *rows])
                Path(f"{named}.tsv").write_text(text)
            case 2:
                lines = (json.dumps(dict(zip(header, row, strict=True))) for row in rows)
                Path(f"{named}.jsonl").write_text("\n".join(lines))
            case _:
                for side, code in enumerate((a, b)):
                    Path(f"{named}.{code}").write_text("".join(f"{row[side]}\n" for row in rows))
    Path(folder / "empty.en-fr.tsv").write_text("sentence1\tsentence2\n")
    Path(tmp_path / "suite.tsv").write_text("sentence1\tsentence2\nLeak.\tword 17\n")
    return folder


def configuration(corpora: Path, **pairs: object) -> DataConfig:
    chosen = PairsConfig(**{"sources": [str(corpora)], "validation": 7, **pairs})
    return DataConfig(pairs=chosen, decontaminate=[str(corpora.parent / "suite.tsv")], seed=11)


def in_memory(config: DataConfig, **options: object):
    return prepare_pairs(
        **dataclasses.asdict(config.pairs),
        decontaminate=config.decontaminate,
        prefer=[config.anchor],
        seed=config.seed,
        **options,
    )


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("chunk", [29, 1 << 16])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"select": "en-xx", "per_corpus": 20},
        {"languages": ["fr", "ko", "en"], "priority": ["ko", "fr", "en"], "validation": 0},
        {"validation": "given", "per_corpus": 30},
    ],
)
def test_shards_hold_what_is_prepared_in_memory(
    tmp_path: Path, corpora: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object], chunk: int
) -> None:
    if "validation" in options and options["validation"] == "given":
        options = {**options, "validation": str(corpora / "corpus2" / "x2.fr-en.jsonl")}
        corpora = corpora / "corpus0"
    config = dataclasses.replace(
        configuration(corpora, **options), decontaminate=[str(tmp_path / "suite.tsv")]
    )
    expected = in_memory(config, filters=[WithoutDigits(), SeenBefore()])
    # Many seams: between chunks, row groups, shards and parts of the records.
    monkeypatch.setattr("lingualign.pairs.formats.tabular.CHUNK_ROWS", chunk)
    monkeypatch.setattr("lingualign.pairs.formats.compression._TEXT_BYTES", chunk * 10)
    monkeypatch.setattr("lingualign.pairs.formats.compression._BLOCK_BYTES", chunk * 3)
    monkeypatch.setattr(shards, "_GROUP_ROWS", chunk)
    monkeypatch.setattr(shards, "_SHARD_ROWS", 3 * chunk)
    out = tmp_path / "out"
    manifest = prepare_shards(config, out, filters=[WithoutDigits(), SeenBefore()])
    read = prepared_pairs(PairsConfig(sources=[str(out)]))
    for table, other in ((read.train, expected.train), (read.validation, expected.validation)):
        assert table.schema.equals(PAIR_SCHEMA)
        assert table.to_pylist() == other.to_pylist()
    assert read.priority == expected.priority
    assert manifest.report() == read.report == expected.report
    assert list(read.report.files) == list(expected.report.files)
    assert {"no digit", "third of its kind", "duplicate", "in a suite"} <= read.report.total.dropped.keys()
    assert sum(shard.rows or 0 for shard in manifest.train) == expected.train.num_rows
    assert all(shard.rows == 3 * chunk for shard in manifest.train[:-1])


def test_the_same_command_gives_the_same_bytes_whatever_the_order_of_sources(
    tmp_path: Path, corpora: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = sorted(str(part) for part in corpora.iterdir())
    made = []
    for place, sources in enumerate((parts, parts[::-1])):
        config = configuration(corpora, sources=sources, per_corpus=40)
        prepare_shards(config, tmp_path / f"out{place}")
        made.append(content(tmp_path / f"out{place}"))
    assert made[0] == made[1]
    # In another process, whose hashes of strings are others.
    code = (
        "import sys, json; from lingualign.pairs import prepare_shards;"
        "from lingualign.pairs.config import DataConfig, PairsConfig;"
        f"prepare_shards(DataConfig(pairs=PairsConfig(**{config.pairs!r}.__dict__),"
        f" decontaminate={config.decontaminate!r}, seed=11), {str(tmp_path / 'out2')!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONHASHSEED": "5"})
    assert content(tmp_path / "out2") == made[0]


def test_chunks_make_no_difference_to_what_is_read(corpora: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (corpora / "long.en-fr.en").write_text("a\n\n" + "é" * 5000 + "\n\n")
    (corpora / "long.en-fr.fr").write_bytes(b"\xef\xbb\xbfb\r\n\r\n\r\nc")
    whole = read_source(corpora)[0]
    assert [row["sentence1"] for row in whole[-1].table.to_pylist()] == ["a", "", "é" * 5000, ""]
    for chunk in (1, 5):
        monkeypatch.setattr("lingualign.pairs.formats.tabular.CHUNK_ROWS", chunk)
        monkeypatch.setattr("lingualign.pairs.formats.compression._TEXT_BYTES", chunk)
        monkeypatch.setattr("lingualign.pairs.formats.compression._BLOCK_BYTES", chunk)
        for file, other in zip(read_source(corpora)[0], whole, strict=True):
            assert (file.file, file.table.to_pylist()) == (other.file, other.table.to_pylist())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("en-fr.tsv", b"sentence1\tsentence2\n" + b"a\tb\n" * 20 + b"a\n", "line 22: 1 fields"),
        ("en-fr.csv", b"sentence1,sentence2\n" + b"a,b\n" * 20 + b"a,\xff\n", "line 22: not valid UTF-8"),
        ("en-fr.jsonl", b'{"sentence1": "a", "sentence2": "b"}\n' * 20 + b"{\n", "line 21: not valid JSON"),
        (
            "x.tsv",
            b"sentence1\tsentence2\tlang1\tlang2\n" + b"a\tb\ten\tfr\n" * 20 + b"a\tb\ten\tklingon\n",
            "row 21: lang2: unknown language code 'klingon'",
        ),
    ],
)
def test_errors_name_the_row_wherever_the_chunk_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    monkeypatch.setattr("lingualign.pairs.formats.tabular.CHUNK_ROWS", 3)
    monkeypatch.setattr("lingualign.pairs.formats.compression._TEXT_BYTES", 9)
    monkeypatch.setattr("lingualign.pairs.formats.compression._BLOCK_BYTES", 4)
    with pytest.raises(InputError, match=message):
        prepare_pairs(tmp_path / name)


def test_a_folder_is_replaced_only_if_asked_and_only_prepared_pairs(tmp_path: Path, corpora: Path) -> None:
    config = configuration(corpora)
    out = tmp_path / "made" / "out"
    prepare_shards(config, out)
    before = content(out)
    with pytest.raises(InputError, match=r"holds prepared pairs; give another folder, or --overwrite"):
        prepare_shards(config, out)
    prepare_shards(configuration(corpora, select="en-fr"), out, overwrite=True)
    assert content(out) != before
    (out / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match=r"holds beside prepared pairs thesis.tex"):
        prepare_shards(config, out, overwrite=True)
    with pytest.raises(InputError, match=r"lie within each other"):
        prepare_shards(config, corpora / "out")
    with pytest.raises(InputError, match=r"is there and holds no prepared pairs"):
        prepare_shards(config, out.parent, overwrite=True)
    with pytest.raises(InputError, match=r"holds prepared pairs, which train takes as they are"):
        prepare_pairs([out, corpora])
    assert sorted(path.name for path in out.parent.iterdir()) == ["out"]


REPLACE = """
import os, sys
from pathlib import Path
from lingualign.pairs import prepare_shards
from lingualign.pairs.config import DataConfig, PairsConfig

renames = []
rename = Path.rename
def killed(path, target):
    if len(renames) == int(sys.argv[3]):
        os.kill(os.getpid(), 9)
    renames.append(rename(path, target))
Path.rename = killed
prepare_shards(DataConfig(PairsConfig([sys.argv[1]])), sys.argv[2], overwrite=True)
"""


@pytest.mark.parametrize("renames", [0, 1])
def test_a_kill_while_pairs_are_replaced_leaves_the_old_ones_to_the_next_call(
    tmp_path: Path, renames: int
) -> None:
    (tmp_path / "old.en-fr.tsv").write_text(
        "sentence1\tsentence2\n" + "".join(f"old {i}\tvieux {i}\n" for i in range(9))
    )
    (tmp_path / "new.en-fr.tsv").write_text(
        "sentence1\tsentence2\n" + "".join(f"new {i}\tneuf {i}\n" for i in range(9))
    )
    out = tmp_path / "out"
    config, other = (
        DataConfig(PairsConfig([str(tmp_path / f"{name}.en-fr.tsv")])) for name in ("old", "new")
    )
    prepare_shards(config, out)
    before = content(out)
    code = [sys.executable, "-c", REPLACE, other.pairs.sources[0], str(out), str(renames)]
    assert subprocess.run(code, check=False).returncode == -signal.SIGKILL
    assert out.exists() == (renames == 0)
    with pytest.raises(InputError, match="holds prepared pairs"):
        prepare_shards(other, out)
    assert content(out) == before
    if renames:
        assert subprocess.run(code, check=False).returncode == -signal.SIGKILL
    prepare_shards(other, out, overwrite=True)
    prepare_shards(other, tmp_path / "expected")
    assert content(out) == content(tmp_path / "expected")
    assert not list(tmp_path.glob(".out*"))


def test_what_lies_among_the_shards_is_not_removed_with_them(tmp_path: Path, corpora: Path) -> None:
    out = tmp_path / "out"
    prepare_shards(configuration(corpora), out)
    (out / "train" / "notes.txt").write_text("years")
    with pytest.raises(InputError, match=r"holds beside prepared pairs train/notes.txt"):
        prepare_shards(configuration(corpora), out, overwrite=True)
    assert (out / "train" / "notes.txt").read_text() == "years"


@pytest.mark.parametrize("when", ["error", "changed", "interrupt", "disk full"])
def test_what_fails_leaves_nothing(tmp_path: Path, corpora: Path, when: str) -> None:
    out = tmp_path / "made" / "out"
    prepare_shards(configuration(corpora, select="en-fr"), out)
    before = content(out)

    class Failing:
        reason = "fails"

        def __call__(self, pairs: pa.Table) -> Mask:
            if when == "interrupt":
                raise KeyboardInterrupt
            if when == "changed":
                with (corpora / "corpus1" / "x1.en-ko.tsv").open("a") as file:
                    file.write("late\tlate 7\n")
            return np.zeros(pairs.num_rows, np.bool_)

    if when == "error":
        (corpora / "z.en-fr.tsv").write_text("sentence1\tsentence2\nalone\n")
    expected = {
        "error": (InputError, r"z.en-fr.tsv, line 2: 1 fields"),
        "changed": (InputError, r"x1.en-ko.tsv was changed while it was read"),
        "interrupt": (KeyboardInterrupt, None),
    }
    if when == "disk full":
        limit = 3_000  # bytes of one file: the least portable way to fill a disk that needs no rights
        code = (
            f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
            "from lingualign.cli import main; import sys\n"
            f"sys.exit(main(['data', 'prepare', {str(out)!r}, '--pairs.sources', {str(corpora)!r}, '--overwrite']))"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert ran.returncode == 2, ran.stderr
        assert "error: output" in ran.stderr
        assert "nothing of it is left. Make room" in ran.stderr
    else:
        kind, message = expected[when]
        with pytest.raises(kind, match=message):
            prepare_shards(configuration(corpora), out, filters=[Failing()], overwrite=True)
    assert content(out) == before
    assert sorted(path.name for path in out.parent.iterdir()) == ["out"]


def test_prepared_pairs_without_their_manifest_are_damaged(tmp_path: Path) -> None:
    source = tmp_path / "source.en-fr.tsv"
    source.write_text("sentence1\tsentence2\n" + "".join(f"cat {i}\tchat {i}\n" for i in range(40)))
    prepared = tmp_path / "all" / "prepared"
    prepared.parent.mkdir()
    prepare_shards(DataConfig(PairsConfig([str(source)], validation=10)), prepared)
    run = RunConfig(output=str(tmp_path / "run"), pairs=PairsConfig([str(prepared)]))
    assert prepare(run).validation.num_rows == 8
    lost = r"prepared: prepared pairs whose manifest\.json is lost.*prepare the pairs again"
    for content in ("{}", None):
        (prepared / "manifest.json").unlink()
        if content:
            (prepared / "manifest.json").write_text(content)
        for given in (prepared, prepared.parent):
            with pytest.raises(InputError, match=lost):
                prepare(dataclasses.replace(run, pairs=PairsConfig([str(given)])))
            with pytest.raises(InputError, match=lost):
                read_source(given)
        with pytest.raises(InputError, match=r"its manifest\.json is missing; prepare the pairs again"):
            prepared_pairs(run.pairs)
    [train] = read_source(prepared / "train")[0]
    assert train.table.num_rows == 32
    plain = tmp_path / "plain"
    for split in ("train", "validation"):
        (plain / split).mkdir(parents=True)
        pq.write_table(
            pa.table({"sentence1": [split], "sentence2": ["b"], "lang1": ["en"], "lang2": ["fr"]}),
            plain / split / "00000.parquet",
        )
    assert len(read_source(plain)[0]) == 2
