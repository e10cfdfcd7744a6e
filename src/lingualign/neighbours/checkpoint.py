"""The state of a long search on disk, from which it resumes after a crash."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.store import read_checked, write_checked

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from _typeshed import DataclassInstance

logger = logging.getLogger(__name__)


@dataclass
class SearchCheckpoint:
    """A file with the best candidates so far, written at most once in ``seconds``.

    Parameters
    ----------
    path
        The file; its folder exists.
    key
        Key of the search. A file with another key or another plan of tiles is ignored.
    """

    path: Path
    key: str
    seconds: float = 60
    _saved: float = field(default_factory=time.monotonic, init=False, repr=False)

    def save(self, plan: DataclassInstance, arrays: list[npt.NDArray[Any]], done: int) -> None:
        """Write the arrays after ``done`` products or queries, unless the last write was less than ``seconds`` ago."""
        if time.monotonic() - self._saved < self.seconds:
            return
        parts = [array.view(np.uint8).data.cast("B") for array in arrays]
        write_checked(self.path, {**self._head(plan, arrays), "done": done}, *parts)
        self._saved = time.monotonic()

    def resume(self, plan: DataclassInstance, arrays: list[npt.NDArray[Any]]) -> int:
        """Fill the arrays from the file and return the number of products or queries done; 0 without a matching file.

        A damaged file is ignored with a warning.
        """
        try:
            checked = read_checked(self.path)
        except ValueError as error:
            logger.warning("%s is damaged (%s): the search begins anew.", self.path, error)
            return 0
        if checked is None:
            return 0
        head, content = checked
        done = head.pop("done", None)
        if head != self._head(plan, arrays) or len(content) != sum(array.nbytes for array in arrays):
            return 0
        place = 0
        for array in arrays:
            array[...] = np.frombuffer(content, array.dtype, array.size, place).reshape(array.shape)
            place += array.nbytes
        return int(done)

    def _head(self, plan: DataclassInstance, arrays: list[npt.NDArray[Any]]) -> dict[str, Any]:
        return {"search": self.key, "plan": asdict(plan), "shapes": [list(array.shape) for array in arrays]}
