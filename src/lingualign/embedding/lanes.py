"""Several batches of a model at once on a processor, each on threads of its own.

The operations of a small model on a batch of sentences are short: threads that share each of them wait for each other
a third of the time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_MOST = 8
"""Lanes: more would wait for Python, in which they take turns."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def lanes_of(device: torch.device) -> int:
    """Give how many batches are worked on at once."""
    return min(torch.get_num_threads(), _MOST) if device.type == "cpu" else 1


def in_lanes(
    work: Callable[[Item], Result], groups: Iterable[Sequence[Item]], lanes: int
) -> Iterator[list[Result]]:
    """Work on groups of items, and fetch a group while the one before is worked on.

    Parameters
    ----------
    work
        Called in threads that share those of torch. What torch keeps by thread (autocast, function modes, whether
        there are gradients) it has to set by itself. An item alone in its group is worked on by the caller, with all
        threads.
    groups
        Fetched in the thread of the caller.
    lanes
        How many items are worked on at once.

    Yields
    ------
    list
        The results of a group, in order.
    """
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(
        lanes, "lane", initializer=torch.set_num_threads, initargs=(max(1, threads // lanes),)
    ) as pool:
        try:
            before = None
            for group in groups:
                alone = len(group) == 1
                started = [partial(work, item) if alone else pool.submit(work, item).result for item in group]
                if before is not None:
                    yield [result() for result in before]
                before = started
            if before is not None:
                yield [result() for result in before]
        finally:
            pool.shutdown(cancel_futures=True)
            # What the lanes have set is also what threads to come would start with.
            torch.set_num_threads(threads)
