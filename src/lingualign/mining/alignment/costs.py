"""The costs of linking sentences of two documents, and of leaving one out."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from lingualign.errors import InputError
from lingualign.neighbours import Rows, cosines, unit_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    Lengths = Sequence[npt.NDArray[np.integer | np.floating]]

    _Some = slice | npt.NDArray[np.int64]
    _Cheapest = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.floating]]

_BLOCK_ROWS = 4_096
_SAMPLE = 256
_NAT = 0.04  # chosen on news and software documentation: see benchmarks/README.md
_TWO_TO_ONE = 3.0
_TWO_TO_TWO = 4.4
_FURTHER = _TWO_TO_TWO - _TWO_TO_ONE
# Prior for documents of few sentences: log ratios of ten links of about equal length, give or take a third.
_SUPPOSED = 0.3 * np.array([NormalDist().inv_cdf((place + 0.5) / 10) for place in range(10)])
_NORMAL = 1.4826  # a normal distribution's standard deviation in median absolute deviations
# Equal vectors have a cosine of 1 up to rounding. The rounding alone would decide between 1-1 twice and 2-2.
_ROUNDING = 1e-5


class Costs:
    r"""Costs of links between two documents.

    Linking a sentences x with b sentences y costs ``2 a b (1 - cos(x, y)) / (r(x) + r(y))``, where r(x) is the mean of
    1 - cos(x, y') over all sentences y' of the other document. A vector that is near everything thus gains nothing by
    it. Thompson and Koehn (2019, Eq. 1) take the mean over a random sample; over all sentences it is one product with
    the mean vector. A random pair costs about 1.

    The prior of Gale and Church (1993) is added: 0.04 for each nat of ``-log P(kind) + z^2 / 2``. P is the frequency of
    the link's kind, relative to 1-1: exp(-3.0) for 1-2 and 2-1, exp(-4.4) for 2-2 (their Table 5), and for each further
    sentence less by the ratio of 2-2 to 2-1. z is the deviation of the log ratio of both lengths from the typical one
    in standard deviations: median and median absolute deviation over the sentences' cheapest links, and ten more links
    of about equal length.

    Leaving out a sentence of each document costs ``skip`` more than a typical link of two translations: half of the sum
    each. The typical cost is the median of the sentences' cheapest 1-1 links, in the document where it is lower, since
    more of its sentences have partners. The paper takes a quantile of the costs of random pairs, which is about 1 for
    every model; a sentence without a partner then nearly always joins its neighbour's link.

    Parameters
    ----------
    source, target
        Vectors of all runs of 1, 2, ... consecutive sentences: n vectors of n sentences, n - 1, and so on, (rows, d)
        each. They need not have length 1.
    skip
        Extra cost of leaving out two sentences, at least 0.
    lengths
        Length of each run of both documents, in the order of the vectors. Without them lengths are ignored.

    Raises
    ------
    InputError
        If a vector holds NaN or infinite values.
    """

    def __init__(
        self,
        source: Sequence[Rows],
        target: Sequence[Rows],
        skip: float,
        lengths: tuple[Lengths, Lengths] | None = None,
    ) -> None:
        self.shape = source[0].shape[0], target[0].shape[0]
        self._source, self._target = source, target
        means = [_mean_unit(side[0], name) for side, name in ((source, "source"), (target, "target"))]
        self._source_mean = [_distances(rows, means[1], "source") for rows in source]
        self._target_mean = [_distances(rows, means[0], "target") for rows in target]
        ours, theirs = self._cheapest()
        self.skip = (min(float(np.median(cost)) for _, _, cost in (ours, theirs)) + skip) / 2
        if lengths is None:
            lengths = (
                [np.zeros(rows.shape[0]) for rows in source],
                [np.zeros(rows.shape[0]) for rows in target],
            )
        self._lengths = [[np.log(np.add(run, 1)).astype(np.float32) for run in side] for side in lengths]
        links = np.concatenate([ours[0], theirs[0]]), np.concatenate([ours[1], theirs[1]])
        ratio = np.append(self._lengths[1][0][links[1]] - self._lengths[0][0][links[0]], _SUPPOSED)
        self._ratio = float(np.median(ratio))
        # The resolution of a ratio is one unit of length.
        finest = 1 / (1 + float(np.median(np.concatenate([side[0] for side in lengths]))))
        self._spread = max(_NORMAL * float(np.median(np.abs(ratio - self._ratio))), finest)

    def tile(
        self, rows: tuple[int, int], columns: tuple[int, int], move: tuple[int, int]
    ) -> npt.NDArray[np.float32]:
        """Return the cost of each move that ends at a node of a tile; infinite if it begins before a document.

        Parameters
        ----------
        rows, columns
            First node and the one after the last: node (i, j) has i source and j target sentences before it.
        move
            Numbers of sentences linked, (a, b).
        """
        costs = np.full((rows[1] - rows[0], columns[1] - columns[0]), np.inf, np.float32)
        a, b = move
        top, left = max(rows[0], a), max(columns[0], b)
        if top >= rows[1] or left >= columns[1]:
            return costs
        source, target = slice(top - a, rows[1] - a), slice(left - b, columns[1] - b)
        costs[top - rows[0] :, left - columns[0] :] = self._grid(source, target, move)
        return costs

    def of(
        self, source: npt.NDArray[np.int64], target: npt.NDArray[np.int64], move: tuple[int, int]
    ) -> npt.NDArray[np.float64]:
        """Return the costs of single links of one kind, by their begins: (links,)."""
        a, b = move
        costs = np.empty(len(source))
        for some in _slices(len(source)):
            i, j = source[some], target[some]
            cosine = cosines(self._source[a - 1][i], self._target[b - 1][j])
            means = self._source_mean[a - 1][i], self._target_mean[b - 1][j]
            lengths = self._lengths[0][a - 1][i], self._lengths[1][b - 1][j]
            costs[some] = _costs(cosine, *means, a * b) + self._unlikely(*lengths, move)
        return costs

    def _cheapest(self) -> list[_Cheapest]:
        """Return the cheapest 1-1 links of a sample of each document."""
        rows, columns = self.shape
        random = np.random.default_rng(0)
        source, target = (random.permutation(count)[:_SAMPLE] for count in self.shape)
        partner, cost = _least(self._alike(source, some, (1, 1)) for some in _slices(columns))
        other, cost_back = _least(self._alike(some, target, (1, 1)).T for some in _slices(rows))
        return [(source, partner, cost), (other, target, cost_back)]

    def _grid(self, source: _Some, target: _Some, move: tuple[int, int]) -> npt.NDArray[np.floating]:
        a, b = move
        lengths = self._lengths[0][a - 1][source, None], self._lengths[1][b - 1][None, target]
        return self._alike(source, target, move) + self._unlikely(*lengths, move)

    def _alike(self, source: _Some, target: _Some, move: tuple[int, int]) -> npt.NDArray[np.floating]:
        a, b = move
        cosine = unit_rows(self._source[a - 1][source]) @ unit_rows(self._target[b - 1][target]).T
        means = self._source_mean[a - 1][source, None], self._target_mean[b - 1][None, target]
        return _costs(cosine, *means, a * b)

    def _unlikely(
        self, source: npt.NDArray[np.float32], target: npt.NDArray[np.float32], move: tuple[int, int]
    ) -> npt.NDArray[np.floating]:
        """Return the cost of a link's kind and of the logs of its lengths."""
        sentences = sum(move)
        kind = 0.0 if sentences == 2 else _TWO_TO_ONE + _FURTHER * (sentences - 3)
        deviation = (target - source - np.float32(self._ratio)) / np.float32(self._spread)
        cost: npt.NDArray[np.floating] = np.float32(_NAT) * (deviation**2 / 2 + np.float32(kind))
        return cost


def _costs(
    cosine: npt.NDArray[np.floating],
    source_mean: npt.NDArray[np.float32],
    target_mean: npt.NDArray[np.float32],
    sentences: int,
) -> npt.NDArray[np.floating]:
    distance = 1 - cosine
    distance[distance < _ROUNDING] = 0
    distance *= 2 * sentences
    costs: npt.NDArray[np.floating] = distance / np.maximum(source_mean + target_mean, _ROUNDING)
    return costs


def _least(
    grids: Iterable[npt.NDArray[np.floating]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.floating]]:
    """Return the position and value of each row's minimum, over blocks of columns."""
    minima = [(grid.argmin(axis=1), grid.min(axis=1)) for grid in grids]
    places, values = (np.array(each) for each in zip(*minima, strict=True))
    block, row = values.argmin(axis=0), np.arange(values.shape[1])
    return block * _BLOCK_ROWS + places[block, row], values[block, row]


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK_ROWS) for start in range(0, count, _BLOCK_ROWS))


def _blocks(rows: Rows, name: str) -> Iterator[npt.NDArray[np.float32]]:
    for some in _slices(rows.shape[0]):
        block = unit_rows(rows[some])
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            raise InputError(
                f"{name}, row {some.start + int(finite.argmin()) + 1}: NaN or infinite values, which are near "
                "nothing; encode it again"
            )
        yield block


def _mean_unit(rows: Rows, name: str) -> npt.NDArray[np.float32]:
    total = np.zeros(rows.shape[1])
    for block in _blocks(rows, name):
        total += block.sum(axis=0, dtype=np.float64)
    return (total / rows.shape[0]).astype(np.float32)


def _distances(rows: Rows, mean: npt.NDArray[np.float32], name: str) -> npt.NDArray[np.float32]:
    distances = [1 - block @ mean for block in _blocks(rows, name)]
    return np.concatenate(distances) if distances else np.empty(0, np.float32)
