"""Which pairs make up each batch of an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def batches_per_group(sizes: Sequence[int], batch_size: int, power: float) -> list[int]:
    """Share out an epoch's batches over language pairs of these sizes.

    An epoch has as many batches as the pairs fill; a language pair with n pairs gets batches in proportion to
    ``n ** power``, and one at least.
    """
    counts = np.asarray(sizes, dtype=np.float64)
    whole = np.maximum(counts // batch_size, 1)
    shares = counts**power / (counts**power).sum() * whole.sum()
    # With power 1 this is `whole` itself: nobody gets a batch that its pairs do not fill.
    shared = whole if power == 1 else np.maximum(np.rint(shares), 1)
    return [int(count) for count in shared]


def epoch_batches(
    sizes: Sequence[int], batch_size: int, *, power: float = 1.0, seed: int = 0, epoch: int = 0
) -> list[tuple[int, NDArray[np.int64]]]:
    """Lay out one epoch: for each batch its language pair and the pairs in it.

    Each batch holds pairs of one language pair, none twice. A language pair is gone through in passes, each in a new
    order; what is left at the end of a pass and fills no batch waits for another epoch. One with fewer pairs than a
    batch gives smaller batches.

    Parameters
    ----------
    sizes
        Number of pairs of each language pair.
    batch_size
        Pairs of a batch, over all devices.
    power
        See `batches_per_group`.
    seed, epoch
        The layout is a function of these and the other arguments alone.

    Returns
    -------
    list of (int, ndarray of int64)
        Place of the language pair in ``sizes``, and positions among its pairs, in training order.
    """
    generator = np.random.default_rng([seed, epoch])
    batches: list[tuple[int, NDArray[np.int64]]] = []
    for group, (size, count) in enumerate(
        zip(sizes, batches_per_group(sizes, batch_size, power), strict=True)
    ):
        length = min(size, batch_size)
        taken = 0
        while taken < count:
            order = generator.permutation(size)
            for start in range(0, size - length + 1, length):
                if taken == count:
                    break
                batches.append((group, order[start : start + length]))
                taken += 1
    return [batches[place] for place in generator.permutation(len(batches))]
