"""Vectors of sentences on disk: segments mapped into memory, seen as one table of vectors and one of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.errors import InputError
from lingualign.vectors.arrays import check_digest, check_digest_once, open_array
from lingualign.vectors.keys import KEY, KeyIndex

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from lingualign.vectors.manifest import Segment, VectorManifest


class StoredVectors:
    """The segments that one manifest names. Opening checks every file's size, shape and type; use checks its checksum.

    Parameters
    ----------
    folder
        The folder of the manifest.
    manifest
        Its content.
    dtype
        Type of the vectors' values.

    Raises
    ------
    DamagedSegmentError
        If a file is missing or is not the one that was written.
    """

    def __init__(self, folder: Path, manifest: VectorManifest, dtype: np.dtype[Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self._dtype = dtype
        self._vectors: list[NDArray[Any]] = []
        self._keys: list[NDArray[np.void]] = []
        self._firsts = np.empty(0, dtype=np.int64)
        self._ends = np.empty(0, dtype=np.int64)
        self._index: KeyIndex | None = None
        self._open(manifest.segments)

    def __len__(self) -> int:
        return int((self._ends - self._firsts).sum())

    @property
    def index(self) -> KeyIndex:
        """The rows by key, built when first asked for."""
        if self._index is None:
            self._index = KeyIndex(self._tails)
            for first, keys in zip(self._firsts, self._keys, strict=True):
                self._index.extend(keys, int(first))
        return self._index

    def follow(self, manifest: VectorManifest) -> StoredVectors:
        """Take in what a newer manifest has added; all is opened again where it has dropped something."""
        known = len(self.manifest.segments)
        if manifest.segments[:known] != self.manifest.segments:
            return StoredVectors(self.folder, manifest, self._dtype)
        self._open(manifest.segments[known:])
        self.manifest = manifest
        return self

    def rows(self, keys: NDArray[np.void]) -> NDArray[np.int64]:
        """Find the rows of keys, -1 for one that is not there.

        The segments that hold one of them are compared with their checksums, each once a process.

        Raises
        ------
        DamagedSegmentError
            If one of these was altered.
        """
        rows = self.index.rows(keys)
        for place in np.unique(self._places(rows[rows >= 0])):
            self._check(self.manifest.segments[place], check_digest_once)
        return rows

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Copy the vectors of rows, shape (rows, width)."""
        return self._gather(rows, self._vectors, np.empty((len(rows), self.manifest.width), self._dtype))

    def verify(self, *, again: bool = True) -> None:
        """Compare every file with its checksum.

        Parameters
        ----------
        again
            Read also the files that this process has compared before.

        Raises
        ------
        DamagedSegmentError
            If a file differs.
        """
        for segment in self.manifest.segments:
            self._check(segment, check_digest if again else check_digest_once)

    def _check(self, segment: Segment, check: Callable[[Path, str], None]) -> None:
        check(segment.keys_file(self.folder), segment.keys_sha256)
        check(segment.vectors_file(self.folder), segment.vectors_sha256)

    def _places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Find the segments of rows, as places in the manifest."""
        return np.searchsorted(self._firsts, rows, side="right") - 1

    def _open(self, segments: tuple[Segment, ...]) -> None:
        for segment in segments:
            keys_file, vectors_file = segment.keys_file(self.folder), segment.vectors_file(self.folder)
            shape = (segment.rows, self.manifest.width)
            keys = open_array(keys_file, segment.keys_bytes, (segment.rows,), KEY)
            self._vectors.append(open_array(vectors_file, segment.vectors_bytes, shape, self._dtype))
            self._keys.append(keys)
            if self._index is not None:
                self._index.extend(keys, segment.first_row)
        self._firsts = np.append(self._firsts, [segment.first_row for segment in segments]).astype(np.int64)
        self._ends = np.append(self._ends, [each.first_row + each.rows for each in segments]).astype(np.int64)

    def _tails(self, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
        tails = [keys["tail"] for keys in self._keys]
        return self._gather(rows, tails, np.empty(len(rows), dtype=np.uint64))

    def _gather(self, rows: NDArray[np.int64], parts: list[Any], out: NDArray[Any]) -> NDArray[Any]:
        places = self._places(rows)
        if len(rows) and (places.min() < 0 or (rows >= self._ends[places]).any()):
            outside = int(rows[(places < 0) | (rows >= self._ends[places])][0])
            raise InputError(
                f"row {outside} is not in the teacher store {self.folder}, which has {len(self)} rows"
            )
        for place in np.unique(places):
            inside = places == place
            out[inside] = parts[place][rows[inside] - self._firsts[place]]
        return out
