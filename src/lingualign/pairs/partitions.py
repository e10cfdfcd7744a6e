"""More records than memory holds, a part at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lingualign.pairs.normalisation import Keys

Records = npt.NDArray[np.void]

# A part of 100 million pairs has 1.6 million, some 70 MB.
_PARTS = 64
_SHIFT = np.uint64(64 - _PARTS.bit_length() + 1)


class Partitions:
    """Records in parts by the leading bits of their number, in ascending order.

    Within a part records stay in the order in which they were added.

    Parameters
    ----------
    kind
        Type of a record.
    folder
        Existing folder for one file a part; None for one part in memory.
    name
        Beginning of the files' names.
    """

    def __init__(self, kind: np.dtype[np.void], folder: Path | None, name: str) -> None:
        self._kind = kind
        self._paths = [folder / f"{name}-{part:02}" for part in range(_PARTS)] if folder else []
        self._held: list[Records] = []

    def add(self, records: Records, numbers: Keys) -> None:
        """Add records, each to the part of its number."""
        if not self._paths:
            self._held.append(records)
            return
        parts = (numbers >> _SHIFT).astype(np.uint8)
        order = np.argsort(parts, kind="stable")
        ends = np.searchsorted(parts[order], np.arange(_PARTS), side="right").tolist()
        records = records[order]
        start = 0
        for path, end in zip(self._paths, ends, strict=True):
            if end > start:
                with path.open("ab") as file:
                    file.write(records[start:end].tobytes())
            start = end

    def __iter__(self) -> Iterator[Records]:
        """Yield the parts in order, without empty ones."""
        if not self._paths:
            if self._held:
                self._held = [np.concatenate(self._held)]
                yield self._held[0]
            return
        for path in self._paths:
            if path.exists():
                yield np.fromfile(path, self._kind)

    def consume(self) -> Iterator[Records]:
        """Yield the parts in order, and remove each."""
        held, self._held = self._held, []
        if held:
            yield np.concatenate(held)
        for path in self._paths:
            if path.exists():
                part = np.fromfile(path, self._kind)
                path.unlink()
                yield part


def make_records(kind: np.dtype[np.void], **values: Any) -> Records:
    """Return records with columns of equal length."""
    records = np.empty(len(next(iter(values.values()))), kind)
    for name, value in values.items():
        records[name] = value
    return records
