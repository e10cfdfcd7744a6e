"""Batches worked on several at a time: the same vectors, and torch's threads as they were."""

from __future__ import annotations

import threading
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from lingualign.embedding import encode, encode_batches
from lingualign.embedding.cpu import in_lanes


@pytest.fixture
def threads():
    """Give torch so many threads, and afterwards what it had."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.data
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_vectors_are_those_of_one_lane_to_the_bit(minilm, data, threads, precision) -> None:
    pairs = pq.read_table(data / "eval" / "tatoeba" / "fra-eng.parquet")
    sentences = [*pairs["sentence2"].to_pylist()[:200], "a word " * 90]
    threads(1)
    alone = encode(minilm, sentences, precision=precision, batch_tokens=256)
    threads(3)
    assert np.array_equal(encode(minilm, sentences, precision=precision, batch_tokens=256), alone)
    assert torch.get_num_threads() == 3


def test_results_keep_their_order_and_a_group_is_fetched_while_one_is_worked_on(threads) -> None:
    threads(4)
    fetched, second_fetched = [], threading.Event()

    def groups():
        for group in ([3, 1, 2], [], [5, 6], [4, 4]):
            fetched.append(group)
            if len(fetched) == 2:
                second_fetched.set()
            yield group

    def work(number):
        assert second_fetched.wait(30)
        assert torch.get_num_threads() == 2
        return 10 * number

    found = in_lanes(work, groups(), 2)
    assert next(found) == [30, 10, 20]
    assert torch.get_num_threads() == 4, "the caller's own threads stay"
    assert list(found) == [[], [50, 60], [40, 40]]


def test_an_item_alone_has_all_threads(threads) -> None:
    threads(4)
    seen = in_lanes(lambda _: (threading.current_thread(), torch.get_num_threads()), [[1], [2, 3], [4]], 2)
    (one,), (two, three), (four,) = seen
    assert one == four == (threading.current_thread(), 4)
    assert [count for _, count in (two, three)] == [2, 2]


def test_an_error_in_a_lane_ends_the_rest_and_threads_to_come_have_all(threads) -> None:
    threads(4)
    done = []

    def work(number):
        if number == 0:
            raise RuntimeError("this one")
        time.sleep(0.002)
        done.append(number)

    with pytest.raises(RuntimeError, match="this one"):
        list(in_lanes(work, [[0, *range(1, 1_000)], [1]], 2))
    assert len(done) < 1_000
    seen = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert seen == [torch.get_num_threads()] == [4]
    assert not [one for one in threading.enumerate() if one.name.startswith("lane")]


def test_who_leaves_in_between_leaves_nothing_behind(minilm, threads) -> None:
    threads(2)
    minilm.train()
    found = encode_batches(minilm, [f"sentence number {number}" for number in range(3_000)])
    next(found)
    found.close()
    assert minilm.training
    minilm.eval()
    assert torch.get_num_threads() == 2
    assert not [one for one in threading.enumerate() if one.name.startswith("lane")]
