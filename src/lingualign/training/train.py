"""From a configuration to an aligned model: the recipe, top to bottom."""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lingualign.errors import InputError
from lingualign.languages import language_code
from lingualign.reporting import model_card
from lingualign.training.processes import (
    check_same,
    is_first,
    is_first_here,
    on_first,
    process_count,
    process_group,
    together,
)
from lingualign.training.run_folder import REPORT, RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray
    from rich.console import Console
    from sentence_transformers import SentenceTransformer
    from torch import nn

    from lingualign.evaluation import BitextEvaluator, Suite
    from lingualign.pairs import PreparedPairs
    from lingualign.teacher import TeacherStore
    from lingualign.training.batches import PairBatches
    from lingualign.training.config import LossConfig, RunConfig

# Of each language pair: enough for an accuracy to half a point or so, and an evaluation takes no time.
_VALIDATION_LIMIT = 2_000
_TRACKERS = ("tensorboard", "wandb", "trackio")


@dataclass(frozen=True)
class Trained:
    """What a run came to. Accuracies are two-way, on the validation pairs, in [0, 1]."""

    before: float
    after: float
    validation: dict[str, float]
    """After training, by metric and language pair."""
    steps: int
    seconds: float
    """Of training, the evaluations in between included."""
    scores_before: dict[str, Any] | None
    """Of the untrained student on the suites of the configuration, as `lingualign.evaluation.evaluate` gives them."""
    scores: dict[str, Any] | None


@process_group()
def train(
    config: RunConfig, *, resume: bool = False, overwrite: bool = False, progress: bool = True
) -> Trained:
    """Train an aligned model and leave it, with everything about the run, in ``config.output``.

    Started on several processes by ``torchrun`` or ``accelerate launch``, each takes its share of every batch, and the
    first one does all that is not training.

    Parameters
    ----------
    config
        The run.
    resume
        Go on from the last checkpoint in ``config.output``; the configuration must be the same.
    overwrite
        Replace another run in ``config.output``.
    progress
        Whether to print what happens.

    Raises
    ------
    InputError
        If the configuration, a file or a model cannot be used, or training diverges.
    KeyboardInterrupt
        On Ctrl-C, after a checkpoint has been written.
    """
    from rich.console import Console

    from lingualign.embedding.models import fingerprint
    from lingualign.evaluation import BitextEvaluator, load_suites
    from lingualign.pairs import print_report

    progress = progress and is_first()
    console = Console(quiet=not progress)
    check_same(
        "the configuration",
        lambda: {**asdict(config), "--resume": resume, "--overwrite": overwrite},
        "Start all of them with the same file and options",
    )
    folder = RunFolder(config)
    # What can be refused at once is refused first, files that lack something next, models last.
    with together():
        check_settings(config)
        check_sources(config)
        if is_first():
            folder.check(resume=resume, overwrite=overwrite)
        suites = load_suites(config.evaluate) if config.evaluate else []

    console.rule("Pairs")
    with together():
        pairs, (validation, metric) = _pairs(config)
        print_report(pairs.report, console)
        check_anchors(config, pairs.train)
        if resume and is_first():
            folder.check_same_report(pairs.report.to_json())
    check_same("the data report", pairs.report.to_json, "Give all of them the same files")
    tables = {"training": pairs.train, "validation": validation}
    check_same(
        "their pairs, though not in number",
        lambda: {name: _digest(table) for name, table in tables.items()},
        "Give all of them the same files",
    )
    with together():
        teacher, student = _models(config)

    views = _views(config.loss)
    store = None
    if views and teacher is not None:
        console.rule("Teacher")
        store = _teacher_store(config, teacher, pairs.train, views, console, progress)

    console.rule("Student")
    with together():
        if student is None:
            assert teacher is not None
            student = _static_student(config, teacher, pairs)
    millions = sum(parameter.numel() for parameter in student.parameters()) / 1e6
    console.print(
        f"{config.student.kind}, {millions:,.1f} million parameters, {student.get_embedding_dimension()} dimensions"
    )
    del teacher  # its vectors are on disk: its memory is the student's from here on
    with together():
        batches = pair_batches(config, pairs.train, student, store, views, progress)
    check_same(
        "the student that they begin with",
        lambda: {"weights and tokenizer": fingerprint(student)},
        "Give all of them the same models and package versions",
    )

    console.rule("Training")
    if metric != config.training.early_stopping.metric:
        console.print(
            f"no {config.training.early_stopping.metric} pairs are held out; validating on all corpora"
        )
    with together():
        evaluator = BitextEvaluator(
            validation, limit=_VALIDATION_LIMIT, prompt=config.student.prompt, name=metric
        )
        if is_first():
            folder.begin(resume=resume, overwrite=overwrite)
    try:
        folder.save_json(REPORT, pairs.report.to_json())
        with _without_tensor_bars():
            trained = _train(config, student, batches, evaluator, suites, folder, resume, console)
            counts = {name: tally.train for name, tally in pairs.report.language_pairs.items() if tally.train}
            languages = sorted({code for name in counts for code in name.split("-")})
            card = model_card(asdict(config), counts, languages, trained.validation, trained.scores)
            folder.save_text("README.md", card)
            if config.student.prompt:
                # So that plain `encode` puts before a sentence what training has put there.
                student.prompts["default"] = config.student.prompt
                student.default_prompt_name = "default"
            folder.save_model(student)
    except BaseException:
        folder.abandon()
        raise
    console.print(
        f"The model is in {config.output}; plain sentence-transformers loads it from there.", markup=False
    )
    return trained


