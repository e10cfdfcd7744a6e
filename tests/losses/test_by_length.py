"""Embedding by length changes nothing but the padding."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_students import gradients, sentences, tiny_decoder, tiny_encoder, tiny_static

from lingualign.losses import in_batch
from lingualign.losses.in_batch import cut_by_length, embed


@pytest.fixture(params=["encoder right", "encoder left", "decoder right", "decoder left", "static"])
def student(request: pytest.FixtureRequest):
    kind, _, side = request.param.partition(" ")
    student = {"encoder": tiny_encoder, "decoder": tiny_decoder, "static": tiny_static}[kind]()
    if side:
        student.tokenizer.padding_side = side
    return student


@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize(("tokens", "most"), [(1, None), (20, None), (20, 2), (10_000, None), (10_000, 3)])
def test_vectors_and_gradients_are_those_of_one_sentence_at_a_time(
    monkeypatch, student, columns, tokens, most
):
    monkeypatch.setattr(in_batch, "_CPU_TOKENS", tokens)
    # Columns of different widths: the second has no sentence of more than two words.
    texts = [sentences(9, seed) for seed in range(columns)]
    if columns > 1:
        texts[1] = [" ".join(text.split()[:2]) for text in texts[1]]
    weights = torch.randn(columns, 9, 16)

    def cut():
        vectors = embed(student, cut_by_length([student.preprocess(column) for column in texts], most))
        return (torch.stack(vectors) * weights).sum()

    def singly():
        vectors = [
            [student(student.preprocess([text]))["sentence_embedding"][0] for text in column]
            for column in texts
        ]
        return (torch.stack([torch.stack(column) for column in vectors]) * weights).sum()

    torch.testing.assert_close(cut(), singly(), rtol=1e-5, atol=1e-5)
    one, other = gradients(student, cut), gradients(student, singly)
    assert one.keys() == other.keys()
    for name, gradient in one.items():
        torch.testing.assert_close(gradient, other[name], rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=60)
@given(
    sentences=st.integers(1, 15).flatmap(
        lambda count: st.lists(
            st.lists(st.integers(0, 40), min_size=count, max_size=count), min_size=1, max_size=3
        )
    ),
    most=st.none() | st.integers(1, 8),
    left=st.booleans(),
)
def test_every_sentence_is_whole_in_one_part_that_keeps_to_its_limits(sentences, most, left):
    features, numbers = [], iter(range(1, 10_000))
    first_tokens = []
    for lengths in sentences:
        width = max(1, *lengths)
        mask = (torch.arange(width)[None] < torch.tensor(lengths)[:, None]).long()
        mask = mask.flip(1) if left else mask
        ids = torch.zeros_like(mask)
        ids[mask.bool()] = torch.tensor([next(numbers) for _ in range(sum(lengths))], dtype=torch.long)
        features.append({"input_ids": ids, "attention_mask": mask, "prompt_length": 2})
        first_tokens.append([int(row.max() and row[row > 0][0]) for row in ids])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_batch, "_CPU_TOKENS", 64)
        parts = cut_by_length(features, most)
    for part in parts.features:
        rows, wide = part["attention_mask"].shape
        assert rows == 1 or rows * wide <= 64
        assert most is None or rows <= most
        assert wide == max(1, part["attention_mask"].sum(1).max())
        assert part["prompt_length"] == 2
        # Every token is there, in its order, and all else is padding behind it.
        for row, real in zip(part["input_ids"], part["attention_mask"].bool(), strict=True):
            assert torch.equal(row > 0, real)
            assert torch.equal(real, torch.arange(wide) < real.sum())
            assert torch.equal(row[real], row[0] + torch.arange(int(real.sum())))
    firsts = [part["input_ids"][:, :1] for part in parts.features]
    assert [column[:, 0].tolist() for column in parts.columns(firsts)] == first_tokens


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_sentence_without_tokens_changes_no_other_and_is_the_zero_vector(side):
    student = tiny_decoder()
    student.tokenizer.padding_side = side
    texts = [["big dog", "", "the cat reads the river"], ["", "a house", "."]]

    def cut(columns):
        return embed(student, cut_by_length([student.preprocess(column) for column in columns]))

    found = cut(texts)
    full = cut([["big dog", "the cat reads the river"], ["a house", "."]])
    torch.testing.assert_close(found[0][[0, 2]], full[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[1][[1, 2]], full[1], rtol=1e-5, atol=1e-6)
    assert not found[0][1].any()
    assert not found[1][0].any()


def test_what_cannot_be_merged_is_embedded_column_by_column():
    student = tiny_encoder()
    one, other = student.preprocess(sentences(3, 0)), student.preprocess(sentences(3, 1))
    del other["attention_mask"]
    assert len(cut_by_length([one, other]).features) == 2


@pytest.mark.data
def test_little_of_a_real_batch_is_padding(data, minilm):
    import pyarrow.parquet as pq

    batch = pq.read_table(data / "train" / "wmt-news" / "en-ru.parquet").slice(500, 128).to_pydict()
    columns = [minilm.preprocess(batch[name]) for name in ("sentence1", "sentence2")]
    parts = cut_by_length(columns)
    real = sum(int(column["attention_mask"].sum()) for column in columns)
    assert real == sum(int(part["attention_mask"].sum()) for part in parts.features)
    given = sum(column["input_ids"].numel() for column in columns)
    embedded = sum(part["input_ids"].numel() for part in parts.features)
    assert embedded < 1.1 * real
    assert given > 1.5 * real
    with torch.no_grad():
        found = embed(minilm, parts)[1][:8]
    torch.testing.assert_close(
        found, minilm.encode(batch["sentence2"][:8], convert_to_tensor=True), rtol=1e-4, atol=1e-5
    )
