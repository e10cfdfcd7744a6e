"""The soft contrastive loss, as sentence-transformers calls a loss: (features, labels) to named terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from lingualign.losses.duplicates import repeated
from lingualign.losses.equations import (
    cross_lingual_loss,
    hard_label,
    label_entropy,
    monolingual_loss,
    soft_label,
    tcm_loss,
)
from lingualign.losses.gather import gather_columns, place_in_world
from lingualign.losses.in_batch import InBatchLoss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import SentenceTransformer
    from torch import Tensor

Label = Literal["priority", "average", "hard"]
VIEWS: dict[str, int] = {"priority": 1, "average": 2}


class SoftContrastiveLoss(InBatchLoss):
    """Train cross-lingual similarities towards a teacher's monolingual ones (Eq. 2 to 7).

    It takes two text columns, the anchor first, and the teacher's vectors as the ``label`` column: ``(B, V,
    D)`` or, for one view, ``(B, D)``. `lingualign.teacher.TeacherCollator` fills that column from a store; a
    plain column of lists or tensors does as well. The teacher's dimension need not be the student's. Under
    DDP each process's rows are compared with the sentences of all processes.

    Parameters
    ----------
    model
        The student.
    temperature
        ``tau`` of the student's softmax.
    teacher_temperature
        ``tau`` of the label's softmax; ``temperature`` where None, as in the paper.
    label
        ``priority`` (Eq. 4: the teacher's vectors of the anchor side, V = 1), ``average`` (Eq. 5: of both
        sides, V = 2; for a multilingual teacher), ``hard`` (Eq. 3: the conventional contrastive loss, no
        teacher).
    tcm
        Train the two monolingual matrices as well (Eq. 6 and 7).
    cross_weight
        ``lambda`` of Eq. 7, the share of the cross-lingual term. 1/3 weighs the cross-lingual and the two
        monolingual matrices alike.
    monolingual_diagonal
        Whether a sentence's similarity to itself stays in the monolingual matrices.
    mini_batch_size
        Sentences to embed at a time, where a whole batch does not fit in memory (`InBatchLoss`).

    Raises
    ------
    ValueError
        For a parameter out of its range, or labels that do not fit.

    Examples
    --------
    >>> loss = SoftContrastiveLoss(model, temperature=0.1)                           # doctest: +SKIP
    >>> trainer = SentenceTransformerTrainer(model, loss=loss, data_collator=...)    # doctest: +SKIP
    """

    def __init__(
        self,
        model: SentenceTransformer,
        temperature: float = 0.1,
        teacher_temperature: float | None = None,
        label: Label = "priority",
        tcm: bool = False,
        cross_weight: float = 1 / 3,
        monolingual_diagonal: bool = True,
        mini_batch_size: int | None = None,
    ) -> None:
        super().__init__(model, mini_batch_size)
        if label not in ("priority", "average", "hard"):
            raise ValueError(f"label is {label!r}; allowed are 'priority', 'average' and 'hard'")
        for name, value in (("temperature", temperature), ("teacher_temperature", teacher_temperature)):
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; it must be greater than 0 (the paper uses 0.1)")
        if not 0 <= cross_weight <= 1:
            raise ValueError(f"cross_weight is {cross_weight}; it must lie in [0, 1] (the default is 1/3)")
        # A second copy of a sentence is a negative by a hard label only; a teacher knows it for the same.
        self.compares_sentences = label == "hard"
        self.temperature = temperature
        self.teacher_temperature = temperature if teacher_temperature is None else teacher_temperature
        self.label = label
        self.tcm = tcm
        self.cross_weight = cross_weight
        self.monolingual_diagonal = monolingual_diagonal
        self.diagnostics: dict[str, Tensor] = {}
        """Figures of the last batch that are no loss terms: ``label_entropy``, in nats."""

    def check_columns(self, columns: int) -> None:
        """Two: a sentence and its translation."""
        if columns != 2:
            raise ValueError(
                f"SoftContrastiveLoss takes 2 text columns, a sentence and its translation, but got {columns}"
            )

    def terms(
        self, vectors: Sequence[Tensor], labels: Tensor | None = None, hashes: Sequence[Tensor] | None = None
    ) -> dict[str, Tensor]:
        """``cross_lingual`` and, with TCM, ``monolingual``, each with its weight in Eq. 7."""
        x, y = vectors
        offset, size = place_in_world(len(x), x.device)
        columns = {} if size == len(x) else {"x_columns": gather_columns(x), "y_columns": gather_columns(y)}
        excluded = None
        if self.label == "hard":
            w = hard_label(len(x), size, offset, x.device)
            if hashes is not None:
                # A pair of which either side repeats is no negative.
                same_x, same_y = (repeated(side, gather_columns(side), offset) for side in hashes)
                excluded = same_x | same_y
        else:
            teacher = teacher_views(labels, len(x), VIEWS[self.label], self.label)
            w = soft_label(teacher, self.teacher_temperature, gather_columns(teacher))
        self.diagnostics = {"label_entropy": label_entropy(w)}
        cross = cross_lingual_loss(x, y, w, self.temperature, excluded=excluded, **columns)
        if not self.tcm:
            return {"cross_lingual": cross}
        monolingual = monolingual_loss(
            x,
            y,
            w,
            self.temperature,
            diagonal=self.monolingual_diagonal,
            offset=offset,
            excluded=excluded,
            **columns,
        )
        cross, monolingual = tcm_loss(cross, monolingual, self.cross_weight)
        return {"cross_lingual": cross, "monolingual": monolingual}

    def get_config_dict(self) -> dict[str, Any]:
        """Give the settings for the model card."""
        return {
            "label": self.label,
            "temperature": self.temperature,
            "teacher_temperature": self.teacher_temperature,
            "tcm": self.tcm,
            "cross_weight": self.cross_weight,
            "monolingual_diagonal": self.monolingual_diagonal,
            **super().get_config_dict(),
        }

    @property
    def citation(self) -> str:
        """The paper, for the model card."""
        return """@article{park2024improving,
    title = {Improving Multi-lingual Alignment Through Soft Contrastive Learning},
    author = {Minsu Park and Seyeon Choi and Chanyeol Choi and Jun-Seong Kim and Jy-yong Sohn},
    year = {2024},
}"""


def teacher_views(labels: Tensor | None, batch: int, views: int, label: str) -> Tensor:
    """Check the teacher's vectors and give them the shape ``(B, V, D)``.

    Raises
    ------
    ValueError
        Where there are none, or their shape does not fit the batch or the label.
    """
    if labels is None:
        raise ValueError(
            f"the {label} label needs the teacher's vectors as a 'label' column of shape "
            f"({batch}, {views}, D): use lingualign.teacher.TeacherCollator, or add the column to the dataset"
        )
    if labels.ndim == 2 and views == 1:
        labels = labels[:, None]
    if labels.ndim != 3 or labels.shape[0] != batch or labels.shape[1] < views:
        raise ValueError(
            f"teacher vectors have the shape {tuple(labels.shape)}; the {label} label needs "
            f"({batch}, {views}, D)"
        )
    return labels[:, :views]
