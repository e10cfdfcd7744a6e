"""Sentences by short digests of them, to find their vectors by."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

KEY = np.dtype([("head", "<u8"), ("tail", "<u8")])
"""A sentence's 16-byte BLAKE2b digest. Two sentences with the same one are not to be expected."""


def keys_of(sentences: Sequence[str]) -> NDArray[np.void]:
    """Digest sentences into their keys, shape (sentences,)."""
    digests = b"".join(blake2b(sentence.encode(), digest_size=16).digest() for sentence in sentences)
    return np.frombuffer(digests, dtype=KEY)
