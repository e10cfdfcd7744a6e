"""The protocols of engines, which run tasks that write files, here or on other machines, and the engine `Here`."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator
    from contextlib import AbstractContextManager


EngineName = Literal["here", "processes", "ray"]


class Task(Protocol):
    """A piece of work, picklable; its ``str`` names it in errors.

    A task writes files, each whole or not at all, and is done once its last file exists. It may therefore be run again
    after a crash of its process, and does not repeat finished work.
    """

    @property
    def size(self) -> int:
        """Progress of the whole task, in the bar's units."""

    @property
    def holds(self) -> Hashable:
        """Key of the data that a worker caches for the task, or None; tasks with one key go to the same worker."""


TaskT = TypeVar("TaskT", bound=Task)
TaskT_contra = TypeVar("TaskT_contra", bound=Task, contravariant=True)


class Job(Protocol[TaskT_contra]):
    """The common part of all tasks of a kind, picklable."""

    @property
    def gpu(self) -> bool:
        """True if the tasks use a GPU where one exists."""

    def open(self, device: str | None) -> Any:
        """Load, once, what every task of a worker needs, such as a model. ``device`` is the worker's own, if any."""

    def work(self, opened: Any, task: TaskT_contra, advance: Callable[[int], None]) -> Any:
        """Run a task and return its small outcome, picklable."""


class Workers(Protocol[TaskT_contra]):
    """Workers of a job; each opens it with its first task."""

    @property
    def count(self) -> int:
        """Number of workers."""

    def run(self, tasks: Iterable[TaskT_contra], advance: Callable[[int], None]) -> Iterator[Any]:
        """Run tasks and yield their outcomes as they end, in any order.

        Tasks are read from ``tasks`` as they are needed, so that few are in memory. ``advance`` is called with sizes
        that add up to theirs.

        Raises
        ------
        InputError
            If several processes crashed at the same task. An error of a task is raised here.
        """


class Engine(Protocol):
    """A source of workers."""

    name: EngineName

    def start(self, job: Job[TaskT]) -> AbstractContextManager[Workers[TaskT]]:
        """Start the workers of a job, and stop them when the block ends.

        Raises
        ------
        InputError
            If the workers cannot be started.
        """


def check_workers(workers: int | None) -> None:
    """Raise InputError if workers < 1."""
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}; it must be a number of processes, at least 1")


def default_workers(processors: int, gpus: int) -> int:
    """Return the default number of workers."""
    return gpus or max(min(2, processors), processors // 4)


@dataclass(frozen=True, slots=True)
class Part:
    """Call ``number`` of ``of``, from 1, independent calls that share the tasks of a job."""

    number: int
    of: int

    def takes(self, task: int) -> bool:
        """Return whether a task, numbered from 0, belongs to this part."""
        return task % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def parse_part(part: str) -> Part:
    """Read ``3/8``.

    Raises
    ------
    InputError
        If it is not a part.
    """
    if (match := re.fullmatch(r"(\d{1,9})/(\d{1,9})", part)) and 1 <= int(match[1]) <= int(match[2]):
        return Part(int(match[1]), int(match[2]))
    raise InputError(f"part is {part!r}; it must be such as 3/8, the third of eight")


MOST_DEATHS = 3
"""Number of crashes after which a task is given up: the first may be chance."""


@dataclass(frozen=True, slots=True)
class Done:
    """The outcome of a task."""

    outcome: Any


@dataclass(frozen=True, slots=True)
class Died:
    """The crash of a worker, in words."""

    how: str


class Fleet(Protocol):
    """Workers by number, 0 to ``count`` - 1; each is started when it is needed."""

    count: int

    def ready(self, worker: int) -> None:
        """Start a worker unless it runs, without waiting for it."""

    def begin(self, worker: int, task: Any) -> None:
        """Send a task to an idle worker."""

    def next(self) -> tuple[int, Done | Died]:
        """Wait for any of the busy workers. An error of its task is raised here."""


def dispatch(fleet: Fleet, tasks: Iterable[Any], advance: Callable[[int], None]) -> Iterator[Any]:
    """Run tasks on a fleet and yield their outcomes; a task whose worker crashed is run again.

    Raises
    ------
    InputError
        If `MOST_DEATHS` processes crashed at the same task.
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
        # All are started before the first gets its task: sending it waits until that worker is up.
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
    """Tasks not yet begun; at most ``ahead`` are read in advance, unless they come as a list."""

    def __init__(self, tasks: Iterable[Any], ahead: int) -> None:
        self._tasks: list[Any] = list(tasks) if isinstance(tasks, list) else []
        self._source = iter(()) if isinstance(tasks, list) else iter(tasks)
        self._ahead = ahead

    def read_ahead(self) -> None:
        while len(self._tasks) < self._ahead and (task := next(self._source, None)) is not None:
            self._tasks.append(task)

    def take(self, held: Hashable, others: set[Hashable]) -> Any | None:
        """Return the best task for a worker: one whose data it caches, else one whose data no other caches."""
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


class Here:
    """The engine of this process, which runs one task after the other in their order."""

    name: EngineName = "here"

    @contextmanager
    def start(self, job: Job[TaskT]) -> Iterator[Workers[TaskT]]:
        """Yield this process as the only worker."""
        yield _ThisProcess(job)


class _ThisProcess:
    count = 1

    def __init__(self, job: Job[Any]) -> None:
        self._job = job
        self._opened: Any = None

    def run(self, tasks: Iterable[Any], advance: Callable[[int], None]) -> Iterator[Any]:
        for task in tasks:
            if self._opened is None:
                self._opened = self._job.open(None)
            yield self._job.work(self._opened, task, advance)
