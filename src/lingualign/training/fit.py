"""One training from the first step to the last: the optimizer's settings, progress, the log, and stopping."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from contextlib import nullcontext
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm
from transformers import EarlyStoppingCallback, PrinterCallback, ProgressCallback, TrainerCallback

from lingualign.embedding.encode import fast_bf16
from lingualign.progress import Lines, draws_bars
from lingualign.training.distributed import agreed, any_process, is_first, process_count
from lingualign.training.encoder_options import add_lora, gradient_checkpointing, layer_rates, merge_lora
from lingualign.training.kinds import LOSSES, STUDENTS
from lingualign.training.labels import anchor_projection

logger = logging.getLogger(__name__)

_LOG_SECONDS = 10.0

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import FrameType

    from sentence_transformers import SentenceTransformer
    from torch import nn
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from lingualign.evaluation import BitextEvaluator
    from lingualign.training.batches import PairBatches
    from lingualign.training.config import RunConfig
    from lingualign.training.kinds import LossConfig
    from lingualign.training.run_folder import RunFolder
    from lingualign.training.trainer import AlignmentTrainer


def make_loss(loss: LossConfig, student: SentenceTransformer, batches: PairBatches) -> nn.Module:
    """Make the loss that a configuration names, for these batches."""
    row = LOSSES[loss.kind]
    arguments = {name: getattr(loss, name) for name in row.settings} | dict(row.fixed)
    if loss.anchor_weight:
        dimensions = student.get_embedding_dimension()
        assert dimensions is not None
        # More vectors hardly turn the directions of a projection.
        arguments["anchor_projection"] = anchor_projection(batches.teacher_sample(20_000), dimensions)
    made: nn.Module = resolve_name(row.loss)(student, **arguments)
    return made


def make_trainer(
    student: SentenceTransformer,
    batches: PairBatches,
    loss: LossConfig,
    evaluator: BitextEvaluator | None,
    name: str,
    *,
    progress: bool,
    idle_weights: bool,
    **arguments: Any,
) -> AlignmentTrainer:
    """Make the trainer of a run, or of a stage of it.

    Parameters
    ----------
    student, batches, loss, evaluator
        What is trained, on what, and how it is scored; no evaluator where it is not.
    name
        What the progress is called.
    progress
        Progress: whether to show it.
    idle_weights
        See `StudentKind`.
    **arguments
        Those of the host's trainer that differ between stages.
    """
    from sentence_transformers import SentenceTransformerTrainingArguments

    from lingualign.training.trainer import AlignmentTrainer

    args = SentenceTransformerTrainingArguments(
        max_grad_norm=1.0,
        use_cpu=student.device.type == "cpu",
        # What the host would set by itself, with a warning from every process.
        dataloader_drop_last=process_count() > 1,
        ddp_find_unused_parameters=None if idle_weights else False,
        **{"report_to": "none", **arguments},
    )
    trainer = AlignmentTrainer(student, args, batches, make_loss(loss, student, batches), evaluator)
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    if progress:
        metric = args.metric_for_best_model or ""
        trainer.add_callback(ProgressBar(metric, name) if draws_bars() else ProgressLines(metric, name))
    return trainer


def fit(
    config: RunConfig,
    student: SentenceTransformer,
    batches: PairBatches,
    evaluator: BitextEvaluator,
    folder: RunFolder,
    checkpoint: Path | None,
    progress: bool,
) -> tuple[list[dict[str, float]], int]:
    """Train the student in place, to its best state; returns the log and the number of steps."""
    training = config.training
    if training.lora.rank:
        add_lora(student, training.lora, training.seed)
    rates = {}
    if training.layer_decay != 1:
        rates = layer_rates(student, training.learning_rate, training.layer_decay)
    every: dict[str, Any] = {"eval_strategy": "epoch", "save_strategy": "epoch"}
    if training.evaluate_every is not None:
        steps = training.evaluate_every
        every = {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": steps, "save_steps": steps}
    trainer = make_trainer(
        student,
        batches,
        config.loss,
        evaluator,
        "Training",
        progress=progress,
        idle_weights=STUDENTS[config.student.kind].idle_weights,
        output_dir=str(folder.checkpoints),
        num_train_epochs=training.epochs,
        max_steps=training.max_steps or -1,
        per_device_train_batch_size=training.batch_size // process_count(),
        learning_rate=training.learning_rate,
        learning_rate_mapping=rates,
        warmup_steps=training.warmup,
        weight_decay=training.weight_decay,
        bf16=training.precision == "bf16" or (training.precision == "auto" and fast_bf16(student.device)),
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{evaluator.name}_accuracy",
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,
        logging_steps=20,
        report_to=training.report_to or "none",
        seed=training.seed,
        **every,
    )
    trainer.add_callback(LogFile(folder.save_log))
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


class ProgressBar(TrainerCallback):
    """One line: steps, loss, and the last validation accuracy."""

    def __init__(self, metric: str, name: str = "Training") -> None:
        self.metric, self.name = metric, name
        self._bar: Any = None
        self._shown: dict[str, str] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Open the bar, at the step where a resumed run continues."""
        if state.is_world_process_zero:
            self._bar = tqdm(
                total=state.max_steps,
                initial=state.global_step,
                desc=self.name,
                unit="step",
                dynamic_ncols=True,
            )

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Count the step."""
        if self._bar is not None:
            self._bar.update(state.global_step - self._bar.n)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Show the loss."""
        if self._bar is not None and logs and "loss" in logs:
            self._shown["loss"] = f"{float(logs['loss']):.4g}"
            self._bar.set_postfix(self._shown)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Show the validation accuracy."""
        if self._bar is not None and metrics and self.metric in metrics:
            self._shown["validation accuracy"] = f"{metrics[self.metric]:.1%}"
            self._bar.set_postfix(self._shown)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class ProgressLines(TrainerCallback):
    """One line an evaluation, and lines in between while a step follows the other, for a log file or a pipe."""

    def __init__(self, metric: str, name: str = "Training") -> None:
        self.metric, self.name = metric, name
        self._loss = ""
        self._lines: Lines | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Begin to count, at the step where a resumed run continues."""
        if state.is_world_process_zero:
            self._lines = Lines(f"{self.name}: step", state.max_steps, state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Print a line now and then."""
        if self._lines is not None:
            self._lines.show(state.global_step, self._loss.removeprefix(", "))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Remember the loss until it is shown."""
        if logs and "loss" in logs:
            self._loss = f", loss {float(logs['loss']):.4g}"

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Print the line."""
        if state.is_world_process_zero and metrics and self.metric in metrics:
            print(
                f"step {state.global_step:,} of {state.max_steps:,}{self._loss}, "
                f"validation accuracy {metrics[self.metric]:.1%}",
                file=sys.stderr,
                flush=True,
            )
            self._loss = ""  # the next evaluation may come before the next loss


class LogFile(TrainerCallback):
    """Keep the log on disk while training, so that a run that is killed has it.

    Parameters
    ----------
    write
        Writes the entries so far, whole or not at all.
    """

    def __init__(self, write: Callable[[list[dict[str, float]]], None]) -> None:
        self._write = write
        self._written = -_LOG_SECONDS

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Log the last steps too."""
        control.should_log |= state.global_step >= state.max_steps

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write, but not every few milliseconds."""
        if time.monotonic() - self._written >= _LOG_SECONDS:
            self._now(state)

    def on_evaluate(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write: a checkpoint follows."""
        self._now(state)

    def _now(self, state: TrainerState) -> None:
        try:
            self._write(state.log_history)
        except OSError as error:
            # A full disk: the checkpoint that follows says so, and which one is whole.
            logger.warning("The log cannot be written (%s); training continues.", error.strerror or error)
        self._written = time.monotonic()


class EmbeddingsFirst(TrainerCallback):
    """Let the token embeddings learn alone at first, so that new ones find their place before the layers move.

    The number of a step alone decides whether it is one of the first, so a resumed run continues as it would have.

    Parameters
    ----------
    embeddings
        What learns from the beginning.
    parameters
        All parameters of the student; those that learn at all must say so when the trainer is made.
    share
        Share of the steps in which the others wait.
    """

    def __init__(self, embeddings: nn.Module, parameters: Iterable[nn.Parameter], share: float) -> None:
        first = {id(parameter) for parameter in embeddings.parameters()}
        self._others = [p for p in parameters if p.requires_grad and id(p) not in first]
        self._share = share

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Hold the others, or let them learn."""
        learning = state.global_step >= self._share * state.max_steps
        for parameter in self._others:
            parameter.requires_grad_(learning)


_ECHO_SECONDS = 1.0


class StopOnSignal(TrainerCallback):
    """Ctrl-C and SIGTERM end the run after the step in work, with a checkpoint; a second one ends it at once.

    Of several processes each may hear the first one twice, from the terminal and from what has started them.

    Attributes
    ----------
    signal
        The signal that came, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._came = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopOnSignal:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            if process_count() > 1 and time.monotonic() - self._came < _ECHO_SECONDS:
                return
            print("lingualign: ended at once; go on with --resume", file=sys.stderr, flush=True)
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.signal, self._came = number, time.monotonic()
        if is_first():
            tqdm.write("Stopping after this step, with a checkpoint (once more: at once).", file=sys.stderr)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Ask for a checkpoint and the end."""
        # Signals reach the processes of a run at different steps; all must stop at the same one.
        if any_process(self.signal is not None):
            self.signal = self.signal or signal.SIGTERM
            control.should_save = True
            control.should_training_stop = True
