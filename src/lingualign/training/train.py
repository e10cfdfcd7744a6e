"""From a configuration to an aligned model: the recipe, top to bottom."""

from __future__ import annotations

import time
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lingualign.embedding.progress import without_tensor_bars
from lingualign.report import model_card
from lingualign.training.assemble import (
    digest,
    load_models,
    make_loss,
    mine_negatives,
    new_student,
    pair_batches,
    prepare,
    teacher_store,
    trim,
    validation_pairs,
)
from lingualign.training.checks import check_anchors, check_settings, check_sources
from lingualign.training.config import method, resolved
from lingualign.training.kinds import LOSSES, STUDENTS, takes_hard_negatives, teacher_views
from lingualign.training.processes import (
    agreed,
    check_same,
    is_first,
    on_first,
    process_count,
    process_group,
    together,
)
from lingualign.training.run_folder import REPORT, RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from sentence_transformers import SentenceTransformer

    from lingualign.evaluation import BitextEvaluator, Suite
    from lingualign.training.batches import PairBatches
    from lingualign.training.config import RunConfig

# Of each language pair: enough for an accuracy to half a point or so, and an evaluation takes no time.
_VALIDATION_LIMIT = 2_000


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
    folder = RunFolder(config)
    with ExitStack() as held:
        try:
            return _train_alone(config, folder, held, resume=resume, overwrite=overwrite, progress=progress)
        except KeyboardInterrupt as error:
            if str(error):
                raise
            raise KeyboardInterrupt(f"interrupted; {folder.how_to_go_on()}") from error


def _train_alone(
    config: RunConfig,
    folder: RunFolder,
    held: ExitStack,
    *,
    resume: bool,
    overwrite: bool,
    progress: bool,
) -> Trained:
    """Do what `train` does; ``held`` is what no other process may have meanwhile."""
    from rich.console import Console

    from lingualign.evaluation import load_suites
    from lingualign.pairs import print_report

    config = resolved(config)
    progress = progress and is_first()
    console = Console(quiet=not progress)
    check_same(
        "the configuration",
        lambda: {**asdict(config), "--resume": resume, "--overwrite": overwrite},
        "Start all of them with the same file and options",
    )
    # What can be refused at once is refused first, files that lack something next, models last.
    with together():
        check_settings(config)
        check_sources(config)
        held.enter_context(folder.locked())
        if is_first():
            folder.check(resume=resume, overwrite=overwrite)
        suites = load_suites(config.evaluate) if config.evaluate else []

    console.rule("Pairs")
    with together():
        pairs = prepare(config)
        validation, metric = validation_pairs(pairs.validation, config)
        print_report(pairs.report, console)
        check_anchors(config, pairs.train)
        tables = {"training": pairs.train, "validation": validation}
        report = {
            **pairs.report.to_json(),
            "sentences": {name: digest(table) for name, table in tables.items()},
        }
        if resume and is_first():
            folder.check_same_report(report)
    check_same("the data report", pairs.report.to_json, "Give all of them the same files")
    check_same(
        "their pairs, though not in number",
        lambda: report["sentences"],
        "Give all of them the same files",
    )
    # Not before: they import libraries for seconds, which no refusal needs.
    from lingualign.embedding.models import fingerprint, set_prompt
    from lingualign.evaluation import BitextEvaluator
    from lingualign.student import encoder_student
    from lingualign.training.softness import describe_labels

    with together():
        teacher, encoder = load_models(config)

    views = teacher_views(config.loss)
    store = None
    if views and teacher is not None:
        console.rule("Teacher")
        store = teacher_store(config, teacher, pairs.train, views, console, progress)
    negatives = kept_negatives = None
    if store is not None and takes_hard_negatives(config.loss):
        kept_negatives = on_first(folder.hard_negatives) if resume else None
        negatives = kept_negatives or on_first(
            partial(mine_negatives, config, pairs.train, store, console, progress)
        )
        store, views = None, ()  # no label is taken from it

    console.rule("Student")
    start = on_first(folder.start) if resume else None
    if start is not None:
        # What a run began with is not made twice, where making it took long.
        with together():
            student = encoder_student(str(start))
    else:
        student = new_student(config, teacher, encoder, pairs.train, store, views, console, progress)
    with together():
        # From here on it is the student's own: token ids, scores and the saved model all take it from there.
        set_prompt(student, config.student.prompt)
        if config.student.trim:
            report["vocabulary"] = asdict(trim(student, pairs, console))
    millions = sum(parameter.numel() for parameter in student.parameters()) / 1e6
    console.print(
        f"{config.student.kind}, {millions:,.1f} million parameters, {student.get_embedding_dimension()} dimensions"
    )
    del teacher, encoder  # the teacher's vectors are on disk: its memory is the student's from here on
    with together():
        batches = pair_batches(config, pairs.train, student, store, views, progress, negatives)
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
    counts = {name: tally.train for name, tally in pairs.report.language_pairs.items() if tally.train}
    rows = batches.sizes()
    small = [f"{name} ({count:,})" for name, count in rows.items() if count < config.training.batch_size]
    if small:
        console.print(
            f"fewer pairs than a batch of {config.training.batch_size:,}, so smaller ones: {', '.join(small)}"
        )
    if config.training.n_way:
        joined = [f"{name} ({count:,})" for name, count in rows.items() if name.count("-") > 1]
        console.print(f"one content in several languages: {', '.join(joined) or 'none that fills a batch'}")
    with together():
        if LOSSES[config.loss.kind].soft_labels and is_first():
            console.print(describe_labels(config.loss, batches))
        evaluator = BitextEvaluator(validation, limit=_VALIDATION_LIMIT, name=metric)
        if is_first():
            folder.begin(resume=resume, overwrite=overwrite)
    try:
        folder.save_json(REPORT, report)
        with without_tensor_bars():
            with together():
                if STUDENTS[config.student.kind].takes_long and start is None:
                    folder.save_start(student)
                if negatives is not None and kept_negatives is None:
                    folder.save_hard_negatives(negatives)
            languages = sorted({code for name in counts for code in name.split("-")})
            trained = _train(config, student, batches, evaluator, suites, languages, folder, resume, console)
            card = model_card(
                asdict(config), counts, languages, trained.validation, trained.scores, method(config)
            )
            folder.save_text("README.md", card)
            folder.save_model(student)
    except BaseException:
        folder.abandon()
        raise
    console.print(
        f"The model is in {config.output}; plain sentence-transformers loads it from there.", markup=False
    )
    return trained


