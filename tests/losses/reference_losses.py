"""Eq. 2 to 7 and the baselines, once more and in the plainest way: loops over i and j, float64.

Nothing here is shared with the package, so that a defect cannot be on both sides of a comparison.
"""

from __future__ import annotations

import torch
from torch import Tensor


def sim(a: Tensor, b: Tensor) -> Tensor:
    if not a.any() or not b.any():
        return torch.zeros((), dtype=torch.float64)  # a vector without a direction is like nothing
    return (a @ b) / (a.norm() * b.norm())


def softmax_row(values: list[Tensor]) -> list[Tensor]:
    highest = max(float(value.detach()) for value in values)
    powers = [torch.exp(value - highest) for value in values]
    return [power / sum(powers) for power in powers]


def label_matrix(kind: str, teacher: Tensor | None, pairs: int, tau: float) -> list[list[Tensor]]:
    """``w`` by Eq. 3, 4 or 5; ``teacher`` is ``(N, V, D)``."""
    w = []
    for i in range(pairs):
        if kind == "hard":  # Eq. 3
            w.append([torch.tensor(1.0 if i == j else 0.0, dtype=torch.float64) for j in range(pairs)])
        elif kind == "priority":  # Eq. 4
            w.append(softmax_row([sim(teacher[i, 0], teacher[j, 0]) / tau for j in range(pairs)]))
        else:  # Eq. 5
            w.append(
                softmax_row(
                    [
                        (sim(teacher[i, 0], teacher[j, 0]) + sim(teacher[i, 1], teacher[j, 1])) / 2 / tau
                        for j in range(pairs)
                    ]
                )
            )
    return w


def cross_entropy(
    w: list[list[Tensor]], rows: Tensor, columns: Tensor, tau: float, left_out: set[tuple[int, int]]
) -> Tensor:
    """``-(1/N) sum_i sum_j w_ij log p(j | i)`` with the pairs of ``left_out`` not in the softmax at all."""
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(rows)):
        present = [j for j in range(len(columns)) if (i, j) not in left_out]
        if present:
            p = softmax_row([sim(rows[i], columns[j]) / tau for j in present])
            for j, probability in zip(present, p, strict=True):
                if w[i][j] != 0:
                    total = total - w[i][j] * torch.log(probability)
    return total / len(rows)


def soft_contrastive(
    x: Tensor,
    y: Tensor,
    kind: str,
    teacher: Tensor | None,
    tau: float,
    teacher_tau: float,
    *,
    cross_weight: float | None = None,
    diagonal: bool = True,
    sentences: tuple[list[str], list[str]] | None = None,
    anchored: tuple[Tensor, float] | None = None,
) -> Tensor:
    """Eq. 2, or Eq. 7 where ``cross_weight`` is given; with ``anchored`` the teacher's vectors and their weight.

    With ``sentences`` a pair of which either side has been seen at another row is no negative of that row.
    """
    x, y = x.double(), y.double()
    pairs = len(x)
    teacher = None if teacher is None else teacher.double()
    w = label_matrix(kind, teacher, pairs, teacher_tau)
    left_out = {
        (i, j)
        for i in range(pairs)
        for j in range(pairs)
        if sentences and i != j and any(side[i] == side[j] for side in sentences)
    }
    cross = cross_entropy(w, x, y, tau, left_out) + cross_entropy(w, y, x, tau, left_out)
    anchor = torch.zeros((), dtype=torch.float64)
    if anchored is not None:
        vectors, weight = anchored
        # A student with more dimensions than the teacher: zeros in the rest.
        vectors = torch.cat([vectors.double(), torch.zeros(pairs, x.shape[1] - vectors.shape[1])], dim=1)
        anchor = weight * sum(cross_entropy(w, side, vectors, tau, set()) for side in (x, y))
    if cross_weight is None:
        return cross + anchor
    if not diagonal:
        left_out = left_out | {(i, i) for i in range(pairs)}
        rows = []
        for i in range(pairs):
            rest = sum(w[i][j] for j in range(pairs) if j != i)
            zero = torch.zeros((), dtype=torch.float64)
            rows.append([zero if i == j or rest == 0 else w[i][j] / rest for j in range(pairs)])
        w = rows
    monolingual = (cross_entropy(w, x, x, tau, left_out) + cross_entropy(w, y, y, tau, left_out)) / 2
    return cross_weight * cross + (1 - cross_weight) * monolingual + anchor


def translation_ranking(
    x: Tensor, y: Tensor, negatives: list[Tensor], tau: float, sentences: list[list[str]]
) -> Tensor:
    """Rank ``y_i`` for ``x_i`` among all translations and hard negatives, and ``x_i`` for ``y_i``."""
    x, y = x.double(), y.double()
    candidates = torch.cat([y, *(column.double() for column in negatives)])
    pairs = len(x)
    left_out = set()
    for i in range(pairs):
        for j in range(pairs):
            if i != j and (sentences[0][i] == sentences[0][j] or sentences[1][i] == sentences[1][j]):
                left_out.add((i, j))
            for k, column in enumerate(sentences[2:], start=1):
                if column[j] in (sentences[1][i], sentences[1][j]):
                    left_out.add((i, k * pairs + j))
    w = label_matrix("hard", None, pairs, tau)
    zero = torch.zeros((), dtype=torch.float64)
    wide = [row + [zero] * (len(candidates) - pairs) for row in w]
    return cross_entropy(wide, x, candidates, tau, left_out) + cross_entropy(w, y, x, tau, left_out)


def distillation(x: Tensor, y: Tensor, teacher: Tensor) -> Tensor:
    total = torch.zeros((), dtype=torch.float64)
    for i in range(len(x)):
        for d in range(x.shape[1]):
            target = teacher[i, d].double()
            total = total + (x[i, d].double() - target) ** 2 + (y[i, d].double() - target) ** 2
    return total / x.numel()
