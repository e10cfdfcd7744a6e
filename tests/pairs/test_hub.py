"""Data sets of the hub: as far as a machine without network can go."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub_server import serving
from lingualign.errors import InputError
from lingualign.pairs.config import PairsConfig
from lingualign.pairs.hub_datasets import HubDataset
from lingualign.pairs.sources import find_pairs

if TYPE_CHECKING:
    from pathlib import Path


def test_ids_are_told_from_paths() -> None:
    assert find_pairs("owner/some-pairs", PairsConfig([])).files == [
        HubDataset("owner/some-pairs", "owner/some-pairs", None)
    ]
    assert find_pairs("owner/pairs:en-fr", PairsConfig([])).files == [
        HubDataset("owner/pairs:en-fr", "owner/pairs", "en-fr")
    ]


def test_nested_columns_are_mapped(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    row = {"translation": {"en": "hello", "fr": "bonjour"}, "lang1": "en", "lang2": "fr"}
    (tmp_path / "train.jsonl").write_text(json.dumps(row) + "\n")
    local = HubDataset(str(tmp_path), str(tmp_path), None)  # `datasets` loads a folder just as it loads an id
    nested: dict[str, int | str] = {"sentence1": "translation.en", "sentence2": "translation.fr"}
    table = pa.concat_tables(local.stream(PairsConfig([], columns=nested), []))
    assert table.to_pylist() == [
        {"sentence1": "hello", "sentence2": "bonjour", "lang1": "en", "lang2": "fr", "corpus": tmp_path.name}
    ]
    with pytest.raises(
        InputError, match=r"no column 'sentence1'.*found 'translation.en', 'translation.fr', 'lang1'"
    ):
        list(local.stream(PairsConfig([]), []))


def test_offline_says_so_and_names_the_way_out() -> None:
    code = "from lingualign.pairs import read_source; read_source('no-such-owner/no-such-pairs')"
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert "no such file or folder, and the hub cannot be reached" in run.stderr
    assert "Give a folder or a file" in run.stderr


def _parquet(**columns: list[str] | list[str | None]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _opus_part(lang1: str, lang2: str, rows: int) -> bytes:
    return _parquet(
        sentence1=[f"{lang1} {n}" for n in range(rows)],
        sentence2=[f"{lang2} {n}" for n in range(rows)],
        lang1=[lang1] * rows,
        lang2=[lang2] * rows,
        guid=[str(n) for n in range(rows)],
    )


TALKS = "sentence-transformers/parallel-sentences-talks"
CARD = "---\nconfigs:\n" + "".join(
    f"- config_name: {name}\n  data_files:\n  - split: train\n    path: {name}/train-*\n"
    for name in ("all", "en-fr", "en-ko")
)


@pytest.fixture(scope="module")
def script() -> str:
    """What a user of the library may do with data sets of the hub, its outcomes as JSON."""
    return """
import json
from lingualign.errors import InputError
from lingualign.pairs import prepare_pairs
from lingualign.pairs.config import PairsConfig
from lingualign.pairs.sources import find_pairs

def told(source, **options):
    try:
        prepared = prepare_pairs(source, validation=0, **options)
    except InputError as error:
        return str(error)
    counted = {}
    for row in prepared.train.to_pylist():
        key = " ".join((row["corpus"], row["lang1"], row["lang2"]))
        counted[key] = counted.get(key, 0) + 1
    return counted

opus, talks = "wecover/OPUS", "sentence-transformers/parallel-sentences-talks"
[large] = find_pairs("wecover/OPUS:WikiMatrix/en-ru", PairsConfig([])).files
print(json.dumps([
    told(opus, languages=["en", "fr", "ko"], select="en-xx"),
    told(talks, languages=["en", "ko", "fr"]),
    told(talks + ":en-fr"),
    told(opus + ":Tatoeba/en-ko"),
    told(talks, languages=["en", "ru"]),
    told("nobody/nothing", languages=["en", "ru"]),
    told("someone/columns"),
    next(large.stream(PairsConfig([]), [])).num_rows,
]))
"""


def test_of_a_data_set_of_the_hub_the_parts_wanted_are_streamed(tmp_path: Path, script: str) -> None:
    datasets = {
        "wecover/OPUS": {
            "Tatoeba/en-ko/train.parquet": _opus_part("en", "ko", 5),
            "Tatoeba/fr-ko/train.parquet": _opus_part("fr", "ko", 6),
            "TED2020/en-fr/train.parquet": _opus_part("en", "fr", 7),
            "WikiMatrix/en-ru/train-00000-of-00002.parquet": _opus_part("en", "ru", 20_000),
            "WikiMatrix/en-ru/train-00001-of-00002.parquet": _opus_part("en", "ru", 20_001),
        },
        TALKS: {
            "README.md": f"{CARD}---\n".encode(),
            **{
                f"{name}/train-00000-of-00001.parquet": _parquet(english=[f"in {name}"], non_english=["x"])
                for name in ("all", "en-fr", "en-ko")
            },
        },
        "someone/columns": {"train.parquet": _parquet(source=["a"], target=["b"])},
    }
    with serving(datasets) as hub:
        env = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path)}
        ran = subprocess.run(
            [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True
        )
    opus, talks, one, folder, absent, nobody, columns, rows = json.loads(ran.stdout)
    assert opus == {"TED2020 en fr": 7, "Tatoeba en ko": 5}
    assert talks == {"parallel-sentences-talks en fr": 1, "parallel-sentences-talks en ko": 1}
    assert one == {"parallel-sentences-talks en fr": 1}
    assert folder == {"Tatoeba en ko": 5}
    assert absent == f"source {TALKS!r}: it has no pair of en, ru that is selected; it has en-fr, en-ko"
    assert nobody.startswith("source 'nobody/nothing': no such file or folder, and the hub has no data set")
    assert "no column 'sentence1' and no column 'sentence2'; found 'source', 'target'" in columns
    assert 'mapped with columns, for example columns={"sentence1": "english"}' in columns
    assert 0 < rows < 20_000
    taken = {name for _, name in hub.taken}
    assert "WikiMatrix/en-ru/train-00000-of-00002.parquet" in taken
    assert not taken & {
        "Tatoeba/fr-ko/train.parquet",
        "WikiMatrix/en-ru/train-00001-of-00002.parquet",
        "all/train-00000-of-00001.parquet",
    }


def test_sentences_of_a_data_set_of_the_hub_are_streamed(tmp_path: Path) -> None:
    code = """
import json
from lingualign.errors import InputError
from lingualign.mining.sentences import read_sentences

def told(*source):
    try:
        return [text for chunk in read_sentences(*source) for text in chunk]
    except InputError as error:
        return str(error)

print(json.dumps([told("someone/news", "title"), told("someone/news"), told("nobody/nothing")]))
"""
    content = _parquet(title=["one", None, "three\n"], body=["a", "b", "c"])
    with serving({"someone/news": {"train.parquet": content}}) as hub:
        env = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path)}
        ran = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
    titles, columns, nobody = json.loads(ran.stdout)
    assert titles == ["one", "", "three\n"]
    assert columns == (
        "someone/news: no column 'sentence' or 'text'; found 'title', 'body': name one with column"
    )
    assert nobody.startswith("source 'nobody/nothing': no such file or folder, and the hub has no data set")
