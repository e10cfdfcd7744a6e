"""Token ids kept from the start are the model's own, and batches put the right rows together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from tiny_runs import sample_sentences, tiny_bert

from lingualign.errors import InputError
from lingualign.student import static_student
from lingualign.teacher import TeacherStore
from lingualign.training.batches import PairBatches, ParallelRows
from lingualign.training.tokens import TokenIds

SENTENCES = [*sample_sentences()[:300], "x", "mot " * 60, ""]


@pytest.fixture(scope="module", params=["static", "right", "left"])
def student(request):
    if request.param != "static":
        return tiny_bert(padding_side=request.param)
    pieces = {"en": sample_sentences(("en",)), "ja": sample_sentences(("ja",))}
    return static_student(tiny_bert(), pieces, anchor="en", vocabulary=200)


@pytest.mark.parametrize("prompt", ["", "query: "])
def test_features_are_those_of_the_models_own_preprocessing(student, prompt) -> None:
    tokens = TokenIds(student, SENTENCES, prompt=prompt)
    generator = np.random.default_rng(0)
    for rows in [generator.integers(0, len(SENTENCES), 17), np.arange(len(SENTENCES)), np.array([300])]:
        chosen = [SENTENCES[row] for row in rows]
        wanted = student.preprocess(chosen, prompt=prompt or None)
        got = tokens.features(rows)
        for name, value in got.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(wanted[name])), name
        assert wanted.keys() - got.keys() <= {"token_type_ids", "modality"}
        student.eval()
        with torch.no_grad():
            vectors = student(dict(got))["sentence_embedding"]
        # One batch: with padding on the left, positions depend on the longest sentence beside it.
        expected = student.encode(
            chosen, prompt=prompt or None, batch_size=len(chosen), convert_to_tensor=True
        )
        torch.testing.assert_close(vectors, expected, rtol=1e-4, atol=1e-5)


def test_a_model_of_other_input_is_refused() -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import BoW

    bag = SentenceTransformer(modules=[BoW(["a", "b"])], device="cpu")
    with pytest.raises(InputError, match="BoW"):
        TokenIds(bag, ["a b"])


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> TeacherStore:
    teacher = tiny_bert()
    store = TeacherStore.for_model(tmp_path_factory.mktemp("store"), teacher)
    store.add(SENTENCES[:300])
    return store


def _batches(student, store, **share) -> PairBatches:
    # Of the sample's five languages: row 5 i is English, 5 i + 1 French, 5 i + 2 Japanese.
    english, french, japanese = (np.arange(60) * 5 + language for language in range(3))
    rows = store.rows(SENTENCES[:300])
    pairs = {
        "en-fr": ParallelRows((english, french), rows[english][:, None]),
        "en-ja": ParallelRows(
            (english[:31], japanese[:31]), np.stack([rows[english[:31]], rows[japanese[:31]]], 1)
        ),
    }
    return PairBatches(pairs, TokenIds(student, SENTENCES), store, batch_size=8, seed=3, **share)


def _sides(batch) -> list[list[int]]:
    """Token ids of each sentence of the first side, padding and all else aside."""
    if "sentence1_offsets" in batch:
        starts = [*batch["sentence1_offsets"].tolist(), len(batch["sentence1_input_ids"])]
        ids = batch["sentence1_input_ids"].tolist()
        return [ids[a:b] for a, b in itertools.pairwise(starts)]
    return [
        row[mask.bool()].tolist()
        for row, mask in zip(batch["sentence1_input_ids"], batch["sentence1_attention_mask"], strict=True)
    ]


def test_the_teacher_vectors_of_a_batch_are_those_of_its_anchors(student, store) -> None:
    batches = _batches(student, store)
    tokens = TokenIds(student, SENTENCES)
    of_ids = {tuple(_ids(tokens, row)): row for row in range(0, 300, 5)}
    seen = set()
    for batch in (batches[i] for i in range(len(batches))):
        anchors = [of_ids[tuple(ids)] for ids in _sides(batch)]
        wanted = store[store.rows([SENTENCES[row] for row in anchors])].astype("float32")
        assert np.array_equal(batch["label"][:, 0].numpy(), wanted)
        assert batch["label"].shape[1] == (1 if batch["dataset_name"] == "en-fr" else 2)
        seen |= {(batch["dataset_name"], anchor) for anchor in anchors}
    assert len(seen) == 56 + 24


def _ids(tokens: TokenIds, row: int) -> list[int]:
    features = tokens.features(np.array([row]))
    return features["input_ids"].reshape(-1).tolist()


@pytest.mark.parametrize("processes", [2, 4])
def test_the_shares_of_all_processes_join_to_the_batch_of_one_language_pair(
    student, store, processes
) -> None:
    ranks = [_batches(student, store, rank=rank, processes=processes) for rank in range(processes)]
    assert len({len(rank) for rank in ranks}) == 1
    for step in range(len(ranks[0])):
        shares = [rank[step] for rank in ranks]
        assert len({share["dataset_name"] for share in shares}) == 1
        joined = [tuple(ids) for share in shares for ids in _sides(share)]
        assert len(joined) == 8
        assert len(set(joined)) == 8
        labels = torch.cat([share["label"] for share in shares])
        assert len(torch.unique(labels, dim=0)) == 8
    alone = _batches(student, store)
    if all(len(rows) % processes == 0 for rows in alone._pairs):
        assert [ids for share in shares for ids in _sides(share)] == _sides(alone[step])


def test_epochs_differ_and_come_again(student, store) -> None:
    batches = _batches(student, store)
    first = [_sides(batches[i]) for i in range(len(batches))]
    batches.set_epoch(1)
    assert [_sides(batches[i]) for i in range(len(batches))] != first
    batches.set_epoch(0)
    assert [_sides(batches[i]) for i in range(len(batches))] == first


def test_prefetched_batches_are_the_same_in_the_same_order_and_so_is_what_is_raised(student, store) -> None:
    from lingualign.training.batches import Prefetched

    batches = _batches(student, store)
    state = torch.get_rng_state()
    prefetched = Prefetched(iter([batches[i] for i in range(len(batches))]))
    for index, batch in enumerate(prefetched):
        assert _sides(batch) == _sides(batches[index])
        assert torch.equal(batch["label"], batches[index]["label"])
    assert index == len(batches) - 1
    assert torch.equal(torch.get_rng_state(), state)

    def damaged():
        yield 1
        raise ValueError("row 2 is damaged")

    items = Prefetched(damaged())
    assert next(items) == 1
    with pytest.raises(ValueError, match="row 2 is damaged"):
        next(items)
