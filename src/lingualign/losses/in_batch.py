"""What the losses over a whole batch share: embedding it with hardly any padding, and in any memory.

A random batch holds a few long sentences, and padding all others to the longest wastes most of the work: four fifths
of it on real pairs. Here the sentences of all columns are sorted by length and embedded in parts, each as wide as its
own longest. Vectors and gradients are those of each sentence embedded alone (but for the draws of dropout).

With ``mini_batch_size`` a batch of any size fits into memory (GradCache, Gao et al., 2021): its parts are embedded
without gradients, the loss is taken over all vectors, and each part is embedded once more, with the same dropout, to
carry its share of the gradient. The loss terms are the same code either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin, has_static_embedding_input
from sentence_transformers.base.losses.merged_forward import merge_feature_batches
from sentence_transformers.util import all_gather
from torch import Tensor, nn

from lingualign.losses.duplicates import sentence_hashes
from lingualign.losses.gather import check_equal, world

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sentence_transformers import SentenceTransformer

# Tokens of a part, padding included. On a CPU small parts stay in its caches and are padded least; an accelerator
# needs more to be busy.
_CPU_TOKENS = 1_024
_ACCELERATOR_TOKENS = 16_384


class InBatchLoss(CachedLossMixin, nn.Module):
    """A loss whose terms compare all sentences of a batch. Subclasses give `terms` and `check_columns`.

    Parameters
    ----------
    model
        The student.
    mini_batch_size
        Most sentences to have in memory at a time, where a whole batch does not fit; about a third slower. None
        keeps the whole batch.
    """

    compares_sentences: bool = True
    """True where `terms` needs to know which sentences of the batch are the same."""

    mini_batch_size: int | None  # type: ignore[assignment] # None, where the mixin always caches

    def __init__(self, model: SentenceTransformer, mini_batch_size: int | None) -> None:
        super().__init__()
        if mini_batch_size is not None:
            if mini_batch_size < 1:
                raise ValueError(f"mini_batch_size is {mini_batch_size}; it must be at least 1, or None")
            if has_static_embedding_input(model):
                raise ValueError(
                    f"mini_batch_size is {mini_batch_size}, but a static model's batch cannot be cut "
                    "and needs no cutting; leave it None"
                )
        self.model = model
        self.mini_batch_size = mini_batch_size
        self.uses_gradient_cache = mini_batch_size is not None  # read by the host library's loss wrappers
        self._cached_terms: dict[str, Tensor] = {}

    def check_columns(self, columns: int) -> None:
        """Raise ValueError where the number of text columns does not suit the loss."""
        raise NotImplementedError

    def terms(
        self, vectors: Sequence[Tensor], labels: Tensor | None, hashes: Sequence[Tensor] | None
    ) -> dict[str, Tensor]:
        """Compute the loss from vectors, as named scalars.

        Parameters
        ----------
        vectors
            ``(B, D)`` of each text column.
        labels
            The ``label`` column.
        hashes
            ``(B,)`` of each text column: what `sentence_hashes` makes of it. None if not
            ``compares_sentences``.
        """
        raise NotImplementedError

    def forward(
        self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Embed all columns and return named terms, which the trainer sums and logs one by one."""
        features = list(sentence_features)
        self.check_columns(len(features))
        # Before the model sees the features, since modules may change them (prompts leave the mask).
        hashes = [sentence_hashes(column) for column in features] if self.compares_sentences else None
        parts = cut_by_length(features, self.mini_batch_size)
        if self.mini_batch_size is None:
            return self.terms(embed(self.model, parts), labels, hashes)
        batch: Any = (parts, labels, hashes)  # the mixin hands it to `calculate_loss` as it is
        total = self.forward_cached(parts.features, batch)
        # The gradient of all terms hangs on the total: the first term carries it, the others are bare values.
        (first, _), *others = self._cached_terms.items()
        return {first: total - sum(value for _, value in others), **dict(others)}

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Any = None, *, with_backward: bool = False
    ) -> Tensor:
        """Sum the terms from the vectors of the parts, with gradients back to those vectors if asked."""
        parts, labels, hashes = labels
        vectors = columns_of(self.model, parts, [vectors for part in reps for vectors in part])
        terms = self.terms(vectors, labels, hashes)
        loss = torch.stack(list(terms.values())).sum()
        if with_backward:
            torch.autograd.backward(loss)
        self._cached_terms = {name: value.detach() for name, value in terms.items()}
        return loss.detach()

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings for the model card."""
        return {} if self.mini_batch_size is None else {"mini_batch_size": self.mini_batch_size}


def embed(model: SentenceTransformer, parts: Parts) -> list[Tensor]:
    """Embed a batch part by part: ``(N, D)`` of each column."""
    return columns_of(model, parts, [model(features)["sentence_embedding"] for features in parts.features])


def columns_of(model: nn.Module, parts: Parts, vectors: Sequence[Tensor]) -> list[Tensor]:
    """Return each column's vectors from those of the parts, of as many dimensions as the model's ``encode`` keeps."""
    dimensions = getattr(
        getattr(model, "module", model), "truncate_dim", None
    )  # DDP holds the model as its module
    return [column[:, :dimensions] for column in parts.columns(vectors)]


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
        """Return the vectors of each column, ``(N, D)``, from those of each part."""
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
        Input of a sentence-transformers model for each column, of as many sentences each.
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
    """Move each sentence's padding behind it, in features of any layout; a sentence without tokens stays as it is.

    Some tokenizers pad in front. There a model that counts positions from the first column, as GPT-2 does, would give a
    sentence another vector in each batch. Only models that look at the padding can tell the difference.
    """
    # `embedding.encode` does the same before it encodes; losses import nothing of ours, to serve any training script.
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
    """Divide sentences, the longest first, into parts that fit the budget of tokens; as many parts on every process."""
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
