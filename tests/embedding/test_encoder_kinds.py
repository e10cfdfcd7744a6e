"""Each kind of encoder goes the whole way: from a name on the command line to help, docs, outcomes and kept vectors."""

from __future__ import annotations

import json
import tomllib
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from lingualign.cli import main
from lingualign.embedding.encoders import encode_kept, kept, open_encoder
from lingualign.embedding.encoders.laser import LaserEncoder
from lingualign.embedding.encoders.open import ENCODERS, MODEL, EncoderKind, deciding_libraries
from lingualign.errors import InputError

if TYPE_CHECKING:
    from lingualign.embedding import ModelOptions

ROOT = Path(__file__).parents[2]
ENGLISH, FRENCH = (
    ["a cat", "two dogs", "the sea", "my house"],
    ["un chat", "deux chiens", "la mer", "ma maison"],
)


class Letters:
    """Counts the letters of a sentence."""

    precision, tokenizer, dimensions = "fp32", None, 26

    def __init__(self, name: str, options: ModelOptions) -> None:
        self.name, self.prompt = name, options.prompt or ""
        self.fingerprint = sha256(name.encode()).hexdigest()
        self.asked: list[str] = []

    def describe(self) -> dict[str, str]:
        return {"kind": "letters", "prompt_from": "none"}

    def batches(self, sentences):
        self.asked += sentences
        counts = [[text.count(chr(ord("a") + place)) for place in range(26)] for text in sentences]
        vectors = np.asarray(counts, np.float32) + 0.01
        yield np.arange(len(sentences)), vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def letters(monkeypatch) -> list[Letters]:
    """One more row of the table; lists the encoders that it makes."""
    opened: list[Letters] = []

    def make(name: str, options: ModelOptions) -> Letters:
        opened.append(Letters(name, options))
        return opened[-1]

    row = EncoderKind(
        "letters:NAME", recognises=lambda name: name.startswith("letters:"), open=make, libraries=("pytest",)
    )
    monkeypatch.setitem(ENCODERS, "letters", row)
    return opened


def pairs(folder: Path) -> Path:
    path = folder / "pairs.tsv"
    rows = [f"{one}\t{other}" for one, other in zip(ENGLISH, FRENCH, strict=True)]
    path.write_text("\n".join(["sentence1\tsentence2", *rows]) + "\n")
    return path


def test_one_row_is_all_that_the_commands_need(letters, tmp_path, capsys, monkeypatch) -> None:
    suite = str(pairs(tmp_path))
    for name in ("one", "two"):
        outcomes = str(tmp_path / name)
        main(
            [
                "evaluate",
                f"letters:{name}",
                "--suite",
                suite,
                "--outcomes",
                outcomes,
                "--output",
                f"{outcomes}.json",
            ]
        )
    scores = json.loads((tmp_path / "one.json").read_text())
    assert (scores["model"]["kind"], scores["model"]["name"]) == ("letters", "letters:one")
    assert "letters:one" in capsys.readouterr().out
    main(["compare", str(tmp_path / "one"), str(tmp_path / "two"), "--suite", suite])
    assert letters[0].asked
    # Vectors are kept, until a library that decides them changes.
    main(["evaluate", "letters:one", "--suite", suite])
    assert letters[-1].asked == []
    monkeypatch.setattr(kept, "version", lambda name: f"another {name}")
    main(["evaluate", "letters:one", "--suite", suite])
    assert sorted(letters[-1].asked) == sorted(ENGLISH + FRENCH)


def test_options_apply_or_are_refused(letters) -> None:
    assert open_encoder("letters:x", prompt="q ").prompt == "q "
    with pytest.raises(InputError, match="pooling 'cls' does not apply to 'letters:x'"):
        open_encoder("letters:x", pooling="cls")


def test_a_folder_is_a_model_whatever_it_is_called(letters, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("letters:x").mkdir()
    with pytest.raises(InputError, match="neither modules"):
        open_encoder("letters:x")
    assert letters == []


def test_a_package_that_is_missing_is_named(letters, monkeypatch) -> None:
    def make(name: str, options: ModelOptions) -> Letters:
        raise ModuleNotFoundError(name="abacus")

    row = EncoderKind("count:X", recognises=lambda name: name == "count:X", open=make, extra="counts")
    monkeypatch.setitem(ENCODERS, "count", row)
    with pytest.raises(InputError) as raised:
        open_encoder("count:X")
    message = "model 'count:X' needs the package abacus: pip install 'lingualign[counts]'"
    assert str(raised.value) == message


def test_kept_vectors_of_a_kind_that_is_on_disk_already_are_not_kept_twice(
    letters, monkeypatch, tmp_path
) -> None:
    encoder = open_encoder("letters:x")
    encode_kept(encoder, ENGLISH, tmp_path / "kept")
    assert list((tmp_path / "kept").rglob("manifest.json"))
    row = EncoderKind("letters:NAME", recognises=str.isalpha, open=Letters, keeps=False)
    monkeypatch.setitem(ENCODERS, "letters", row)
    encode_kept(encoder, ENGLISH, tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("kind", ENCODERS)
def test_help_docs_and_extras_know_every_kind(kind: str, capsys) -> None:
    row = ENCODERS[kind]
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert row.form.lower() in shown.lower()
    docs = (ROOT / "docs" / "evaluation.md").read_text()
    assert row.form in docs or kind == MODEL
    if row.extra is not None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert row.extra in project["optional-dependencies"]
        assert f"lingualign[{row.extra}]" in docs
    assert set(row.libraries) <= set(deciding_libraries())


@pytest.mark.parametrize("kind", ENCODERS)
def test_an_encoder_says_of_what_kind_it_is(kind: str, minilm, tmp_path) -> None:
    if kind == "laser":  # a folder of LASER takes a model of sentencepiece to be trained
        described = LaserEncoder.describe(SimpleNamespace(_prompt_from="none"))
    else:
        described = open_encoder(named(kind, tmp_path)).describe()
    assert described["kind"] == kind


def named(kind: str, folder: Path) -> str:
    """Make something of a kind, and name it."""
    if kind == "vectors":
        path = folder / "vectors.parquet"
        pairs(folder)
        main(["encode", "minilm", str(folder / "pairs.tsv"), str(path), "--column", "sentence1"])
        return str(path)
    if kind == "model2vec":
        model2vec = pytest.importorskip("model2vec")
        tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, "[UNK]"))
        model2vec.StaticModel(np.eye(2, dtype=np.float32), tokenizer).save_pretrained(folder)
        return f"model2vec:{folder}"
    return {MODEL: "minilm", "endpoint": "https://localhost/v1#m"}[kind]
