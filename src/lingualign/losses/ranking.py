"""Translation ranking with hard negatives (Yang et al., 2019: multilingual universal sentence encoder)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lingualign.losses.duplicates import repeated
from lingualign.losses.equations import cross_entropy, hard_label, normalise, similarity
from lingualign.losses.gather import gather_columns, place_in_world
from lingualign.losses.in_batch import InBatchLoss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import SentenceTransformer


class TranslationRankingLoss(InBatchLoss):
    """Rank the translation of each sentence before all other translations and before its hard negatives.

    It takes two text columns or more: a sentence, its translation, and any number of hard negatives,
    sentences in the translation's language that look like it and are not. Candidates of a sentence are the
    translations and the hard negatives of the whole batch, over all processes. The other direction ranks the
    sentences for each translation.

    Parameters
    ----------
    model
        The student.
    temperature
        ``tau`` of the softmax.
    mini_batch_size
        Sentences to embed at a time, where a whole batch does not fit in memory (`InBatchLoss`).
    """

    def __init__(
        self, model: SentenceTransformer, temperature: float = 0.1, mini_batch_size: int | None = None
    ) -> None:
        super().__init__(model, mini_batch_size)
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}; it must be greater than 0 (the paper uses 0.1)")
        self.temperature = temperature

    def check_columns(self, columns: int) -> None:
        """Two or more."""
        if columns < 2:
            raise ValueError(
                "TranslationRankingLoss takes 2 text columns or more, a sentence, its translation and hard "
                f"negatives, but got {columns}"
            )

    def terms(
        self, vectors: Sequence[Tensor], labels: Tensor | None, hashes: Sequence[Tensor] | None
    ) -> dict[str, Tensor]:
        """``forward``, over all translations and hard negatives, and ``backward``, over all sentences."""
        assert hashes is not None
        x, y, *negatives = (normalise(column) for column in vectors)
        offset, size = place_in_world(len(x), x.device)

        # The pair of a repeated sentence is no negative, nor is a hard negative that is the translation
        # itself.
        same_x = repeated(hashes[0], gather_columns(hashes[0]), offset)
        same_y = repeated(hashes[1], gather_columns(hashes[1]), offset)
        # One that is its own pair's translation stands where there was no negative: it counts for nobody.
        same_negative = [
            (hashes[1][:, None] == gather_columns(h)[None, :]) | gather_columns(h == hashes[1])[None, :]
            for h in hashes[2:]
        ]

        label = hard_label(len(x), size, offset, x.device)
        candidates = torch.cat([gather_columns(vectors) for vectors in (y, *negatives)])
        no_translation = torch.zeros(len(x), len(candidates) - size, device=x.device)
        forward = cross_entropy(
            torch.cat([label, no_translation], dim=1),
            similarity(x, candidates),
            self.temperature,
            torch.cat([same_x | same_y, *same_negative], dim=1),
        )
        backward = cross_entropy(label, similarity(y, gather_columns(x)), self.temperature, same_x | same_y)
        return {"forward": forward, "backward": backward}

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings for the model card."""
        return {"temperature": self.temperature, **super().get_config_dict()}

    @property
    def citation(self) -> str:
        """The source, for the model card."""
        return """@article{yang2019multilingual,
    title = {Multilingual Universal Sentence Encoder for Semantic Retrieval},
    author = {Yang, Yinfei and Cer, Daniel and Ahmad, Amin and Guo, Mandy and Law, Jax and others},
    year = {2019},
}"""
