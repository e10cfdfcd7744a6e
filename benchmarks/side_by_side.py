"""Recipes that take turns, step by step, so that a busy moment of the machine falls on all of them alike."""

from __future__ import annotations

import statistics
import threading
import time
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class LastTurn(Exception):  # noqa: N818 (not an error)
    """Raised inside a recipe that has had its last turn."""


class Recipe:
    """Something that does steps and says after each that it is done, in a thread that runs in its turns only.

    Parameters
    ----------
    run
        Does steps until it is stopped; it calls its argument after each.
    """

    def __init__(self, run: Callable[[Callable[[], None]], Any]) -> None:
        self._run = run
        self._go, self._done = threading.Event(), threading.Event()
        self._stopping = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._steps, daemon=True)
        self._thread.start()

    def step(self) -> tuple[float, float]:
        """Do one step: seconds it took, and of the processor."""
        wall, cpu = time.perf_counter(), time.process_time()
        self._done.clear()
        self._go.set()
        self._done.wait()
        if self._error is not None:
            raise self._error
        return time.perf_counter() - wall, time.process_time() - cpu

    def stop(self) -> None:
        """End it, and free what it holds."""
        self._stopping = True
        self._go.set()
        self._thread.join()

    def _steps(self) -> None:
        torch.set_num_threads(torch.get_num_threads())  # a thread of its own has a setting of its own
        try:
            self._wait()
            self._run(self._after_step)
        except LastTurn:
            pass
        except BaseException as error:
            self._error = error
        self._done.set()

    def _after_step(self) -> None:
        self._done.set()
        self._wait()

    def _wait(self) -> None:
        self._go.wait()
        self._go.clear()
        if self._stopping:
            raise LastTurn


class AfterStep(TrainerCallback):
    """Tell a `Recipe` that its trainer has done a step."""

    def __init__(self, after_step: Callable[[], None]) -> None:
        self._after_step = after_step

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """Hand over; the next step begins here, with the making of its batch."""
        self._after_step()


def medians(
    recipes: Mapping[str, Callable[[Callable[[], None]], Any]], rounds: int, warm_up: int
) -> dict[str, dict[str, Any]]:
    """Let recipes take turns; the median seconds of a step of each, after as many that do not count."""
    running = {name: Recipe(run) for name, run in recipes.items()}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in recipes}
    for turn in range(warm_up + rounds):
        for name, recipe in running.items():
            took = recipe.step()
            print(
                f"{'warm-up' if turn < warm_up else f'round {turn - warm_up + 1}'}: {name} {took[0]:.2f} s",
                flush=True,
            )
            if turn >= warm_up:
                seconds[name].append(took)
    for recipe in running.values():
        recipe.stop()
    return {
        name: {
            "seconds": round(statistics.median(wall for wall, _ in took), 4),
            "cpu_seconds": round(statistics.median(cpu for _, cpu in took), 4),
            "rounds": [round(wall, 4) for wall, _ in took],
        }
        for name, took in seconds.items()
    }
