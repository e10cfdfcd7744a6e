"""The engine of several processes on this machine."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from lingualign.errors import first_line, is_out_of_memory
from lingualign.mining.engines.engine import Died, Done, default_workers, dispatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection

    from lingualign.mining.engines.engine import EngineName, Job, TaskT, Workers

_PATIENCE = 10.0
"""Seconds until a process that does not end is killed."""


class Processes:
    """Processes that share the processors of this machine, or have a GPU each.

    Parameters
    ----------
    workers
        Number of workers; see `open_engine`.
    """

    name: EngineName = "processes"

    def __init__(self, workers: int | None) -> None:
        self._workers = workers

    @contextmanager
    def start(self, job: Job[TaskT]) -> Iterator[Workers[TaskT]]:
        """Yield workers, each started with its first task."""
        gpus = _gpus() if job.gpu else 0
        workers = _Pool(job, self._workers or default_workers(processors(), gpus), gpus)
        try:
            yield workers
        finally:
            workers.stop()


def processors() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Pool:
    """The fleet of a job. A worker runs until the pool is stopped or this process ends."""

    def __init__(self, job: Job[Any], count: int, gpus: int) -> None:
        self.count = count
        self._job, self._gpus = job, gpus
        self._threads = max(1, processors() // count)
        self._context = multiprocessing.get_context("spawn")
        self._processes: dict[int, multiprocessing.process.BaseProcess] = {}
        self._lines: dict[int, Connection] = {}
        self._busy: set[int] = set()

    def run(self, tasks: Iterable[Any], advance: Callable[[int], None]) -> Iterator[Any]:
        return dispatch(self, tasks, advance)

    def ready(self, worker: int) -> None:
        if worker in self._processes:
            return
        ours, theirs = self._context.Pipe()
        device = f"cuda:{worker % self._gpus}" if self._gpus else None
        process = self._context.Process(target=_serve, args=(theirs, self._job, device), daemon=True)
        with _starting(self._threads):
            process.start()
        theirs.close()  # else the end of the process would not be noticed here
        self._processes[worker], self._lines[worker] = process, ours

    def begin(self, worker: int, task: Any) -> None:
        self._busy.add(worker)
        with suppress(BrokenPipeError, ConnectionResetError):  # a crash, which `next` reports
            self._lines[worker].send(task)

    def next(self) -> tuple[int, Done | Died]:
        lines = {self._lines[worker]: worker for worker in self._busy}
        line: Any = multiprocessing.connection.wait(list(lines))[0]
        worker = lines[line]
        self._busy.remove(worker)
        try:
            failure, outcome = line.recv()
        except (EOFError, ConnectionResetError):
            return worker, Died(self._bury(worker))
        if isinstance(failure, Died):
            self._bury(worker)
            return worker, failure
        if failure is not None:
            raise failure
        return worker, Done(outcome)

    def stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for worker in list(self._processes):
            self._bury(worker)

    def _bury(self, worker: int) -> str:
        """Remove a worker that has ended or is about to, and return how it ended."""
        process = self._processes.pop(worker)
        self._lines.pop(worker).close()
        process.join(_PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()
        code = process.exitcode or 0
        process.close()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"


def _serve(line: Connection, job: Job[Any], device: str | None) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    opened = None
    while True:
        try:
            task = line.recv()
        except EOFError:
            return
        answer: tuple[Exception | Died | None, Any]
        try:
            if opened is None:
                opened = job.open(device)
            answer = None, job.work(opened, task, lambda _: None)
        except Exception as error:
            answer = portable(error), None
        line.send(answer)
        if isinstance(answer[0], Died):
            return


def portable(error: Exception) -> Exception | Died:
    """Return an error in a form that another process can raise, with its trace as a note.

    Out of memory counts as a crash, since only the end of the process frees its memory.
    """
    if is_out_of_memory(error):
        return Died(f"out of memory ({first_line(error)})")
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        # Some errors of libraries cannot be built again from their message.
        return RuntimeError("".join(traceback.format_exception(error)))
    return error


def _end_with_parent() -> None:
    # Also in the middle of a task: a call that resumes the work may write the same files.
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _starting(threads: int) -> Iterator[None]:
    """Start processes with ``threads`` threads each that ignore Ctrl-C, which this process handles."""
    settings = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    # A child inherits blocked signals; an interrupt of this process is delivered after the block.
    blocking = hasattr(signal, "pthread_sigmask")
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if blocking else set()
    try:
        yield
    finally:
        if blocking:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()
