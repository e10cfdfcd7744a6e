"""From a configuration to an aligned model: the recipe, top to bottom."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lingualign.progress import without_tensor_bars
from lingualign.report import model_card
from lingualign.training.build import load_models, new_student, trim
from lingualign.training.checks import check_anchors, check_settings, check_sources
from lingualign.training.config import method, resolved
from lingualign.training.data import digest, pair_batches, prepare, validation_pairs
from lingualign.training.distributed import check_same, is_first, on_first, process_group, together
from lingualign.training.kinds import LOSSES, STUDENTS, takes_hard_negatives, teacher_views
from lingualign.training.run_folder import REPORT, RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray
    from rich.console import Console
    from sentence_transformers import SentenceTransformer

    from lingualign.evaluation import BitextEvaluator, Suite
    from lingualign.pairs import PreparedPairs
    from lingualign.teacher import TeacherStore
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
    """Time of training, the evaluations in between included."""
    scores_before: dict[str, Any] | None
    """Scores of the untrained student on the suites of the configuration, from `lingualign.evaluation.evaluate`."""
    scores: dict[str, Any] | None


@dataclass(frozen=True)
class _Run:
    """What all steps of the recipe share: what is asked for, where it is written, and who is told."""

    config: RunConfig
    folder: RunFolder
    console: Console
    resume: bool
    overwrite: bool

    @property
    def progress(self) -> bool:
        return not self.console.quiet


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
        Print what happens.

    Raises
    ------
    InputError
        If the configuration, a file or a model cannot be used, or training diverges.
    KeyboardInterrupt
        On Ctrl-C, after a checkpoint has been written.
    """
    from rich.console import Console

    folder = RunFolder(config)
    run = _Run(resolved(config), folder, Console(quiet=not (progress and is_first())), resume, overwrite)
    with ExitStack() as held:
        try:
            return _train(run, held)
        except KeyboardInterrupt as error:
            if str(error):
                raise
            raise KeyboardInterrupt(f"interrupted; {folder.how_to_go_on()}") from error


def _train(run: _Run, held: ExitStack) -> Trained:
    """Follow the recipe; ``held`` is what no other run may have meanwhile.

    Each step ends on all processes of the run together, and where it fails on one of them, it fails on all.
    """
    config, folder, console = run.config, run.folder, run.console
    # What can be refused at once is refused first, files that lack something next, models last.
    suites = _check(run, held)

    console.rule("Pairs")
    pairs, validation, metric, report = _pairs(run)
    teacher, encoder = load_models(config)
    teaching = _teach(run, teacher, pairs.train)

    console.rule("Student")
    start = folder.start() if run.resume else None
    student = _student(run, teacher, encoder, start, pairs, teaching, report)
    del teacher, encoder  # the teacher's vectors are on disk: its memory is the student's from here on
    batches = pair_batches(
        config, pairs.train, student, teaching.store, teaching.views, run.progress, teaching.negatives
    )
    _check_same_student(student)

    console.rule("Training")
    _describe(run, metric, batches)
    evaluator = _begin(run, batches, validation, metric)
    counts = {name: tally.train for name, tally in pairs.report.language_pairs.items() if tally.train}
    languages = sorted({code for name in counts for code in name.split("-")})
    with folder.abandoned_on_failure(), without_tensor_bars():
        folder.save_json(REPORT, report)
        _keep_what_took_long(run, student, start is None, teaching)
        trained = _fit_and_score(run, student, batches, evaluator, suites, languages)
        card = model_card(
            asdict(config), counts, languages, trained.validation, trained.scores, method(config)
        )
        folder.save_text("README.md", card)
        folder.save_model(student)
    console.print(
        f"The model is in {config.output}; plain sentence-transformers loads it from there.", markup=False
    )
    return trained


def _check(run: _Run, held: ExitStack) -> list[Suite]:
    """Raise InputError for whatever can be checked at once; returns the suites to score on."""
    from lingualign.evaluation import load_suites

    config = run.config
    check_same(
        "the configuration",
        lambda: {**asdict(config), "--resume": run.resume, "--overwrite": run.overwrite},
        "Start all of them with the same file and options",
    )
    with together():
        check_settings(config)
        check_sources(config)
        held.enter_context(run.folder.locked())
        run.folder.check(resume=run.resume, overwrite=run.overwrite)
        return load_suites(config.evaluate) if config.evaluate else []


def _pairs(run: _Run) -> tuple[PreparedPairs, pa.Table, str, dict[str, Any]]:
    """Prepare the pairs; returns those to validate on, and what they are, and the data report as well."""
    from lingualign.pairs import print_report

    with together():
        pairs = prepare(run.config)
        validation, metric = validation_pairs(pairs.validation, run.config)
        print_report(pairs.report, run.console)
        check_anchors(run.config, pairs.train)
        tables = {"training": pairs.train, "validation": validation}
        report = {
            **pairs.report.to_json(),
            "sentences": {name: digest(table) for name, table in tables.items()},
        }
        if run.resume:
            run.folder.check_same_report(report)
    cure = "Give all of them the same files"
    check_same("the data report", pairs.report.to_json, cure)
    check_same("their pairs, though not in number", lambda: report["sentences"], cure)
    return pairs, validation, metric, report


@dataclass(frozen=True)
class _Teaching:
    """What the batches take from the teacher."""

    store: TeacherStore | None = None
    """The vectors of the labels."""
    views: Sequence[str] = ()
    """The columns whose vectors are labels."""
    negatives: dict[str, NDArray[np.int64]] | None = None
    kept: bool = False
    """True where the negatives are those that the run has kept."""


