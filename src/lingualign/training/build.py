"""The models of a run, made from its configuration: the teacher, and the student that training begins with."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pkgutil import resolve_name
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.languages import language_code
from lingualign.training.config import given
from lingualign.training.data import by_language, pair_batches
from lingualign.training.distributed import process_count, together
from lingualign.training.kinds import LAYER_SETTINGS, LOSSES, STUDENTS, LossConfig, needs_teacher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa
    from rich.console import Console
    from sentence_transformers import SentenceTransformer

    from lingualign.pairs import PreparedPairs
    from lingualign.student.trimming import Trimmed
    from lingualign.teacher import TeacherStore
    from lingualign.training.config import RunConfig
    from lingualign.training.kinds import StudentConfig

# What serves a static student in general. Two passes over the pairs, of a large corpus a part of one.
_BATCH_SIZE = 1_024
_LEARNING_RATE = 2e-2
_PASSES = 2
_MAX_STEPS = 640


@together()
def load_models(config: RunConfig) -> tuple[SentenceTransformer | None, SentenceTransformer | None]:
    """Load the teacher, where the run needs it, and the student, where it exists; refuse two that do not fit."""
    from lingualign.embedding import load_model
    from lingualign.embedding.named_models import MINILM
    from lingualign.student import encoder_student

    teacher = None
    if needs_teacher(config.loss, config.student):
        teacher = load_model(config.teacher.model, revision=config.teacher.revision)
    if not STUDENTS[config.student.kind].takes_encoder:
        return teacher, None
    student = encoder_student(config.student.model or MINILM, revision=config.student.revision)
    if student.transformers_model is None:
        for name, value in given(config, (*LAYER_SETTINGS, "loss.mini_batch_size")).items():
            raise InputError(
                f"{name} is {value}, but student.model {config.student.model!r} is no transformer; leave it out"
            )
    if LOSSES[config.loss.kind].one_dimension and teacher is not None:
        have, want = student.get_embedding_dimension(), teacher.get_embedding_dimension()
        if have != want:
            raise InputError(
                f"loss.kind: {config.loss.kind} needs student and teacher of one dimension, but student "
                f"{config.student.model or MINILM!r} has {have} and teacher {config.teacher.model!r} has {want}. "
                "Use loss.kind: soft, which compares similarities, or another teacher"
            )
    return teacher, student


@dataclass(frozen=True)
class Materials:
    """What a student is made of."""

    student: StudentConfig
    teacher: SentenceTransformer | None
    """For a kind with ``takes_teacher``."""
    encoder: SentenceTransformer | None
    """For a kind with ``takes_encoder``: the model that ``student.model`` names."""
    sentences: Callable[[], dict[str, list[str]]]
    """Returns the distinct training sentences of each language."""
    anchor: str
    """Code of the language of ``teacher.language``."""
    seed: int
    align: Callable[[SentenceTransformer], None]
    """Trains a static model on the run's pairs for a few minutes at most, in place."""
    say: Callable[[str], None]
    """Prints a line."""


def new_student(
    config: RunConfig,
    teacher: SentenceTransformer | None,
    encoder: SentenceTransformer | None,
    pairs: pa.Table,
    store: TeacherStore | None,
    views: Sequence[str],
    console: Console,
) -> SentenceTransformer:
    """Make the student that training begins with."""
    materials = Materials(
        config.student,
        teacher,
        encoder,
        sentences=lambda: by_language(pairs),
        anchor=language_code(config.teacher.language),
        seed=config.training.seed,
        align=lambda static: align_static(static, config, pairs, store, views, console),
        say=console.print,
    )
    student: SentenceTransformer = resolve_name(STUDENTS[config.student.kind].make)(materials)
    return student


def make_static(of: Materials) -> SentenceTransformer:
    """Make a static student from the teacher's vocabulary and each language's sentences."""
    from lingualign.student import static_student

    assert of.teacher is not None
    with together():
        return static_student(
            of.teacher, of.sentences(), anchor=of.anchor, vocabulary=of.student.vocabulary, seed=of.seed
        )


