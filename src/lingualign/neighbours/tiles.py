"""Tiles of the table of all products: computed fast and roughly, and searched for possible neighbours.

Scores are compared as integers of the same bits, which have the same order and which a processor compares several times
as fast.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from lingualign.embedding.cpu import has_onednn, lay_out, linear

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from lingualign.embedding.options import Precision

GROUP = 32
"""Number of scores of a tile that are first compared by their maximum alone."""
_PAIRS = 1 << 18
"""Number of pairs that a GPU scores again at once."""


def search_device(device: str | None) -> str:
    """Return the device of the products: a CUDA device or the processor; the best one for None."""
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device if device.startswith("cuda") else "cpu"


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of one side, ready to be multiplied."""

    unit: npt.NDArray[np.float32]
    """Rows of length 1, (n, d)"""
    single: torch.Tensor
    """The same on the device"""
    factor: torch.Tensor
    """The same in the precision of the product"""
    error: torch.Tensor
    """Upper bound of the distance of the two, (n,) float32"""
    worst_error: torch.Tensor
    """Largest error of all rows"""

    def __len__(self) -> int:
        return len(self.unit)


class Products:
    """Matrix products of blocks, in one precision on one device.

    Parameters
    ----------
    precision
        Precision: ``fp32``, ``bf16``, or ``auto`` for bf16 where the device has instructions for it.
    device
        Device of torch.
    rows, columns
        Size of the largest tile.
    width
        Width of the vectors.
    """

    def __init__(self, precision: Precision, device: str, rows: int, columns: int, width: int) -> None:
        from lingualign.embedding.encode import resolve_precision

        self.device = torch.device(device)
        self._half = resolve_precision(precision, self.device) == "bf16"
        kind, whole = (torch.bfloat16, torch.int16) if self._half else (torch.float32, torch.int32)
        # oneDNN replaces numpy, whose idle threads keep the processor busy, and torch, which reaches two thirds of the
        # rate on some processors.
        self._onednn = self.device.type == "cpu" and not self._half and has_onednn()
        self._laid_out: tuple[Block, torch.Tensor] | None = None
        self._scores = torch.empty(0 if self._onednn else rows * columns, dtype=kind, device=self.device)
        self._whole = whole
        # Each of ``width`` partial sums, with absolute values of at most 1, and the exact score itself have a rounding
        # error of at most 2**-24.
        self.rounding = (width + 4) * 2.0**-24 * 1.01

    def block(self, unit: npt.NDArray[np.float32]) -> Block:
        """Prepare rows of length 1."""
        single = torch.from_numpy(unit).to(self.device)
        if not self._half:
            none = torch.zeros(len(unit), device=self.device)
            return Block(unit, single, single, none, none.max())
        factor = single.bfloat16()
        # The factor bounds the rounding of the norm itself.
        error = torch.linalg.vector_norm(single - factor, dim=1) * (1 + 2.0**-12)
        return Block(unit, single, factor, error, error.max())

    def tile(self, rows: Block, columns: Block) -> ProductTile:
        """Multiply; the tile is valid until the next call."""
        if self._onednn:
            if self._laid_out is None or self._laid_out[0] is not columns:
                self._laid_out = columns, lay_out(columns.factor, len(rows))
            scores = linear(rows.factor, self._laid_out[1])
        else:
            scores = self._scores[: len(rows) * len(columns)].view(len(rows), len(columns))
            torch.mm(rows.factor, columns.factor.T, out=scores)
        return ProductTile(scores.view(self._whole), rows, columns, self.rounding)


@contextmanager
def exact_sums() -> Iterator[None]:
    """Make a GPU sum matrix products in single precision, and restore the settings of the process afterwards."""
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32, matmul.allow_bf16_reduced_precision_reduction
    matmul.allow_tf32, matmul.allow_bf16_reduced_precision_reduction = False, False
    try:
        yield
    finally:
        matmul.allow_tf32, matmul.allow_bf16_reduced_precision_reduction = before