def _teach(run: _Run, teacher: SentenceTransformer | None, pairs: pa.Table) -> _Teaching:
    """Embed the sentences with the teacher, where the loss needs their vectors, and mine the hard negatives."""
    # Not before: it imports libraries for seconds, which no refusal needs.
    from lingualign.training.hard_negatives import mine_negatives
    from lingualign.training.labels import teacher_store

    config = run.config
    views = teacher_views(config.loss)
    if not views:
        return _Teaching()
    assert teacher is not None
    run.console.rule("Teacher")
    store = teacher_store(config, teacher, pairs, views, run.console)
    if not takes_hard_negatives(config.loss):
        return _Teaching(store, views)
    # No label is taken from the store.
    if run.resume and (kept := run.folder.hard_negatives()):
        return _Teaching(negatives=kept, kept=True)
    return _Teaching(negatives=on_first(partial(mine_negatives, config, pairs, store, run.console)))


def _student(
    run: _Run,
    teacher: SentenceTransformer | None,
    encoder: SentenceTransformer | None,
    start: Path | None,
    pairs: PreparedPairs,
    teaching: _Teaching,
    report: dict[str, Any],
) -> SentenceTransformer:
    """Make the student, or read the one that the run began with; what trimming leaves goes into the data report."""
    from lingualign.embedding.models import set_prompt
    from lingualign.student import encoder_student

    config = run.config
    if start is None:
        student = new_student(
            config, teacher, encoder, pairs.train, teaching.store, teaching.views, run.console
        )
    with together():
        if start is not None:
            student = encoder_student(str(start))
        # From here on it is the student's own: token ids, scores and the saved model all take it from there.
        set_prompt(student, config.student.prompt)
        if config.student.trim:
            report["vocabulary"] = asdict(trim(student, pairs, run.console))
    millions = sum(parameter.numel() for parameter in student.parameters()) / 1e6
    run.console.print(
        f"{config.student.kind}, {millions:,.1f} million parameters, {student.get_embedding_dimension()} dimensions"
    )
    return student


def _check_same_student(student: SentenceTransformer) -> None:
    from lingualign.embedding.models import fingerprint

    check_same(
        "the student that they begin with",
        lambda: {"weights and tokenizer": fingerprint(student)},
        "Give all of them the same models and package versions",
    )


def _describe(run: _Run, metric: str, batches: PairBatches) -> None:
    """Print what may surprise about the batches."""
    training, console = run.config.training, run.console
    if metric != training.early_stopping.metric:
        console.print(f"no {training.early_stopping.metric} pairs are held out; validating on all corpora")
    rows = batches.sizes()
    small = [f"{name} ({count:,})" for name, count in rows.items() if count < training.batch_size]
    if small:
        console.print(
            f"fewer pairs than a batch of {training.batch_size:,}, so smaller ones: {', '.join(small)}"
        )
    if training.n_way:
        joined = [f"{name} ({count:,})" for name, count in rows.items() if name.count("-") > 1]
        console.print(f"one content in several languages: {', '.join(joined) or 'none that fills a batch'}")


@together()
def _begin(run: _Run, batches: PairBatches, validation: pa.Table, metric: str) -> BitextEvaluator:
    """Make the folder, once nothing is left to be refused; returns what scores the student while it trains."""
    from lingualign.evaluation import BitextEvaluator
    from lingualign.training.labels import describe_labels

    if LOSSES[run.config.loss.kind].soft_labels and is_first():
        run.console.print(describe_labels(run.config.loss, batches))
    evaluator = BitextEvaluator(validation, limit=_VALIDATION_LIMIT, name=metric)
    run.folder.begin(resume=run.resume, overwrite=run.overwrite)
    return evaluator


@together()
def _keep_what_took_long(run: _Run, student: SentenceTransformer, new: bool, teaching: _Teaching) -> None:
    if new and STUDENTS[run.config.student.kind].takes_long:
        run.folder.save_start(student)
    if teaching.negatives is not None and not teaching.kept:
        run.folder.save_hard_negatives(teaching.negatives)


def _fit_and_score(
    run: _Run,
    student: SentenceTransformer,
    batches: PairBatches,
    evaluator: BitextEvaluator,
    suites: list[Suite],
    languages: list[str],
) -> Trained:
    """Train the student in place, to its best state, with accuracy before and after."""
    from lingualign.report.score_tables import print_gain
    from lingualign.training.fit import fit

    config, folder, console, metric = run.config, run.folder, run.console, evaluator.name
    before = on_first(lambda: evaluator(student))[f"{metric}_accuracy"]
    scored = partial(_score, config, folder, student, suites, languages)
    scores_before = on_first(lambda: scored("scores_before.json"))
    console.print(f"validation accuracy before training: {before:.1%}")
    began = time.monotonic()
    checkpoint = folder.last_checkpoint() if run.resume else None
    if run.resume:
        step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
        console.print(
            f"resuming after step {step:,}" if step else "no checkpoint is whole: beginning at step 1"
        )
    history, steps = fit(config, student, batches, evaluator, folder, checkpoint, run.progress)
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
    """Return whether an accuracy was still rising at the end, in words; empty with fewer than two evaluations."""
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
    from lingualign.evaluation.suites import suite_languages

    if not suites:
        return None
    scores = evaluate(student, suites, prompt=config.student.prompt)
    scores["model"]["name"] = config.output
    for suite in suites:
        if untrained := [code for code in suite_languages(suite) if code not in languages]:
            scores["suites"][suite.name]["untrained"] = untrained
    folder.save_json(name, scores)
    return scores
