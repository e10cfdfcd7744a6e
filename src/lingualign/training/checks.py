"""What a run refuses before it begins: settings that cannot work, missing sources, labels without meaning."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lingualign.constraints import check_limits
from lingualign.embedding.named_models import named_model
from lingualign.errors import InputError
from lingualign.hub import nearest_path
from lingualign.languages import language_code
from lingualign.training.config import given
from lingualign.training.distributed import process_count
from lingualign.training.kinds import LOSSES, STUDENTS, needs_teacher, takes_hard_negatives, teacher_views

if TYPE_CHECKING:
    from lingualign.training.config import RunConfig, TeacherConfig

_TRACKERS = ("tensorboard", "wandb", "trackio")


def check_settings(config: RunConfig) -> None:
    """Check the settings, each alone and all together.

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
    _check_kinds(config)
    if training.lora.rank and importlib.util.find_spec("peft") is None:
        raise InputError("training.lora: peft is not installed; pip install 'lingualign[lora]' brings it")
    if training.lora.target and not training.lora.rank:
        raise InputError(
            f"training.lora.target is {training.lora.target}, but training.lora.rank is 0, which is without adapters; "
            "set the rank, such as 16"
        )
    for tracker in training.report_to:
        if tracker not in _TRACKERS:
            raise InputError(f"training.report_to is {tracker!r}; it must be one of {', '.join(_TRACKERS)}")
        if importlib.util.find_spec(tracker) is None:
            raise InputError(
                f"training.report_to: {tracker} is not installed; pip install 'lingualign[{tracker}]' brings it"
            )
    if len(teacher_views(loss)) > 1 and not _is_multilingual(config.teacher):
        raise InputError(
            "loss.label: average (Eq. 5) compares the teacher's vectors of both languages, which means something only "
            f"with a multilingual teacher. Set teacher.multilingual to true if {config.teacher.model!r} is one, or use "
            "loss.label: priority"
        )


def _check_kinds(config: RunConfig) -> None:
    """Check the settings that a kind of student or of loss does not take."""
    student, loss = config.student, config.loss
    for kind, rows, wrong in (
        (student.kind, STUDENTS, STUDENTS[student.kind].check(student)),
        (loss.kind, LOSSES, LOSSES[loss.kind].check(loss)),
    ):
        messages = dict(rows[kind].refuses)
        for other, row in rows.items():
            if other != kind:
                messages |= row.alone
        for name, value in given(config, messages).items():
            raise InputError(messages[name].format(value=value, kind=kind))
        if wrong:
            raise InputError(wrong)


def check_sources(config: RunConfig) -> None:
    """Check that files, folders and models are there; nothing is read yet.

    Raises
    ------
    InputError
        With the setting and the path.
    """
    from lingualign.embedding.models import check_model
    from lingualign.pairs.sources import find_pairs

    pairs = config.pairs
    if not pairs.sources:
        raise InputError("pairs.sources is empty; give folders, files or hub data set ids")
    for source in [*pairs.sources, *([pairs.validation] if isinstance(pairs.validation, str) else [])]:
        find_pairs(source, pairs)
    for key, suites in (("decontaminate", config.decontaminate), ("evaluate", config.evaluate)):
        for suite in suites:
            if not Path(suite).exists():
                raise InputError(f"{key}: {suite!r} is neither a folder nor a file{nearest_path(suite)}")
    if needs_teacher(config.loss, config.student):
        check_model(config.teacher.model, config.teacher.revision)
    if config.student.model is not None:
        check_model(config.student.model, config.student.revision)


def check_anchors(config: RunConfig, pairs: pa.Table) -> None:
    """Check that a monolingual teacher understands the sentences that it labels.

    Raises
    ------
    InputError
        If the loss takes labels or hard negatives of a teacher neither declared nor known to be multilingual and the
        anchor side of a language pair is in another language than the teacher's.
    """
    if not teacher_views(config.loss) or _is_multilingual(config.teacher):
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
            + (", or loss.hard_negatives to 0" if takes_hard_negatives(config.loss) else "")
        )


def _is_multilingual(teacher: TeacherConfig) -> bool:
    named = named_model(teacher.model)
    return teacher.multilingual or (named is not None and named.multilingual)
