"""The soft contrastive loss, as sentence-transformers calls a loss: (features, labels) to named terms."""

from __future__ import annotations

from itertools import combinations, cycle
from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F

from lingualign.losses.duplicates import repeated
from lingualign.losses.equations import (
    anchor_loss,
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


class SoftContrastiveLoss(InBatchLoss):
    """Train cross-lingual similarities towards a teacher's monolingual ones (Eq. 2 to 7).

    It takes two text columns, the anchor first, and the teacher's vectors as the ``label`` column: ``(B, V,
    D)`` or, for one view, ``(B, D)``. `lingualign.teacher.TeacherCollator` fills that column from a store; a
    plain column of lists or tensors does as well. The teacher's dimension need not be the student's. Under
    DDP each process's rows are compared with the sentences of all processes.

    More columns are the same content in more languages: with k of them the loss is the mean over the k(k-1)/2
    language pairs, from k encodings where one pair at a time would take k(k-1).

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
        sides, V = 2, of all columns where they are more; for a multilingual teacher), ``hard`` (Eq. 3: the
        conventional contrastive loss, no teacher).
    tcm
        Train the two monolingual matrices as well (Eq. 6 and 7).
    cross_weight
        ``lambda`` of Eq. 7, the share of the cross-lingual term. 1/3 weighs the cross-lingual and the two
        monolingual matrices alike.
    monolingual_diagonal
        Diagonal of the monolingual matrices: whether a sentence's similarity to itself stays in them.
    anchor_weight
        Weight of a further term that is no part of the paper: the same cross-entropy on the student's similarities to
        the teacher's vectors of the anchor side (`anchor_loss`). It may be changed between two steps.
    anchor_projection
        ``(teacher's D, student's D)``: from the teacher's vectors to the student's dimensions, for `anchor_loss`.
        Where the student has more dimensions none is needed: the teacher's vectors are filled up with zeros.
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

    anchor_projection: Tensor | None

    def __init__(
        self,
        model: SentenceTransformer,
        temperature: float = 0.1,
        teacher_temperature: float | None = None,
        label: Label = "priority",
        tcm: bool = False,
        cross_weight: float = 1 / 3,
        monolingual_diagonal: bool = True,
        anchor_weight: float = 0.0,
        anchor_projection: Tensor | None = None,
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
        if not 0 <= anchor_weight < float("inf"):
            raise ValueError(f"anchor_weight is {anchor_weight}; it must be 0 or more")
        if anchor_weight and label == "hard":
            raise ValueError(
                f"anchor_weight is {anchor_weight}, but the hard label has no teacher whose space could be the anchor; "
                "use the priority or average label, or anchor_weight 0"
            )
        # A second copy of a sentence is a negative by a hard label only; a teacher knows it for the same.
        self.compares_sentences = label == "hard"
        self.temperature = temperature
        self.teacher_temperature = temperature if teacher_temperature is None else teacher_temperature
        self.label = label
        self.tcm = tcm
        self.cross_weight = cross_weight
        self.monolingual_diagonal = monolingual_diagonal
        self.anchor_weight = anchor_weight
        self.register_buffer("anchor_projection", anchor_projection, persistent=False)
        self.diagnostics: dict[str, Tensor] = {}
        """Figures of the last batch that are no loss terms: ``label_entropy``, in nats."""

    def check_columns(self, columns: int) -> None:
        """Two, a sentence and its translation, or more translations."""
        if columns < 2:
            raise ValueError(
                "SoftContrastiveLoss takes 2 text columns, a sentence and its translation, or more translations, "
                f"but got {columns}"
            )

    def terms(
        self, vectors: Sequence[Tensor], labels: Tensor | None = None, hashes: Sequence[Tensor] | None = None
    ) -> dict[str, Tensor]:
        """``cross_lingual``; with TCM ``monolingual``; with an ``anchor_weight`` ``anchor``: each with its weight."""
        here, device = len(vectors[0]), vectors[0].device
        offset, size = place_in_world(here, device)
        # Where this process has all columns the equations need not be told them.
        everywhere = [None if size == here else gather_columns(side) for side in vectors]
        views = {"hard": 0, "priority": 1, "average": len(vectors)}[self.label]
        teacher = views_of_labels(labels, here, views, self.label) if views else None
        teacher_everywhere = None if teacher is None else gather_columns(teacher)
        same = [repeated(side, gather_columns(side), offset) for side in hashes or ()]

        def label_of(*sides: int) -> Tensor:
            if teacher is None or teacher_everywhere is None:
                return hard_label(here, size, offset, device)
            view = list(sides)
            return soft_label(teacher[:, view], self.teacher_temperature, teacher_everywhere[:, view])

        pairs = list(combinations(range(len(vectors)), 2))
        # The Average label is that of the two languages; every other is the same for all of them.
        targets = [label_of(*pair) for pair in pairs] if self.label == "average" else [label_of(0)]
        anchor = None
        if self.anchor_weight and teacher_everywhere is not None:
            anchor = self._in_student_space(teacher_everywhere[:, 0], vectors[0].shape[1])

        terms: dict[str, list[Tensor]] = {"cross_lingual": [], "monolingual": [], "anchor": []}
        for (a, b), w in zip(pairs, cycle(targets), strict=False):
            # A pair of which either side repeats is no negative.
            excluded = same[a] | same[b] if same else None
            columns = {"x_columns": everywhere[a], "y_columns": everywhere[b], "excluded": excluded}
            x, y = vectors[a], vectors[b]
            cross = cross_lingual_loss(x, y, w, self.temperature, **columns)
            if self.tcm:
                monolingual = monolingual_loss(
                    x, y, w, self.temperature, diagonal=self.monolingual_diagonal, offset=offset, **columns
                )
                cross, monolingual = tcm_loss(cross, monolingual, self.cross_weight)
                terms["monolingual"].append(monolingual)
            terms["cross_lingual"].append(cross)
            if anchor is not None:
                terms["anchor"].append(self.anchor_weight * anchor_loss((x, y), anchor, w, self.temperature))
        self.diagnostics = {"label_entropy": torch.stack([label_entropy(w) for w in targets]).mean()}
        return {name: torch.stack(each).mean() for name, each in terms.items() if each}

    def _in_student_space(self, teacher: Tensor, dimensions: int) -> Tensor:
        """Carry the teacher's vectors ``(M, D_T)`` into the student's dimensions ``(M, D_S)``."""
        if self.anchor_projection is not None:
            return teacher.float() @ self.anchor_projection
        if teacher.shape[1] > dimensions:
            raise ValueError(
                f"anchor_weight is {self.anchor_weight}, but the teacher has {teacher.shape[1]} dimensions and the "
                f"student {dimensions}: give an anchor_projection of shape ({teacher.shape[1]}, {dimensions})"
            )
        return F.pad(teacher, (0, dimensions - teacher.shape[1]))

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings for the model card."""
        return {
            "label": self.label,
            "temperature": self.temperature,
            "teacher_temperature": self.teacher_temperature,
            "tcm": self.tcm,
            "cross_weight": self.cross_weight,
            "monolingual_diagonal": self.monolingual_diagonal,
            "anchor_weight": self.anchor_weight,
            "anchor_projection": None
            if self.anchor_projection is None
            else list(self.anchor_projection.shape),
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


def views_of_labels(labels: Tensor | None, batch: int, views: int, label: str) -> Tensor:
    """Check the teacher's vectors and return them in the shape ``(B, V, D)``.

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
