"""What an engine is: something that runs tasks whose effects are files, here or on other machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator
    from contextlib import AbstractContextManager

EngineName = Literal["here", "processes", "ray"]


class Task(Protocol):
    """A piece of work, picklable; its ``str`` names it in errors.

    What it does is written to files, each whole or not at all, and counts once its last file is there. It may
    therefore be run again after any death of the process that ran it, and does not repeat what is there.
    """

    @property
    def size(self) -> int:
        """How far it moves the progress bar."""

    @property
    def holds(self) -> Hashable:
        """What a worker keeps in memory for it; tasks with the same go to the same worker. None for nothing."""


TaskT = TypeVar("TaskT", bound=Task)
TaskT_contra = TypeVar("TaskT_contra", bound=Task, contravariant=True)


class Job(Protocol[TaskT_contra]):
    """What all tasks of a kind share, picklable."""

    @property
    def gpu(self) -> bool:
        """Whether it runs on a GPU where there is one."""

    def open(self, device: str | None) -> Any:
        """Make what every task of a worker needs, once: a model, say. ``device`` is the worker's own, if any."""

    def work(self, opened: Any, task: TaskT_contra, advance: Callable[[int], None]) -> Any:
        """Run a task and give its small outcome, picklable."""


class Workers(Protocol[TaskT_contra]):
    """Workers that have a job; each opens it with its first task."""

    @property
    def count(self) -> int:
        """How many there are."""

    def run(self, tasks: Iterable[TaskT_contra], advance: Callable[[int], None]) -> Iterator[Any]:
        """Run tasks and give their outcomes as they end, in any order.

        Tasks are taken from ``tasks`` as they are needed, so that few are in memory. ``advance`` is called with
        their sizes in all.

        Raises
        ------
        InputError
            If several processes that worked on the same task died. What a task raises is raised here.
        """


class Engine(Protocol):
    """Gives workers."""

    name: EngineName

    def start(self, job: Job[TaskT]) -> AbstractContextManager[Workers[TaskT]]:
        """Start workers that have a job, and end them when the block ends.

        Raises
        ------
        InputError
            If they cannot be had.
        """


def open_engine(name: EngineName, workers: int | None = None, address: str | None = None) -> Engine:
    """Find the engine of a name.

    Parameters
    ----------
    name
        ``here`` for this process, ``processes`` for several on this machine, or ``ray``.
    workers
        How many; by default one for each GPU, or one for every four processors, two at least.
    address
        Of a Ray cluster, ``host:port`` or ``ray://host:port``; Ray is started on this machine without.

    Raises
    ------
    InputError
        If they do not go together, Ray is not installed, or no cluster answers at the address.
    """
    check_workers(workers)
    if address is not None and name != "ray":
        raise InputError(f"address is {address!r}, but engine {name!r} has none; give --engine ray with it")
    if name == "here":
        from lingualign.mining.engines.here import Here

        if workers not in (None, 1):
            raise InputError(
                f"workers is {workers}, but engine 'here' is this one process; give --engine processes or ray with it"
            )
        return Here()
    if name == "processes":
        from lingualign.mining.engines.processes import Processes

        return Processes(workers)
    if name == "ray":
        from lingualign.mining.engines.ray import Ray

        return Ray(workers, address)
    raise InputError(f"engine {name!r} is unknown: expected one of here, processes, ray")


def check_workers(workers: int | None) -> None:
    """Refuse a number of workers that is none."""
    if workers is not None and workers < 1:
        raise InputError(f"workers is {workers}; it must be a number of processes, at least 1")


def default_workers(processors: int, gpus: int) -> int:
    """Choose how many workers share some processors and GPUs."""
    return gpus or max(min(2, processors), processors // 4)
