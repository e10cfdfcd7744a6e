"""Vectors read from a file."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lingualign.embedding.encoders.sentence_encoder import unit
from lingualign.errors import InputError, first_line
from lingualign.pairs.formats.parquet import open_parquet, read_columns
from lingualign.pairs.formats.tabular import text_columns
from lingualign.store import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from lingualign.embedding.options import ModelOptions

_BATCH = 4_096


class VectorFile:
    """A parquet file of columns ``sentence`` (text) and ``vector`` (lists of numbers, all of one length).

    Parameters
    ----------
    name
        Path of the file. Its metadata may hold ``model``, ``fingerprint`` and ``prompt``, as in files of `lingualign
        encode`.
    options
        Options, whose prompt must be that of the file or absent.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another form, holds NaN or infinite values, has two vectors for one
        sentence, or another prompt is given.
    """

    precision = "fp32"
    tokenizer = None

    def __init__(self, name: str, options: ModelOptions) -> None:
        self.path = path = Path(name)
        self.name = str(path)
        if not path.is_file():
            raise InputError(f"model {self.name!r}: no such file of vectors; `lingualign encode` makes one")
        self._sentences, self._vectors, told = _read(path)
        self.prompt = told.get("prompt", "")
        if (prompt := options.prompt) not in (None, self.prompt):
            raise InputError(
                f"prompt {prompt!r} cannot be put before the sentences of {self.name}, which have been encoded with "
                f"{self.prompt!r}: leave it out, or encode them anew"
            )
        self._encoded_by = {key: told[key] for key in ("model", "fingerprint") if key in told}
        self._check_repeats()

    @property
    def dimensions(self) -> int:
        """Length of the vectors."""
        return int(self._vectors.shape[1])

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the file's content."""
        return sha256_of(self.path)

    def describe(self) -> dict[str, Any]:
        """Return the kind, the origin of the prompt and, if the file says so, the model that made the vectors."""
        known = {"encoded_by": self._encoded_by} if self._encoded_by else {}
        return {"kind": "vectors", "prompt_from": "model" if self.prompt else "none", **known}

    def batches(self, sentences: Sequence[str]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Look up sentences.

        Raises
        ------
        InputError
            If a sentence has no vector.
        """
        found = pc.index_in(pa.array(sentences, pa.large_string()), value_set=self._sentences)
        if found.null_count:
            first = sentences[pc.index(found.is_null(), True).as_py()]
            shown = first if len(first) <= 80 else f"{first[:77]}..."
            raise InputError(
                f"{self.name} has no vector for {found.null_count:,} of {len(sentences):,} sentences, such as "
                f"{shown!r}: encode them, and add them to the file"
            )
        rows = found.to_numpy()
        for start in range(0, len(rows), _BATCH):
            some = rows[start : start + _BATCH]
            yield np.arange(start, start + len(some)), unit(self._vectors[some])

    def _check_repeats(self) -> None:
        first = pc.index_in(self._sentences, value_set=self._sentences).to_numpy()
        repeats = np.flatnonzero(first != np.arange(len(first)))
        for start in range(0, len(repeats), _BATCH):
            some = repeats[start : start + _BATCH]
            differ = (self._vectors[some] != self._vectors[first[some]]).any(axis=1)
            if differ.any():
                row = some[differ.argmax()]
                raise InputError(
                    f"{self.name}, rows {first[row] + 1} and {row + 1}: one sentence with two vectors; keep one"
                )


def is_vector_file(model: str) -> bool:
    """Return whether a name is that of a file of vectors, by its columns."""
    if not model.endswith(".parquet") or not Path(model).is_file():
        return False
    try:
        return {"sentence", "vector"} <= set(pq.read_schema(model).names)
    except (OSError, pa.ArrowException):
        return False


def _read(path: Path) -> tuple[pa.Array, NDArray[np.float32], dict[str, str]]:
    try:
        with open_parquet(path) as file:
            names = file.schema_arrow.names
            if missing := [name for name in ("sentence", "vector") if name not in names]:
                raise InputError(
                    f"{path}: no column {missing[0]!r}; expected 'sentence' and 'vector'; found "
                    f"{', '.join(map(repr, names))}"
                )
            metadata = file.schema_arrow.metadata or {}
        table = read_columns(path, ["sentence", "vector"]).combine_chunks()
        sentences = _combined(text_columns(table, ["sentence"], path)["sentence"])
        vectors = _combined(table["vector"])
        if sentences.null_count or vectors.null_count:
            raise InputError(f"{path}: a sentence or a vector is missing")
        lengths = pc.list_value_length(vectors).unique().to_pylist()
        if len(lengths) != 1 or not lengths[0]:
            found = ", ".join(map(str, sorted(lengths)[:3])) or "none"
            raise InputError(f"{path}: the vectors must be of one length; found {found}")
        flat = vectors.flatten()
        values = flat.cast(pa.float32()).to_numpy(zero_copy_only=False).reshape(-1, lengths[0])
    except (OSError, pa.ArrowException) as error:
        reason = first_line(error)
        raise InputError(f"{path}: no file of vectors, or a damaged one ({reason})") from None
    if not (finite := np.isfinite(values).all(axis=1)).all():
        raise InputError(f"{path}, row {int(finite.argmin()) + 1}: NaN or infinite values; encode it again")
    told = {
        key.decode(): value.decode(errors="replace")
        for key, value in metadata.items()
        if not key.startswith(b"ARROW")
    }
    return sentences, np.ascontiguousarray(values), told


def _combined(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
