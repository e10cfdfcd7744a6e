"""Encoded text on disk: shards of sentences with their vectors, and the manifest that names them.

The manifest is the public contract. A shard is a pair of files named by its number: sentences in their order, and one
vector each. During the encoding each whole shard has a record file with the same content as its later entry in the
manifest, so any process can resume from the folder alone. `EncodedText` opens a complete text: its sentences, and its
vectors mapped from disk as one table.
"""

from __future__ import annotations

import errno
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lingualign.errors import InputError
from lingualign.pairs.formats.writers import write_parquet
from lingualign.store import FormatError, discard, file_damage, read_record, write_record
from lingualign.vectors import write_array

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt


FORMAT = 1
MANIFEST = "manifest.json"
_SHARDS = f"shard-{'[0-9]' * 6}"


@dataclass(frozen=True, slots=True)
class Encoder:
    """Everything that determines a vector beside its sentence. Vectors of different encoders are not compared."""

    model: str
    """Name or path of the model; a copy may have another."""
    fingerprint: str
    prompt: str
    dimensions: int
    precision: str

    def differs(self, other: Encoder) -> str | None:
        """Describe how another encoder differs; None if its vectors may be compared."""
        if self.fingerprint != other.fingerprint:
            names = (
                f"{self.model!r} and {other.model!r}" if self.model != other.model else f"both {self.model!r}"
            )
            return f"the models differ ({names}; {self.fingerprint[:12]}... and {other.fingerprint[:12]}...)"
        for name in ("prompt", "dimensions"):
            if getattr(self, name) != getattr(other, name):
                return f"the {name} differ: {getattr(self, name)!r} and {getattr(other, name)!r}"
        return None


@dataclass(frozen=True, slots=True)
class Shard:
    """One pair of files of an encoded text."""

    number: int
    rows: int
    text_sha256: str
    """Digest of the sentences, independent of their file: see `text_digest`."""
    sentences_bytes: int
    sentences_sha256: str
    vectors_bytes: int
    vectors_sha256: str

    # Names are made from the number, so that a manifest cannot point outside its folder.
    def files(self, folder: Path) -> tuple[Path, Path]:
        """Return the files of the sentences (parquet) and of the vectors (float16, (rows, dimensions))."""
        name = _name(self.number)
        return folder / f"{name}.sentences.parquet", folder / f"{name}.vectors.npy"

    def fault(self, folder: Path) -> str | None:
        """Describe the damage of the files; None if they are unchanged."""
        written = (
            (self.sentences_bytes, self.sentences_sha256),
            (self.vectors_bytes, self.vectors_sha256),
        )
        for path, (size, digest) in zip(self.files(folder), written, strict=True):
            if damage := file_damage(path, size, digest):
                return damage
        return None


@dataclass(frozen=True, slots=True)
class TextManifest:
    """The encoder, the shards in their order, and whether the input has been read to its end."""

    encoder: Encoder
    complete: bool = False
    shards: tuple[Shard, ...] = ()

    @property
    def rows(self) -> int:
        """Number of sentences of all shards."""
        return sum(shard.rows for shard in self.shards)

    @staticmethod
    def read(folder: Path) -> TextManifest | None:
        """Read the manifest of a folder; None if there is none.

        Raises
        ------
        InputError
            If it is not a manifest of this format.
        """
        path = folder / MANIFEST
        try:
            manifest = read_record(path, TextManifest, FORMAT)
            if manifest and [shard.number for shard in manifest.shards] != list(range(len(manifest.shards))):
                raise ValueError("the shards are not numbered 0, 1, 2, ...")
        except FormatError as error:
            raise InputError(
                f"{path}: of format {error.form!r} and not {FORMAT}; encode into a new folder"
            ) from None
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{path}: not the manifest of an encoded text, or a damaged one ({error}); encode into a new folder"
            ) from None
        return manifest

    def write(self, folder: Path) -> None:
        """Replace the manifest of a folder in one step."""
        write_record(folder / MANIFEST, self, FORMAT)


@dataclass(frozen=True, slots=True)
class Record:
    """A whole shard and its encoder."""

    encoder: Encoder
    shard: Shard

    @staticmethod
    def read(folder: Path, number: int) -> Record | None:
        """Read the record of a shard; None if it is missing or unreadable."""
        try:
            record = read_record(folder / f"{_name(number)}.json", Record, FORMAT)
        except (TypeError, ValueError):
            return None
        return record if record is not None and record.shard.number == number else None

    def write(self, folder: Path) -> None:
        """Write the record, which marks the shard as whole."""
        write_record(folder / f"{_name(self.shard.number)}.json", self, FORMAT)

    @staticmethod
    def remove(folder: Path, number: int) -> None:
        """Remove the record of a shard, if there is one."""
        (folder / f"{_name(number)}.json").unlink(missing_ok=True)


def remove_text(folder: Path) -> None:
    """Remove an encoded text, the manifest first, so that a remainder never counts as complete."""
    (folder / MANIFEST).unlink(missing_ok=True)
    for ending in ("json", "sentences.parquet", "vectors.npy"):
        for path in folder.glob(f"{_SHARDS}.{ending}"):
            discard(path)


def recorded(folder: Path) -> list[int]:
    """List the numbers of the shards that have a record, in ascending order."""
    return sorted(int(path.stem.removeprefix("shard-")) for path in folder.glob(f"{_SHARDS}.json"))


def _name(number: int) -> str:
    return f"shard-{number:06d}"


def text_digest(sentences: Sequence[str]) -> str:
    """Return the SHA-256 of sentences, each as its length in bytes, a colon, and its UTF-8."""
    digest = hashlib.sha256()
    for sentence in sentences:
        encoded = sentence.encode()
        digest.update(b"%d:%b" % (len(encoded), encoded))
    return digest.hexdigest()


def write_shard(
    folder: Path, number: int, sentences: Sequence[str], vectors: npt.NDArray[np.float16]
) -> Shard:
    """Write the two files of a shard, each whole or not at all."""
    shard = Shard(number, len(sentences), text_digest(sentences), 0, "", 0, "")
    sentences_file, vectors_file = shard.files(folder)
    table = pa.table({"sentence": pa.array(sentences, pa.large_string())})
    sentences_size, sentences_digest = write_parquet(table, sentences_file)
    vectors_size, vectors_digest = write_array(vectors_file, vectors)
    return Shard(
        number,
        len(sentences),
        shard.text_sha256,
        sentences_size,
        sentences_digest,
        vectors_size,
        vectors_digest,
    )


class StackedRows:
    """Vectors of several arrays of equal width, stacked, or a selection of their rows.

    Parameters
    ----------
    arrays
        Arrays of shape (n_i, d); at least one.
    taken
        Rows of the stack, in their order; all by default.
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
        """Return the rows from ``start`` to before ``stop``, without reading them."""
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
        If it is not an encoded text, is incomplete, or a shard is missing or changed.
    """

    def __init__(self, folder: Path) -> None:
        manifest = TextManifest.read(folder)
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


def map_vectors(folder: Path, manifest: TextManifest) -> list[npt.NDArray[Any]]:
    """Map the vectors of all shards, (rows, dimensions) each, without reading them.

    Raises
    ------
    InputError
        If a shard cannot be read, or its shape or dtype is not that of the manifest.
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
    """Raise this process's limit of open files by ``more``, as far as allowed: mapped files stay open."""
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
