"""The engine of a Ray cluster, or of Ray on this machine: https://docs.ray.io."""

from __future__ import annotations

import logging
import os
import re
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lingualign.errors import InputError, first_line
from lingualign.mining.engines.engine import Died, Done, default_workers, dispatch
from lingualign.mining.engines.pool import portable, processors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from lingualign.mining.engines.engine import EngineName, Job, TaskT, Workers

_ADDRESS = re.compile(r"(?:ray://)?(\[[0-9a-fA-F:]+\]|[^\s:/]+):(\d{1,5})")
_PATIENCE = 5.0
"""Seconds for a cluster to answer."""
_STORE_BYTES = 80 << 20
"""Size of the object store of a Ray that is started here: it holds waiting sentences, never vectors."""
# Start of an HTTP/2 connection, which gRPC uses (RFC 9113, sections 3.4 and 6.5). The answer is a settings frame, too.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS = 4
_EMPTY_SETTINGS = bytes([0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0])


class Ray:
    """Actors on the machines of a cluster, all of which see the same files under the same names.

    Parameters
    ----------
    workers
        Number of workers; see `open_engine`.
    address
        Address of the cluster; by default ``$RAY_ADDRESS``, else Ray is started on this machine.

    Raises
    ------
    InputError
        If Ray is not installed, or no cluster answers at the address.
    """

    name: EngineName = "ray"

    def __init__(self, workers: int | None, address: str | None) -> None:
        try:
            import ray  # noqa: F401
        except ImportError:
            raise InputError("engine 'ray' needs Ray: pip install 'lingualign[ray]'") from None
        self._workers = workers
        self._address = address or os.environ.get("RAY_ADDRESS")
        if self._address is not None:
            check_address(self._address)

    @contextmanager
    def start(self, job: Job[TaskT]) -> Iterator[Workers[TaskT]]:
        """Yield actors, each started with its first task; Ray is reused if it runs in this process already."""
        import ray

        began = not ray.is_initialized()
        if began:
            self._begin()
        try:
            workers = _Actors(job, self._workers)
            try:
                yield workers
            finally:
                workers.stop()
        finally:
            if began:
                ray.shutdown()

    def _begin(self) -> None:
        import ray

        if self._address is None:
            ray.init(
                num_cpus=max(processors(), self._workers or 1),
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
            return
        try:
            ray.init(address=self._address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError) as error:
            raise InputError(
                f"address {self._address!r}: the Ray cluster cannot be joined: {first_line(error)}"
            ) from None


def check_address(address: str) -> None:
    """Raise InputError if no cluster answers at an address within seconds; Ray itself would try for minutes."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise InputError(f"address is {address!r}; it must be such as head:6379 or ray://head:10001")
    how = "nothing answers"
    try:
        with socket.create_connection((match[1].strip("[]"), int(match[2])), _PATIENCE) as line:
            line.sendall(_PREFACE + _EMPTY_SETTINGS)
            answer = line.recv(len(_EMPTY_SETTINGS))
        # An encrypted answer differs, and only Ray can check it.
        if answer[3:4] == bytes([_SETTINGS]) or (answer and os.environ.get("RAY_USE_TLS") == "1"):
            return
        how = "what answers is not Ray"
    except (OSError, OverflowError) as error:
        how = f"{how} ({error})"
    raise InputError(
        f"address {address!r}: {how}; is the cluster up, and is this the address that ray start printed on its head?"
    )


class _Actor:
    def __init__(self, job: Job[Any]) -> None:
        self._job = job
        self._opened: Any = None

    def work(self, task: Any) -> tuple[Exception | Died | None, Any]:
        try:
            if self._opened is None:
                self._opened = self._job.open(None)  # Ray shows each actor only its own GPU
            return None, self._job.work(self._opened, task, lambda _: None)
        except Exception as error:
            return portable(error), None


class _Actors:
    """The fleet of a job."""

    def __init__(self, job: Job[Any], workers: int | None) -> None:
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus = int(sum(node.get("GPU", 0) for node in nodes)) if job.gpu else 0
        per_node = [int(node.get("CPU", 0)) for node in nodes]
        self.count = workers or default_workers(sum(per_node), gpus)
        threads = threads_each(per_node, self.count)
        if gpus:
            threads = max(1, threads // 2)  # the others prepare batches
        if not threads or (gpus and self.count > gpus):
            have = f"{gpus} GPUs" if gpus else f"{sum(per_node)} processors"
            raise InputError(f"workers is {self.count}, but the Ray cluster has {have}: give as many at most")
        self._job = job
        self._actor: Any = ray.remote(
            num_cpus=threads,
            num_gpus=1 if gpus else 0,
            max_restarts=0,
            runtime_env={"env_vars": {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}},
        )(_Actor)
        self._actors: dict[int, Any] = {}
        self._running: dict[Any, int] = {}

    def run(self, tasks: Iterable[Any], advance: Callable[[int], None]) -> Iterator[Any]:
        return dispatch(self, tasks, advance)

    def ready(self, worker: int) -> None:
        if worker not in self._actors:
            self._actors[worker] = self._actor.remote(self._job)

    def begin(self, worker: int, task: Any) -> None:
        self._running[self._actors[worker].work.remote(task)] = worker

    def next(self) -> tuple[int, Done | Died]:
        import ray
        from ray.exceptions import RayError, RayTaskError

        [ready], _ = ray.wait(list(self._running), num_returns=1)
        worker = self._running.pop(ready)
        try:
            failure, outcome = ray.get(ready)
        except RayTaskError as error:
            raise error.cause from None  # an error of Ray, since an actor catches the errors of its task
        except RayError as error:
            # Its process or its machine crashed.
            ray.kill(self._actors.pop(worker))
            return worker, Died(f"so ({first_line(error)})")
        if isinstance(failure, Died):
            ray.kill(self._actors.pop(worker))
            return worker, failure
        if failure is not None:
            raise failure
        return worker, Done(outcome)

    def stop(self) -> None:
        import ray

        for actor in self._actors.values():
            ray.kill(actor)


def threads_each(processors: list[int], workers: int) -> int:
    """Return the largest number of threads with which all workers fit on the nodes; 0 if one each is too many."""
    threads = max(processors, default=0)
    while threads and sum(each // threads for each in processors) < workers:
        threads -= 1
    return threads
