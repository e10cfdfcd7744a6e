"""Translation ranking with hard negatives (Yang et al., 2019: the multilingual universal sentence encoder)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from sentence_transformers.base.losses.merged_forward import embed_columns
from torch import Tensor, nn

from lingualign.losses.duplicates import repeated, sentence_hashes
from lingualign.losses.equations import cross_entropy, hard_label, normalise, similarity
from lingualign.losses.gather import gather_columns, world

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class TranslationRankingLoss(nn.Module):
    """Rank the translation of each sentence before all other translations and before its hard negatives.

    It takes two text columns or more: a sentence, its translation, and any number of hard negatives, sentences in the
    translation's language that look like it and are not. Candidates of a sentence are the translations and the hard
    negatives of the whole batch, over all processes. The other direction ranks the sentences for each translation.

    Parameters
    ----------
    model
        The student.
    temperature
        ``tau`` of the softmax.
    """

    def __init__(self, model: SentenceTransformer, temperature: float = 0.1) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature is {temperature}; it must be greater than 0 (the paper uses 0.1)")
        self.model = model
        self.temperature = temperature

    def forward(
        self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Embed all columns and return the loss of each direction."""
        features = list(sentence_features)
        if len(features) < 2:
            raise ValueError(
                "TranslationRankingLoss takes 2 text columns or more: a sentence, its translation, negatives"
            )
        rank, processes = world()
        hashes = [sentence_hashes(column) for column in features]
        x, y, *negatives = (
            normalise(vectors) for vectors in embed_columns(self.model, features, separate_first=False)
        )
        offset, size = rank * len(x), processes * len(x)

        # The pair of a repeated sentence is no negative, nor is a hard negative that is the translation itself.
        same_x = repeated(hashes[0], gather_columns(hashes[0]), offset)
        same_y = repeated(hashes[1], gather_columns(hashes[1]), offset)
        same_negative = [hashes[1][:, None] == gather_columns(h)[None, :] for h in hashes[2:]]

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
        """Settings for the model card."""
        return {"temperature": self.temperature}

    @property
    def citation(self) -> str:
        """The source, for the model card."""
        return """@article{yang2019multilingual,
    title = {Multilingual Universal Sentence Encoder for Semantic Retrieval},
    author = {Yang, Yinfei and Cer, Daniel and Ahmad, Amin and Guo, Mandy and Law, Jax and Constant, Noah and others},
    year = {2019},
}"""
