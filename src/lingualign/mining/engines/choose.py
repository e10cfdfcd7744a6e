"""Engines by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.mining.engines.engine import Here, check_workers
from lingualign.mining.engines.pool import Processes
from lingualign.mining.engines.ray import Ray

if TYPE_CHECKING:
    from lingualign.mining.engines.engine import Engine, EngineName


def open_engine(name: EngineName, workers: int | None = None, address: str | None = None) -> Engine:
    """Return the engine of a name.

    Parameters
    ----------
    name
        ``here`` for this process, ``processes`` for several on this machine, or ``ray``.
    workers
        Number of workers; by default one for each GPU, or one for every four processors, two at least.
    address
        Address of a Ray cluster, ``host:port`` or ``ray://host:port``; by default Ray is started on this machine.

    Raises
    ------
    InputError
        If the arguments contradict each other, Ray is not installed, or no cluster answers at the address.
    """
    check_workers(workers)
    if address is not None and name != "ray":
        raise InputError(f"address is {address!r}, but engine {name!r} has none; give --engine ray with it")
    if name == "here":
        if workers not in (None, 1):
            raise InputError(
                f"workers is {workers}, but engine 'here' is this one process; give --engine processes or ray with it"
            )
        return Here()
    if name == "processes":
        return Processes(workers)
    if name == "ray":
        return Ray(workers, address)
    raise InputError(f"engine {name!r} is unknown: expected one of here, processes, ray")
