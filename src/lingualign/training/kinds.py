"""The kinds of losses and of students: their settings, and a row for each kind.

A new loss is a file in `lingualign.losses` and a row in `LOSSES`; a new student is a file in `lingualign.student` and a
row in `STUDENTS`. The allowed values of ``kind`` and their help, the checks, the run and the model card read the rows.
Nothing here imports torch, so that help and a wrong key take no time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from lingualign.constraints import ABOVE_0, AT_LEAST_1, AT_MOST, NOT_NEGATIVE, SHARE, UP_TO_1, limited

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Section = TypeVar("Section")


@dataclass(frozen=True, kw_only=True)
class _Kind(Generic[Section]):
    """What the rows of both tables have; a section is that of the configuration which names the kind."""

    help: str
    """Description for the help of ``kind``."""
    card: Callable[[Section], str]
    """Returns the description for the model card."""
    refuses: Mapping[str, str] = field(default_factory=dict)
    """Settings that it cannot work with, and the error for one with a ``{value}``."""
    alone: Mapping[str, str] = field(default_factory=dict)
    """Settings that no other kind takes, and the error for one beside another ``{kind}``."""
    check: Callable[[Section], str | None] = lambda section: None
    """Returns an error for settings of the section that cannot work together."""


@dataclass
class LossConfig:
    """The loss to minimise.

    Parameters
    ----------
    kind
        LOSSES
    label
        Label of ``soft``: ``priority`` (Eq. 4) or ``average`` (Eq. 5).
    temperature
        Temperature tau of the student's softmax.
    teacher_temperature
        Temperature tau of the label; by default the student's.
    tcm
        Monolingual similarities, which are trained as well (Eq. 6 and 7).
    cross_weight
        Weight lambda of Eq. 7.
    anchor_weight
        Weight of a further term of ``soft``, the student's similarities to the teacher's own vectors. The paper does
        not have it; 0 leaves it out.
    monolingual_diagonal
        Diagonal of the monolingual matrices: false leaves out a sentence's similarity to itself.
    hard_negatives
        Number of hard negatives of ``ranking`` per pair, mined once with the teacher before training. 0 leaves them out
        and needs no teacher.
    mini_batch_size
        Number of sentences that an encoder embeds at a time, on each device, if a batch does not fit in memory.
        Gradients are the same, and a step is about a third slower; by default the whole batch at once. Not for ``mse``,
        nor for a static student.
    """

    kind: Literal[*LOSSES] = "soft"  # type: ignore[valid-type] # the names in the table, whenever it is asked
    label: Literal["priority", "average"] = "priority"
    temperature: float = limited(0.1, ABOVE_0)
    teacher_temperature: float | None = limited(None, ABOVE_0)
    tcm: bool = False
    cross_weight: float = limited(1 / 3, UP_TO_1)
    monolingual_diagonal: bool = True
    anchor_weight: float = limited(0.0, NOT_NEGATIVE)
    hard_negatives: int = limited(3, NOT_NEGATIVE)
    mini_batch_size: int | None = limited(None, AT_LEAST_1)


@dataclass(frozen=True, kw_only=True)
class LossKind(_Kind[LossConfig]):
    """A row of `LOSSES`; its card follows "the loss"."""

    loss: str
    """Module and class of the loss, which takes the student first."""
    settings: Sequence[str]
    """Names of the settings in `LossConfig` that the class takes."""
    labels: Callable[[LossConfig], Sequence[str]] = lambda loss: ()
    """Names the columns whose teacher vectors it takes as labels; none for a loss that needs no teacher."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the class, which are always the same."""
    soft_labels: bool = False
    """True if the labels are softmaxes of the teacher's similarities, whose entropy is checked before training."""
    hard_negatives: bool = False
    """True if further columns of a batch are hard negatives, ``loss.hard_negatives`` of them."""
    one_dimension: bool = False
    """True if student and teacher must have vectors of one dimension."""


def teacher_views(loss: LossConfig) -> Sequence[str]:
    """Name the columns whose teacher vectors the loss needs, as labels or to mine hard negatives with."""
    return LOSSES[loss.kind].labels(loss) or (("sentence1",) if takes_hard_negatives(loss) else ())


