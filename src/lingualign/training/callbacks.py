"""What happens beside the training steps: the progress bar, and stopping when the user says so."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm
from transformers import TrainerCallback

from lingualign.progress_lines import Lines
from lingualign.training.processes import any_process, is_first, process_count

logger = logging.getLogger(__name__)

_LOG_SECONDS = 10.0

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

    from torch import nn
    from transformers import TrainerControl, TrainerState, TrainingArguments


class ProgressBar(TrainerCallback):
    """One line: steps, loss, and the last validation accuracy."""

    def __init__(self, metric: str, name: str = "Training") -> None:
        self.metric, self.name = metric, name
        self._bar: Any = None
        self._shown: dict[str, str] = {}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Open the bar, at the step that a resumed run goes on from."""
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
        """Begin to count, at the step that a resumed run goes on from."""
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
        """Give the last steps an entry."""
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

    Whether a step is one of the first follows from its number alone, so a resumed run goes on as it would have.

    Parameters
    ----------
    embeddings
        What learns from the beginning.
    parameters
        All parameters of the student; those that learn at all must say so when the trainer is made.
    share
        Of the steps, in which the others wait.
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
