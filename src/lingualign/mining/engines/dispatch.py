"""Hand tasks to workers that may die: each task is done once, by whoever is free."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

MOST_DEATHS = 3
"""Processes that may die of one task until it is given up: one for chance, and two that show it was none."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a task gave."""

    outcome: Any


@dataclass(frozen=True, slots=True)
class Died:
    """The worker is gone, and how, in words."""

    how: str


class Fleet(Protocol):
    """Workers by number, 0 to ``count`` - 1; one that is not there is started when it is needed."""

    count: int

    def ready(self, worker: int) -> None:
        """Start a worker unless it is there, without waiting for it."""

    def begin(self, worker: int, task: Any) -> None:
        """Give a task to an idle worker."""

    def next(self) -> tuple[int, Done | Died]:
        """Wait for any of the busy workers. What its task raised is raised here."""


def dispatch(fleet: Fleet, tasks: Iterable[Any], advance: Callable[[int], None]) -> Iterator[Any]:
    """Run tasks on a fleet, and those again whose worker died; gives outcomes as they come.

    Raises
    ------
    InputError
        If `MOST_DEATHS` processes died of the same task.
    """
    waiting = _Waiting(tasks, fleet.count)
    running: dict[int, Any] = {}
    held: dict[int, Hashable] = {}
    deaths: Counter[str] = Counter()
    while True:
        begun = []
        for worker in range(fleet.count):
            if worker in running:
                continue
            others = {held.get(other) for other in running}
            if (task := waiting.take(held.get(worker), others)) is None:
                break
            running[worker], held[worker] = task, task.holds
            begun.append(worker)
        # All are started before the first is given its task, which waits until that one is up.
        for worker in begun:
            fleet.ready(worker)
        for worker in begun:
            fleet.begin(worker, running[worker])
        if not running:
            return
        waiting.read_ahead()
        worker, ended = fleet.next()
        task = running.pop(worker)
        if isinstance(ended, Done):
            advance(task.size)
            yield ended.outcome
            continue
        held.pop(worker)
        deaths[str(task)] += 1
        if deaths[str(task)] == MOST_DEATHS:
            raise InputError(
                f"{task}: {MOST_DEATHS} processes that worked on it have died, the last one {ended.how}; if memory is "
                "short, give fewer workers. What is done is kept: the same command goes on from there"
            )
        waiting.give_back(task)


class _Waiting:
    """Tasks that nobody works on, of which no more than ``ahead`` are read ahead of need, unless all are there."""

    def __init__(self, tasks: Iterable[Any], ahead: int) -> None:
        self._tasks: list[Any] = list(tasks) if isinstance(tasks, list) else []
        self._source = iter(()) if isinstance(tasks, list) else iter(tasks)
        self._ahead = ahead

    def read_ahead(self) -> None:
        while len(self._tasks) < self._ahead and (task := next(self._source, None)) is not None:
            self._tasks.append(task)

    def take(self, held: Hashable, others: set[Hashable]) -> Any | None:
        """Take the best for a worker: one that wants what it holds, else one that wants what no other holds."""
        if not self._tasks:
            self._tasks.extend(task for task in (next(self._source, None),) if task is not None)
        if not self._tasks:
            return None
        wanted = [task.holds for task in self._tasks]
        if held is not None and held in wanted:
            return self._tasks.pop(wanted.index(held))
        return self._tasks.pop(next((place for place, want in enumerate(wanted) if want not in others), 0))

    def give_back(self, task: Any) -> None:
        self._tasks.insert(0, task)