def takes_hard_negatives(loss: LossConfig) -> bool:
    """Return True if the loss has hard negatives."""
    return LOSSES[loss.kind].hard_negatives and loss.hard_negatives > 0


def _hard_diagonal(loss: LossConfig) -> str | None:
    if not loss.tcm or loss.monolingual_diagonal:
        return None
    return (
        "loss.tcm with loss.kind hard and loss.monolingual_diagonal false trains nothing within a language: a hard "
        "label is its diagonal. Keep the diagonal, or use loss.kind: soft"
    )


_CONTRASTIVE = ("temperature", "tcm", "cross_weight", "monolingual_diagonal", "mini_batch_size")

LOSSES: dict[str, LossKind] = {
    "soft": LossKind(
        help="Eq. 2 with a soft label",
        loss="lingualign.losses.SoftContrastiveLoss",
        settings=(*_CONTRASTIVE, "label", "teacher_temperature", "anchor_weight"),
        card=lambda loss: (
            f"the soft contrastive loss ({loss.label} label, temperature {loss.temperature:g}"
            + (", monolingual similarities trained as well)" if loss.tcm else ")")
        ),
        labels=lambda loss: ("sentence1", "sentence2") if loss.label == "average" else ("sentence1",),
        soft_labels=True,
        alone={
            "loss.anchor_weight": "loss.anchor_weight is {value}, but loss.kind is {kind}; only a soft label says how "
            "near the teacher's vectors are to each other. Set it to 0, or use loss.kind: soft"
        },
    ),
    "hard": LossKind(
        help="Eq. 2 with Eq. 3",
        loss="lingualign.losses.SoftContrastiveLoss",
        settings=(*_CONTRASTIVE, "teacher_temperature"),
        fixed={"label": "hard"},
        card=lambda loss: f"the hard contrastive loss (temperature {loss.temperature:g})",
        check=_hard_diagonal,
    ),
    "mse": LossKind(
        help="distillation of the teacher's vectors",
        loss="lingualign.losses.DistillationLoss",
        settings=(),
        card=lambda loss: "MSE distillation",
        labels=lambda loss: ("sentence1",),
        one_dimension=True,
        refuses={
            "loss.mini_batch_size": "loss.mini_batch_size is {value}, but loss.kind mse compares no sentences of a "
            "batch with each other, so that a small training.batch_size does as well; leave it out",
        },
    ),
    "ranking": LossKind(
        help="translation ranking",
        loss="lingualign.losses.TranslationRankingLoss",
        settings=("temperature", "mini_batch_size"),
        card=lambda loss: (
            f"translation ranking (temperature {loss.temperature:g}, {loss.hard_negatives or 'no'} hard negatives)"
        ),
        hard_negatives=True,
        refuses={
            "training.n_way": "training.n_way is true, but loss.kind ranking takes further columns for hard negatives, "
            "not for further translations; set it to false, or use another loss",
        },
    ),
}


@dataclass
class StudentConfig:
    """The model to train.

    Parameters
    ----------
    kind
        STUDENTS
    model
        For ``encoder``: hub id, folder, or ``me5``. For ``extended``: hub id or folder; ``minilm`` where absent.
    revision
        Branch, tag or commit of a hub model.
    prompt
        Text before every sentence, in training, in scores and in the saved model; by default the model's own default
        prompt; ``""`` is no prompt.
    vocabulary
        Number of pieces to add for each language (``static`` and ``extended``), beside the vocabulary of the teacher or
        of the encoder, which has those of ``teacher.language``.
    embeddings_first
        Share of the steps in which the token embeddings of ``extended`` learn alone, before the layers do.
    trim
        Smaller vocabulary for ``encoder``: tokens in scripts that the languages of the pairs are not written in are
        removed.
    """

    kind: Literal[*STUDENTS] = "static"  # type: ignore[valid-type] # as in LossConfig
    model: str | None = None
    revision: str | None = None
    prompt: str | None = None
    vocabulary: int = limited(20_000, AT_LEAST_1, AT_MOST)
    embeddings_first: float = limited(0.0, SHARE)
    trim: bool = False


