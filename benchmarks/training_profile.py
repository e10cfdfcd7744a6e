"""Where the time of a training step goes, in real runs of ``lingualign.training.train``.

Timers stand around the trainer's own calls: making the batch, the forward pass, the backward pass, the optimizer's
step. What none of them covers is the rest; evaluations, checkpoints and logging are kept apart. On a busy machine
the processor's time is the steadier figure, so both are given.

    python benchmarks/training_profile.py --data ../shared/data
    python benchmarks/training_profile.py --data ../shared/data --student encoder --steps 12
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from machine import command_line, save_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lingualign.training import RunConfig

# Before torch loads: threads that spin while they wait would be counted as work.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

TRAINING = ("forward", "backward", "optimizer")
WARM_UP = 2
"""Steps at the beginning that do not count."""


class Stopwatch:
    """Wall and processor time by phase and step; a phase inside another is taken out of the outer one."""

    def __init__(self) -> None:
        self.steps: list[dict[str, tuple[float, float]]] = []
        self._open: list[str] = []
        self._since = self._now()

    def start(self, phase: str) -> None:
        """Begin a phase."""
        self._book()
        self._open.append(phase)

    def stop(self) -> None:
        """End the phase begun last."""
        self._book()
        self._open.pop()

    def next_step(self) -> None:
        """Book what follows to a new step."""
        self._book()
        self.steps.append({})

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        self.start(name)
        try:
            yield
        finally:
            self.stop()

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Make a function that times another one."""

        def timed_call(*args: Any, **kwargs: Any) -> Any:
            with self.phase(name):
                return call(*args, **kwargs)

        return timed_call

    def _book(self) -> None:
        now = self._now()
        if self.steps:
            phase = self._open[-1] if self._open else "rest"
            wall, cpu = self.steps[-1].get(phase, (0.0, 0.0))
            self.steps[-1][phase] = (wall + now[0] - self._since[0], cpu + now[1] - self._since[1])
        self._since = now

    @staticmethod
    def _now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()


def profile(config: RunConfig) -> Stopwatch:
    """Run a configuration with timers around the trainer's calls."""
    from transformers import TrainerCallback

    from lingualign.training import train, trainer

    watch = Stopwatch()

    class OptimizerTimer(TrainerCallback):
        def on_pre_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
            watch.start("optimizer")

        def on_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
            watch.stop()

    class TimedStore:
        def __init__(self, store: Any) -> None:
            self._store = store

        def __getitem__(self, rows: Any) -> Any:
            with watch.phase("batch: teacher vectors"):
                return self._store[rows]

    class ProfiledTrainer(trainer.AlignmentTrainer):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.add_callback(OptimizerTimer)
            self.accelerator.backward = watch.timed("backward", self.accelerator.backward)
            self.batches._tokens.features = watch.timed("batch: tokens", self.batches._tokens.features)  # type: ignore
            self.batches._store = TimedStore(self.batches._store)  # type: ignore[assignment]

        def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
            watch.next_step()
            with watch.phase("batch: other"):
                return super().get_batch_samples(*args, **kwargs)

        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            with watch.phase("forward"):
                return super().compute_loss(*args, **kwargs)

        def _clip_grad_norm(self, *args: Any, **kwargs: Any) -> Any:
            with watch.phase("gradient norm"):
                return super()._clip_grad_norm(*args, **kwargs)

        def _get_grad_norm(self, *args: Any, **kwargs: Any) -> Any:
            with watch.phase("gradient norm"):
                return super()._get_grad_norm(*args, **kwargs)  # type: ignore[no-untyped-call]

        def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> Any:
            with watch.phase("apart"):
                return super()._maybe_log_save_evaluate(*args, **kwargs)

    plain = trainer.AlignmentTrainer
    trainer.AlignmentTrainer = ProfiledTrainer  # type: ignore[misc]
    try:
        train(config)
    finally:
        trainer.AlignmentTrainer = plain  # type: ignore[misc]
    return watch


def configuration(student: str, data: Path, output: str, steps: int) -> RunConfig:
    """Configure a short run: the settings of ``configs/static.yaml``, or an encoder with batches of 64."""
    from lingualign.training import EarlyStoppingConfig, PairsConfig, RunConfig, StudentConfig, TrainingConfig

    static = student == "static"
    return RunConfig(
        output=output,
        pairs=PairsConfig(
            sources=[str(data / "train")],
            languages=["en", "fr", "ja", "ko", "ru"],
            select="en-xx",
            priority=["en", "ru", "ja", "fr", "ko"],
            # The encoder's few batches and evaluations need few pairs.
            per_corpus=None if static else 100,
            validation=500 if static else 10,
        ),
        student=StudentConfig(kind="static") if static else StudentConfig(kind="encoder", model="minilm"),
        training=TrainingConfig(
            max_steps=steps,
            batch_size=1024 if static else 64,
            learning_rate=2e-2 if static else 3e-5,
            evaluate_every=steps,
            early_stopping=EarlyStoppingConfig(patience=None),
            seed=7,
        ),
    )


def summary(watch: Stopwatch) -> dict[str, Any]:
    """Take the median of each phase over the steps, in milliseconds, and its share of their sum."""
    steps = watch.steps[WARM_UP:-1]
    phases = sorted({phase for step in steps for phase in step} - {"apart"})
    figures: dict[str, Any] = {"steps": len(steps)}
    for clock, kind in enumerate(("wall", "cpu")):
        medians = {
            phase: 1_000 * statistics.median(step.get(phase, (0, 0))[clock] for step in steps)
            for phase in phases
        }
        whole = sum(medians.values())
        figures[kind] = {
            "ms": {phase: round(value, 2) for phase, value in medians.items()},
            "share": {phase: round(value / whole, 4) for phase, value in medians.items()},
            "step_ms": round(whole, 2),
            "forward_backward_optimizer": round(sum(medians[phase] for phase in TRAINING) / whole, 4),
        }
    return figures


def table(figures: dict[str, Any]) -> str:
    """Write the phases as Markdown, the longest first."""
    wall, cpu = figures["wall"], figures["cpu"]
    lines = ["| phase | wall ms | share | CPU ms | share |", "|---|---:|---:|---:|---:|"]
    for phase in sorted(wall["ms"], key=lambda phase: -wall["ms"][phase]):
        cells = [f"{part['ms'][phase]:.1f} | {part['share'][phase]:.1%}" for part in (wall, cpu)]
        lines.append(f"| {phase} | {' | '.join(cells)} |")
    sums = [f"{part['step_ms']:.1f} | {part['forward_backward_optimizer']:.1%}" for part in (wall, cpu)]
    lines.append(f"| a step, and forward + backward + optimizer of it | {' | '.join(sums)} |")
    return "\n".join(lines)


def main() -> None:
    parser = command_line(__doc__, data="folder with train/**/*.parquet")
    parser.add_argument("--student", choices=("static", "encoder"), default="static")
    parser.add_argument("--steps", type=int, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        watch = profile(configuration(given.student, given.data, f"{folder}/run", given.steps))
    figures = {"data": given.data.name, **summary(watch)}
    save_result(f"training_profile_{given.student}", figures)
    print(table(figures))


if __name__ == "__main__":
    main()
