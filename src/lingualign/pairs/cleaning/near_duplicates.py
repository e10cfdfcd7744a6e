"""Pairs that nearly repeat an earlier one, by MinHash and locality-sensitive hashing."""

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
    """Pairs with nearly the shingles of an earlier pair of the corpus.

    The signature of a pair is the smallest hash of its shingles in each of 64 bins (one-permutation MinHash with
    optimal densification: Li, Owen and Zhang 2012; Shrivastava 2017). The share of equal numbers in two signatures
    estimates the Jaccard similarity. Signatures are cut into bands; pairs that agree in a whole band count as near.
    From the threshold on this is more likely than not, and quickly becomes certain. The filter stores every pair, in
    some 8 bytes a band: the first of near pairs, in the order of the corpus, stays.

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
        """Return the mask of pairs to drop, and store all pairs."""
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
        """Add sorted keys; runs of similar size are merged, so that runs are few and keys move rarely."""
        while self._seen and len(self._seen[-1]) <= 2 * len(keys):
            keys = np.sort(np.concatenate([self._seen.pop(), keys]), kind="stable")
        if len(keys):
            self._seen.append(keys)


def minhash(pairs: pa.Table) -> Keys:
    """Return signatures of pairs; the share of equal numbers in two of them estimates the Jaccard similarity.

    Returns
    -------
    ndarray of uint64, shape (pairs, 64)
        Rows of pairs that are too short for a shingle hold all ones.
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
    """Fill empty bins from others of the same pair, in a random order of bins that is the same for every pair."""
    filled = smallest != _EMPTY
    rows, bins = np.nonzero(~filled & filled.any(axis=1, keepdims=True))
    dense = smallest.copy()
    for source in _bin_orders():
        if not len(rows):
            break
        usable = filled[rows, source[bins]]
        at = rows[usable], bins[usable]
        dense[at] = smallest[at[0], source[at[1]]]
        rows, bins = rows[~usable], bins[~usable]
    return dense


@lru_cache(maxsize=1)
def _bin_orders() -> npt.NDArray[np.int64]:
    """Return for each attempt (rows) the bin that fills each bin (columns); a column holds every bin once."""
    ranks = mix(np.arange(_BINS * _BINS, dtype=np.uint64) + np.uint64(0xB1A5)).reshape(_BINS, _BINS)
    return np.argsort(ranks, axis=0)


def _band_keys(signatures: Keys, bands: int) -> Keys:
    """Return a key for each band of each signature, row by row; equal bands at other places have other keys."""
    width = _BINS // bands
    multipliers = mix(np.arange(_BINS, dtype=np.uint64)) | np.uint64(1)
    sums = (signatures * multipliers).reshape(-1, bands, width).sum(axis=2, dtype=np.uint64)
    return mix(sums).reshape(-1)
