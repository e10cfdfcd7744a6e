"""LASER2 against its definition, sentence by sentence, on a real sentencepiece model."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lingualign.cli import main
from lingualign.embedding.encoders import encode_with, open_encoder
from lingualign.embedding.encoders.laser_tokenizer import LaserTokenizer
from lingualign.errors import InputError
from lingualign.evaluation import load_suites
from lingualign.samples import EVERYDAY

sentencepiece = pytest.importorskip("sentencepiece")
pytest.importorskip("sacremoses")

WIDTH, HIDDEN, LAYERS = 12, 7, 3
ODD = ["", "Hello!!!  «World»", "ＡＢＣ １２３", "😀 \u200b \u00a0x", "İSTANBUL", "tab\tand\u2028line"]


@pytest.fixture(scope="module")
def sentences():
    (suite,) = load_suites(EVERYDAY / "test.tsv")
    return [*ODD, *dict.fromkeys(text for side in suite.sentences.values() for text in side)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, sentences):
    """A small LASER2 of chance, under LASER's own names, whose dictionary lacks some pieces."""
    folder = tmp_path_factory.mktemp("laser")
    with (folder / "laser2.spm").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([text.lower() for text in sentences if text]), model_writer=file,
            vocab_size=1200, minloglevel=2, hard_vocab_limit=False,
        )  # fmt: skip
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "laser2.spm"))
    pieces = [processor.id_to_piece(place) for place in range(3, processor.vocab_size()) if place % 9]
    random.Random(0).shuffle(pieces)  # LASER's numbers are not sentencepiece's
    # Wrong numbers for special pieces, which LASER overrides.
    dictionary = {"<pad>": 0, "<s>": 1} | {piece: place for place, piece in enumerate(pieces, start=4)}
    save(folder, state(len(dictionary) + 4), dictionary)
    return folder


def state(rows):
    torch.manual_seed(0)
    lstm = torch.nn.LSTM(WIDTH, HIDDEN, num_layers=LAYERS, bidirectional=True)
    tensors = {f"lstm.{name}": 3 * tensor.detach().clone() for name, tensor in lstm.named_parameters()}
    return {"embed_tokens.weight": torch.randn(rows, WIDTH)} | tensors


def save(folder, tensors, dictionary):
    save_file(tensors, folder / "laser2.safetensors", metadata={"dictionary": json.dumps(dictionary)})


