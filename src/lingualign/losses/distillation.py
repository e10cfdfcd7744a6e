"""MSE distillation (Reimers and Gurevych, 2020), the baseline that copies the teacher's space itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from lingualign.losses.equations import distillation_loss
from lingualign.losses.in_batch import cut_by_length, embed
from lingualign.losses.soft_contrastive import views_of_labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sentence_transformers import SentenceTransformer


class DistillationLoss(nn.Module):
    """Pull the vectors of both sides to the teacher's vector of the source sentence.

    It takes two text columns or more, the source first, and the teacher's vectors as the ``label`` column, ``(B, D)``
    or ``(B, 1, D)``, with the student's dimension.

    Parameters
    ----------
    model
        The student.
    """

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None
    ) -> dict[str, Tensor]:
        """Embed all columns and return the loss."""
        sides = embed(self.model, cut_by_length(list(sentence_features)))
        teacher = views_of_labels(labels, len(sides[0]), 1, "mse")[:, 0]
        if teacher.shape[1] != sides[0].shape[1]:
            raise ValueError(
                "MSE distillation needs a teacher of the student's dimension: the teacher has "
                f"{teacher.shape[1]}, the student {sides[0].shape[1]}. Use a soft label, which compares "
                "similarities, or another teacher"
            )
        return {"distillation": distillation_loss(sides, teacher)}

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings for the model card."""
        return {}

    @property
    def citation(self) -> str:
        """The source, for the model card."""
        return """@inproceedings{reimers-2020-multilingual-sentence-bert,
    title = {Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation},
    author = {Reimers, Nils and Gurevych, Iryna},
    booktitle = {EMNLP},
    year = {2020},
}"""
