"""Sentences of like length embedded together, so that almost nothing of a batch is padding.

A random batch holds a few long sentences, and padding all others to the longest wastes most of the work: four fifths
of it on real pairs. Here the sentences of all columns are sorted by length and embedded in parts, each as wide as its
own longest. Vectors and gradients are those of each sentence embedded alone (but for the draws of dropout).

Some tokenizers pad in front. There a model that counts positions from the first column, as GPT-2 does, would give a
sentence another vector in each batch: every sentence is moved to the front first, which only models that look at the
padding could tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.base.losses.merged_forward import merge_feature_batches
from sentence_transformers.util import all_gather
from torch import Tensor

from lingualign.losses.gather import check_equal, world

if TYPE_CHECKING:
    from collections.abc import Sequence

# Tokens of a part, padding included. On a CPU small parts stay in its caches and are padded least; an accelerator
# needs more to be busy.
_CPU_TOKENS = 1_024
_ACCELERATOR_TOKENS = 16_384


@dataclass(frozen=True)
class Parts:
    """A batch cut for embedding; `columns` puts the vectors of its parts back into their places."""

    features: list[dict[str, Any]]
    """What the model takes, one part after the other."""
    order: Tensor | None
    """``(k N,)``: which sentence stands where in the parts, counted through the columns; None: as they were."""
    count: int
    """Number of columns, ``k``."""

    def columns(self, vectors: Sequence[Tensor]) -> list[Tensor]:
        """Give the vectors of each column, ``(N, D)``, from those of each part."""
        together = torch.cat(list(vectors))
        if self.order is not None:
            together = together[torch.argsort(self.order)]
        return list(together.chunk(self.count))


def cut_by_length(features: Sequence[dict[str, Any]], sentences: int | None = None) -> Parts:
    """Cut the columns of a batch into parts of sentences of like length.

    Token ids without padding (a static model's) become one part. What cannot be cut (inputs flattened for
    variable-length attention, columns of different kinds) is one part a column.

    Parameters
    ----------
    features
        Of each column, what a sentence-transformers model takes; as many sentences in each.
    sentences
        Most sentences of a part; as many as the tokens allow where None.
    """
    columns = list(features)
    if all("offsets" in column for column in columns):
        return Parts([_joined(columns)], None, len(columns))
    columns = [padded_behind(column) for column in columns]
    merged = merge_feature_batches(columns) if len(columns) > 1 else dict(columns[0])
    mask = None if merged is None else merged.get("attention_mask")
    if merged is None or mask is None or mask.ndim != 2 or mask.numel() == 0 or "cu_seq_lens_q" in merged:
        return Parts([dict(column) for column in columns], None, len(columns))
    # Up to the last token: a mask may leave out some before it.
    lengths = (mask.bool() * torch.arange(1, mask.shape[1] + 1, device=mask.device)).amax(1)
    order = torch.argsort(lengths, descending=True, stable=True)
    sizes = _sizes(lengths[order].tolist(), mask.device, sentences, len(columns))
    parts = [
        take_rows(merged, rows, slice(max(1, int(lengths[rows[0]])))) for rows in torch.split(order, sizes)
    ]
    return Parts(parts, order, len(columns))


def padded_behind(features: dict[str, Any]) -> dict[str, Any]:
    """Move each sentence's padding behind it, in features of any layout; a sentence without tokens stays as it is."""
    mask = features.get("attention_mask")
    if mask is None or mask.ndim != 2 or mask.numel() == 0:
        return features
    before = mask.int().argmax(1)  # the first token's place; 0 where there is none
    if not before.any():
        return features
    rows, width = torch.arange(len(mask), device=mask.device)[:, None], mask.shape[1]
    places = (before[:, None] + torch.arange(width, device=mask.device)) % width
    return {
        name: value[rows, places] if isinstance(value, Tensor) and value.shape[:2] == mask.shape else value
        for name, value in features.items()
    }


def _sizes(lengths: list[int], device: torch.device, sentences: int | None, columns: int) -> list[int]:
    """Share out sentences, the longest first, to parts of so many tokens; as many parts on every process."""
    budget = _CPU_TOKENS if device.type == "cpu" else _ACCELERATOR_TOKENS
    sizes: list[int] = []
    start = 0
    while start < len(lengths):
        fitting = max(1, budget // max(1, lengths[start]))
        sizes.append(min(fitting, sentences or fitting, len(lengths) - start))
        start += sizes[-1]
    if world()[1] > 1:
        # Each forward pass under DDP may speak to the other processes: all must make as many.
        told = all_gather(torch.tensor([[len(lengths) // columns, len(sizes)]], device=device))
        check_equal(told[:, 0].tolist())
        while len(sizes) < int(told[:, 1].max()):
            largest = max(range(len(sizes)), key=sizes.__getitem__)
            half = sizes[largest] // 2
            sizes[largest : largest + 1] = [sizes[largest] - half, half]
    return sizes


def _joined(columns: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Lay the flat token ids of all columns end to end."""
    if len(columns) == 1:
        return dict(columns[0])
    offsets, before = [], 0
    for column in columns:
        offsets.append(column["offsets"] + before)
        before += len(column["input_ids"])
    return {
        **columns[0],
        "input_ids": torch.cat([column["input_ids"] for column in columns]),
        "offsets": torch.cat(offsets),
    }


def take_rows(features: dict[str, Any], rows: Tensor, kept: slice = slice(None)) -> dict[str, Any]:
    """Take some sentences out of padded features, and of their tokens the columns ``kept``."""
    shape = features["attention_mask"].shape

    def cut(value: Any) -> Any:
        if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != shape[0]:
            return value
        taken = value[rows]
        return taken[:, kept] if value.shape[:2] == shape else taken

    return {name: cut(value) for name, value in features.items()}
