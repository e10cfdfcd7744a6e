"""The sentences of a batch that are the same sentence, found by their token ids alone.

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
        What a sentence-transformers model takes: ``(N, L)`` ``input_ids`` with an ``attention_mask``,
        padded on either side; or all sentences end to end, with ``offsets`` (`StaticEmbedding`) or
        ``cu_seq_lens_q`` (no padding).

    Returns
    -------
    Tensor
        ``(N,)`` int64, equal for equal token sequences and, but for a chance of about 1 in 2**64, only for
        those.
    """
    ids = features["input_ids"]
    if "offsets" in features:
        return _hash_flat(ids, features["offsets"])
    if "cu_seq_lens_q" in features:
        return _hash_flat(ids.flatten(), features["cu_seq_lens_q"][:-1].long())
    mask = features.get("attention_mask")
    real = torch.ones_like(ids) if mask is None else mask.long()
    return (_hash_tokens(ids, real.cumsum(1) - 1) * real).sum(1)


def _hash_flat(ids: Tensor, starts: Tensor) -> Tensor:
    """Hash sentences laid end to end: ``(T,)`` ids and ``(N,)`` starts, equal starts where one is empty."""
    token = torch.arange(len(ids), device=ids.device)
    sentence = torch.searchsorted(starts, token, right=True) - 1
    tokens = _hash_tokens(ids, token - starts[sentence])
    return tokens.new_zeros(len(starts)).index_add_(0, sentence, tokens)


def _hash_tokens(ids: Tensor, positions: Tensor) -> Tensor:
    return _mix(_mix(ids.long() + 1) + positions)


def repeated(rows: Tensor, columns: Tensor, offset: int = 0) -> Tensor:
    """Mark where a column holds the same sentence as a row, the row itself aside.

    ``(N,)`` and ``(M,)`` hashes to ``(N, M)`` boolean; row ``i`` is column ``offset + i``.
    """
    same = rows[:, None] == columns[None, :]
    itself = torch.arange(len(rows), device=rows.device)
    same[itself, offset + itself] = False
    return same
