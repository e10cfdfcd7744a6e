"""What a training run is made of: the configuration file, key by key.

Each class is a section of the YAML file; its fields are the keys, its docstring is their help. Nothing here imports
more than the standard library and PyYAML, so that a wrong key is an error at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

from lingualign.constraints import (
    ABOVE_0,
    AT_LEAST_1,
    AT_MOST,
    MOST,
    NOT_NEGATIVE,
    SHARE,
    UP_TO_1,
    Limit,
    limited,
)
from lingualign.pairs.config import PairsConfig
from lingualign.training.kinds import LOSSES, STUDENTS, LossConfig, StudentConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

_BY_STUDENT: Any = None  # until `resolved` fills it in
_MOST_STEPS = 1_000_000_000


@dataclass
class TeacherConfig:
    """The frozen model whose similarities are the labels.

    Parameters
    ----------
    model
        Hub id, folder, ``minilm`` or ``me5``.
    revision
        Branch, tag or commit of a hub model.
    prompt
        Text before every sentence, such as ``"query: "`` for E5; by default the model's own default prompt.
    language
        Language of a teacher that is not multilingual; the sentence in it is the anchor of a pair.
    multilingual
        True if the teacher understands all the languages; the Average label needs such a teacher. Known of ``me5``.
    store
        Folder for the teacher's vectors, shared by runs; by default the user's cache folder.
    """

    model: str = "minilm"
    revision: str | None = None
    prompt: str | None = None
    language: str = "en"
    multilingual: bool = False
    store: str | None = None


@dataclass
class EarlyStoppingConfig:
    """The rule to stop before the end.

    Parameters
    ----------
    metric
        Accuracy that decides, a mean over language pairs: ``tatoeba`` scores the held-out pairs of the corpus of that
        name (of all corpora, if no corpus has it), ``validation`` all held-out pairs.
    patience
        Number of evaluations without a better score after which training stops; ``null`` trains to the end.
    """

    metric: Literal["tatoeba", "validation"] = "tatoeba"
    patience: int | None = limited(3, Limit("at least 1, or null to train to the end", least=1))


@dataclass
class LoraConfig:
    """Low-rank adapters beside an encoder's linear layers, trained in place of its weights and merged into them.

    Parameters
    ----------
    rank
        Rank of the adapters; 0 trains the weights themselves. Needs ``pip install 'lingualign[lora]'``.
    alpha
        Scale of the adapters: their part is multiplied by alpha / rank.
    dropout
        Dropout on the adapters' input.
    target
        Names of the layers that get an adapter, such as ``[query, value]``; by default all linear layers.
    """

    rank: int = limited(0, NOT_NEGATIVE)
    alpha: int = limited(16, AT_LEAST_1)
    dropout: float = limited(0.0, Limit("from 0 to below 1", least=0, below=1))
    target: list[str] = field(default_factory=list)


@dataclass
class TrainingConfig:
    """The settings of training.

    Parameters
    ----------
    epochs
        Largest number of passes over the pairs; by default 5 for an extended student, 30 for others.
    max_steps
        Largest number of batches; it takes the place of epochs.
    batch_size
        Number of pairs in a batch over all devices, all of one language pair; by default 1,024 for a static student,
        256 for others.
    n_way
        Batches over several languages: pairs that share a sentence are joined, so that a batch holds each sentence once
        and is compared over all its language pairs. Content that fills no batch in the same languages stays in pairs.
    sampling_power
        Exponent of sampling: a language pair with n pairs gets batches in proportion to n to this power; 1 samples in
        proportion to the pairs, 0 all language pairs alike.
    learning_rate
        Learning rate at which the linear decay begins; by default 2e-2 for a static student, 2e-4 for an extended one,
        3e-5 for an encoder.
    warmup
        Share of the steps in which the learning rate rises from 0.
    weight_decay
        Weight decay of AdamW.
    layer_decay
        Factor between the learning rates of an encoder's layers: each layer learns at the rate of the layer above times
        this; 1 gives all layers one rate.
    gradient_checkpointing
        Less memory for an encoder: its layers are computed again for the gradient. Gradients are the same, and a step
        is about a third slower.
    lora
        Low-rank adapters of an encoder, which are trained in place of its weights.
    precision
        Arithmetic of training: ``auto`` takes bf16 where the processor is fast at it, else fp32.
    evaluate_every
        Number of steps between two evaluations, each with a checkpoint; by default an epoch.
    early_stopping
        Rule to stop before the end; the best model is saved either way.
    report_to
        Further places to log to: ``tensorboard``, ``wandb``, ``trackio``.
    seed
        Seed of sampling, order, and new weights.
    """

    epochs: float = limited(_BY_STUDENT, ABOVE_0, Limit(f"above 0, and {MOST:,} at most", most=MOST))
    max_steps: int | None = limited(
        None, AT_LEAST_1, Limit(f"at least 1, and {_MOST_STEPS:,} at most", most=_MOST_STEPS)
    )
    batch_size: int = limited(_BY_STUDENT, Limit("at least 2", least=2), AT_MOST)
    n_way: bool = False
    sampling_power: float = limited(1.0, UP_TO_1)
    learning_rate: float = limited(_BY_STUDENT, ABOVE_0)
    warmup: float = limited(0.1, SHARE)
    weight_decay: float = limited(0.0, NOT_NEGATIVE)
    layer_decay: float = limited(1.0, Limit("above 0, and 1 at most", above=0, most=1))
    gradient_checkpointing: bool = False
    lora: LoraConfig = field(default_factory=LoraConfig)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    evaluate_every: int | None = limited(None, AT_LEAST_1)
    early_stopping: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    report_to: list[str] = field(default_factory=list)
    seed: int = limited(7, Limit("from 0 to 2**32 - 1", least=0, below=2**32))


@dataclass
class RunConfig:
    """A training run.

    Parameters
    ----------
    output
        Folder of the trained model and of everything about the run.
    pairs
        Translation pairs to train on.
    decontaminate
        Evaluation suites whose sentences are not trained on.
    teacher
        The frozen teacher.
    student
        The model to train.
    loss
        The loss to minimise.
    training
        The settings of training.
    evaluate
        Suites to score the trained model on.
    """

    output: str
    pairs: PairsConfig
    decontaminate: list[str] = field(default_factory=list)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    student: StudentConfig = field(default_factory=StudentConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluate: list[str] = field(default_factory=list)


def resolved(config: RunConfig) -> RunConfig:
    """Fill in the settings of training that depend on the kind of student, where none are given."""
    absent = {
        name: value
        for name, value in STUDENTS[config.student.kind].training.items()
        if getattr(config.training, name) is None
    }
    return replace(config, training=replace(config.training, **absent))


def given(config: RunConfig, settings: Iterable[str]) -> dict[str, Any]:
    """Find those of some settings that have another value than their default, such as ``{"loss.tcm": True}``."""
    default = RunConfig(output="", pairs=PairsConfig(sources=[]))
    values = {name: attrgetter(name)(config) for name in settings}
    return {name: value for name, value in values.items() if value and value != attrgetter(name)(default)}


def method(config: RunConfig) -> str:
    """Say in a sentence what learns from whom and how, for the model card."""
    student = STUDENTS[config.student.kind].card(config.student)
    loss = LOSSES[config.loss.kind].card(config.loss)
    return f"The student is {student}, the teacher `{config.teacher.model}`, the loss {loss}."


def differences(before: Any, after: Any, key: str = "") -> list[str]:
    """Name the keys in which two configurations, as plain values, differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = before.keys() | after.keys()
        return [
            difference
            for name in names
            for difference in differences(before.get(name), after.get(name), f"{key}.{name}".lstrip("."))
        ]
    return [] if before == after else [key]
