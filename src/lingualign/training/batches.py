"""The batches of a run, ready for the loss: which pairs make up each one, their token ids and the teacher's vectors."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lingualign.teacher import TeacherStore
    from lingualign.training.tokens import TokenIds

T = TypeVar("T")


def batches_per_group(sizes: Sequence[int], batch_size: int, power: float) -> list[int]:
    """Share out an epoch's batches over language pairs of these sizes.

    An epoch has as many batches as the pairs fill; a language pair with n pairs gets batches in proportion to
    ``n ** power``, and one at least.
    """
    counts = np.asarray(sizes, dtype=np.float64)
    whole = np.maximum(counts // batch_size, 1)
    shares = counts**power / (counts**power).sum() * whole.sum()
    # With power 1 this is `whole` itself: nobody gets a batch that its pairs do not fill.
    shared = whole if power == 1 else np.maximum(np.rint(shares), 1)
    return [int(count) for count in shared]


def epoch_batches(
    sizes: Sequence[int], batch_size: int, *, power: float = 1.0, seed: int = 0, epoch: int = 0
) -> list[tuple[int, NDArray[np.int64]]]:
    """Lay out one epoch: for each batch its language pair and the pairs in it.

    Each batch holds pairs of one language pair, none twice. A language pair is gone through in passes, each in a new
    order; what is left at the end of a pass and fills no batch waits for another epoch. One with fewer pairs than a
    batch gives smaller batches.

    Parameters
    ----------
    sizes
        Number of pairs of each language pair.
    batch_size
        Pairs of a batch, over all devices.
    power
        See `batches_per_group`.
    seed, epoch
        The layout is a function of these and the other arguments alone.

    Returns
    -------
    list of (int, ndarray of int64)
        Place of the language pair in ``sizes``, and positions among its pairs, in training order.
    """
    generator = np.random.default_rng([seed, epoch])
    batches: list[tuple[int, NDArray[np.int64]]] = []
    for group, (size, count) in enumerate(
        zip(sizes, batches_per_group(sizes, batch_size, power), strict=True)
    ):
        length = min(size, batch_size)
        taken = 0
        while taken < count:
            order = generator.permutation(size)
            for start in range(0, size - length + 1, length):
                if taken == count:
                    break
                batches.append((group, order[start : start + length]))
                taken += 1
    return [batches[place] for place in generator.permutation(len(batches))]


@dataclass(frozen=True)
class ParallelRows:
    """What batches of one kind are made of: pairs of two languages, or pieces of content in more.

    Each of ``columns`` is ``(n,)``, rows of the token ids, the anchor first. ``teacher`` is ``(n, V)``, rows of the
    teacher store; None for a loss without labels.
    """

    columns: Sequence[NDArray[np.int64]]
    teacher: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.columns[0])


class PairBatches(Dataset[dict[str, Any]]):
    """An epoch's batches in training order; item i is batch i, this process's share of it.

    Parameters
    ----------
    pairs
        Rows of each language pair, by a name such as ``en-fr``, or of more languages (``en-fr-ja``).
    tokens
        The student's token ids.
    store
        The teacher's vectors; None for a loss without labels.
    batch_size
        Pairs of a batch over all processes.
    power, seed
        See `epoch_batches`.
    rank, processes
        Share of each batch that this process takes. All processes walk through the same batches, so that those of
        one step come from one language pair.
    """

    def __init__(
        self,
        pairs: Mapping[str, ParallelRows],
        tokens: TokenIds,
        store: TeacherStore | None,
        *,
        batch_size: int,
        power: float = 1.0,
        seed: int = 0,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        self.names = list(pairs)
        self._pairs = list(pairs.values())
        self._tokens = tokens
        self._store = store
        self._batch_size, self._power, self._seed = batch_size, power, seed
        self._rank, self._processes = rank, processes
        for name, rows in pairs.items():
            if len(rows) < processes:
                raise InputError(
                    f"{name} has {len(rows)} training pairs, fewer than the {processes} processes, so "
                    "that no batch of it can be shared; leave it out of pairs.select, or start fewer processes"
                )
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Lay out the batches of an epoch, counted from 0."""
        sizes = [len(rows) // self._processes * self._processes for rows in self._pairs]
        self._batches = epoch_batches(
            sizes, self._batch_size, power=self._power, seed=self._seed, epoch=epoch
        )

    def sizes(self) -> dict[str, int]:
        """Rows of each language pair, or of each set of more languages."""
        return {name: len(rows) for name, rows in zip(self.names, self._pairs, strict=True)}

    def teacher_sample(self, most: int) -> NDArray[np.floating]:
        """Return ``(n, D)``, ``most`` at most, of the teacher's vectors of the anchor side, evenly from all pairs."""
        anchors = np.concatenate([rows.teacher[:, 0] for rows in self._pairs if rows.teacher is not None])
        assert self._store is not None
        vectors: NDArray[np.floating] = self._store[anchors[:: -(-len(anchors) // most)]]
        return vectors

    def teacher_vectors(self, index: int) -> NDArray[np.float32]:
        """Return ``(B, V, D)``: the teacher's vectors of a batch, the shares of all processes."""
        group, positions = self._batches[index]
        return self._vectors(self._pairs[group], positions)

    def _vectors(self, rows: ParallelRows, positions: NDArray[np.int64]) -> NDArray[np.float32]:
        assert rows.teacher is not None
        assert self._store is not None
        views = rows.teacher[positions]
        vectors: NDArray[np.float32] = self._store[views.reshape(-1)].astype("float32")
        return vectors.reshape(*views.shape, -1)

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> dict[str, Any]:
        group, positions = self._batches[index]
        share = len(positions) // self._processes
        positions = positions[self._rank * share : (self._rank + 1) * share]
        rows = self._pairs[group]
        batch: dict[str, Any] = {"dataset_name": self.names[group]}
        for place, sentences in enumerate(rows.columns, start=1):
            for name, value in self._tokens.features(sentences[positions]).items():
                batch[f"sentence{place}_{name}"] = value
        if rows.teacher is not None and self._store is not None:
            batch["label"] = torch.from_numpy(self._vectors(rows, positions))
        return batch

    def loader(self) -> DataLoader[dict[str, Any]]:
        """Load the batches one by one, in order."""
        # Lists of one batch each, and not batch_size=None: the host skips to where a resumed run stopped through the
        # loader's batch sampler.
        return DataLoader(
            self, batch_size=1, shuffle=False, collate_fn=_only, pin_memory=torch.cuda.is_available()
        )


def _only(batches: list[dict[str, Any]]) -> dict[str, Any]:
    [batch] = batches
    return batch


class Prefetched(Generic[T]):
    """An iterator one item ahead of whoever takes from it: the next batch is made while the present one trains.

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
