"""What the losses over a whole batch share: embedding it with hardly any padding, and in any memory.

The sentences of all columns are embedded in parts of like length (`by_length`). With ``mini_batch_size`` a batch of
any size fits into memory (GradCache, Gao et al., 2021): its parts are embedded without gradients, the loss is taken
over all vectors, and each part is embedded once more, with the same dropout, to carry its share of the gradient. The
loss terms are the same code either way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin, has_static_embedding_input
from torch import Tensor, nn

from lingualign.losses.by_length import Parts, cut_by_length
from lingualign.losses.duplicates import sentence_hashes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sentence_transformers import SentenceTransformer


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
    """Whether `terms` needs to know which sentences of the batch are the same."""

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
        """Give the settings for the model card."""
        return {} if self.mini_batch_size is None else {"mini_batch_size": self.mini_batch_size}


def embed(model: SentenceTransformer, parts: Parts) -> list[Tensor]:
    """Embed a batch part by part: ``(N, D)`` of each column."""
    return columns_of(model, parts, [model(features)["sentence_embedding"] for features in parts.features])


def columns_of(model: nn.Module, parts: Parts, vectors: Sequence[Tensor]) -> list[Tensor]:
    """Give each column's vectors from those of the parts, of as many dimensions as the model's ``encode`` keeps."""
    dimensions = getattr(
        getattr(model, "module", model), "truncate_dim", None
    )  # DDP holds the model as its module
    return [column[:, :dimensions] for column in parts.columns(vectors)]
