"""A filter that only tells what it would drop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from lingualign.pairs.cleaning.filter import Filter
    from lingualign.pairs.selection import Mask

_EXAMPLES = 5


@dataclass
class Reported:
    """Counts what another filter finds, keeps a few examples of it, and drops nothing."""

    filter: Filter
    found: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)
    """Both sides of some of the pairs found."""

    @property
    def reason(self) -> str:
        """The other filter's."""
        return self.filter.reason

    def __call__(self, pairs: pa.Table) -> Mask:
        """Look at pairs; none is dropped."""
        mask = self.filter(pairs)
        self.found += int(mask.sum())
        # One of each table, so that they come from more than one corpus.
        for row in np.flatnonzero(mask)[: len(self.examples) < _EXAMPLES].tolist():
            self.examples.append((pairs["sentence1"][row].as_py(), pairs["sentence2"][row].as_py()))
        return np.zeros(len(mask), np.bool_)