@dataclass(frozen=True, kw_only=True)
class StudentKind(_Kind[StudentConfig]):
    """A row of `STUDENTS`; its card follows "The student is"."""

    make: str
    """Module and function that make the student from `lingualign.training.build.Materials`."""
    training: Mapping[str, Any]
    """Defaults of `TrainingConfig`: new token vectors learn at rates that would ruin an encoder's layers."""
    takes_teacher: bool = False
    """True for a student that is made from the teacher itself, whatever the loss needs of it."""
    takes_encoder: bool = True
    """True for a student that is made from an existing model."""
    takes_long: bool = False
    """True for a student that takes long to make: the run saves it, and a resumed run loads it."""
    idle_weights: bool = True
    """True if some weights may have no part in the loss, such as those of a pooler."""


def _extended_card(student: StudentConfig) -> str:
    from lingualign.embedding.named_models import MINILM

    return f"`{student.model or MINILM}`, extended by pieces of the other languages"


LAYER_SETTINGS = ("training.layer_decay", "training.gradient_checkpointing", "training.lora.rank")
"""Settings for students with layers."""

STUDENTS: dict[str, StudentKind] = {
    "static": StudentKind(
        help="a new static model, one vector a token",
        make="lingualign.training.build.make_static",
        card=lambda student: "a new static model (one vector a token)",
        training={"epochs": 30, "batch_size": 1024, "learning_rate": 2e-2},
        takes_teacher=True,
        takes_encoder=False,
        idle_weights=False,
        refuses={
            "loss.mini_batch_size": "loss.mini_batch_size is {value}, but student.kind static takes a batch as a "
            "whole; leave it out",
            **{
                name: f"{name} is {{value}}, but student.kind static has no layers; leave it out"
                for name in LAYER_SETTINGS
            },
            "student.model": "student.model is {value!r}, but student.kind is static, which makes a new model; set "
            "student.kind to encoder to train this one",
        },
    ),
    "extended": StudentKind(
        help="an encoder of one language, with pieces of the others added to its vocabulary",
        make="lingualign.training.build.make_extended",
        card=_extended_card,
        training={"epochs": 5, "batch_size": 256, "learning_rate": 2e-4},
        takes_long=True,
        refuses={
            "training.lora.rank": "training.lora with student.kind extended would leave the new tokens where they "
            "begin, since adapters keep the embeddings as they are; train without adapters, or take student.kind: "
            "encoder",
        },
        alone={
            "student.embeddings_first": "student.embeddings_first is {value}, but student.kind is {kind}; it is for "
            "extended alone, leave it out"
        },
    ),
    "encoder": StudentKind(
        help="an existing encoder",
        make="lingualign.training.build.make_encoder",
        card=lambda student: f"`{student.model}`",
        training={"epochs": 30, "batch_size": 256, "learning_rate": 3e-5},
        alone={
            "student.trim": "student.trim is true, but student.kind is {kind}; it is for encoder alone, leave it out"
        },
        check=lambda student: (
            None
            if student.model
            else "student.model: student.kind encoder needs the encoder's hub id or folder; none is given"
        ),
    ),
}


def needs_teacher(loss: LossConfig, student: StudentConfig) -> bool:
    """Return True if a run takes labels or hard negatives from its teacher, or makes its student of it."""
    return bool(teacher_views(loss)) or STUDENTS[student.kind].takes_teacher


def _describe_kinds(section: type, rows: Mapping[str, LossKind | StudentKind]) -> None:
    """Put the help of the rows where the docstring of a section names their table."""
    kinds = "; ".join(f"``{name}``: {row.help}" for name, row in rows.items())
    section.__doc__ = re.sub("(LOSSES|STUDENTS)$", f"{kinds}.", section.__doc__ or "", count=1, flags=re.M)


_describe_kinds(LossConfig, LOSSES)
_describe_kinds(StudentConfig, STUDENTS)
