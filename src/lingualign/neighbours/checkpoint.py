"""How far a long search is, kept on disk so that a killed one goes on."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from lingualign.neighbours.approximate import Lists
    from lingualign.neighbours.search import Plan


@dataclass
class SearchCheckpoint:
    """One file with the best candidates so far, written at most once in ``seconds``.

    Parameters
    ----------
    path
        The file; its folder exists.
    key
        Names what is searched. A file with another key, or of another cut into tiles, is not gone on from.
    """

    path: Path
    key: str
    seconds: float = 60
    _saved: float = field(default_factory=time.monotonic, init=False, repr=False)

    def save(self, plan: Plan | Lists, arrays: list[npt.NDArray[Any]], done: int) -> None:
        """Keep the arrays after ``done`` products, or queries, if it is time."""
        if time.monotonic() - self._saved < self.seconds:
            return
        head = {**self._head(plan, arrays), "done": done}
        parts = [array.view(np.uint8).data.cast("B") for array in arrays]
        write_atomically(self.path, json.dumps(head) + "\n", *parts)
        self._saved = time.monotonic()

    def resume(self, plan: Plan | Lists, arrays: list[npt.NDArray[Any]]) -> int:
        """Fill the arrays from the file and give the products, or queries, done; 0 without a file of this search."""
        try:
            with self.path.open("rb") as file:
                head = json.loads(file.readline())
                done = int(head.pop("done"))
                if head != self._head(plan, arrays):
                    return 0
                read = [np.fromfile(file, array.dtype, array.size) for array in arrays]
        except (FileNotFoundError, ValueError, KeyError, AttributeError):
            return 0
        if any(part.size != array.size for part, array in zip(read, arrays, strict=True)):
            return 0
        for part, array in zip(read, arrays, strict=True):
            array[...] = part.reshape(array.shape)
        return done

    def _head(self, plan: Plan | Lists, arrays: list[npt.NDArray[Any]]) -> dict[str, Any]:
        return {"search": self.key, "plan": asdict(plan), "shapes": [list(array.shape) for array in arrays]}
