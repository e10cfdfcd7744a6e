"""Pairs that are not translated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.pairs.normalisation import sentence_keys

if TYPE_CHECKING:
    import pyarrow as pa

    from lingualign.pairs.selection import Mask


class IdenticalSides:
    """Both sides are the same sentence but for case, punctuation and white space."""

    reason = "identical sides"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        return sentence_keys(pairs["sentence1"]) == sentence_keys(pairs["sentence2"])
