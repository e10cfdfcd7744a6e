"""Data sets of the hub: as far as a machine without network can go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lingualign.errors import InputError
from lingualign.pairs.discovery import HubDataset, find_pairs
from lingualign.pairs.readers import read_pairs

if TYPE_CHECKING:
    from pathlib import Path


def test_ids_are_told_from_paths() -> None:
    assert find_pairs("owner/some-pairs").files == [HubDataset("owner/some-pairs", "owner/some-pairs", None)]
    assert find_pairs("owner/pairs:en-fr").files == [HubDataset("owner/pairs:en-fr", "owner/pairs", "en-fr")]


def test_nested_columns_are_mapped(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    row = {"translation": {"en": "hello", "fr": "bonjour"}, "lang1": "en", "lang2": "fr"}
    (tmp_path / "train.jsonl").write_text(json.dumps(row) + "\n")
    local = HubDataset(str(tmp_path), str(tmp_path), None)  # `datasets` loads a folder just as it loads an id
    table = read_pairs(local, columns={"sentence1": "translation.en", "sentence2": "translation.fr"})
    assert table.to_pylist() == [
        {"sentence1": "hello", "sentence2": "bonjour", "lang1": "en", "lang2": "fr", "corpus": tmp_path.name}
    ]
    with pytest.raises(
        InputError, match=r"no column 'sentence1'.*found 'translation.en', 'translation.fr', 'lang1'"
    ):
        read_pairs(local)


def test_offline_says_so_and_names_the_way_out() -> None:
    code = "from lingualign.pairs import read_source; read_source('no-such-owner/no-such-pairs')"
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert "no such file or folder here, and the hub data set of this name cannot be reached" in run.stderr
    assert "Offline, give a folder or a file of pairs" in run.stderr
