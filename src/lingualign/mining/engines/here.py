"""The engine that is this process itself."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lingualign.mining.engines.engine import EngineName, Job, TaskT, Workers


class Here:
    """Runs one task after the other, in their order."""

    name: EngineName = "here"

    @contextmanager
    def start(self, job: Job[TaskT]) -> Iterator[Workers[TaskT]]:
        """Give this process as the only worker."""
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
