"""Pairs that nearly repeat an earlier one, found by MinHash and locality-sensitive hashing."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lingualign.pairs.characters import runs, shingles
from lingualign.pairs.cleaning.judging import SIDES, one_array
from lingualign.pairs.normalisation import Keys, mix

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from lingualign.pairs.selection import Mask

_BINS = 64
_BITS = np.uint64(64 - 6)
_EMPTY = np.uint64(2**64 - 1)
_ROWS_AT_ONCE = 16_384


class NearDuplicates:
    """The shingles of both sides are nearly those of an earlier pair of the corpus.

    The smallest hashes of a pair's shingles in 64 bins (one-permutation MinHash with optimal densification: Li, Owen
    and Zhang 2012; Shrivastava 2017) agree with those of another in a share of about the Jaccard similarity of both.
    They are cut into bands; pairs that agree in a whole band count as near, which from the threshold on is more
    likely than not and quickly becomes certain. The filter remembers every pair that it has seen, in some 8 bytes a
    band: the first of near pairs, in the order of the corpus, stays.

    Parameters
    ----------
    threshold
        Jaccard similarity, in (0, 1).
    """

    reason = "near duplicate"

    def __init__(self, threshold: float) -> None:
        self.bands = min((4, 8, 16, 32), key=lambda bands: abs((1 / bands) ** (bands / _BINS) - threshold))
        self._seen: list[Keys] = []

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop; remembers all."""
        parts = [
            self._repeats(pairs.slice(start, _ROWS_AT_ONCE))
            for start in range(0, pairs.num_rows, _ROWS_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.bool_)

    def _repeats(self, pairs: pa.Table) -> Mask:
        signatures = minhash(pairs)
        judged = np.flatnonzero((signatures != _EMPTY).any(axis=1))
        keys = _band_keys(signatures[judged], self.bands)
        distinct, first, places = np.unique(keys, return_index=True, return_inverse=True)
        owners = np.arange(len(judged)).repeat(self.bands)
        repeated = (owners[first][places.ravel()] < owners).reshape(-1, self.bands)
        known = np.zeros(len(distinct), np.bool_)
        for run in self._seen:
            known |= run[np.minimum(np.searchsorted(run, distinct), len(run) - 1)] == distinct
        repeated |= known[places].reshape(-1, self.bands)
        self._remember(distinct[~known])
        found = np.zeros(pairs.num_rows, np.bool_)
        found[judged] = repeated.any(axis=1)
        return found

    def _remember(self, keys: Keys) -> None:
        """Add sorted keys; runs of like size are merged, so that there are few and each key is moved few times."""
        while self._seen and len(self._seen[-1]) <= 2 * len(keys):
            keys = np.sort(np.concatenate([self._seen.pop(), keys]), kind="stable")
        if len(keys):
            self._seen.append(keys)


def minhash(pairs: pa.Table) -> Keys:
    """Sign pairs, so that the share of equal numbers of two signatures estimates the Jaccard similarity of both.

    Returns
    -------
    ndarray of uint64, shape (pairs, 64)
        All ones in the rows of pairs that are too short to have a shingle.
    """
    smallest = np.full((pairs.num_rows, _BINS), _EMPTY)
    flat = smallest.reshape(-1)
    for number, (side, _) in enumerate(SIDES):
        row = 0
        for characters in runs(one_array(pairs[side])):
            hashes, rows = shingles(characters)
            hashes = mix(hashes + np.uint64(number))
            np.minimum.at(flat, (rows + row) * _BINS + (hashes >> _BITS).astype(np.int64), hashes)
            row += len(characters.lengths)
    return _densify(smallest)


def _densify(smallest: Keys) -> Keys:
    """Fill empty bins from others of the same pair, in an order of bins that is random but the same for every pair."""
    filled = smallest != _EMPTY
    rows, bins = np.nonzero(~filled & filled.any(axis=1, keepdims=True))
    dense = smallest.copy()
    for source in _bin_orders():
        if not len(rows):
            break
        found = filled[rows, source[bins]]
        at = rows[found], bins[found]
        dense[at] = smallest[at[0], source[at[1]]]
        rows, bins = rows[~found], bins[~found]
    return dense


@lru_cache(maxsize=1)
def _bin_orders() -> npt.NDArray[np.int64]:
    """For each attempt (rows), the bin that each bin (columns) turns to; a column holds every bin once."""
    ranks = mix(np.arange(_BINS * _BINS, dtype=np.uint64) + np.uint64(0xB1A5)).reshape(_BINS, _BINS)
    return np.argsort(ranks, axis=0)


def _band_keys(signatures: Keys, bands: int) -> Keys:
    """Hash each band of each signature to one key, other for each band; row after row."""
    width = _BINS // bands
    multipliers = mix(np.arange(_BINS, dtype=np.uint64)) | np.uint64(1)
    sums = (signatures * multipliers).reshape(-1, bands, width).sum(axis=2, dtype=np.uint64)
    return mix(sums).reshape(-1)