def read(folder):
    from safetensors import safe_open

    with safe_open(folder / "laser2.safetensors", "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return tensors, json.loads(file.metadata()["dictionary"])


def direction(cell, inputs):
    """One direction of one layer, step by step, from the equations of the LSTM."""
    weight_ih, weight_hh, bias_ih, bias_hh = cell
    hidden = memory = np.zeros(HIDDEN)
    outputs = []
    for step in inputs:
        gates = weight_ih @ step + bias_ih + weight_hh @ hidden + bias_hh
        enter, forget, change, leave = np.split(gates, 4)
        enter, forget, leave = (1 / (1 + np.exp(-gate)) for gate in (enter, forget, leave))
        memory = forget * memory + enter * np.tanh(change)
        hidden = leave * np.tanh(memory)
        outputs.append(hidden)
    return outputs


def plain(folder, sentence):
    """LASER2 as it is defined, one sentence alone."""
    from sacremoses import MosesPunctNormalizer

    tensors, dictionary = read(folder)
    weights = {name: tensor.numpy().astype(np.float64) for name, tensor in tensors.items()}
    dictionary |= {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "laser2.spm"))
    line = " ".join(processor.encode(MosesPunctNormalizer("en").normalize(sentence).lower(), out_type=str))
    states = [weights["embed_tokens.weight"][dictionary.get(piece, 3)] for piece in [*line.split(), "</s>"]]
    for layer in range(LAYERS):
        ways = [
            [
                weights[f"lstm.{name}_l{layer}{way}"]
                for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
            for way in ("", "_reverse")
        ]
        there, back = direction(ways[0], states), direction(ways[1], states[::-1])[::-1]
        states = [np.concatenate(both) for both in zip(there, back, strict=True)]
    vector = np.max(states, axis=0)
    return vector / np.linalg.norm(vector)


def test_vectors_are_those_of_the_definition_whatever_the_company_and_order(folder, sentences) -> None:
    encoder = open_encoder(f"laser:{folder}", device="cpu")
    assert encoder.dimensions == 2 * HIDDEN
    found = encode_with(encoder, sentences)
    for sentence, vector in [*zip(sentences, found, strict=True)][:: len(sentences) // 40]:
        np.testing.assert_allclose(vector, plain(folder, sentence), atol=1e-5)
    for row, sentence in enumerate(ODD):
        np.testing.assert_allclose(found[row], plain(folder, sentence), atol=1e-5)
    order = np.random.default_rng(0).permutation(len(sentences))
    np.testing.assert_allclose(
        encode_with(encoder, [sentences[row] for row in order]), found[order], atol=1e-6
    )
    np.testing.assert_allclose(encode_with(encoder, [ODD[1]]), found[1:2], atol=1e-6)


def test_it_stands_where_a_model_stands(folder, tmp_path) -> None:
    encoder = open_encoder(f"laser:{folder}", prompt="query: ", device="cpu")
    np.testing.assert_allclose(encode_with(encoder, ["a dog"])[0], plain(folder, "query: a dog"), atol=1e-5)
    scores = tmp_path / "scores.json"
    command = ["evaluate", f"laser:{folder}", "--suite", str(EVERYDAY / "test.tsv"), "--output", str(scores)]
    assert main([*command, "--device", "cpu"]) == 0
    (entry,) = json.loads(scores.read_text())["suites"].values()
    # The dictionary lacks a ninth of the pieces.
    assert any("are unknown to the model's tokenizer" in warning for warning in entry["warnings"])


def test_text_is_prepared_as_by_laser(folder) -> None:
    _, dictionary = read(folder)
    tokenizer = LaserTokenizer(folder / "laser2.spm", dictionary)
    one, same, other = tokenizer(["THE “Dog”, here!", 'the "dog," here!', "the cat"])["input_ids"]
    assert one == same != other
    assert tokenizer([""])["input_ids"] == [[]]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / "laser2.spm").unlink(), r"no file .*laser2\.spm; docs/evaluation\.md says how"),
        (lambda f: (f / "laser2.safetensors").unlink(), r"no file .*laser2\.safetensors; docs"),
        (lambda f: (f / "laser2.spm").write_bytes(b"no model"), "no model of sentencepiece, or a damaged one"),
        (lambda f: (f / "laser2.safetensors").write_bytes(b"\x80\x02pickle"), "no file of safetensors, or a damaged"),
        (lambda f: save_file(read(f)[0], f / "laser2.safetensors"), "no dictionary in its metadata"),
        (lambda f: save(f, read(f)[0], ["a"]), "does not give a number for each piece"),
        (lambda f: save(f, read(f)[0], {"a": "4"}), "does not give a number for each piece"),
        (lambda f: save(f, read(f)[0], {"▁a": 10**6}), r"gives '▁a' the number 1000000, but there are \d"),
        (lambda f: save(f, read(f)[0] | {"embed_tokens.weight": torch.ones(3, WIDTH)}, {}), "3 embeddings are fewer"),
        (lambda f: save(f, {"x": torch.ones(2)}, {}), r"does not hold the weights of LASER2.*embed_tokens"),
        (
            lambda f: save(f, read(f)[0] | {"lstm.weight_hh_l2": torch.ones(3, 3)}, {}),
            r"does not hold the weights of LASER2.*size mismatch for weight_hh_l2",
        ),
        (
            lambda f: save(f, read(f)[0] | {"embed_tokens.weight": torch.full((1500, WIDTH), torch.nan)}, {}),
            "NaN or infinite values: its weights are damaged",
        ),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_laser_is_refused(folder, tmp_path, harm, message) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    harm(tmp_path)
    with pytest.raises(InputError, match=message):
        encode_with(open_encoder(f"laser:{tmp_path}", device="cpu"), ["a dog"])


@pytest.mark.parametrize("name", ["LASER", "laser2", "laser3"])
def test_a_name_alone_says_what_to_give(name) -> None:
    with pytest.raises(
        InputError, match=r"LASER is no model of the hub\. Give laser:FOLDER, a folder with laser2"
    ):
        open_encoder(name)


def test_a_published_file_is_converted_as_the_documentation_says(folder, tmp_path, monkeypatch) -> None:
    """The lines of the documentation, run on a file of the published form."""
    tensors, dictionary = read(folder)
    params = {"num_embeddings": 9, "padding_idx": 1, "num_layers": LAYERS, "bidirectional": True}
    torch.save({"params": params, "model": tensors, "dictionary": dictionary}, tmp_path / "laser2.pt")
    (tmp_path / "laser2.spm").write_bytes((folder / "laser2.spm").read_bytes())

    documented = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    # Not among the pages' other code, which runs without a file of one's own.
    (lines,) = [part.split("```")[0] for part in documented.split("```py\n")[1:]]
    monkeypatch.chdir(tmp_path)
    exec(compile(lines, "docs/evaluation.md", "exec"), {})
    converted, original = (open_encoder(f"laser:{path}", device="cpu") for path in (tmp_path, folder))
    np.testing.assert_array_equal(encode_with(converted, ["a dog"]), encode_with(original, ["a dog"]))
