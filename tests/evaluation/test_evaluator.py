"""The evaluator of a training run."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sentence_transformers.base.evaluation import SequentialEvaluator

from lingualign.errors import InputError
from lingualign.evaluation import BitextEvaluator, bitext_accuracy
from lingualign.pairs.table import PAIR_SCHEMA


def table(rows):
    """Rows of sentence1, sentence2, lang1, lang2 as a pair table."""
    columns = list(zip(*rows, strict=True)) or [[]] * 4
    arrays = [pa.array(column, type=pa.string()) for column in (*columns, ["c"] * len(rows))]
    return pa.table(dict(zip(PAIR_SCHEMA.names, arrays, strict=True))).cast(PAIR_SCHEMA)


@pytest.fixture(scope="module")
def vectors():
    random = np.random.default_rng(3)
    meanings = random.normal(size=(20, 6))
    return {
        f"{language}{row}": meaning + noise * random.normal(size=6)
        for language, noise in (("en", 0.1), ("fr", 0.7), ("ko", 1.5))
        for row, meaning in enumerate(meanings)
    }


@pytest.fixture(scope="module")
def pairs():
    return table([(f"en{row}", f"{other}{row}", "en", other) for row in range(20) for other in ("fr", "ko")])


def test_accuracy_is_the_macro_mean_over_language_pairs(lookup_model, vectors, pairs):
    metrics = BitextEvaluator(pairs)(lookup_model(vectors))
    expected = {
        f"accuracy_en-{other}": bitext_accuracy(
            *[[vectors[f"{language}{row}"] for row in range(20)] for language in ("en", other)]
        ).accuracy
        for other in ("fr", "ko")
    }
    assert metrics == pytest.approx({"accuracy": np.mean(list(expected.values())), **expected})
    assert metrics["accuracy_en-ko"] < metrics["accuracy_en-fr"]


def test_limit_takes_pairs_from_all_over_each_language_pair(lookup_model, vectors, pairs):
    def remembered(**options):
        evaluator = BitextEvaluator(pairs, limit=4, **options)
        evaluator(lookup_model(vectors))
        return set(evaluator._sentences)

    reached = [remembered(seed=seed) for seed in range(8)]
    assert remembered(seed=3) == reached[3]
    assert len(set(map(frozenset, reached))) > 1
    for sentences in reached:
        for other in ("fr", "ko"):  # 20 rows in 4 stretches of 5, each with one row
            taken = sorted(int(text[2:]) for text in sentences if text.startswith(other))
            assert [row // 5 for row in taken] == [0, 1, 2, 3]
            assert {f"en{row}" for row in taken} <= sentences
    whole = BitextEvaluator(pairs)(lookup_model(vectors))
    assert BitextEvaluator(pairs, limit=20)(lookup_model(vectors)) == whole


def test_scores_are_of_single_precision_unless_told_otherwise(monkeypatch, lookup_model, vectors, pairs):
    import lingualign.evaluation.evaluator as module

    used = []
    encode = module.encode
    monkeypatch.setattr(module, "encode", lambda *a, **k: used.append(k["precision"]) or encode(*a, **k))
    model = lookup_model(vectors)
    BitextEvaluator(pairs)(model)
    BitextEvaluator(pairs, precision="auto")(model)
    assert used == ["fp32", "auto"]


def test_it_is_an_evaluator_of_sentence_transformers(lookup_model, vectors, pairs):
    evaluator = BitextEvaluator(pairs, name="validation")
    model = lookup_model(vectors)
    metrics = SequentialEvaluator([evaluator], main_score_function=lambda scores: scores[0])(model)
    assert evaluator.greater_is_better
    assert metrics[evaluator.primary_metric] == metrics["sequential_score"] == metrics["validation_accuracy"]
    unnamed = BitextEvaluator(pairs)
    assert unnamed.primary_metric in unnamed(model)


def test_the_model_is_left_in_its_mode(lookup_model, vectors, pairs):
    model = lookup_model(vectors).train()
    BitextEvaluator(pairs)(model)
    assert model.training


@pytest.mark.parametrize(
    ("rows", "limit", "message"),
    [([], 10, "the table is empty"),
     ([("a", "b", "en", "fr")], 10, "cannot evaluate on en-fr: it has 1 pair"),
     ([("a", "b", "en", "fr")] * 2, 1, "limit = 1 leaves nothing to choose from")],
)  # fmt: skip
def test_bad_input(rows, limit, message):
    with pytest.raises(InputError, match=message):
        BitextEvaluator(table(rows), limit=limit)