class ProductTile:
    """The scores of a block of rows with a block of columns; errors are at most its vectors' plus ``rounding``."""

    def __init__(self, scores: torch.Tensor, rows: Block, columns: Block, rounding: float) -> None:
        self._scores = scores
        self._blocks = rows, columns
        self._rounding = rounding
        self._sorted = False

    def nominate(
        self, axis: int, worst: npt.NDArray[np.float32], k: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the positions of scores that may belong to the k best of their row (``axis`` 0) or column (1).

        Parameters
        ----------
        axis
            Axis of the search.
        worst
            Exact k-th best score so far, -inf where there are fewer, (rows,) or (columns,).
        k
            Number of scores sought.

        Returns
        -------
        row, column : ndarray of int64, shape (nominated,)
        """
        own, other = self._blocks[axis], self._blocks[1 - axis]
        # The error of a product is each factor's error times the other's length, which is 1 up to rounding.
        slack = (own.error + other.worst_error) * (1 + 2.0**-7) + self._rounding
        least = torch.from_numpy(worst).to(slack.device)
        floor = least - slack
        maxima = self._maxima(axis)
        groups = maxima.shape[1 - axis]
        # The k-th best maximum of the tile, minus the errors of both scores, is a floor too.
        if groups > k and self._hides(floor):
            floor = torch.maximum(floor, self._kth(maxima, axis, k) - 2 * slack)
        if self._hides(floor):
            self._sort()
            maxima = self._maxima(axis)
        keys = self._keys(floor)
        first = _at_least(maxima, _along(keys, axis))
        if groups > k and len(first) > 4 * k * len(worst):
            keys = torch.maximum(keys, self._keys(self._kth(maxima, axis, k) - 2 * slack))
            first = _at_least(maxima, _along(keys, axis))
        # Map a position among the maxima to its row or column, and to the tile positions of the group's members.
        rows, columns = self._scores.shape
        group, apart = (columns // groups, groups) if axis == 0 else (rows // groups, groups * columns)
        owner = first // groups if axis == 0 else first % columns
        first = first + owner * (columns - groups) if axis == 0 else first
        members = first[:, None] + torch.arange(group, device=first.device) * apart
        within = _at_least(self._scores.view(-1)[members], keys[owner][:, None])
        each = members.view(-1)[within]
        row, column = each // columns, each % columns
        if self._scores.device.type != "cpu":
            row, column = self._closer(row, column, least, axis)
        return row.cpu().numpy(), column.cpu().numpy()

    def _maxima(self, axis: int) -> torch.Tensor:
        """Return the maximum of each group of far-apart scores, slice by slice, which is fastest on the processor."""
        rows, columns = self._scores.shape
        group = math.gcd(self._scores.shape[1 - axis], GROUP)
        if axis == 0:
            return self._scores.view(rows, group, columns // group).amax(1)
        return self._scores.view(group, rows // group, columns).amax(0)

    def _kth(self, maxima: torch.Tensor, axis: int, k: int) -> torch.Tensor:
        """Return a lower bound of the k-th largest unrounded maximum; -inf where unsorted negative scores hide it."""
        keys = maxima.topk(k, dim=1 - axis, sorted=False).values.amin(1 - axis)
        if self._sorted:
            _flip(keys)
        if keys.dtype == torch.int32:
            kth = keys.view(torch.float32)
        else:
            kth = keys.view(torch.bfloat16).float()
            kth -= kth.abs() * 2.0**-8
        return kth if self._sorted else kth.masked_fill(kth <= 0, -torch.inf)

    def _hides(self, floor: torch.Tensor) -> bool:
        """Return whether negative scores matter that are not in order yet: by its bits, -1 is the largest of them."""
        return not self._sorted and bool((floor <= 0).any())

    def _sort(self) -> None:
        _flip(self._scores)
        self._sorted = True

    def _closer(
        self, row: torch.Tensor, column: torch.Tensor, least: torch.Tensor, axis: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Filter nominated scores in single precision on a GPU, so that the processor scores fewer of them."""
        kept = torch.empty(len(row), dtype=torch.bool, device=row.device)
        for start in range(0, len(row), _PAIRS):
            some = slice(start, start + _PAIRS)
            one, two = self._blocks[0].single[row[some]], self._blocks[1].single[column[some]]
            kept[some] = one.mul_(two).sum(1) >= least[(row, column)[axis][some]] - self._rounding
        return row[kept], column[kept]

    def _keys(self, values: torch.Tensor) -> torch.Tensor:
        """Convert bounds to integers; no score at or above its bound is below the integer."""
        keys = values.view(torch.int32).clone()
        if self._sorted:
            _flip(keys)
        else:
            keys.clamp_(min=0)  # negative scores are negative integers, below any positive bound
        if self._scores.dtype == torch.int32:
            return keys
        # The upper half of the bits is the next bf16 below a positive number, and the next above a negative one.
        return ((keys >> 16) - (keys < 0).to(torch.int32)).to(torch.int16)


def _flip(bits: torch.Tensor) -> None:
    """Convert, in place, the bits of floating-point numbers to integers of the same order, and back."""
    size = torch.iinfo(bits.dtype)
    bits ^= (bits >> (size.bits - 1)) & size.max


def _at_least(scores: torch.Tensor, bounds: torch.Tensor) -> torch.Tensor:
    """Return the positions, in the order of the elements, of the scores at or above the broadcast bounds."""
    if scores.device.type == "cpu":  # numpy is many times as fast there
        return torch.from_numpy(np.flatnonzero(scores.numpy() >= bounds.numpy()))
    return (scores >= bounds).view(-1).nonzero().squeeze(1)


def _along(bounds: torch.Tensor, axis: int) -> torch.Tensor:
    return bounds[:, None] if axis == 0 else bounds[None, :]