def make_extended(of: Materials) -> SentenceTransformer:
    """Extend the encoder to the languages of the pairs; a static student finds the new pieces their place."""
    from lingualign.student import extend_vocabulary, extended_student, static_start

    assert of.encoder is not None
    with together():
        extension = extend_vocabulary(
            of.encoder, of.sentences(), anchor=of.anchor, vocabulary=of.student.vocabulary
        )
    of.say(
        f"{extension.tokenizer.get_vocab_size():,} tokens, {len(extension.rows):,} of them the encoder's own"
    )
    static = static_start(extension, seed=of.seed)
    of.align(static)
    return extended_student(of.encoder, extension, static)


def make_encoder(of: Materials) -> SentenceTransformer:
    """Take the encoder as it is."""
    assert of.encoder is not None
    return of.encoder


def trim(student: SentenceTransformer, pairs: PreparedPairs, console: Console) -> Trimmed:
    """Remove from the student's vocabulary, in place, what the languages of the training pairs do not use."""
    from lingualign.student import trim_vocabulary

    held_out = [text for side in ("sentence1", "sentence2") for text in pairs.validation[side].to_pylist()]
    trimmed = trim_vocabulary(student, by_language(pairs.train), held_out=held_out)
    console.print(
        f"vocabulary trimmed: {trimmed.tokens_before:,} tokens to {trimmed.tokens:,}, "
        f"{trimmed.parameters_before / 1e6:,.1f} million parameters to {trimmed.parameters / 1e6:,.1f} million; "
        f"{trimmed.cut_differently:,} of {trimmed.held_out:,} held-out sentences are cut differently than before"
    )
    return trimmed


def align_static(
    static: SentenceTransformer,
    config: RunConfig,
    pairs: pa.Table,
    store: TeacherStore | None,
    views: Sequence[str],
    console: Console,
) -> None:
    """Train a static student on a run's pairs for a few minutes at most, in place.

    With the soft contrastive loss where the run has teacher vectors, else with the hard one. Nothing is written; the
    same configuration, pairs and seed give the same vectors.
    """
    from lingualign.training.fit import make_trainer

    processes = process_count()
    stage = replace(
        config,
        loss=_static_loss(config.loss, bool(views)),
        training=replace(config.training, batch_size=-(-_BATCH_SIZE // processes) * processes),
    )
    batches = pair_batches(stage, pairs, static, store, views, not console.quiet)
    steps = min(_PASSES * len(batches), _MAX_STEPS)
    with TemporaryDirectory() as folder:
        trainer = make_trainer(
            static,
            batches,
            stage.loss,
            None,
            "Static alignment",
            progress=not console.quiet,
            idle_weights=False,
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=stage.training.batch_size // processes,
            learning_rate=_LEARNING_RATE,
            warmup_steps=0.1,
            eval_strategy="no",
            save_strategy="no",
            seed=stage.training.seed,
        )
        began = time.monotonic()
        try:
            trainer.train()
        except InputError as error:
            told = str(error).partition(": training has diverged")[0].partition(". ")[0]
            raise InputError(
                f"student.kind extended: the static alignment that places its new tokens failed: {told}. Raise "
                "loss.temperature where the loss is not finite; lower student.vocabulary where memory is short"
            ) from error
    console.print(f"new pieces placed by {steps:,} static steps, {time.monotonic() - began:,.0f} seconds")


def _static_loss(loss: LossConfig, labelled: bool) -> LossConfig:
    """Take the run's soft loss; for a run with another, the soft one or, without teacher vectors, the hard one."""
    if LOSSES[loss.kind].soft_labels:
        return replace(loss, mini_batch_size=None)
    return LossConfig(kind="soft" if labelled else "hard", temperature=loss.temperature)
