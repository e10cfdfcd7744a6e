"""What every layout of an epoch must keep, whatever the sizes."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lingualign.training.batches import batches_per_group, epoch_batches

SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=6)
POWERS = st.sampled_from([0.0, 0.3, 0.5, 1.0])


@given(SIZES, st.integers(2, 16), POWERS, st.integers(0, 5), st.integers(0, 5))
@example([1, 1], 16, 1.0, 0, 0)
def test_a_batch_holds_pairs_of_one_language_pair_and_none_twice(
    sizes, batch_size, power, seed, epoch
) -> None:
    for group, positions in epoch_batches(sizes, batch_size, power=power, seed=seed, epoch=epoch):
        assert len(positions) == min(sizes[group], batch_size)
        assert len(set(positions.tolist())) == len(positions)
        assert positions.min() >= 0
        assert positions.max() < sizes[group]


@given(SIZES, st.integers(2, 16), POWERS, st.integers(0, 5))
def test_no_pair_comes_again_before_the_others_of_its_pass(sizes, batch_size, power, seed) -> None:
    used = defaultdict(Counter)
    batches = Counter()
    for group, positions in epoch_batches(sizes, batch_size, power=power, seed=seed):
        used[group].update(positions.tolist())
        batches[group] += 1
    for group, times in used.items():
        in_a_pass = max(1, sizes[group] // batch_size)
        passes = -(-batches[group] // in_a_pass)
        assert max(times.values()) <= passes


@given(SIZES, st.integers(2, 16))
def test_with_power_1_an_epoch_is_one_pass(sizes, batch_size) -> None:
    used = Counter()
    for group, positions in epoch_batches(sizes, batch_size, power=1.0):
        used.update((group, position) for position in positions.tolist())
    assert set(used.values()) == {1}
    for group, size in enumerate(sizes):
        left = size - sum(1 for which, _ in used if which == group)
        assert left < batch_size


@given(st.lists(st.integers(1000, 100_000), min_size=2, max_size=5), st.integers(10, 100), st.floats(0, 0.99))
def test_batches_are_shared_in_proportion_to_a_power_of_the_sizes(sizes, batch_size, power) -> None:
    counts = np.array(batches_per_group(sizes, batch_size, power))
    whole = sum(size // batch_size for size in sizes)
    wanted = np.array(sizes, dtype=float) ** power
    wanted *= whole / wanted.sum()
    assert (np.abs(counts - wanted) <= 0.5 + (wanted < 1)).all()


def test_power_0_gives_all_language_pairs_the_same() -> None:
    assert len(set(batches_per_group([100, 1000, 10_000], 10, 0.0))) == 1


@given(SIZES, st.integers(2, 16), POWERS, st.integers(0, 5), st.integers(0, 5))
def test_a_layout_is_a_function_of_seed_and_epoch_and_its_length_of_neither(
    sizes, batch_size, power, seed, epoch
) -> None:
    one = epoch_batches(sizes, batch_size, power=power, seed=seed, epoch=epoch)
    np.random.rand(3)
    two = epoch_batches(sizes, batch_size, power=power, seed=seed, epoch=epoch)
    assert [(group, *positions) for group, positions in one] == [
        (group, *positions) for group, positions in two
    ]
    other = epoch_batches(sizes, batch_size, power=power, seed=seed + 1, epoch=epoch + 1)
    assert len(other) == len(one)


@pytest.mark.parametrize("change", [{"seed": 1}, {"epoch": 1}])
def test_another_seed_or_epoch_is_another_order(change) -> None:
    plain, changed = epoch_batches([500, 500], 32), epoch_batches([500, 500], 32, **change)
    assert [tuple(positions) for _, positions in plain] != [tuple(positions) for _, positions in changed]
