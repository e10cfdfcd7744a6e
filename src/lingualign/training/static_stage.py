"""The short static alignment that finds an extended student's new pieces their place."""

from __future__ import annotations

import time
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.training.assemble import make_loss, pair_batches
from lingualign.training.kinds import LOSSES, LossConfig
from lingualign.training.processes import process_count, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from rich.console import Console
    from sentence_transformers import SentenceTransformer

    from lingualign.teacher import TeacherStore
    from lingualign.training.config import RunConfig

# What serves a static student in general. Two passes over the pairs, of a large corpus a part of one.
_BATCH_SIZE = 1_024
_LEARNING_RATE = 2e-2
_PASSES = 2
_MAX_STEPS = 640


def _loss(loss: LossConfig, labelled: bool) -> LossConfig:
    """Take the run's soft loss; for a run with another, the soft one or, without teacher vectors, the hard one."""
    if LOSSES[loss.kind].soft_labels:
        return replace(loss, mini_batch_size=None)
    return LossConfig(kind="soft" if labelled else "hard", temperature=loss.temperature)


def align_static(
    static: SentenceTransformer,
    config: RunConfig,
    pairs: pa.Table,
    store: TeacherStore | None,
    views: Sequence[str],
    console: Console,
    progress: bool,
) -> None:
    """Train a static student on a run's pairs for a few minutes at most, in place.

    With the soft contrastive loss where the run has teacher vectors, else with the hard one. Nothing is written; the
    same configuration, pairs and seed give the same vectors.
    """
    from sentence_transformers import SentenceTransformerTrainingArguments
    from transformers import PrinterCallback, ProgressCallback

    from lingualign.progress_lines import draws_bars
    from lingualign.training.callbacks import ProgressBar, ProgressLines
    from lingualign.training.trainer import AlignmentTrainer

    processes = process_count()
    stage = replace(
        config,
        loss=_loss(config.loss, bool(views)),
        training=replace(config.training, batch_size=-(-_BATCH_SIZE // processes) * processes),
    )
    with together():
        batches = pair_batches(stage, pairs, static, store, views, progress)
    steps = min(_PASSES * len(batches), _MAX_STEPS)
    with TemporaryDirectory() as folder:
        args = SentenceTransformerTrainingArguments(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=stage.training.batch_size // processes,
            learning_rate=_LEARNING_RATE,
            warmup_steps=0.1,
            max_grad_norm=1.0,
            eval_strategy="no",
            save_strategy="no",
            report_to="none",
            seed=stage.training.seed,
            use_cpu=True,
            dataloader_drop_last=processes > 1,
            ddp_find_unused_parameters=False,
        )
        trainer = AlignmentTrainer(
            static, args, batches, make_loss(stage.loss, static, batches), evaluator=None
        )
        trainer.remove_callback(ProgressCallback)
        trainer.remove_callback(PrinterCallback)
        if progress:
            shown = ProgressBar if draws_bars() else ProgressLines
            trainer.add_callback(shown("", "Static alignment"))
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
