"""The next batch is made while the present one trains."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class Prefetched(Generic[T]):
    """An iterator one item ahead of who takes from it.

    The items, their order and what is raised are those of the iterator below, which one thread at a time goes
    through. It must not draw from a random generator that others use.

    Parameters
    ----------
    items
        The iterator below.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self.items = items
        # A thread has a current GPU of its own, where it pins memory: this one's shall be the process's.
        start = (torch.cuda.set_device, (torch.cuda.current_device(),)) if torch.cuda.is_available() else ()
        self._thread = ThreadPoolExecutor(1, "prefetch", *start)
        self._next: Future[T] = self._thread.submit(next, self.items)

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        try:
            item = self._next.result()
        except BaseException:
            self.close()
            raise
        self._next = self._thread.submit(next, self.items)
        return item

    def close(self) -> None:
        """Take no more of the items; the one in work is waited for."""
        self._thread.shutdown(wait=True, cancel_futures=True)