@contextmanager
def _without_tensor_bars() -> Iterator[None]:
    """Hide transformers' bars over the tensors of each checkpoint, which would cut up ours."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _train(
    config: RunConfig,
    student: SentenceTransformer,
    batches: PairBatches,
    evaluator: BitextEvaluator,
    suites: list[Suite],
    folder: RunFolder,
    resume: bool,
    console: Console,
) -> Trained:
    """Train the student in place, to its best state, with accuracy before and after."""
    metric = evaluator.name
    before = on_first(lambda: evaluator(student))[f"{metric}_accuracy"]
    scores_before = on_first(lambda: _score(config, folder, student, suites, "scores_before.json"))
    console.print(f"validation accuracy before training: {before:.1%}")
    began = time.monotonic()
    checkpoint = on_first(folder.last_checkpoint) if resume else None
    history, steps = _fit(config, student, batches, evaluator, folder, checkpoint, not console.quiet)
    seconds = time.monotonic() - began
    after = on_first(lambda: evaluator(student))
    console.print(
        f"validation accuracy after training: {after[f'{metric}_accuracy']:.1%} "
        f"({steps:,} steps, {seconds:,.0f} seconds)"
    )
    folder.save_json("training_log.json", history)
    scores = on_first(lambda: _score(config, folder, student, suites, "scores.json"))
    return Trained(before, after[f"{metric}_accuracy"], after, steps, seconds, scores_before, scores)


def _score(
    config: RunConfig, folder: RunFolder, student: SentenceTransformer, suites: list[Suite], name: str
) -> dict[str, Any] | None:
    """Score the student on the suites of the configuration and keep the scores beside the model."""
    from lingualign.evaluation import evaluate

    if not suites:
        return None
    scores = evaluate(student, suites, prompt=config.student.prompt)
    scores["model"]["name"] = config.output
    folder.save_json(name, scores)
    return scores


def check_settings(config: RunConfig) -> None:
    """Refuse settings that cannot work, alone or together.

    Raises
    ------
    InputError
        With the setting, its value, and what is allowed.
    """
    training, loss = config.training, config.loss
    for name, value, allowed, holds in (
        ("training.batch_size", training.batch_size, "at least 2", training.batch_size >= 2),
        ("training.epochs", training.epochs, "above 0", 0 < training.epochs < math.inf),
        (
            "training.max_steps",
            training.max_steps,
            "at least 1",
            training.max_steps is None or training.max_steps >= 1,
        ),
        (
            "training.evaluate_every",
            training.evaluate_every,
            "at least 1",
            training.evaluate_every is None or training.evaluate_every >= 1,
        ),
        ("training.learning_rate", training.learning_rate, "above 0", 0 < training.learning_rate < math.inf),
        ("training.warmup", training.warmup, "a share, from 0 to below 1", 0 <= training.warmup < 1),
        ("training.weight_decay", training.weight_decay, "0 or more", 0 <= training.weight_decay < math.inf),
        (
            "training.sampling_power",
            training.sampling_power,
            "from 0 to 1",
            0 <= training.sampling_power <= 1,
        ),
        ("training.seed", training.seed, "from 0 to 2**32 - 1", 0 <= training.seed < 2**32),
        (
            "training.early_stopping.patience",
            training.early_stopping.patience,
            "at least 1, or null to train to the end",
            (training.early_stopping.patience is None or training.early_stopping.patience >= 1),
        ),
        ("student.vocabulary", config.student.vocabulary, "at least 1", config.student.vocabulary >= 1),
        ("loss.temperature", loss.temperature, "above 0", 0 < loss.temperature < math.inf),
        (
            "loss.teacher_temperature",
            loss.teacher_temperature,
            "above 0",
            loss.teacher_temperature is None or 0 < loss.teacher_temperature < math.inf,
        ),
        ("loss.mini_batch_size", loss.mini_batch_size, "at least 1", (loss.mini_batch_size or 1) >= 1),
        ("loss.cross_weight", loss.cross_weight, "from 0 to 1", 0 <= loss.cross_weight <= 1),
    ):
        if not holds:
            raise InputError(f"{name} is {value}; it must be {allowed}")
    processes = process_count()
    if training.batch_size % processes:
        raise InputError(
            f"training.batch_size is {training.batch_size}, the pairs of a batch over all devices, but there are "
            f"{processes} processes; it must be a multiple of {processes}, so that all have equal shares"
        )
    if loss.mini_batch_size is not None and (config.student.kind == "static" or loss.kind == "mse"):
        where = "student.kind static" if config.student.kind == "static" else "loss.kind mse"
        raise InputError(
            f"loss.mini_batch_size is {loss.mini_batch_size}, but {where} takes a batch as a whole and needs no "
            "cutting; leave it out"
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
    if loss.kind == "soft" and loss.label == "average" and not config.teacher.multilingual:
        raise InputError(
            "loss.label: average (Eq. 5) compares the teacher's vectors of both languages, which means something only "
            f"with a multilingual teacher. Set teacher.multilingual to true if {config.teacher.model!r} is one, or use "
            "loss.label: priority"
        )


def check_sources(config: RunConfig) -> None:
    """Refuse files and folders that are not there; nothing is read yet.

    Raises
    ------
    InputError
        With the setting and the path.
    """
    from lingualign.pairs.discovery import find_pairs

    pairs = config.pairs
    if not pairs.sources:
        raise InputError("pairs.sources is empty; give folders, files or hub data set ids")
    for source in [*pairs.sources, *([pairs.validation] if isinstance(pairs.validation, str) else [])]:
        find_pairs(source)
    for key, suites in (("decontaminate", config.decontaminate), ("evaluate", config.evaluate)):
        for suite in suites:
            if not Path(suite).exists():
                raise InputError(f"{key}: {suite!r} is neither a folder nor a file")


def check_anchors(config: RunConfig, pairs: pa.Table) -> None:
    """Refuse labels from sentences that a monolingual teacher does not understand.

    Raises
    ------
    InputError
        If the loss takes labels of a teacher not declared multilingual and the anchor side of a language pair is in
        another language than the teacher's.
    """
    if not _views(config.loss) or config.teacher.multilingual:
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
        )


def _models(config: RunConfig) -> tuple[SentenceTransformer | None, SentenceTransformer | None]:
    """Load the teacher, where the run needs it, and the student, where it exists; refuse two that do not fit."""
    from lingualign.embedding import load_model
    from lingualign.student import encoder_student

    teacher = None
    if _views(config.loss) or config.student.kind == "static":
        teacher = load_model(config.teacher.model, revision=config.teacher.revision)
    if config.student.kind == "static" or config.student.model is None:
        return teacher, None
    student = encoder_student(config.student.model, revision=config.student.revision)
    if config.loss.kind == "mse" and teacher is not None:
        have, want = student.get_embedding_dimension(), teacher.get_embedding_dimension()
        if have != want:
            raise InputError(
                "loss.kind: mse needs student and teacher of one dimension, but student "
                f"{config.student.model!r} has {have} and teacher {config.teacher.model!r} has {want}. "
                "Use loss.kind: soft, which compares similarities, or another teacher"
            )
    return teacher, student


def _pairs(config: RunConfig) -> tuple[PreparedPairs, tuple[pa.Table, str]]:
    """Prepare the training pairs and those that decide when to stop and which model is best."""
    from lingualign.pairs import prepare_pairs

    given = config.pairs.validation
    wanted: dict[str, Any] = {
        "languages": config.pairs.languages,
        "select": config.pairs.select,
        "columns": config.pairs.columns,
        "seed": config.training.seed,
    }
    pairs = prepare_pairs(
        config.pairs.sources,
        priority=config.pairs.priority,
        per_corpus=config.pairs.per_corpus,
        validation=given if isinstance(given, int) else 0,
        decontaminate=[*config.decontaminate, *([given] if isinstance(given, str) else [])],
        **wanted,
    )
    if isinstance(given, str):
        held_out = prepare_pairs(given, priority=pairs.priority, validation=0, **wanted).train
        return pairs, validation_pairs(held_out, config)
    return pairs, validation_pairs(pairs.validation, config)


def _digest(pairs: pa.Table) -> str:
    """Name a table of pairs by its sentences, in their order."""
    digest = hashlib.sha256()
    for column in ("sentence1", "sentence2"):
        for start in range(0, pairs.num_rows, 65_536):
            digest.update("\n".join(pairs[column].slice(start, 65_536).to_pylist()).encode())
    return digest.hexdigest()


def validation_pairs(held_out: pa.Table, config: RunConfig) -> tuple[pa.Table, str]:
    """Choose the held-out pairs that the metric of `EarlyStoppingConfig` names; gives them and what they are."""
    table, name = held_out, "validation"
    if config.training.early_stopping.metric == "tatoeba":
        corpus = pc.cast(table["corpus"], pa.string())
        of_tatoeba = table.filter(pc.match_substring(corpus, "tatoeba", ignore_case=True))
        if of_tatoeba.num_rows:
            table, name = of_tatoeba, "tatoeba"
    languages = list(zip(table["lang1"].to_pylist(), table["lang2"].to_pylist(), strict=True))
    counts = Counter(languages)
    if max(counts.values(), default=0) < 2:
        raise InputError(
            f"pairs.validation is {config.pairs.validation!r} and leaves {table.num_rows} pairs to validate on; a "
            "language pair needs 2 at least to tell a good model from a bad one. Raise it, or give more pairs"
        )
    return table.filter(pa.array([counts[pair] > 1 for pair in languages])), name


def _views(loss: LossConfig) -> Sequence[str]:
    """Name the columns whose teacher vectors the loss needs."""
    if loss.kind == "soft" and loss.label == "average":
        return ("sentence1", "sentence2")
    return ("sentence1",) if loss.kind in ("soft", "mse") else ()


def _teacher_store(
    config: RunConfig,
    teacher: SentenceTransformer,
    pairs: pa.Table,
    views: Sequence[str],
    console: Console,
    progress: bool,
) -> TeacherStore:
    from lingualign.teacher import TeacherStore

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = Path(config.teacher.store) if config.teacher.store else cache / "lingualign" / "teacher"
    store = TeacherStore.for_model(root, teacher, prompt=config.teacher.prompt)
    # The first process of all embeds; then those of other machines what their own stores lack, if they share none.
    for taking_turn in (is_first(), is_first_here() and not is_first()):
        with together():
            for view in views if taking_turn else ():
                added = store.add(pairs[view].to_pylist(), progress=progress)
                console.print(f"{view}: {added.new:,} sentences embedded, {added.known:,} known already")
    console.print(f"vectors in {store.folder}")
    return TeacherStore(store.folder)  # without the teacher that `store` holds


def _static_student(
    config: RunConfig, teacher: SentenceTransformer, pairs: PreparedPairs
) -> SentenceTransformer:
    from lingualign.student import static_student

    sentences: dict[str, list[str]] = {}
    for language, sentence in (("lang1", "sentence1"), ("lang2", "sentence2")):
        codes = pairs.train[language].to_numpy()
        for code in np.unique(codes):
            of_language = pairs.train[sentence].filter(pa.array(codes == code))
            sentences.setdefault(str(code), []).extend(of_language.unique().to_pylist())
    return static_student(
        teacher,
        {code: list(dict.fromkeys(found)) for code, found in sentences.items()},
        anchor=language_code(config.teacher.language),
        vocabulary=config.student.vocabulary,
        seed=config.training.seed,
    )


def pair_batches(
    config: RunConfig,
    pairs: pa.Table,
    student: SentenceTransformer,
    store: TeacherStore | None,
    views: Sequence[str],
    progress: bool,
) -> PairBatches:
    """Tokenise each distinct sentence once and lay out the pairs by language pair."""
    from lingualign.losses.gather import world
    from lingualign.training.batches import LanguagePairRows, PairBatches
    from lingualign.training.tokens import TokenIds

    both = pa.chunked_array([*pairs["sentence1"].chunks, *pairs["sentence2"].chunks])
    encoded = both.combine_chunks().dictionary_encode()
    sentences = encoded.dictionary.to_pylist()
    places = encoded.indices.to_numpy().astype(np.int64)
    columns = {"sentence1": places[: pairs.num_rows], "sentence2": places[pairs.num_rows :]}

    teacher: NDArray[np.int64] | None = None
    if store is not None:
        used, back = np.unique(np.stack([columns[view] for view in views], axis=1), return_inverse=True)
        rows = store.rows([sentences[place] for place in used])
        teacher = rows[back].reshape(pairs.num_rows, len(views))

    names = pc.binary_join_element_wise(
        pc.cast(pairs["lang1"], pa.string()), pc.cast(pairs["lang2"], pa.string()), "-"
    ).to_numpy(zero_copy_only=False)
    groups = {}
    for name in np.unique(names):
        of_pair = np.flatnonzero(names == name)
        groups[str(name)] = LanguagePairRows(
            columns["sentence1"][of_pair],
            columns["sentence2"][of_pair],
            None if teacher is None else teacher[of_pair],
        )
    rank, processes = world()
    return PairBatches(
        groups,
        TokenIds(student, sentences, prompt=config.student.prompt, progress=progress),
        store,
        batch_size=config.training.batch_size,
        power=config.training.sampling_power,
        seed=config.training.seed,
        rank=rank,
        processes=processes,
    )


def make_loss(config: LossConfig, student: SentenceTransformer) -> nn.Module:
    """Make the loss that a configuration names."""
    from lingualign.losses import DistillationLoss, SoftContrastiveLoss, TranslationRankingLoss

    if config.kind == "mse":
        return DistillationLoss(student)
    if config.kind == "ranking":
        return TranslationRankingLoss(
            student, temperature=config.temperature, mini_batch_size=config.mini_batch_size
        )
    return SoftContrastiveLoss(
        student,
        temperature=config.temperature,
        teacher_temperature=config.teacher_temperature,
        label="hard" if config.kind == "hard" else config.label,
        tcm=config.tcm,
        cross_weight=config.cross_weight,
        monolingual_diagonal=config.monolingual_diagonal,
        mini_batch_size=config.mini_batch_size,
    )


def _fit(
    config: RunConfig,
    student: SentenceTransformer,
    batches: PairBatches,
    evaluator: BitextEvaluator,
    folder: RunFolder,
    checkpoint: Path | None,
    progress: bool,
) -> tuple[list[dict[str, float]], int]:
    """Train the student in place, to its best state; returns the log and the number of steps."""
    from sentence_transformers import SentenceTransformerTrainingArguments
    from transformers import EarlyStoppingCallback, PrinterCallback, ProgressCallback

    from lingualign.embedding.encode import fast_bf16
    from lingualign.training.callbacks import ProgressBar, ProgressLines, StopOnSignal
    from lingualign.training.trainer import AlignmentTrainer

    training = config.training
    metric = f"eval_{evaluator.name}_accuracy"
    every: dict[str, Any] = {"eval_strategy": "epoch", "save_strategy": "epoch"}
    if training.evaluate_every is not None:
        steps = training.evaluate_every
        every = {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": steps, "save_steps": steps}
    bf16 = training.precision == "bf16" or (training.precision == "auto" and fast_bf16(student.device))
    args = SentenceTransformerTrainingArguments(
        output_dir=str(folder.checkpoints),
        num_train_epochs=training.epochs,
        max_steps=training.max_steps or -1,
        per_device_train_batch_size=training.batch_size // process_count(),
        learning_rate=training.learning_rate,
        warmup_steps=training.warmup,
        weight_decay=training.weight_decay,
        max_grad_norm=1.0,
        bf16=bf16,
        load_best_model_at_end=True,
        metric_for_best_model=metric,
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,
        logging_steps=20,
        report_to=training.report_to or "none",
        seed=training.seed,
        use_cpu=student.device.type == "cpu",
        # What the host would set by itself, with a warning from every process.
        dataloader_drop_last=process_count() > 1,
        # An encoder may come with a pooler that nothing trains; a static student has its embedding alone.
        ddp_find_unused_parameters=False if config.student.kind == "static" else None,
        **every,
    )
    trainer = AlignmentTrainer(student, args, batches, make_loss(config.loss, student), evaluator)
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    if progress:
        trainer.add_callback(ProgressBar(metric) if sys.stderr.isatty() else ProgressLines(metric))
    if training.early_stopping.patience is not None:
        trainer.add_callback(EarlyStoppingCallback(training.early_stopping.patience))
    with StopOnSignal() as stop:
        trainer.add_callback(stop)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if stop.signal is not None:
        raise KeyboardInterrupt("interrupted; go on with --resume")
    return trainer.state.log_history, trainer.state.global_step
