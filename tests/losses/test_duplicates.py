"""Equal sentences are told from their token ids, however the batch is laid out."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lingualign.losses.duplicates import repeated, sentence_hashes

batches = st.lists(st.lists(st.integers(0, 50_000), max_size=6), min_size=1, max_size=8)


def flat(batch):
    lengths = [len(ids) for ids in batch]
    return {
        "input_ids": torch.tensor([identity for ids in batch for identity in ids], dtype=torch.long),
        "offsets": torch.tensor([sum(lengths[:i]) for i in range(len(batch))]),
    }


def unpadded(batch):
    ends = torch.tensor([len(ids) for ids in batch]).cumsum(0)
    return {
        "input_ids": flat(batch)["input_ids"][None],
        "cu_seq_lens_q": torch.cat([torch.zeros(1, dtype=torch.long), ends]).int(),
    }


def padded(batch, extra=0, pad=0, left=False):
    width = max(map(len, batch)) + extra
    ids, mask = torch.full((len(batch), width), pad), torch.zeros(len(batch), width, dtype=torch.long)
    for row, sentence in enumerate(batch):
        place = slice(width - len(sentence), width) if left else slice(len(sentence))
        ids[row, place], mask[row, place] = torch.tensor(sentence, dtype=torch.long), 1
    return {"input_ids": ids, "attention_mask": mask}


@settings(max_examples=80, deadline=None)
@given(batch=batches, extra=st.integers(0, 5), pad=st.integers(0, 9))
def test_the_layout_of_a_batch_does_not_change_its_hashes(batch, extra, pad):
    expected = sentence_hashes(flat(batch))
    assert expected.shape == (len(batch),)
    for features in (unpadded(batch), padded(batch, extra, pad), padded(batch, extra, pad, left=True)):
        assert torch.equal(sentence_hashes(features), expected)


@settings(max_examples=80, deadline=None)
@given(batch=batches)
def test_sentences_hash_alike_exactly_if_their_tokens_are_alike(batch):
    hashes = sentence_hashes(flat(batch)).tolist()
    for one, hash_one in zip(batch, hashes, strict=True):
        for other, hash_other in zip(batch, hashes, strict=True):
            assert (hash_one == hash_other) == (one == other)


def test_order_and_number_of_tokens_matter():
    batch = [[1, 2], [2, 1], [1, 1], [1], [1, 2, 0], [0, 1, 2], [3], [0, 0], [0], []]
    assert len(set(sentence_hashes(flat(batch)).tolist())) == len(batch)


def test_no_collision_among_many_short_sentences():
    # All pairs of 600 neighbouring ids: sums of weak hashes would collide here in masses.
    a, b = torch.meshgrid(torch.arange(600), torch.arange(600), indexing="ij")
    ids = torch.stack([a.flatten(), b.flatten()], 1)
    hashes = sentence_hashes({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
    assert len(hashes.unique()) == len(ids)


def test_a_batch_of_empty_sentences():
    assert sentence_hashes(flat([[], []])).tolist() == [0, 0]


def test_repeated_marks_the_other_copies_and_not_the_row_itself():
    rows, columns = torch.tensor([7, 8]), torch.tensor([8, 7, 8, 7])
    expected = [[False, False, False, True], [True, False, False, False]]
    assert repeated(rows, columns, offset=1).tolist() == expected
