"""Several processes, one run: what they tell each other beside vectors and gradients.

``torchrun`` or ``accelerate launch`` starts the processes; each runs the same recipe on its share of every batch.
The first one (rank 0) alone prints, embeds with the teacher, scores and writes. With one process nothing here
does anything.
"""

from __future__ import annotations

import atexit
import json
import os
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from lingualign.errors import InputError, SharedInputError
from lingualign.training.config import differences
from lingualign.training.lifelines import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch.distributed import ProcessGroup

    from lingualign.training.lifelines import Lifelines

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

# The others wait for as long as the first process embeds or scores; one that has died is noticed at once all the same.
_PATIENCE = timedelta(days=30)
_PATIENCE_FOR_WORD = 10.0
"""Seconds: a lost connection shows before it is known whose."""
# Beside the group of the gradients: on the CPU, so that waiting keeps no GPU busy and has a limit of its own.
_messages: ProcessGroup | None = None
_lifelines: Lifelines | None = None
_agreed_on: BaseException | None = None


@contextmanager
def process_group() -> Iterator[None]:
    """Join the processes that were started together, for good; a process on its own stays so.

    Where one of them fails or dies, the others end as well, within a minute.

    Raises
    ------
    InputError
        If there are more processes on this machine than GPUs, where there are GPUs; naming the process that has
        failed, on the others.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    if _lifelines is None:
        _join()
    assert _lifelines is not None
    with _lifelines:
        try:
            yield
        except BaseException as error:
            if error is _agreed_on:
                raise
            failure = _lifelines.failure(_PATIENCE_FOR_WORD) if _is_lost_connection(error) else None
            if failure is None:
                _lifelines.fail(str(error) or type(error).__name__)
                raise
            rank, why = failure
            # The first of those that are left tells.
            tells = process_rank() == (1 if rank == 0 else 0)
            raise (InputError if tells else SharedInputError)(
                f"{describe(rank, why)}. What the run has kept in its output folder is whole; go on with --resume"
            ) from error


def _join() -> None:
    global _messages, _lifelines
    import torch
    import torch.distributed as dist

    from lingualign.training.lifelines import Lifelines

    began = not dist.is_initialized()
    if began:
        backend = "gloo"
        if torch.cuda.is_available():
            local, here = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
            if local >= here:
                raise InputError(
                    f"there are more processes than GPUs on this machine ({here}); start one a GPU, or set "
                    "CUDA_VISIBLE_DEVICES= to train on the CPU"
                )
            torch.cuda.set_device(local)
            # A static student trains on the CPU whatever there is, with sparse gradients that NCCL does not reduce.
            backend = "cpu:gloo,cuda:nccl"
        dist.init_process_group(backend)
    _messages = dist.new_group(backend="gloo", timeout=_PATIENCE)
    try:
        _lifelines = Lifelines(process_rank(), process_count(), gathered)
    except OSError as error:
        raise InputError(
            f"process {process_rank()} of this run and the first one cannot talk over TCP ({error}); let the machines "
            "of the run reach each other on all ports"
        ) from error
    if began:
        # Not before the end of the process, for one group cannot follow another under torchrun.
        atexit.register(_part)


def _part() -> None:
    """Leave the others; after an error they may be gone."""
    import torch.distributed as dist

    if _lifelines is not None and _lifelines.all_well:
        dist.destroy_process_group()


def _is_lost_connection(error: BaseException) -> bool:
    """Return whether an error may come from another process that is gone: gloo and NCCL have no class of their own."""
    import torch.distributed as dist

    told = str(error).lower()
    return isinstance(error, RuntimeError) and (
        isinstance(error, dist.DistError) or "gloo" in told or "connection" in told
    )


def agreed(error: E) -> E:
    """Mark an error as one that all processes raise together."""
    global _agreed_on
    _agreed_on = error
    return error


def process_count() -> int:
    """Count the processes of this run."""
    return 1 if _messages is None else _messages.size()


def process_rank() -> int:
    """Return the rank of this process in this run, counted from 0."""
    return 0 if _messages is None else _messages.rank()


def is_first() -> bool:
    """Return whether this process is the one that prints and writes."""
    return process_rank() == 0


def is_first_here() -> bool:
    """Return whether this process is the first on its machine."""
    return is_first() or os.environ.get("LOCAL_RANK") == "0"


def gathered(value: T) -> list[T]:
    """Return to every process the values of all, in rank order."""
    processes = process_count()
    if processes == 1:
        return [value]
    import torch.distributed as dist

    values: list[Any] = [None] * processes
    dist.all_gather_object(values, value, group=_messages)
    return values


def any_process(flag: bool) -> bool:
    """Return to every process whether the flag is set on one of them: a few bytes, cheap enough for every step."""
    if process_count() == 1:
        return flag
    import torch
    import torch.distributed as dist

    flags = torch.tensor([flag], dtype=torch.int32)
    dist.all_reduce(flags, dist.ReduceOp.MAX, group=_messages)
    return bool(flags.item())


@contextmanager
def together() -> Iterator[None]:
    """Leave a block when all processes have; where it fails on one of them, it fails on all.

    The block itself must not wait for other processes.

    Raises
    ------
    InputError
        The same on every process; after the first one's, on the others as `SharedInputError`.
    RuntimeError
        On the others, where the error was none of the user's.
    """
    if process_count() == 1:
        yield
        return
    error: Exception | None = None
    try:
        yield
    except Exception as caught:
        error = caught
    told = None if error is None else (isinstance(error, InputError), str(error) or type(error).__name__)
    failures = {rank: failure for rank, failure in enumerate(gathered(told)) if failure is not None}
    if not failures:
        return
    rank, (of_the_user, message) = min(failures.items())
    if error is not None and not isinstance(error, InputError):
        raise agreed(error)
    where = "" if rank == 0 else f"on process {rank} (counted from 0): "
    if not of_the_user:
        raise agreed(RuntimeError(f"process {rank} failed: {message}")) from error
    raise agreed((InputError if is_first() else SharedInputError)(where + message)) from error


def on_first(function: Callable[[], T]) -> T:
    """Call a function on the first process alone; all return its result, or raise its error, as in `together`."""
    result: Any = None
    with together():
        if is_first():
            result = function()
    first: T = gathered(result)[0]
    return first


def check_same(what: str, value: Callable[[], Any], cure: str) -> None:
    """Raise InputError where the processes of a run do not have the same of something.

    Parameters
    ----------
    what
        For the message.
    value
        Returns what this process has, as JSON can hold it; not called in a process on its own.
    cure
        For the message.

    Raises
    ------
    InputError
        On every process: which ones differ, and in what.
    """
    if process_count() == 1:
        return
    with together():
        own = json.loads(json.dumps(value(), default=str))
    first, *others = gathered(own)
    with together():
        for rank, other in enumerate(others, start=1):
            changed = sorted(differences(first, other))
            if changed:
                shown = f"{', '.join(changed[:5])}{', ...' if len(changed) > 5 else ''}"
                raise InputError(f"processes 0 and {rank} of this run differ in {what}: {shown}. {cure}")
