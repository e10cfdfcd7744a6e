"""What every filter of pairs looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from lingualign.pairs.selection import Mask


class Filter(Protocol):
    """A reason to drop pairs, found by looking at some rows of `PAIR_SCHEMA` at a time.

    Either side may be the anchor. A filter that remembers the rows it has seen sees them in the order of the files'
    names and of their rows.
    """

    reason: str

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which rows to drop."""
