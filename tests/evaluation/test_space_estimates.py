"""Intervals of the figures of a space: the jackknife left out row by row, and covering what they should."""

from __future__ import annotations

import numpy as np
import pytest

from lingualign.evaluation import space
from lingualign.evaluation.left_out import SEARCHED
from lingualign.evaluation.space import (
    describe_space,
    estimate_hubness,
    estimate_isotropy,
    estimate_uniformity,
    hubness,
    isotropy,
    uniformity,
)
from lingualign.evaluation.statistics import jackknife_interval
from lingualign.neighbours import nearest_neighbours


def two_languages(random, rows, width=8):
    """A cone around a mean, and the same in a noisy second language."""
    one = random.normal(size=(rows, width)) * np.linspace(1, 0.5, width) + 0.5
    return one, one + random.normal(0, 0.3, size=one.shape)


def covered(estimates, truth):
    return np.mean([low <= truth <= high for _, (low, high) in estimates])


def test_jackknife_interval_of_a_mean_is_students():
    values = np.random.default_rng(0).normal(3, 2, size=12)
    left = [np.delete(values, row).mean() for row in range(12)]
    half = 2.200985 * values.std(ddof=1) / np.sqrt(12)  # t with 11 degrees of freedom
    assert jackknife_interval(values.mean(), left) == pytest.approx(
        (values.mean() - half, values.mean() + half)
    )


def test_rows_are_left_out_with_all_their_languages():
    random = np.random.default_rng(1)
    vectors = np.concatenate(two_languages(random, 40))
    # Shuffled, one sentence without its translation: as a sample of the vectors is.
    order = random.permutation(80)[1:]
    vectors, row_of = vectors[order], (np.arange(80) % 40)[order]
    for estimate, figure, tolerance in (
        (estimate_uniformity, uniformity, 1e-6),  # exact
        (estimate_isotropy, isotropy, 0.05),  # to first order
    ):
        value, found = estimate(vectors, row_of)
        assert value == pytest.approx(figure(vectors))
        plain = jackknife_interval(value, [figure(vectors[row_of != row]) for row in range(40)])
        assert np.ptp(found) == pytest.approx(np.ptp(plain), rel=tolerance)
        assert np.mean(found) == pytest.approx(value, rel=1e-9)


def searched_hubness(one, two):
    return np.mean([hubness(side.index, len(side.index)) for side in nearest_neighbours(one, two, 4)])


def test_hubness_leaves_out_a_row_as_a_search_without_it_would():
    one, two = two_languages(np.random.default_rng(2), 30)
    value, found = estimate_hubness([nearest_neighbours(one, two, SEARCHED)])
    assert value == pytest.approx(searched_hubness(one, two))
    left = [searched_hubness(np.delete(one, row, axis=0), np.delete(two, row, axis=0)) for row in range(30)]
    assert found == pytest.approx(jackknife_interval(value, left))


def test_hubness_of_sides_with_rows_of_their_own_leaves_out_one_sentence_at_a_time():
    one, two = two_languages(np.random.default_rng(6), 40)
    one = one[:25]

    def both(one, two):
        there, back = nearest_neighbours(one, two, 4)
        return (hubness(there.index, len(two)) + hubness(back.index, len(one))) / 2

    value, found = estimate_hubness([nearest_neighbours(one, two, SEARCHED)], aligned=False)
    assert value == pytest.approx(both(one, two))
    left = [both(np.delete(one, row, axis=0), two) for row in range(25)]
    left += [both(one, np.delete(two, row, axis=0)) for row in range(40)]
    assert found == pytest.approx(jackknife_interval(value, left))


def test_intervals_cover_the_figure_of_other_draws():
    random = np.random.default_rng(3)
    draws = [two_languages(random, 100) for _ in range(300)]
    row_of = np.tile(np.arange(100), 2)
    for estimates in (
        [estimate_uniformity(np.concatenate(sides), row_of) for sides in draws],
        [estimate_isotropy(np.concatenate(sides), row_of) for sides in draws],
    ):
        assert 0.915 <= covered(estimates, np.mean([value for value, _ in estimates])) <= 0.98
    # That of hubness is too wide rather than too narrow.
    estimates = [estimate_hubness([nearest_neighbours(*sides, SEARCHED)]) for sides in draws]
    assert covered(estimates, np.mean([value for value, _ in estimates])) >= 0.95


def test_spaces_without_shape_have_figures_all_the_same(monkeypatch):
    same = np.ones((6, 3), np.float32)
    axes = np.concatenate([np.eye(6), -np.eye(6)]).astype(np.float32)
    for sides in ([same, same], [axes, axes], [axes[:2], axes[2:4]]):
        found = describe_space(dict(zip(("en", "fr"), sides, strict=True)))
        assert np.isfinite(np.concatenate([np.ravel(value) for value in found.values()])).all()
    assert estimate_hubness([nearest_neighbours(axes[:2], axes[2:4], 4)]) == (0, (0, 0))
    # Of more rows than are looked at, some.
    monkeypatch.setattr(space, "SPACE_ROWS", 50)
    sides = two_languages(np.random.default_rng(4), 80)
    found = describe_space(dict(zip(("en", "fr"), sides, strict=True)))
    low, high = found["uniformity_ci95"]
    assert low < uniformity(np.concatenate(sides)) < high
