"""The vectorised equations against loops in float64: values, gradients, extremes and invariances."""

from __future__ import annotations

import math

import pytest
import reference_losses as plain
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lingualign.losses.both_directions import LEAST_TEMPERATURE
from lingualign.losses.equations import (
    cross_lingual_loss,
    distillation_loss,
    hard_label,
    label_entropy,
    monolingual_loss,
    normalise,
    soft_label,
    tcm_loss,
)

temperatures = st.floats(0.02, 2.0)
sizes = st.integers(1, 7)
seeds = st.integers(0, 2**31)
views = {"priority": 1, "average": 2, "hard": 0}


def vectors(seed: int, *shape: int) -> torch.Tensor:
    """Random vectors of quite different lengths."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.rand(*shape[:-1], 1, generator=generator) * 9 + 0.1
    return torch.randn(*shape, generator=generator) * lengths


def ours(x, y, kind, teacher, tau, teacher_tau, cross_weight, diagonal):
    w = hard_label(len(x)) if kind == "hard" else soft_label(teacher, teacher_tau)
    cross = cross_lingual_loss(x, y, w, tau)
    if cross_weight is None:
        return cross
    return sum(tcm_loss(cross, monolingual_loss(x, y, w, tau, diagonal=diagonal), cross_weight))


@settings(max_examples=30, deadline=None)
@given(
    seed=seeds,
    pairs=sizes,
    kind=st.sampled_from(sorted(views)),
    tau=temperatures,
    teacher_tau=temperatures,
    cross_weight=st.none() | st.floats(0, 1),
    diagonal=st.booleans(),
)
def test_loss_and_gradient_are_those_of_the_formula(
    seed, pairs, kind, tau, teacher_tau, cross_weight, diagonal
):
    teacher = vectors(seed + 1, pairs, views[kind], 5) if views[kind] else None
    results = []
    for loss in (ours, plain.soft_contrastive):
        x, y = vectors(seed, 2, pairs, 4).unbind()
        x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
        if loss is ours:
            value = loss(x, y, kind, teacher, tau, teacher_tau, cross_weight, diagonal)
        else:
            value = loss(x, y, kind, teacher, tau, teacher_tau, cross_weight=cross_weight, diagonal=diagonal)
        if value.requires_grad:
            value.backward()
        zero = torch.zeros_like(x)
        results.append((value.detach().double(), *(zero if v.grad is None else v.grad for v in (x, y))))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("tau", [LEAST_TEMPERATURE, 0.1, 1.0])
@pytest.mark.parametrize("kind", sorted(views))
@pytest.mark.parametrize("pairs", [127, 128, 300])
def test_the_closed_form_of_both_directions_is_that_of_autograd(pairs, kind, tau):
    x, y = vectors(1, pairs, 24), vectors(2, pairs, 24)
    # Translations, exact opposites, and a sentence of which nothing is known.
    y[: pairs // 2] = x[: pairs // 2] + vectors(3, pairs // 2, 24) / 10
    y[-2:] = -x[-2:]
    x[0] = 0
    teacher = vectors(4, pairs, max(views[kind], 1), 24)
    w = hard_label(pairs) if kind == "hard" else soft_label(teacher, 0.1)
    results = []
    for precision in (torch.float32, torch.float64):
        sides = [side.to(precision).requires_grad_() for side in (x, y)]
        if precision == torch.float32:
            loss = 3 * cross_lingual_loss(*sides, w, tau)
        else:
            unit = [torch.nn.functional.normalize(side, dim=1) for side in sides]
            logits = unit[0] @ unit[1].T / tau
            loss = 3 * sum(torch.nn.functional.cross_entropy(each, w.double()) for each in (logits, logits.T))
        results.append((loss.detach(), *torch.autograd.grad(loss, sides)))
    results[1][1][0] = 0  # torch's normalisation has a slope of 1e12 there, ours none
    for ours, exact in zip(*results, strict=True):
        torch.testing.assert_close(
            ours.double(), exact, rtol=1e-5, atol=2e-6 * float(exact.abs().max()), check_dtype=False
        )


@settings(max_examples=40, deadline=None)
@given(seed=seeds, pairs=st.integers(1, 40), count=st.integers(1, 3), tau=st.floats(0.005, 5))
def test_label_rows_sum_to_one(seed, pairs, count, tau):
    w = soft_label(vectors(seed, pairs, count, 6), tau)
    torch.testing.assert_close(w.sum(1), torch.ones(pairs))
    assert (w >= 0).all()
    assert -1e-6 <= float(label_entropy(w)) <= math.log(pairs) + 1e-5


def test_label_entropy_tells_hard_labels_from_empty_ones():
    assert float(label_entropy(hard_label(8))) == 0
    assert float(label_entropy(torch.full((8, 8), 1 / 8))) == pytest.approx(math.log(8))


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("kind", sorted(views))
@pytest.mark.parametrize("diagonal", [True, False])
def test_finite_at_a_tiny_temperature_on_adversarial_vectors(autocast, kind, diagonal):
    tau = 0.005
    equal = torch.ones(6, 8)
    opposite = torch.ones(6, 8) * torch.tensor([1.0, -1.0] * 3)[:, None]
    zero = torch.zeros(6, 8)
    huge, small = vectors(0, 6, 8) * 1e15, vectors(1, 6, 8) * 1e-6
    some = vectors(2, 6, 8)
    for a in (equal, opposite, zero, huge, small, some):
        for b in (equal, opposite, -some):
            x, y = a.clone().requires_grad_(), b.clone().requires_grad_()
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                total = ours(x, y, kind, torch.stack([a, b], 1)[:, : views[kind]], tau, tau, 1 / 3, diagonal)
            total.backward()
            assert total.dtype == torch.float32
            assert torch.isfinite(total)
            assert torch.isfinite(x.grad).all()
            assert torch.isfinite(y.grad).all()


def test_autocast_changes_nothing_for_vectors_in_float32():
    x, y, teacher = vectors(0, 9, 6), vectors(1, 9, 6), vectors(2, 9, 2, 6)
    expected = ours(x, y, "average", teacher, 0.01, 0.02, 0.4, False)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ours(x, y, "average", teacher, 0.01, 0.02, 0.4, False), expected)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, pairs=st.integers(2, 12), kind=st.sampled_from(sorted(views)), tcm=st.booleans())
def test_the_order_of_the_batch_does_not_matter(seed, pairs, kind, tcm):
    x, y, teacher = vectors(seed, pairs, 5), vectors(seed + 1, pairs, 5), vectors(seed + 2, pairs, 2, 5)
    teacher = teacher[:, : views[kind]]
    order = torch.randperm(pairs, generator=torch.Generator().manual_seed(seed))
    weight = 1 / 3 if tcm else None
    one = ours(x, y, kind, teacher, 0.1, 0.2, weight, False)
    other = ours(x[order], y[order], kind, teacher[order], 0.1, 0.2, weight, False)
    torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, count=st.sampled_from([1, 2]), scale=st.floats(0.01, 100))
def test_only_the_angles_between_teacher_vectors_matter(seed, count, scale):
    teacher = vectors(seed, 8, count, 6)
    rotation, _ = torch.linalg.qr(vectors(seed + 1, 6, 6).double())
    rotated = (teacher.double() @ rotation).float() * scale
    torch.testing.assert_close(soft_label(rotated, 0.1), soft_label(teacher, 0.1), rtol=1e-3, atol=1e-5)


def test_swapping_the_sides_swaps_only_the_directions():
    x, y, w = vectors(0, 6, 5), vectors(1, 6, 5), soft_label(vectors(2, 6, 1, 5), 0.1)
    torch.testing.assert_close(cross_lingual_loss(x, y, w, 0.1), cross_lingual_loss(y, x, w, 0.1))


def test_lambda_of_a_third_weighs_the_three_matrices_alike():
    # The authors add L_cross + L_xx + L_yy. L_mono is the mean of the last two, so Eq. 7 is a third of that sum.
    x, y, w = vectors(0, 6, 5), vectors(1, 6, 5), soft_label(vectors(2, 6, 1, 5), 0.1)
    as_authors_add = (
        cross_lingual_loss(x, y, w, 0.1) + monolingual_loss(x, x, w, 0.1) + monolingual_loss(y, y, w, 0.1)
    )
    total = sum(tcm_loss(cross_lingual_loss(x, y, w, 0.1), monolingual_loss(x, y, w, 0.1), 1 / 3))
    torch.testing.assert_close(total * 3, as_authors_add)


@settings(max_examples=25, deadline=None)
@given(seed=seeds, rows=st.integers(1, 5), before=st.integers(0, 5), after=st.integers(0, 5))
def test_columns_of_other_devices_give_the_rows_of_the_whole_matrix(seed, rows, before, after):
    size = before + rows + after
    x, y, teacher = vectors(seed, size, 5), vectors(seed + 1, size, 5), vectors(seed + 2, size, 1, 5)
    here = slice(before, before + rows)
    w = soft_label(teacher[here], 0.1, teacher)
    torch.testing.assert_close(w, soft_label(teacher, 0.1)[here])
    assert torch.equal(hard_label(rows, size, before), torch.eye(size)[here])
    # A row's cross-entropy does not see the other rows: the mean over each row alone is the whole loss.
    one_by_one = [
        monolingual_loss(
            x[i : i + 1],
            y[i : i + 1],
            soft_label(teacher[i : i + 1], 0.1, teacher),
            0.1,
            x_columns=x,
            y_columns=y,
            diagonal=False,
            offset=i,
        )
        for i in range(size)
    ]
    whole = monolingual_loss(x, y, soft_label(teacher, 0.1), 0.1, diagonal=False)
    torch.testing.assert_close(torch.stack(one_by_one).mean(), whole, rtol=1e-4, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, pairs=sizes)
def test_distillation_is_the_squared_distance_to_the_teacher(seed, pairs):
    x, y, teacher = vectors(seed, 3, pairs, 4).unbind()
    torch.testing.assert_close(
        distillation_loss((x, y), teacher).double(), plain.distillation(x, y, teacher), rtol=1e-5, atol=1e-6
    )


def test_normalise_leaves_zero_vectors_zero():
    assert torch.equal(normalise(torch.zeros(2, 3)), torch.zeros(2, 3))


@settings(max_examples=40, deadline=None)
@given(
    seed=seeds,
    pairs=st.integers(2, 6),
    kind=st.sampled_from(sorted(views)),
    tau=temperatures,
    cross_weight=st.none() | st.floats(0, 1),
    length=st.sampled_from([0.0, 1e-11, 1e-9, 1e-7]),
)
def test_a_vector_without_direction_has_no_gradient_and_leaves_that_of_the_others(
    seed, pairs, kind, tau, cross_weight, length
):
    teacher = vectors(seed + 1, pairs, views[kind], 5) if views[kind] else None
    x, y = vectors(seed, 2, pairs, 4).unbind()
    x, y = x.clone(), y.clone()
    x[0] = length * torch.nn.functional.normalize(x[0], dim=0)
    y[1] = 0
    for side in (x, y):
        side.requires_grad_()
    value = ours(x, y, kind, teacher, tau, tau, cross_weight, True)
    got = torch.autograd.grad(value, (x, y))
    assert not got[0][0].any()
    assert not got[1][1].any()
    assert max(float(gradient.abs().max()) for gradient in got) < 1e3
    formula = plain.soft_contrastive(x, y, kind, teacher, tau, tau, cross_weight=cross_weight)
    torch.testing.assert_close(value.double(), formula, rtol=1e-4, atol=1e-4)
    expected = torch.autograd.grad(formula, (x, y))
    torch.testing.assert_close(got[0][1:], expected[0][1:], rtol=1e-4, atol=2e-5)
    others = [row for row in range(pairs) if row != 1]
    torch.testing.assert_close(got[1][others], expected[1][others], rtol=1e-4, atol=2e-5)
