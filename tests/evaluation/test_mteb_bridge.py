"""Our figures are mteb's."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lingualign.embedding import encode
from lingualign.embedding.encoders import open_encoder
from lingualign.evaluation import evaluate, load_suites
from lingualign.evaluation.mteb_bridge import mteb_encoder, through_mteb

pytest.importorskip("mteb")


@pytest.mark.data
def test_figures_on_real_data_are_those_of_mteb(minilm, data, tmp_path) -> None:
    suites = load_suites([data / "eval/tatoeba/fra-eng.parquet", data / "eval/sts/stsb-en.parquet"])
    # Encoded once, for both.
    texts = list(
        dict.fromkeys(text for suite in suites for side in suite.sentences.values() for text in side)
    )
    vectors = encode(minilm, texts, precision="fp32")
    pq.write_table(pa.table({"sentence": texts, "vector": list(vectors)}), tmp_path / "vectors.parquet")
    model = str(tmp_path / "vectors.parquet")
    ours, theirs = evaluate(model, suites)["suites"], through_mteb(model, suites)
    assert ours["fra-eng"]["forward"] == pytest.approx(theirs["fra-eng"]["accuracy"], abs=1e-12)
    assert ours["fra-eng"]["f1_forward"] == pytest.approx(theirs["fra-eng"]["f1"], abs=1e-12)
    assert ours["stsb-en"]["spearman"] == pytest.approx(theirs["stsb-en"]["spearman"], abs=1e-5)
    assert ours["stsb-en"]["pearson"] == pytest.approx(theirs["stsb-en"]["pearson"], abs=1e-5)
    # As published.
    assert round(100 * theirs["fra-eng"]["accuracy"], 1) == 8.6
    assert round(100 * ours["stsb-en"]["spearman"], 2) == 82.03


def test_every_kind_of_suite_goes_through(minilm, tmp_path) -> None:
    english = ["The dog sleeps.", "We eat bread.", "The train is late.", "She reads a book."]
    french = ["Le chien dort.", "Nous mangeons du pain.", "Le train est en retard.", "Elle lit un livre."]
    rows = [{"en": en, "fr": fr} for en, fr in zip(english, french, strict=True)]
    (tmp_path / "nway.jsonl").write_text("\n".join(map(json.dumps, rows)))
    mining = [
        {"sentence1": fr, "sentence2": en, "gold": True} for en, fr in zip(english, french, strict=True)
    ]
    mining += [{"sentence2": text, "gold": False} for text in ("The dog.", "A late train.", "Some bread.")]
    mining += [{"sentence1": "Un chat.", "gold": False}]
    (tmp_path / "mining.jsonl").write_text("\n".join(map(json.dumps, mining)))
    suites = load_suites(tmp_path)
    ours, theirs = evaluate(minilm, suites)["suites"], through_mteb(minilm, suites)
    assert theirs.keys() == {"nway en-fr", "mining"}
    for entry, other in (
        (ours["nway"]["pairs"]["en-fr"], theirs["nway en-fr"]),
        (ours["mining"], theirs["mining"]),
    ):
        assert entry["forward"] == pytest.approx(other["accuracy"])
    assert ours["nway"]["pairs"]["en-fr"]["f1_forward"] == pytest.approx(theirs["nway en-fr"]["f1"])
    assert ours["mining"]["f1_forward"] == pytest.approx(theirs["mining"]["f1"])


def test_to_mteb_a_model_is_named_by_its_weights(minilm) -> None:
    encoder = open_encoder(minilm)
    assert mteb_encoder(encoder).mteb_model_meta.revision == encoder.fingerprint
