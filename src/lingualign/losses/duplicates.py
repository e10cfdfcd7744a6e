"""Which sentences of a batch are the same sentence, told from their token ids alone.

A batch often holds a sentence twice: "Thank you." in two pairs, a heading that recurs, one verse with two
translations. Under a hard label (Eq. 3) the second copy would be a negative for its own translation.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Odd multipliers of a 64-bit mixing hash (splitmix64's), as signed integers: torch has no unsigned product.
_MIX = (-4658895280553007687, -7723592293110705685)


def _mix(values: Tensor) -> Tensor:
    """Scatter 64-bit integers: a bijection whose sums over a sentence do not collide in practice."""
    for multiplier in _MIX:
        values = values * multiplier
        values = values ^ ((values >> 29) & ((1 << 35) - 1))
    return values


def sentence_hashes(features: dict[str, Any]) -> Tensor:
    """Hash each tokenised sentence of a column.

    Parameters
    ----------
    features
        What a sentence-transformers model takes: ``input_ids`` of shape ``(N, L)`` with an ``attention_mask``, or
        flat ``input_ids`` with ``offsets`` (`StaticEmbedding`).

    Returns
    -------
    Tensor
        ``(N,)`` int64, equal for equal token sequences and, but for a chance of about 1 in 2**64, only for those.
    """
    ids = features["input_ids"]
    if "offsets" in features:
        starts = features["offsets"]
        sentence = torch.zeros(len(ids), dtype=torch.long, device=ids.device)
        # Offsets of empty sentences repeat or lie at the end, so count them instead of setting ones.
        inside = starts[starts < len(ids)]
        sentence.scatter_add_(0, inside, torch.ones_like(inside))
        sentence = sentence.cumsum(0) - 1
        # Number the sentences by their place in `starts`; an empty one owns no token.
        position = torch.arange(len(ids), device=ids.device) - starts[sentence]
        hashes = torch.zeros(len(starts), dtype=torch.long, device=ids.device)
        return hashes.index_add_(0, sentence, _mix(_mix(ids + 1) + position))
    position = torch.arange(ids.shape[1], device=ids.device)
    tokens = _mix(_mix(ids + 1) + position)
    if "attention_mask" in features:
        tokens = tokens * features["attention_mask"]
    return tokens.sum(1)


def repeated(rows: Tensor, columns: Tensor, offset: int = 0) -> Tensor:
    """Mark where a column holds the same sentence as a row, the row itself aside.

    ``(N,)`` and ``(M,)`` hashes to ``(N, M)`` boolean; row ``i`` is column ``offset + i``.
    """
    same = rows[:, None] == columns[None, :]
    itself = torch.arange(len(rows), device=rows.device)
    same[itself, offset + itself] = False
    return same
