"""Row-wise AdamW against torch's own optimizers, and through a checkpoint and accelerate."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lingualign.training.rowwise import RowwiseAdamW

ROWS, DIMENSION = 40, 6
SETTINGS = {"lr": 0.03, "betas": (0.8, 0.95), "eps": 1e-8, "weight_decay": 0.1}


def parameter(seed: int = 0) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.randn(ROWS, DIMENSION, generator=torch.Generator().manual_seed(seed)))


def gradient(seed: int, touched: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Distinct rows, in any order, and their values."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(ROWS, generator=generator)[:touched]
    return rows, torch.randn(touched, DIMENSION, generator=generator)


def sparse(rows: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return torch.sparse_coo_tensor(rows[None], values, (ROWS, DIMENSION), check_invariants=True)


def plain_adamw(weight: torch.Tensor, steps: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    """Algorithm 2 of Loshchilov and Hutter, number by number in float64, on the touched rows alone."""
    weight = weight.detach().double().clone()
    m, v = torch.zeros_like(weight), torch.zeros_like(weight)
    beta1, beta2 = SETTINGS["betas"]
    for step, (rows, values) in enumerate(steps, start=1):
        for row, g in zip(rows.tolist(), values.double(), strict=True):
            weight[row] -= SETTINGS["lr"] * SETTINGS["weight_decay"] * weight[row]
            m[row] = beta1 * m[row] + (1 - beta1) * g
            v[row] = beta2 * v[row] + (1 - beta2) * g**2
            m_hat, v_hat = m[row] / (1 - beta1**step), v[row] / (1 - beta2**step)
            weight[row] -= SETTINGS["lr"] * m_hat / (v_hat.sqrt() + SETTINGS["eps"])
    return weight


@settings(max_examples=30, deadline=None)
@given(touched=st.lists(st.integers(0, ROWS), min_size=1, max_size=6), seed=st.integers(0, 1000))
def test_touched_rows_follow_the_algorithm_and_others_stay(touched, seed):
    weight = parameter(seed)
    before = weight.detach().clone()
    optimizer = RowwiseAdamW([weight], **SETTINGS)
    steps = [gradient(seed + i, count) for i, count in enumerate(touched)]
    for rows, values in steps:
        weight.grad = sparse(rows, values)
        optimizer.step()
    expected = plain_adamw(before, steps)
    torch.testing.assert_close(weight.detach().double(), expected, rtol=1e-4, atol=1e-5)
    untouched = torch.ones(ROWS, dtype=torch.bool)
    untouched[torch.cat([rows for rows, _ in steps])] = False
    assert torch.equal(weight.detach()[untouched], before[untouched])


@pytest.mark.parametrize("as_dense", [True, False])
def test_with_every_row_touched_it_is_adamw(as_dense):
    ours, theirs = parameter(), parameter()
    optimizers = RowwiseAdamW([ours], **SETTINGS), torch.optim.AdamW([theirs], **SETTINGS)
    for step in range(8):
        dense = torch.randn(ROWS, DIMENSION, generator=torch.Generator().manual_seed(step))
        ours.grad = dense.clone() if as_dense else dense.to_sparse(1)
        theirs.grad = dense
        for optimizer in optimizers:
            optimizer.step()
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_without_weight_decay_it_is_sparse_adam():
    ours, theirs = parameter(), parameter()
    optimizers = (
        RowwiseAdamW([ours], **{**SETTINGS, "weight_decay": 0, "eps": 1e-12}),
        torch.optim.SparseAdam([theirs], lr=SETTINGS["lr"], betas=SETTINGS["betas"], eps=1e-12),
    )
    for step in range(8):
        rows, values = gradient(step, 15)
        ours.grad, theirs.grad = sparse(rows, values), sparse(rows, values)
        for optimizer in optimizers:
            optimizer.step()
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_row_named_twice_gets_the_sum_of_its_gradients():
    one, other = parameter(), parameter()
    values = torch.randn(3, DIMENSION, generator=torch.Generator().manual_seed(1))
    one.grad = sparse(torch.tensor([7, 2, 7]), values)
    other.grad = sparse(torch.tensor([2, 7]), torch.stack([values[1], values[0] + values[2]]))
    for weight in (one, other):
        RowwiseAdamW([weight], **SETTINGS).step()
    assert torch.equal(one, other)


def test_a_checkpoint_resumes_bit_for_bit():
    weight = parameter()
    optimizer = RowwiseAdamW([weight], **SETTINGS)

    def take(steps, weight, optimizer):
        for step in steps:
            weight.grad = sparse(*gradient(step, 12))
            optimizer.step()

    take(range(5), weight, optimizer)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    resumed = torch.nn.Parameter(weight.detach().clone())
    again = RowwiseAdamW([resumed], lr=1.0)
    again.load_state_dict(torch.load(file, weights_only=True))
    for name, value in optimizer.state[weight].items():
        assert torch.equal(again.state[resumed][name], value)
        assert again.state[resumed][name].dtype == value.dtype
    take(range(5, 9), weight, optimizer)
    take(range(5, 9), resumed, again)
    assert torch.equal(weight, resumed)


def test_it_runs_under_accelerate_and_a_learning_rate_schedule():
    from accelerate import Accelerator

    bare, wrapped = parameter(), parameter()
    optimizers = [RowwiseAdamW([weight], **SETTINGS) for weight in (bare, wrapped)]
    accelerator = Accelerator(cpu=True)
    prepared = accelerator.prepare(optimizers[1])
    schedules = [
        torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=6) for optimizer in optimizers
    ]
    for step in range(6):
        bare.grad, wrapped.grad = sparse(*gradient(step, 12)), sparse(*gradient(step, 12))
        optimizers[0].step()
        prepared.step()
        prepared.zero_grad()
        for schedule in schedules:
            schedule.step()
    assert wrapped.grad is None
    assert torch.equal(bare, wrapped)
    state = copy.deepcopy(prepared.state_dict())
    prepared.load_state_dict(state)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"lr": -1.0}, "lr is -1.0; it must be at least 0"),
        ({"weight_decay": float("nan")}, "weight_decay is nan"),
        ({"betas": (0.9, 1.0)}, r"betas are \(0.9, 1.0\); each must lie in \[0, 1\)"),
    ],
)
def test_settings_out_of_range(setting, message):
    with pytest.raises(ValueError, match=message):
        RowwiseAdamW([parameter()], **setting)
