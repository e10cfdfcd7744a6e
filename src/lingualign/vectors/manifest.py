"""The table of contents of stored vectors: what they are, and which files hold them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lingualign.errors import InputError
from lingualign.store import FormatError, read_record, write_record
from lingualign.vectors.arrays import write_array

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

FORMAT = 1
NAME = "manifest.json"


@dataclass(frozen=True)
class Segment:
    """Vectors that were encoded and written together. Their rows keep their numbers for good."""

    number: int
    first_row: int
    rows: int
    precision: str
    vectors_bytes: int
    vectors_sha256: str
    keys_bytes: int
    keys_sha256: str

    # Made from the number and not read from the manifest, so that a manifest cannot point outside its folder.
    def vectors_file(self, folder: Path) -> Path:
        """Return the file of the vectors, ``.npy`` of shape (rows, dimensions)."""
        return folder / f"segment-{self.number:06d}.vectors.npy"

    def keys_file(self, folder: Path) -> Path:
        """Return the file of the sentences' keys, in the order of the vectors."""
        return folder / f"segment-{self.number:06d}.keys.npy"


@dataclass(frozen=True)
class VectorManifest:
    """What decides the vectors, their width, and the segments in the order of their rows."""

    settings: dict[str, Any]
    fingerprint: str
    """Of the model."""
    width: int
    next_row: int = 0
    next_segment: int = 0
    segments: tuple[Segment, ...] = ()

    @staticmethod
    def read(folder: Path) -> VectorManifest | None:
        """Read the manifest of a folder; None where there is none yet.

        Raises
        ------
        InputError
            If it is not a manifest of this format.
        """
        path = folder / NAME
        try:
            manifest = read_record(path, VectorManifest, FORMAT)
            if manifest is not None:
                manifest._check_order()
        except FormatError as error:
            raise InputError(f"{path} is of another format than {FORMAT}: {_anew(folder)}") from error
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{path} is not a teacher store's manifest ({error}): {_anew(folder)}"
            ) from error
        return manifest

    def _check_order(self) -> None:
        row = number = 0
        for segment in self.segments:
            if segment.number < number or segment.first_row < row or not segment.rows:
                raise ValueError(f"segment {segment.number} overlaps the one before")
            number, row = segment.number + 1, segment.first_row + segment.rows
        if self.next_segment < number or self.next_row < row:
            raise ValueError("the next segment overlaps the last one")

    def write(self, folder: Path) -> None:
        """Replace the manifest of a folder in one step."""
        write_record(folder / NAME, self, FORMAT)

    def add(
        self, folder: Path, keys: NDArray[np.void], vectors: NDArray[np.floating[Any]], precision: str
    ) -> VectorManifest:
        """Write vectors as one more segment, and the manifest that names it last; returns that manifest."""
        segment = Segment(self.next_segment, self.next_row, len(vectors), precision, 0, "", 0, "")
        vectors_bytes, vectors_sha256 = write_array(segment.vectors_file(folder), vectors)
        keys_bytes, keys_sha256 = write_array(segment.keys_file(folder), keys)
        segment = replace(
            segment,
            vectors_bytes=vectors_bytes,
            vectors_sha256=vectors_sha256,
            keys_bytes=keys_bytes,
            keys_sha256=keys_sha256,
        )
        manifest = replace(
            self,
            next_row=segment.first_row + segment.rows,
            next_segment=segment.number + 1,
            segments=(*self.segments, segment),
        )
        manifest.write(folder)
        return manifest

    def drop(self, folder: Path, gone: Callable[[Segment], bool]) -> VectorManifest:
        """Write the manifest without some segments, whose sentences count as new from then on; returns it."""
        kept = tuple(segment for segment in self.segments if not gone(segment))
        if kept == self.segments:
            return self
        manifest = replace(self, segments=kept)
        manifest.write(folder)
        return manifest


def _anew(folder: Path) -> str:
    return f"delete the folder {folder} and run the same command again; all its sentences are embedded anew"
