"""The batches of a run, ready for the loss: token ids of all columns and the teacher's vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from lingualign.errors import InputError
from lingualign.training.schedule import epoch_batches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lingualign.teacher import TeacherStore
    from lingualign.training.tokens import TokenIds


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
        Which share of each batch this process takes. All processes walk through the same batches, so that those of
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
        """Give ``(n, D)`` of the teacher's vectors of the anchor side, evenly from all pairs, ``most`` at most."""
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
        """Give the batches one by one, in order."""
        # Lists of one batch each, and not batch_size=None: the host skips to where a resumed run stopped through the
        # loader's batch sampler.
        return DataLoader(
            self, batch_size=1, shuffle=False, collate_fn=_only, pin_memory=torch.cuda.is_available()
        )


def _only(batches: list[dict[str, Any]]) -> dict[str, Any]:
    [batch] = batches
    return batch
