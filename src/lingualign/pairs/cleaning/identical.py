"""Pairs that are not translated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.pairs.normalisation import sentence_keys

if TYPE_CHECKING:
    import pyarrow as pa

    from lingualign.pairs.selection import Mask


class IdenticalSides:
    """Both sides are the same sentence but for case, punctuation and white space."""

    reason = "identical sides"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        first, second = (sentence_keys(pairs[side]) for side in ("sentence1", "sentence2"))
        return np.asarray(first == second, np.bool_)
