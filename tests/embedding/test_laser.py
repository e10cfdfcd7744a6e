"""LASER2 and LASER3 against their definitions, sentence by sentence, on a real sentencepiece model."""

from __future__ import annotations

import argparse
import json
import math
import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lingualign.cli import main
from lingualign.embedding.encoders import encode_with, open_encoder
from lingualign.embedding.encoders.laser import LaserTokenizer
from lingualign.errors import InputError
from lingualign.evaluation import load_suites
from lingualign.samples import EVERYDAY

sentencepiece = pytest.importorskip("sentencepiece")
pytest.importorskip("sacremoses")

WIDTH, HIDDEN, LAYERS = 12, 7, 3
WIDE, HEADS = 12, 3
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
    printed = "".join(
        each if each.isprintable() or unicodedata.category(each)[0] == "Z" else " " for each in sentence
    )
    normalizer = MosesPunctNormalizer("en", perl_parity=True)
    normalizer.substitutions[21:23] = [("‘", '"'), ("‚", '"')]  # as laser_encoders has it
    line = " ".join(processor.encode(normalizer.normalize(printed).lower(), out_type=str))
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
    one, same, single, unprinted, other = tokenizer(
        ["THE “Dog”, here!", 'the "dog," here!', "the ‘dog’, here!", "the\u200b\x07“Dog”, here!", "the cat"]
    )["input_ids"]
    assert one == same == single == unprinted != other
    assert tokenizer([""])["input_ids"] == [[]]


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / "laser2.spm").unlink(), r"no file .*laser2\.spm; docs/evaluation\.md says how"),
        (lambda f: (f / "laser2.safetensors").unlink(), r"no file .*laser2\.safetensors; docs"),
        (lambda f: (f / "laser2.spm").write_bytes(b"no model"), "no model of sentencepiece, or a damaged one"),
        (lambda f: (f / "laser2.safetensors").write_bytes(b"\x80\x02pickle"), "no file of safetensors, or a damaged"),
        (lambda f: save_file(read(f)[0], f / "laser2.safetensors"), "no dictionary in its metadata"),
        (lambda f: save_file(read(f)[0], f / "laser2.safetensors", {"settings": '{"a": 1}'}), "which only LASER3 has"),
        (lambda f: save(f, read(f)[0], ["a"]), "does not give a number for each piece"),
        (lambda f: save(f, read(f)[0], {"a": "4"}), "does not give a number for each piece"),
        (lambda f: save(f, read(f)[0], {"▁a": 10**6}), r"gives '▁a' the number 1000000, but there are \d"),
        (lambda f: save(f, read(f)[0] | {"embed_tokens.weight": torch.ones(3, WIDTH)}, {}), "3 embeddings are fewer"),
        (lambda f: save(f, {"x": torch.ones(2)}, {}), r"does not hold the weights of LASER2.*embed_tokens"),
        (
            lambda f: save(f, read(f)[0] | {"lstm.weight_hh_l2": torch.ones(3, 3)}, {}),
            r"does not hold the weights of LASER2.*size mismatch for lstm\.weight_hh_l2",
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


def documented(file, folder, monkeypatch):
    """Run the documentation's lines that convert a published file."""
    text = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text(encoding="utf-8")
    # Not among the pages' other code, which runs without a file of one's own.
    (lines,) = [part for part in (part.split("```")[0] for part in text.split("```py\n")[1:]) if file in part]
    monkeypatch.chdir(folder)
    exec(compile(lines, "docs/evaluation.md", "exec"), {})


def test_a_published_file_is_converted_as_the_documentation_says(folder, tmp_path, monkeypatch) -> None:
    tensors, dictionary = read(folder)
    params = {"num_embeddings": 9, "padding_idx": 1, "num_layers": LAYERS, "bidirectional": True}
    torch.save({"params": params, "model": tensors, "dictionary": dictionary}, tmp_path / "laser2.pt")
    (tmp_path / "laser2.spm").write_bytes((folder / "laser2.spm").read_bytes())

    documented("laser2.pt", tmp_path, monkeypatch)
    converted, original = (open_encoder(f"laser:{path}", device="cpu") for path in (tmp_path, folder))
    np.testing.assert_array_equal(encode_with(converted, ["a dog"]), encode_with(original, ["a dog"]))


def transformer(rows, *, final_norm):
    """Weights of a LASER3 of chance, under fairseq's names."""
    torch.manual_seed(1)
    shapes = {"embed_tokens.weight": (rows, WIDE)}
    for layer in range(LAYERS):
        parts = {f"self_attn.{part}_proj": (WIDE, WIDE) for part in ("k", "v", "q", "out")}
        parts |= {"fc1": (2 * WIDE, WIDE), "fc2": (WIDE, 2 * WIDE)}
        parts |= {"self_attn_layer_norm": (WIDE,), "final_layer_norm": (WIDE,)}
        for part, shape in parts.items():
            shapes[f"layers.{layer}.{part}.weight"] = shape
            shapes[f"layers.{layer}.{part}.bias"] = shape[:1]
    if final_norm:
        shapes |= {"layer_norm.weight": (WIDE,), "layer_norm.bias": (WIDE,)}
    return {name: torch.randn(shape) / math.sqrt(shape[-1]) for name, shape in shapes.items()}


def norm(states, weights, name):
    spread = np.sqrt(states.var(axis=-1, keepdims=True) + 1e-5)
    scaled = (states - states.mean(axis=-1, keepdims=True)) / spread
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def attention(states, weights, layer):
    """Of every token to all, head by head."""

    def linear(states, part):
        name = f"{layer}.self_attn.{part}_proj"
        return states @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    of_head = []
    for columns in np.split(np.arange(WIDE), HEADS):
        query, key, value = (linear(states, part)[:, columns] for part in "qkv")
        scores = query @ key.T / math.sqrt(len(columns))
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        of_head.append(shares / shares.sum(axis=1, keepdims=True) @ value)
    return linear(np.concatenate(of_head, axis=1), "out")


def plain_transformer(tokens, weights, settings):
    """LASER3 as it is defined, one sentence alone."""
    weights = {name: tensor.numpy().astype(np.float64) for name, tensor in weights.items()}
    half = WIDE // 2
    states = np.array([weights["embed_tokens.weight"][token] for token in tokens]) * math.sqrt(WIDE)
    for place, state in enumerate(states, start=2):
        for wave in range(half):
            angle = place / 10_000 ** (wave / (half - 1))
            state[wave] += math.sin(angle)
            state[half + wave] += math.cos(angle)
    for number in range(LAYERS):
        layer = f"layers.{number}"

        def forward(states, layer=layer):
            inner = states @ weights[f"{layer}.fc1.weight"].T + weights[f"{layer}.fc1.bias"]
            return np.maximum(inner, 0) @ weights[f"{layer}.fc2.weight"].T + weights[f"{layer}.fc2.bias"]

        if settings["encoder_normalize_before"]:
            states = states + attention(
                norm(states, weights, f"{layer}.self_attn_layer_norm"), weights, layer
            )
            states = states + forward(norm(states, weights, f"{layer}.final_layer_norm"))
        else:
            states = norm(
                states + attention(states, weights, layer), weights, f"{layer}.self_attn_layer_norm"
            )
            states = norm(states + forward(states), weights, f"{layer}.final_layer_norm")
    if "layer_norm.weight" in weights:
        states = norm(states, weights, "layer_norm")
    vector = states[0] if settings["sentemb_criterion"] == "cls" else states.max(axis=0)
    return vector / np.linalg.norm(vector)


FORMS = [
    {"encoder_normalize_before": before, "prepend_bos": start, "sentemb_criterion": pooling}
    for before, start, pooling in ((False, False, "maxpool"), (False, True, "cls"), (True, True, "maxpool"))
]


def published(folder, path, settings, *, final_norm, decoder=False):
    """Write a LASER3 in the published form, and give its weights and dictionary."""
    _, dictionary = read(folder)
    pieces = [piece for piece in dictionary if not piece.startswith("<")]
    weights = transformer(len(pieces) + 4 + final_norm, final_norm=final_norm)  # with <mask>
    told = argparse.Namespace(
        **settings, encoder_attention_heads=HEADS, dropout=0.1, arch="laser_transformer"
    )
    names = weights | {"version": torch.tensor([3.0]), "embed_positions._float_tensor": torch.zeros(1)}
    if decoder:
        names = {f"encoder.{name}": tensor for name, tensor in names.items()}
        names |= {
            "decoder.version": torch.zeros(1),
            "decoder.embed_tokens.weight": names["encoder.embed_tokens.weight"],
        }
    torch.save({"cfg": {"model": told, "task": {"seed": 1}}, "model": names}, path / "laser3-wol_Latn.v1.pt")
    lines = [f"{piece} {len(pieces) - place}" for place, piece in enumerate(pieces)]
    (path / "laser3-wol_Latn.v1.cvocab").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (path / "laser3.spm").write_bytes((folder / "laser2.spm").read_bytes())
    return weights, {piece: place for place, piece in enumerate(pieces, start=4)}


@pytest.mark.parametrize("final_norm", [False, True])
@pytest.mark.parametrize("settings", FORMS)
def test_laser3_is_its_definition_from_the_published_file_on(
    folder, sentences, tmp_path, monkeypatch, settings, final_norm
) -> None:
    weights, dictionary = published(folder, tmp_path, settings, final_norm=final_norm, decoder=final_norm)
    documented("laser3-wol_Latn.v1.pt", tmp_path, monkeypatch)
    encoder = open_encoder(f"laser:{tmp_path}", device="cpu")
    assert encoder.dimensions == WIDE
    tokenizer = LaserTokenizer(tmp_path / "laser3.spm", dictionary)
    start = [0] if settings["prepend_bos"] else []
    found = encode_with(encoder, sentences)
    for row in [*range(len(ODD)), *range(len(ODD), len(sentences), len(sentences) // 40)]:
        (ids,) = tokenizer([sentences[row]])["input_ids"]
        expected = plain_transformer([*start, *ids, 2], weights, settings)
        np.testing.assert_allclose(found[row], expected, atol=1e-5)
    order = np.random.default_rng(0).permutation(len(sentences))
    np.testing.assert_allclose(
        encode_with(encoder, [sentences[row] for row in order]), found[order], atol=1e-5
    )


def test_laser3_reads_no_more_than_its_longest_sentence(folder, tmp_path, monkeypatch) -> None:
    weights, dictionary = published(folder, tmp_path, FORMS[0], final_norm=False)
    documented("laser3-wol_Latn.v1.pt", tmp_path, monkeypatch)
    long = "dog " * 20_000
    (ids,) = LaserTokenizer(tmp_path / "laser3.spm", dictionary)([long])["input_ids"]
    assert len(ids) > 4_096
    (found,) = encode_with(open_encoder(f"laser:{tmp_path}", device="cpu"), [long])
    np.testing.assert_allclose(found, plain_transformer([*ids[:4_096], 2], weights, FORMS[0]), atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder_attention_heads": 5}, r"LASER3.*5 heads for 12 dimensions"),
        ({"encoder_attention_heads": 0}, r"setting encoder_attention_heads is 0"),
        ({"sentemb_criterion": "mean"}, r"setting sentemb_criterion is 'mean'"),
        ({"sentemb_criterion": "cls"}, r"cls, but prepend_bos is false"),
        ({"encoder_normalize_before": "no"}, r"setting encoder_normalize_before is 'no'"),
        (None, r"setting encoder_attention_heads is None"),
        ("[", r"LASER3.*Expecting value"),
        ("[]", r"LASER3.*settings"),
        ({"lost": "layers.1.fc2.bias"}, r"LASER3.*Missing key.*layers\.1\.linear2\.bias"),
        ({"lost": "layers.1.self_attn.k_proj.bias"}, r"LASER3.*layers\.1\.self_attn\.k_proj\.bias"),
        ({"more": "embed_positions.weight"}, r"LASER3.*Unexpected key.*embed_positions"),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_laser3_is_refused(folder, tmp_path, change, message) -> None:
    weights, dictionary = published(folder, tmp_path, FORMS[0], final_norm=False)
    settings = FORMS[0] | {"encoder_attention_heads": HEADS}
    told = {"dictionary": json.dumps(dictionary), "settings": json.dumps(settings)}
    if isinstance(change, dict) and "lost" in change:
        del weights[change["lost"]]
    elif isinstance(change, dict) and "more" in change:
        weights[change["more"]] = torch.zeros(9, WIDE)
    elif change is None:
        told = {"dictionary": told["dictionary"]}
    else:
        told["settings"] = change if isinstance(change, str) else json.dumps(settings | change)
    save_file(weights, tmp_path / "laser3.safetensors", metadata=told)
    with pytest.raises(InputError, match=message):
        open_encoder(f"laser:{tmp_path}")


def test_both_in_one_folder_are_refused(folder, tmp_path) -> None:
    for name in ("laser2.safetensors", "laser3.safetensors"):
        (tmp_path / name).write_bytes((folder / "laser2.safetensors").read_bytes())
    with pytest.raises(InputError, match="holds LASER2 and LASER3"):
        open_encoder(f"laser:{tmp_path}")
