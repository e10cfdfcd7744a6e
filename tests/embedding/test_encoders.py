"""Everything that can stand in a model's place gives the vectors that its own library gives."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from embeddings_server import serving, vector

from lingualign.cli import main
from lingualign.embedding import fingerprint
from lingualign.embedding.encoders import encode_with, endpoint, open_encoder
from lingualign.embedding.encoders.endpoint import BATCH_SENTENCES
from lingualign.errors import InputError

SENTENCES = ["the cat sat", "a dog", "hello there, you", "x", ""]


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def plain(minilm, tmp_path_factory):
    """A transformer without modules.json, as plain transformers saves it."""
    folder = tmp_path_factory.mktemp("plain")
    minilm[0].model.save_pretrained(folder)
    minilm.tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("pooling", [None, "mean", "cls", "last"])
def test_a_plain_transformer_is_pooled_as_asked(plain, minilm, pooling) -> None:
    import torch

    encoder = open_encoder(str(plain), pooling=pooling, precision="fp32", device="cpu")
    found = encode_with(encoder, SENTENCES)
    for row, sentence in enumerate(SENTENCES):  # one by one: no padding
        with torch.no_grad():
            (tokens,) = minilm[0].model(**minilm.tokenizer(sentence, return_tensors="pt")).last_hidden_state
        expected = {None: tokens.mean(0), "mean": tokens.mean(0), "cls": tokens[0], "last": tokens[-1]}
        np.testing.assert_allclose(found[row], unit([expected[pooling].numpy()])[0], atol=1e-5)
    assert encoder.describe() == {
        "kind": "sentence-transformers",
        "prompt_from": "none",
        "pooling": pooling or "mean",
    }
    assert (encoder.fingerprint == open_encoder(str(plain), device="cpu").fingerprint) is (
        pooling in (None, "mean")
    )


def test_pooling_is_refused_where_it_means_nothing(tmp_path) -> None:
    with pytest.raises(InputError, match=r"pooling 'cls' does not apply to 'minilm': its modules\.json says"):
        open_encoder("minilm", pooling="cls")
    with pytest.raises(InputError, match="gives vectors of whole sentences: leave it out"):
        open_encoder("https://host/v1#m", pooling="cls")
    with pytest.raises(InputError, match=r"pooling 'max' is unknown: expected one of mean, cls, last"):
        open_encoder("minilm", pooling="max")


def test_who_decided_on_the_prompt_is_told(minilm, monkeypatch) -> None:
    model = minilm
    monkeypatch.setattr(model, "prompts", {"query": "q: "})
    monkeypatch.setattr(model, "default_prompt_name", "query")
    assert [
        (
            open_encoder(model, prompt=prompt).prompt,
            open_encoder(model, prompt=prompt).describe()["prompt_from"],
        )
        for prompt in (None, "", "q: ")
    ] == [("q: ", "model"), ("", "option"), ("q: ", "option")]
    np.testing.assert_allclose(
        encode_with(open_encoder(model, precision="fp32"), ["a"]), minilm.encode(["a"]), atol=1e-6
    )


def test_vectors_that_encode_wrote_stand_for_the_model(minilm, tmp_path) -> None:
    text, vectors = tmp_path / "text.txt", tmp_path / "vectors.parquet"
    text.write_text("\n".join(SENTENCES[:4]) + "\n")
    assert main(["encode", "minilm", str(text), str(vectors), "--device", "cpu", "--precision", "fp32"]) == 0
    encoder = open_encoder(str(vectors))
    found = encode_with(encoder, SENTENCES[3::-1])
    np.testing.assert_allclose(
        found, minilm.encode(SENTENCES[3::-1], normalize_embeddings=True), atol=2e-3
    )  # kept in half precision
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    assert encoder.describe()["encoded_by"] == {"model": "minilm", "fingerprint": fingerprint(minilm)}
    with pytest.raises(InputError, match=r"no vector for 2 of 3 sentences, such as 'new': encode them"):
        encode_with(encoder, ["new", "x", "newer"])
    with pytest.raises(InputError, match=r"prompt 'query: ' cannot be put before .* leave it out"):
        open_encoder(str(vectors), prompt="query: ")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"sentence": ["a"], "vectors": [[1.0]]}, "no column 'vector'; .* found 'sentence', 'vectors'"),
        ({"sentence": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}, "must be of one length; found 1, 2"),
        ({"sentence": ["a", "b"], "vector": [[1.0], None]}, "a sentence or a vector is missing"),
        ({"sentence": ["a", "b"], "vector": [[1.0], [math.nan]]}, "row 2: NaN or infinite values"),
        (
            {"sentence": ["a", "b", "a"], "vector": [[1.0], [2.0], [3.0]]},
            "rows 1 and 3: one sentence with two",
        ),
        ({"sentence": ["a"], "vector": ["text"]}, "no file of vectors, or a damaged one"),
        (
            {"sentence": [], "vector": pa.array([], pa.list_(pa.float32()))},
            "must be of one length; found none",
        ),
    ],
)
def test_a_file_of_vectors_that_is_none_is_refused(tmp_path, columns, message) -> None:
    path = tmp_path / "vectors.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(InputError, match=message):
        open_encoder(str(path))
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match="no file of vectors, or a damaged one"):
        open_encoder(str(path))


def test_vectors_may_be_lists_of_any_floats_and_a_repeat_may_agree(tmp_path) -> None:
    path = tmp_path / "vectors.parquet"
    vectors = pa.array([[3.0, 4.0], [0.0, 0.0], [3.0, 4.0]], pa.list_(pa.float64(), 2))
    pq.write_table(
        pa.table({"sentence": pa.array(["a", "b", "a"]).dictionary_encode(), "vector": vectors}), path
    )
    np.testing.assert_allclose(encode_with(open_encoder(str(path)), ["b", "a"]), [[0, 0], [0.6, 0.8]])


def test_a_service_gives_its_vectors_in_the_order_asked(monkeypatch, caplog) -> None:
    monkeypatch.setenv("LINGUALIGN_API_KEY", "secret")
    monkeypatch.setenv("LINGUALIGN_API_PRICE", "2.5")
    sentences = [f"sentence {'a' * row}" for row in range(BATCH_SENTENCES + 5)]
    with serving() as server:
        encoder = open_encoder(server.address, prompt="query: ")
        found = encode_with(encoder, sentences)
    np.testing.assert_allclose(found, unit([vector(f"query: {text}") for text in sentences]), atol=1e-6)
    assert [len(request["input"]) for request in server.requests] == [BATCH_SENTENCES, 5]
    assert {(request["path"], request["model"], request["key"]) for request in server.requests} == {
        ("/v1/embeddings", "words", "Bearer secret")
    }
    assert "2 requests, 690 tokens, $0.0017" in caplog.text
    assert "secret" not in caplog.text
    assert encoder.describe() == {"kind": "endpoint", "prompt_from": "option"}


def test_a_service_is_asked_again_after_a_failure_that_passes(monkeypatch) -> None:
    monkeypatch.setattr(endpoint, "PAUSES", [0.01] * 5)
    monkeypatch.setattr(endpoint, "SILENT_SECONDS", 0.5)
    with serving(429, "hang", 503, "cut", ("wait", 429, 0.3)) as server:
        encoder = open_encoder(server.address)
        found = encode_with(encoder, SENTENCES)
    np.testing.assert_allclose(found, unit([vector(text) for text in SENTENCES]), atol=1e-6)
    assert len(server.requests) == 6
    assert server.times[5] - server.times[4] >= 0.3, "the wait the server asked for"
    assert encoder.usage.requests == 1


def test_a_service_that_stays_away_is_given_up(monkeypatch) -> None:
    monkeypatch.setattr(endpoint, "PAUSES", [0.01] * 2)
    with serving(*[429] * 3) as server, pytest.raises(InputError) as raised:
        encode_with(open_encoder(server.address), ["a"])
    assert str(raised.value).startswith(
        f"{server.address}: the server answered 429 Too Many Requests, 3 times in a row. Try again later"
    )
    with serving(("wait", 429, 900.0)) as server, pytest.raises(InputError, match="asks to wait 900 seconds"):
        encode_with(open_encoder(server.address), ["a"])
    with (
        serving(401) as server,
        pytest.raises(InputError, match=r"401 Unauthorized \(not now\); set LINGUALIGN_API_KEY"),
    ):
        encode_with(open_encoder(server.address), ["a"])
    assert len(server.requests) == 1
    with pytest.raises(InputError, match="cannot be reached"):
        encode_with(open_encoder(server.address), ["a"])


def changed(row, value):
    def change(answer):
        answer["data"][row]["embedding"] = value
        return answer

    return change


@pytest.mark.parametrize(
    ("mishap", "message"),
    [
        (changed(1, [1.0, 2.0]), r"a vector of shape \(2,\) among others of 3 dimensions"),
        (changed(0, [1.0, math.nan, 2.0]), "the server gives NaN or infinite values"),
        (changed(0, [1.0, None, 2.0]), "the server gives NaN or infinite values"),
        (changed(0, "AAAA"), "entries without a list of numbers 'embedding'"),
        (changed(0, []), r"a vector of shape \(3,\) among others of 0|a vector of shape \(0,\)"),
        (lambda answer: {"data": answer["data"][1:]}, "asked for 2 vectors, and the answer has 1 vectors"),
        (lambda answer: {"data": None}, "the answer has no list 'data'"),
        (lambda answer: [], "the answer is no object with 'data'"),
        (
            lambda answer: {"data": [{**entry, "index": 0} for entry in answer["data"]]},
            r"the places \('index'\) of the answer's vectors are not 0 to 1",
        ),
    ],
)
def test_an_answer_that_cannot_be_is_refused(mishap, message) -> None:
    with serving(mishap) as server, pytest.raises(InputError, match=message):
        encode_with(open_encoder(server.address), ["a", "b"])
    assert len(server.requests) == 1


def test_dimensions_may_not_change_from_request_to_request() -> None:
    def shorten(answer):
        return {"data": [{"embedding": entry["embedding"][:2]} for entry in answer["data"]]}

    with (
        serving(lambda answer: answer, shorten) as server,
        pytest.raises(InputError, match="among others of 3 dim"),
    ):
        encode_with(open_encoder(server.address), [str(row) for row in range(BATCH_SENTENCES + 1)])


def test_the_rate_is_kept(monkeypatch) -> None:
    monkeypatch.setenv("LINGUALIGN_API_REQUESTS_PER_MINUTE", "240")
    with serving() as server:
        encode_with(open_encoder(server.address), [str(row) for row in range(2 * BATCH_SENTENCES + 1)])
    assert np.diff(server.times).min() > 0.2  # 0.25 s, less what the clocks differ


@pytest.mark.parametrize(
    ("address", "environment", "message"),
    [
        (
            "https://host/v1",
            {},
            r"is no service: expected https://host/v1#model, the key in LINGUALIGN_API_KEY",
        ),
        ("ftp://host/v1#m", {}, "is no service"),
        ("https://u:secret@host/v1#m", {}, "is no service"),
        ("http://host/v1#m", {"LINGUALIGN_API_KEY": "k"}, "would be sent unencrypted; use https"),
        (
            "https://host/v1#m",
            {"LINGUALIGN_API_PRICE": "free"},
            "LINGUALIGN_API_PRICE is 'free': it must be a number",
        ),
        ("https://host/v1#m", {"LINGUALIGN_API_REQUESTS_PER_MINUTE": "0"}, "it must be a number above 0"),
    ],
)
def test_an_address_or_setting_that_cannot_serve_is_refused(
    monkeypatch, address, environment, message
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=message):
        open_encoder(address)


def test_model2vec_models_are_run_by_their_own_package(tmp_path) -> None:
    model2vec = pytest.importorskip("model2vec")
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "dog": 2, "x": 3}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    table = np.array([[9, 9], [1, 0], [0, 2], [3, 3]], dtype=np.float32)
    model2vec.StaticModel(table, tokenizer).save_pretrained(tmp_path)
    encoder = open_encoder(f"model2vec:{tmp_path}")
    found = encode_with(encoder, ["a dog", "unknown dog", "x"])
    np.testing.assert_allclose(found, unit([[0.5, 1], [0, 2], [3, 3]]), atol=1e-6)  # unknown words left out
    assert encoder.describe() == {"kind": "model2vec", "prompt_from": "none"}
    copy = tmp_path / "copy"
    model2vec.StaticModel(table, tokenizer).save_pretrained(copy)
    assert open_encoder(f"model2vec:{copy}").fingerprint == encoder.fingerprint
    half = (table / 3).astype(np.float16)
    model2vec.StaticModel(half, tokenizer).save_pretrained(copy)
    found = encode_with(open_encoder(f"model2vec:{copy}"), ["a dog x"])
    np.testing.assert_allclose(found, unit(half[1:].astype(np.float32).mean(0, keepdims=True)), atol=1e-6)
    model2vec.StaticModel(table + 1, tokenizer).save_pretrained(copy)
    assert open_encoder(f"model2vec:{copy}").fingerprint != encoder.fingerprint
    with pytest.raises(InputError, match="cannot be loaded"):
        open_encoder(f"model2vec:{tmp_path / 'nothing'}")


def test_all_of_them_can_be_evaluated_and_compared(minilm, tmp_path, capsys) -> None:
    english = ["The dog sleeps.", "We eat bread.", "The train is late.", "She reads a book."]
    french = ["Le chien dort.", "Nous mangeons du pain.", "Le train est en retard.", "Elle lit un livre."]
    suite, text, vectors = (tmp_path / name for name in ("fr-en.tsv", "text.txt", "vectors.parquet"))
    suite.write_text("sentence1\tsentence2\n" + "".join(map("{}\t{}\n".format, french, english)))
    text.write_text("\n".join(english + french) + "\n")
    assert main(["encode", "minilm", str(text), str(vectors), "--device", "cpu"]) == 0
    with serving() as server:
        for name, model in (("vectors", str(vectors)), ("service", server.address)):
            assert (
                main(["evaluate", model, "--suite", str(suite), "--output", str(tmp_path / f"{name}.json")])
                == 0
            )
        compared = ["compare", f"kept={vectors}", f"service={server.address}", "--suite", str(suite)]
        assert main(compared) == 0
    kinds = {
        name: json.loads((tmp_path / f"{name}.json").read_text())["model"] for name in ("vectors", "service")
    }
    assert kinds["vectors"]["kind"] == "vectors"
    assert kinds["vectors"]["prompt_from"] == "none"
    assert kinds["service"] == {
        "name": server.address,
        "fingerprint": kinds["service"]["fingerprint"],
        "dimensions": 3,
        "prompt": "",
        "kind": "endpoint",
        "prompt_from": "none",
    }
    capsys.readouterr()
