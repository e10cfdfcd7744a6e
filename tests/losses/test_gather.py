"""Two real processes under DDP give the gradient of the union batch in one process."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from tiny_students import sentences, tiny_encoder, tiny_static

import lingualign.losses.gather
import lingualign.losses.soft_contrastive
from lingualign.losses import SoftContrastiveLoss, TranslationRankingLoss
from lingualign.training.rowwise import train_rowwise

PAIRS, PROCESSES = 8, 2
CASES = {
    "priority": (tiny_encoder, SoftContrastiveLoss, {"label": "priority"}),
    "average, TCM without diagonal": (
        tiny_encoder,
        SoftContrastiveLoss,
        {"label": "average", "tcm": True, "monolingual_diagonal": False},
    ),
    "hard, TCM": (tiny_encoder, SoftContrastiveLoss, {"label": "hard", "tcm": True}),
    "ranking": (tiny_encoder, TranslationRankingLoss, {}),
    "priority in mini-batches": (tiny_encoder, SoftContrastiveLoss, {"tcm": True, "mini_batch_size": 3}),
    "ranking in mini-batches": (tiny_encoder, TranslationRankingLoss, {"mini_batch_size": 3}),
    "static, row-wise": (tiny_static, SoftContrastiveLoss, {"tcm": True}),
}


def columns() -> list[list[str]]:
    x, y, hard = (sentences(PAIRS, seed) for seed in range(3))
    x[6], y[7] = x[1], y[2]  # copies on the other process
    hard[5] = y[0]
    return [x, y, hard]


def gradient(name: str, student, rows: slice, wrap: bool = False) -> torch.Tensor:
    """The gradient of all parameters, end to end, from the rows of one process."""
    make, kind, settings = CASES[name]
    student.zero_grad()
    if make is tiny_static and wrap:
        train_rowwise(student)
    loss = kind(student, **settings)
    if wrap:
        loss.model = torch.nn.parallel.DistributedDataParallel(student)
    texts = columns()[: 3 if kind is TranslationRankingLoss else 2]
    teacher = torch.randn(PAIRS, 2, 7, generator=torch.Generator().manual_seed(9))[rows]
    features = [student.preprocess(column[rows]) for column in texts]
    terms = loss(features, teacher if "average" in name else teacher[:, 0])
    torch.stack(list(terms.values())).sum().backward()
    found = [parameter.grad for parameter in student.parameters() if parameter.grad is not None]
    return torch.cat([part.to_dense().flatten() for part in found])


def process(rank: int, port: int, folder: str) -> None:
    """What each of the two processes runs; rank 0 saves what it found."""
    torch.set_num_threads(1)
    # Made before the group is: once there is one, only its first process writes the files they load from.
    students = {name: make() for name, (make, _, _) in CASES.items()}
    dist.init_process_group(
        "gloo",
        init_method=f"tcp://127.0.0.1:{port}",
        rank=rank,
        world_size=PROCESSES,
        timeout=timedelta(seconds=60),
    )
    here = slice(rank * PAIRS // PROCESSES, (rank + 1) * PAIRS // PROCESSES)
    found = {name: gradient(name, student, here, wrap=True) for name, student in students.items()}
    try:
        gradient("priority", students["priority"], slice(0, 3 + rank), wrap=True)
    except ValueError as error:
        found["unequal batches"] = str(error)

    # The naive scheme, which must be told from the right one: the columns of others carry no gradient.
    def without_gradient(vectors: torch.Tensor) -> torch.Tensor:
        return lingualign.losses.gather.all_gather(vectors.detach())

    lingualign.losses.soft_contrastive.gather_columns = without_gradient
    found["naive"] = gradient("priority", students["priority"], here, wrap=True)
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    folder = tmp_path_factory.mktemp("gradients")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(process, args=(port, str(folder)), nprocs=PROCESSES)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(PROCESSES)]


def compare(one: torch.Tensor, other: torch.Tensor) -> tuple[float, float]:
    """Cosine and ratio of norms."""
    one, other = one.double(), other.double()
    return float(torch.cosine_similarity(one, other, dim=0)), float(one.norm() / other.norm())


@pytest.mark.parametrize("name", CASES)
def test_two_processes_give_the_gradient_of_one(found, name):
    expected = gradient(name, CASES[name][0](), slice(None))
    for rank in range(PROCESSES):
        cosine, ratio = compare(found[rank][name], expected)
        assert cosine > 0.9999
        assert ratio == pytest.approx(1, abs=1e-3)


def test_a_gather_without_gradient_would_be_noticed(found):
    cosine, ratio = compare(found[0]["naive"], gradient("priority", tiny_encoder(), slice(None)))
    assert cosine < 0.999
    assert abs(ratio - 1) > 0.05


def test_unequal_batches_are_an_error_on_every_process(found):
    for rank in range(PROCESSES):
        assert "batches of [3, 4] pairs; they must be equal" in found[rank]["unequal batches"]
        assert "dataloader_drop_last=True" in found[rank]["unequal batches"]
