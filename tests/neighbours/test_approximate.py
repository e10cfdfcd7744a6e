"""The approximate search: what it finds is scored as the exact search scores it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from lingualign.errors import InputError
from lingualign.neighbours import SearchCheckpoint, approximate, approximate_neighbours, nearest_neighbours

pytest.importorskip("faiss")


def clustered(rows, seed):
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(60, 24))
    vectors = centres[random.integers(60, size=rows)] + random.normal(size=(rows, 24))
    return vectors.astype(np.float16)


def test_all_lists_give_the_exact_neighbours():
    source, target = clustered(700, 1), clustered(900, 2)
    source[5:9], target[20:25] = source[0], target[3]
    source[11] = 0
    found = approximate_neighbours(source, target, 4, probes=10**6)
    for side, exact in zip(found, nearest_neighbours(source, target, 4), strict=True):
        assert np.array_equal(side.cosine, exact.cosine)
        # Of rows equally near to a zero vector any may be found.
        told_apart = exact.cosine[:, 0] != exact.cosine[:, -1]
        assert np.array_equal(side.index[told_apart], exact.index[told_apart])


def test_few_lists_miss_some_and_score_the_others_alike():
    source, target = clustered(4_000, 1), clustered(5_000, 2)
    done: list[int] = []
    found = approximate_neighbours(source, target, 3, probes=2, advance=done.append)
    assert sum(done) == 9_000
    for side, exact in zip(found, nearest_neighbours(source, target, 3), strict=True):
        hits = (side.index[:, :, None] == exact.index[:, None, :]).any(axis=2)
        assert 0.6 < hits.mean() < 1
        same = side.index[:, 0] == exact.index[:, 0]
        assert np.array_equal(side.cosine[same, 0], exact.cosine[same, 0])
        assert (np.diff(side.cosine, axis=1) <= 0).all()


@pytest.mark.parametrize("killed_after", [2_000, 6_000])
def test_a_killed_search_goes_on_from_its_checkpoint(tmp_path, monkeypatch, killed_after):
    monkeypatch.setattr(approximate, "_QUERIES", 500)
    source, target = clustered(4_000, 1), clustered(5_000, 2)
    source[10:20] = source[0]

    def killed(done: int) -> None:
        if steps.append(done) or sum(steps) > killed_after:
            raise KeyboardInterrupt

    checkpoint = SearchCheckpoint(tmp_path / "state", "these", seconds=0)
    steps: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        approximate_neighbours(source, target, 3, probes=2, checkpoint=checkpoint, advance=killed)
    steps = []
    again = approximate_neighbours(source, target, 3, probes=2, checkpoint=checkpoint, advance=steps.append)
    assert steps[0] >= killed_after - 500
    assert sum(steps) == 3_990 + 5_000
    for side, whole in zip(again, approximate_neighbours(source, target, 3, probes=2), strict=True):
        assert np.array_equal(side.index, whole.index)
        assert np.array_equal(side.cosine, whole.cosine)
    steps = []
    approximate_neighbours(source, target, 3, probes=3, checkpoint=checkpoint, advance=steps.append)
    assert steps[0] == 0, "gone on with after fewer lists"


def test_an_empty_side_has_no_neighbours():
    forward, backward = approximate_neighbours(np.ones((3, 4)), np.ones((0, 4)), 2)
    assert forward.index.shape == (3, 0)
    assert backward.index.shape == (0, 2)


def test_what_cannot_be_searched_is_named(monkeypatch):
    rows = np.ones((5, 8), np.float32)
    with pytest.raises(InputError, match=r"memory is 1 MiB, which is too little for an index of 1 vectors"):
        approximate_neighbours(rows, rows, memory=1 << 20)
    with pytest.raises(InputError, match="source vectors have 8 dimensions, target vectors 4"):
        approximate_neighbours(rows, rows[:, :4])
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(InputError, match="pip install 'lingualign\\[faiss\\]'"):
        approximate_neighbours(rows, rows)