def _train(
    config: RunConfig,
    student: SentenceTransformer,
    batches: PairBatches,
    evaluator: BitextEvaluator,
    suites: list[Suite],
    languages: list[str],
    folder: RunFolder,
    resume: bool,
    console: Console,
) -> Trained:
    """Train the student in place, to its best state, with accuracy before and after."""
    from lingualign.report.score_tables import print_gain

    metric = evaluator.name
    before = on_first(lambda: evaluator(student))[f"{metric}_accuracy"]
    scored = partial(_score, config, folder, student, suites, languages)
    scores_before = on_first(lambda: scored("scores_before.json"))
    console.print(f"validation accuracy before training: {before:.1%}")
    began = time.monotonic()
    checkpoint = on_first(folder.last_checkpoint) if resume else None
    if resume:
        step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
        console.print(
            f"resuming after step {step:,}" if step else "no checkpoint is whole: beginning at step 1"
        )
    history, steps = _fit(config, student, batches, evaluator, folder, checkpoint, not console.quiet)
    seconds = time.monotonic() - began
    after = on_first(lambda: evaluator(student))
    console.print(
        f"validation accuracy after training: {after[f'{metric}_accuracy']:.1%} "
        f"({steps:,} steps, {seconds:,.0f} seconds)"
    )
    if course := _course(history, f"eval_{metric}_accuracy"):
        console.print(course)
    folder.save_log(history)
    scores = on_first(lambda: scored("scores.json"))
    if scores_before and scores:
        print_gain(scores_before, scores, console)
    return Trained(before, after[f"{metric}_accuracy"], after, steps, seconds, scores_before, scores)


def _course(history: list[dict[str, float]], metric: str) -> str:
    """Say whether an accuracy was still rising when training ended; empty where there are no two evaluations."""
    evaluations = [(int(entry["step"]), entry[metric]) for entry in history if metric in entry]
    if len(evaluations) < 2:
        return ""
    (earlier, before), (last, accuracy) = evaluations[-2:]
    best = max(evaluations, key=lambda evaluation: evaluation[1])
    if best == (last, accuracy) and accuracy > before:
        return (
            f"the accuracy was still rising, by {100 * (accuracy - before):.1f} points since step {earlier:,}: "
            "more epochs may help"
        )
    return f"the accuracy was highest at step {best[0]:,} and no longer rising at the end: more pairs may raise it"


def _score(
    config: RunConfig,
    folder: RunFolder,
    student: SentenceTransformer,
    suites: list[Suite],
    languages: list[str],
    name: str,
) -> dict[str, Any] | None:
    """Score the student on the suites of the configuration and keep the scores beside the model.

    A suite in a language that the pairs do not have names it as ``untrained``.
    """
    from lingualign.evaluation import evaluate
    from lingualign.evaluation.narrowing import suite_languages

    if not suites:
        return None
    scores = evaluate(student, suites, prompt=config.student.prompt)
    scores["model"]["name"] = config.output
    for suite in suites:
        if untrained := [code for code in suite_languages(suite) if code not in languages]:
            scores["suites"][suite.name]["untrained"] = untrained
    folder.save_json(name, scores)
    return scores


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
    from lingualign.progress_lines import draws_bars
    from lingualign.training.callbacks import (
        EmbeddingsFirst,
        LogFile,
        ProgressBar,
        ProgressLines,
        StopOnSignal,
    )
    from lingualign.training.encoder_options import add_lora, gradient_checkpointing, layer_rates, merge_lora
    from lingualign.training.trainer import AlignmentTrainer

    training = config.training
    if training.lora.rank:
        add_lora(student, training.lora, training.seed)
    rates = {}
    if training.layer_decay != 1:
        rates = layer_rates(student, training.learning_rate, training.layer_decay)
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
        learning_rate_mapping=rates,
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
        ddp_find_unused_parameters=None if STUDENTS[config.student.kind].idle_weights else False,
        **every,
    )
    loss = make_loss(config.loss, student, batches)
    trainer = AlignmentTrainer(student, args, batches, loss, evaluator)
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(LogFile(folder.save_log))
    if progress:
        trainer.add_callback(ProgressBar(metric) if draws_bars() else ProgressLines(metric))
    if training.early_stopping.patience is not None:
        trainer.add_callback(EarlyStoppingCallback(training.early_stopping.patience))
    if config.student.embeddings_first:
        transformer: Any = student[0]
        embeddings = transformer.model.get_input_embeddings()
        trainer.add_callback(
            EmbeddingsFirst(embeddings, student.parameters(), config.student.embeddings_first)
        )
    less_memory = gradient_checkpointing(student) if training.gradient_checkpointing else nullcontext()
    with less_memory, StopOnSignal() as stop:
        trainer.add_callback(stop)
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if stop.signal is not None:
        raise agreed(KeyboardInterrupt("interrupted; go on with --resume"))
    if training.lora.rank:
        merge_lora(student)
    return trainer.state.log_history, trainer.state.global_step
