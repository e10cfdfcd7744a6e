"""Text that was decoded in the wrong encoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from lingualign.pairs.cleaning.filter import either_side

if TYPE_CHECKING:
    import pyarrow as pa

    from lingualign.pairs.selection import Mask


class Mojibake:
    """A side looks as if UTF-8 had been read as another encoding ("cafÃ©"), or holds the replacement character."""

    reason = "mojibake"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        return either_side(pairs, self._is_bad)

    def _is_bad(self, sentences: pa.LargeStringArray) -> Mask:
        from ftfy.badness import is_bad

        found = np.array(pc.match_substring(sentences, "\ufffd").to_numpy(zero_copy_only=False), np.bool_)
        rows = np.flatnonzero(
            ~np.asarray(pc.string_is_ascii(sentences).to_numpy(zero_copy_only=False), np.bool_)
        )
        texts = sentences.take(rows).to_pylist()
        found[rows] |= np.fromiter(map(is_bad, texts), np.bool_, len(texts))
        return found
