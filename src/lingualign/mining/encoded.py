"""Encoded text opened for reading: its sentences, and its vectors mapped from disk as one table."""

from __future__ import annotations

import errno
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lingualign.errors import InputError
from lingualign.mining.shards import MANIFEST, Encoder, Manifest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt


class StackedRows:
    """Vectors of several arrays of equal width, one below the other, or some of these rows.

    Parameters
    ----------
    arrays
        (n_i, d) each; at least one.
    taken
        Which rows of the stack, and in which order; all by default.
    """

    def __init__(
        self, arrays: Sequence[npt.NDArray[Any]], taken: npt.NDArray[np.int64] | None = None
    ) -> None:
        self._arrays = arrays
        self._bounds = np.cumsum([0, *map(len, arrays)])
        self._taken = taken

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and width, (n, d)."""
        count = int(self._bounds[-1]) if self._taken is None else len(self._taken)
        return count, self._arrays[0].shape[1]

    def between(self, start: int, stop: int) -> StackedRows:
        """Give some rows that follow each other, without reading them."""
        taken = np.arange(start, stop) if self._taken is None else self._taken[start:stop]
        return StackedRows(self._arrays, taken)

    def __getitem__(self, rows: slice | npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Read some rows."""
        if self._taken is not None:
            rows = self._taken[rows]
        elif isinstance(rows, slice):
            rows = np.arange(*rows.indices(self.shape[0]))
        read = np.empty((len(rows), self.shape[1]), self._arrays[0].dtype)
        array_of = np.searchsorted(self._bounds, rows, side="right") - 1
        for number in np.unique(array_of):
            chosen = array_of == number
            read[chosen] = self._arrays[number][rows[chosen] - self._bounds[number]]
        return read


class EncodedText:
    """A folder that `encode_text` wrote.

    Parameters
    ----------
    folder
        The folder.

    Raises
    ------
    InputError
        If it is none, is not complete, or a shard is missing or was altered: its name, and the cure.
    """

    def __init__(self, folder: Path) -> None:
        manifest = Manifest.read(folder)
        if manifest is None:
            raise InputError(
                f"{folder}: not an encoded text, for it has no {MANIFEST}; make it with lingualign encode"
            )
        if not manifest.complete:
            raise InputError(
                f"{folder}: its encoding was interrupted; run the same lingualign encode again to finish it"
            )
        for shard in manifest.shards:
            if fault := shard.fault(folder):
                raise InputError(
                    f"encoded text: {fault}: run the same lingualign encode again to make this shard anew"
                )
        self.folder = folder
        self.encoder: Encoder = manifest.encoder
        self.identity = json.dumps(
            [manifest.encoder.fingerprint, *(shard.vectors_sha256 for shard in manifest.shards)]
        )
        """Differs for other sentences or vectors"""
        self._manifest = manifest
        self.vectors = map_vectors(folder, manifest)

    def sentences(self) -> pa.ChunkedArray:
        """Read all sentences, in their order."""
        files = (shard.files(self.folder)[0] for shard in self._manifest.shards)
        columns = [pq.read_table(path)["sentence"].cast(pa.large_string()) for path in files]
        return pa.chunked_array([chunk for column in columns for chunk in column.chunks], pa.large_string())


def map_vectors(folder: Path, manifest: Manifest) -> list[npt.NDArray[Any]]:
    """Map the vectors of all shards, (rows, dimensions) each, without reading them.

    Raises
    ------
    InputError
        If one is not what the manifest says, by its shape.
    """
    _allow_open_files(len(manifest.shards))
    mapped = []
    for shard in manifest.shards:
        path = shard.files(folder)[1]
        try:
            array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise InputError(
                    f"encoded text: each of {len(manifest.shards):,} files of {folder} is held open, which is more "
                    "than this process may: raise the limit with ulimit -n"
                ) from None
            raise InputError(f"encoded text: {path} cannot be read ({error.strerror})") from None
        except (ValueError, EOFError) as error:
            raise InputError(f"encoded text: {path} is damaged ({error}): encode into a new folder") from None
        if array.shape != (shard.rows, manifest.encoder.dimensions) or array.dtype != np.float16:
            raise InputError(
                f"encoded text: {path} holds {array.dtype} of shape {array.shape} and not float16 of shape "
                f"{(shard.rows, manifest.encoder.dimensions)}: encode into a new folder"
            )
        mapped.append(array)
    return mapped


def _allow_open_files(more: int) -> None:
    """Raise this process's limit by so many files, as far as it may: what is mapped stays open."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return
    most = soft + more if hard == resource.RLIM_INFINITY else min(soft + more, hard)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
