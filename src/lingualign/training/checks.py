"""What a run refuses before it begins: settings that cannot work, missing sources, labels without meaning."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lingualign.constraints import check_limits
from lingualign.errors import InputError
from lingualign.hub import nearest_path
from lingualign.languages import language_code
from lingualign.training.assemble import layer_options, needs_teacher, teacher_views
from lingualign.training.processes import process_count

if TYPE_CHECKING:
    from lingualign.training.config import RunConfig

_TRACKERS = ("tensorboard", "wandb", "trackio")


def check_settings(config: RunConfig) -> None:
    """Refuse settings that cannot work, alone or together.

    Raises
    ------
    InputError
        With the setting, its value, and what is allowed.
    """
    training, loss = config.training, config.loss
    check_limits(config)
    processes = process_count()
    if training.batch_size % processes:
        raise InputError(
            f"training.batch_size is {training.batch_size}, the pairs of a batch over all devices, but there are "
            f"{processes} processes; it must be a multiple of {processes}, so that all have equal shares"
        )
    if loss.mini_batch_size is not None and (config.student.kind == "static" or loss.kind == "mse"):
        static = config.student.kind == "static"
        raise InputError(
            f"loss.mini_batch_size is {loss.mini_batch_size}, but "
            + (
                "student.kind static takes a batch as a whole; leave it out"
                if static
                else "loss.kind mse compares no "
                "sentences of a batch with each other, so that a small training.batch_size does as well; leave it out"
            )
        )
    if loss.anchor_weight and loss.kind != "soft":
        raise InputError(
            f"loss.anchor_weight is {loss.anchor_weight}, but loss.kind is {loss.kind}; only a soft label says how "
            "near the teacher's vectors are to each other. Set it to 0, or use loss.kind: soft"
        )
    if training.n_way and loss.kind == "ranking":
        raise InputError(
            "training.n_way is true, but loss.kind ranking takes further columns for hard negatives, not for further "
            "translations; set it to false, or use another loss"
        )
    if config.student.kind == "static":
        for name, value in layer_options(training).items():
            raise InputError(f"{name} is {value}, but student.kind static has no layers; leave it out")
    if training.lora.rank and importlib.util.find_spec("peft") is None:
        raise InputError("training.lora: peft is not installed; pip install 'lingualign[lora]' brings it")
    if training.lora.target and not training.lora.rank:
        raise InputError(
            f"training.lora.target is {training.lora.target}, but training.lora.rank is 0, which is without adapters; "
            "set the rank, such as 16"
        )
    if training.lora.rank and config.student.kind == "extended":
        raise InputError(
            "training.lora with student.kind extended would leave the new tokens where they begin, since adapters keep "
            "the embeddings as they are; train without adapters, or take student.kind: encoder"
        )
    for tracker in training.report_to:
        if tracker not in _TRACKERS:
            raise InputError(f"training.report_to is {tracker!r}; it must be one of {', '.join(_TRACKERS)}")
        if importlib.util.find_spec(tracker) is None:
            raise InputError(
                f"training.report_to: {tracker} is not installed; pip install 'lingualign[{tracker}]' brings it"
            )
    if loss.kind == "hard" and loss.tcm and not loss.monolingual_diagonal:
        raise InputError(
            "loss.tcm with loss.kind hard and loss.monolingual_diagonal false trains nothing within a language: a hard "
            "label is its diagonal. Keep the diagonal, or use loss.kind: soft"
        )
    if config.student.kind == "encoder" and not config.student.model:
        raise InputError(
            "student.model: student.kind encoder needs the encoder's hub id or folder; none is given"
        )
    if config.student.kind == "static" and config.student.model:
        raise InputError(
            f"student.model is {config.student.model!r}, but student.kind is static, which makes a new model; "
            "set student.kind to encoder to train this one"
        )
    for name, value, kind in (
        ("student.embeddings_first", config.student.embeddings_first, "extended"),
        ("student.trim", config.student.trim, "encoder"),
    ):
        if value and config.student.kind != kind:
            raise InputError(
                f"{name} is {json.dumps(value)}, but student.kind is {config.student.kind}; it is for {kind} alone, "
                "leave it out"
            )
    if loss.kind == "soft" and loss.label == "average" and not config.teacher.multilingual:
        raise InputError(
            "loss.label: average (Eq. 5) compares the teacher's vectors of both languages, which means something only "
            f"with a multilingual teacher. Set teacher.multilingual to true if {config.teacher.model!r} is one, or use "
            "loss.label: priority"
        )


def check_sources(config: RunConfig) -> None:
    """Refuse files, folders and models that are not there; nothing is read yet.

    Raises
    ------
    InputError
        With the setting and the path.
    """
    from lingualign.embedding.models import check_model
    from lingualign.pairs.discovery import find_pairs

    pairs = config.pairs
    if not pairs.sources:
        raise InputError("pairs.sources is empty; give folders, files or hub data set ids")
    for source in [*pairs.sources, *([pairs.validation] if isinstance(pairs.validation, str) else [])]:
        find_pairs(source, languages=pairs.languages, select=pairs.select)
    for key, suites in (("decontaminate", config.decontaminate), ("evaluate", config.evaluate)):
        for suite in suites:
            if not Path(suite).exists():
                raise InputError(f"{key}: {suite!r} is neither a folder nor a file{nearest_path(suite)}")
    if needs_teacher(config):
        check_model(config.teacher.model, config.teacher.revision)
    if config.student.model is not None:
        check_model(config.student.model, config.student.revision)


def check_anchors(config: RunConfig, pairs: pa.Table) -> None:
    """Refuse labels from sentences that a monolingual teacher does not understand.

    Raises
    ------
    InputError
        If the loss takes labels or hard negatives of a teacher not declared multilingual and the anchor side of a
        language pair is in another language than the teacher's.
    """
    if not teacher_views(config.loss) or config.teacher.multilingual:
        return
    language = language_code(config.teacher.language)
    anchors = pc.cast(pairs["lang1"], pa.string())
    foreign = pairs.filter(pc.not_equal(anchors, language))
    names = sorted(set(zip(foreign["lang1"].to_pylist(), foreign["lang2"].to_pylist(), strict=True)))
    if names:
        raise InputError(
            f"teacher {config.teacher.model!r} understands {language!r} (teacher.language), but would measure the "
            f"first side of {', '.join('-'.join(name) for name in names)}. Select the pairs with {language!r} "
            f"(pairs.select: {language}-xx) and put it first in pairs.priority, or set teacher.multilingual to true "
            "if the teacher understands all of them"
            + (", or loss.hard_negatives to 0" if config.loss.kind == "ranking" else "")
        )
