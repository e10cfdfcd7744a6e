"""The search against the full matrix and a stable sort, whatever the tiles, the precision and the vectors."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lingualign.errors import InputError
from lingualign.neighbours import SearchCheckpoint, nearest_neighbours, search, unit_rows
from lingualign.neighbours.vectors import distinct_rows


def plain(queries, candidates, k):
    """The whole matrix, sorted row by row; a stable sort leaves equal cosines in the order of their positions."""
    exact = unit_rows(queries).astype(np.float64) @ unit_rows(candidates).astype(np.float64).T
    cosine = exact.astype(np.float32)
    index = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(cosine, index, axis=1), index


def agree(source, target, k, **options):
    found = nearest_neighbours(source, target, k, **options)
    for side, (cosine, index) in zip(
        found, (plain(source, target, k), plain(target, source, k)), strict=True
    ):
        assert np.array_equal(side.index, index)
        assert np.array_equal(side.cosine, cosine)


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(search, "TILE_ROWS", 48)
    monkeypatch.setattr(search, "TILE_COLUMNS", 64)


# Whole numbers and few of them: products are exact, so that ties, copies, opposite and zero vectors abound.
coarse = st.integers(1, 90).flatmap(
    lambda n: st.integers(0, 2**32 - 1).map(
        lambda seed: np.random.default_rng(seed).integers(-1, 2, size=(n, 4)).astype(np.float32)
    )
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(coarse, coarse, st.integers(1, 6), st.sampled_from(["fp32", "bf16"]))
def test_ties_copies_negative_and_zero_vectors_in_ragged_tiles(small_tiles, source, target, k, precision):
    agree(source, target, k, precision=precision)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    ("rows", "columns", "width", "k"), [(1, 1, 3, 4), (130, 700, 2, 3), (257, 129, 64, 5), (96, 640, 384, 1)]
)
def test_dense_vectors_of_any_size(small_tiles, rows, columns, width, k, precision):
    random = np.random.default_rng(rows)
    source, target = random.normal(size=(rows, width)), random.normal(size=(columns, width))
    agree(source.astype(np.float16), target.astype(np.float32) * 7, k, precision=precision)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(coarse, st.integers(1, 6))
def test_neighbours_in_the_same_set(small_tiles, rows, k):
    agree(rows, rows, k)


def test_a_search_in_the_same_set_takes_half_the_products(small_tiles):
    rows = np.random.default_rng(5).normal(size=(480, 16))
    steps: list[int] = []
    found = nearest_neighbours(rows, rows, 3, advance=steps.append)
    assert sum(steps) == 480 * 480
    assert sorted(steps) == [0] + [48 * 48] * 10 + [2 * 48 * 48] * 45
    for side, of_a_copy in zip(found, nearest_neighbours(rows, rows.copy(), 3), strict=True):
        assert np.array_equal(side.index, of_a_copy.index)
        assert np.array_equal(side.cosine, of_a_copy.cosine)


def test_neighbours_that_get_better_from_tile_to_tile(small_tiles):
    angles = np.linspace(0, np.pi, 900)[::-1]
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    agree(np.repeat(rows[-1:], 60, axis=0) + np.arange(60)[:, None] * 1e-3, rows, 4)
    agree(rows, rows, 4, precision="bf16")


def test_vectors_that_differ_by_less_than_the_products_error(small_tiles):
    random = np.random.default_rng(2)
    rows = unit_rows(np.ones((300, 24)) + random.normal(size=(300, 24)) * 3e-7)
    agree(rows, rows[:200], 4)


@pytest.mark.data
def test_real_vectors_in_panels_of_a_small_memory(minilm, data, monkeypatch):
    from lingualign.embedding import encode

    monkeypatch.setattr(search, "TILE_ROWS", 64)
    pairs = pq.read_table(data / "eval" / "tatoeba" / "fra-eng.parquet").slice(0, 200)
    source, target = (encode(minilm, pairs[f"sentence{side}"].to_pylist()) for side in (1, 2))
    memory = 18 << 20
    assert search.plan_search(200, 200, 384, 4, memory).panel < 200
    agree(source, target, 4, memory=memory)
    agree(source, source, 4, memory=memory)


def test_a_memory_too_small_for_one_tile_says_the_least_that_suffices():
    rows = np.ones((5, 8), np.float32)
    with pytest.raises(InputError, match=r"memory is 1 MiB, .* give at least (\d+) MiB") as error:
        nearest_neighbours(rows, rows, memory=1 << 20)
    least = int(str(error.value).split("at least ")[1].split(" ")[0])
    nearest_neighbours(rows, rows, memory=least << 20)


def test_a_gpu_and_bf16_get_tiles_as_large_as_the_memory_allows():
    plans = [
        search.plan_search(10**6, 10**6, 384, 4, megabytes << 20, search.tile_times(precision, device))
        for megabytes, precision, device in (
            (1_024, "fp32", "cpu"),
            (1_024, "bf16", "cpu"),
            (192, "bf16", "cpu"),
            (1_024, "fp32", "cuda"),
            (4_096, "fp32", "cuda"),
            (16_384, "bf16", "cuda"),
        )
    ]
    assert [plan.rows for plan in plans] == [1_024, 2_048, 1_024, 4_096, 8_192, 16_384]
    assert all(plan.columns == 2 * plan.rows for plan in plans)


def test_a_killed_search_goes_on_from_its_checkpoint_unless_that_is_damaged(small_tiles, tmp_path, caplog):
    random = np.random.default_rng(4)
    source, target = random.normal(size=(200, 16)), random.normal(size=(500, 16))
    source[10:20] = source[0]

    def killed(done: int) -> None:
        if steps.append(done) or sum(steps) > 60_000:
            raise KeyboardInterrupt

    checkpoint = SearchCheckpoint(tmp_path / "state", "these", seconds=0)
    steps: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        nearest_neighbours(source, target, 3, checkpoint=checkpoint, advance=killed)
    steps = []
    again = nearest_neighbours(source, target, 3, checkpoint=checkpoint, advance=steps.append)
    assert steps[0] > 40_000
    assert sum(steps) == 190 * 500
    for found, whole in zip(again, nearest_neighbours(source, target, 3), strict=True):
        assert np.array_equal(found.index, whole.index)
        assert np.array_equal(found.cosine, whole.cosine)
    steps = []
    other = SearchCheckpoint(tmp_path / "state", "others")
    nearest_neighbours(source, target, 3, checkpoint=other, advance=steps.append)
    assert steps[0] == 0
    with pytest.raises(KeyboardInterrupt):
        nearest_neighbours(source, target, 3, checkpoint=checkpoint, advance=killed)
    state = (tmp_path / "state").read_bytes()
    for damage in (state[:-1], state[:-9] + b"\1" + state[-8:], state[:20] + b"9" + state[21:], b"{}\n", b""):
        (tmp_path / "state").write_bytes(damage)
        steps = []
        caplog.clear()
        patient = SearchCheckpoint(tmp_path / "state", "these")
        again = nearest_neighbours(source, target, 3, checkpoint=patient, advance=steps.append)
        assert steps[0] == 0
        assert "state is damaged (" in caplog.text
        assert "the search begins anew" in caplog.text
        for found, whole in zip(again, nearest_neighbours(source, target, 3), strict=True):
            assert np.array_equal(found.index, whole.index)
            assert np.array_equal(found.cosine, whole.cosine)


def test_no_row_on_a_side_has_no_neighbours():
    forward, backward = nearest_neighbours(np.ones((3, 4)), np.ones((0, 4)), 2)
    assert forward.index.shape == (3, 0)
    assert backward.index.shape == (0, 2)


def test_distinct_rows_are_told_by_their_values():
    rows = np.array([[1, 2], [0.0, 3], [1, 2], [-0.0, 3], [2, 1]], np.float16)
    found = distinct_rows(rows, "rows")
    assert found.first.tolist() == [0, 1, 4]
    assert found.place.tolist() == [0, 1, 0, 1, 2]


@pytest.mark.parametrize(
    ("source", "target", "k", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), 1, "source vectors have 3 dimensions, target vectors 4: encode"),
        (np.ones((2, 3)), np.array([[1, 1, 1], [0, np.nan, 1]]), 1, "target vectors, row 2: NaN or infinite"),
        (np.ones((2, 3)), np.ones((2, 3)), 0, "k = 0 is not a number of neighbours"),
    ],
)
def test_what_cannot_be_searched_is_named(source, target, k, message):
    with pytest.raises(InputError, match=message):
        nearest_neighbours(source, target, k)
