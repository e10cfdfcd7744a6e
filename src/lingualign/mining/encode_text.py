"""Encode a text to vectors on disk: to shards that can be resumed after a crash, or to one file."""

from __future__ import annotations

import io
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lingualign.embedding.options import ModelOptions
from lingualign.errors import InputError
from lingualign.mining.encode_folder import (
    EncodeJob,
    EncodeReport,
    TextEncoder,
    encode_part,
    encode_to_folder,
)
from lingualign.mining.encoded_text import TextManifest
from lingualign.mining.engines import Here
from lingualign.mining.sentences import STANDARD_INPUT, check_source, read_sentences
from lingualign.neighbours.approximate import import_faiss
from lingualign.progress import progress_bar
from lingualign.store import whole_file

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.options import Pooling, Precision
    from lingualign.mining.engines import Engine
    from lingualign.mining.engines.engine import Part


def encode_text(
    model: str | SentenceTransformer,
    source: str,
    output: str | os.PathLike[str],
    *,
    column: str | None = None,
    prompt: str | None = None,
    pooling: Pooling | None = None,
    device: str | None = None,
    precision: Precision = ModelOptions.precision,
    engine: Engine | None = None,
    part: Part | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> EncodeReport:
    """Encode the sentences of a file, in their order, in memory that does not grow with their number.

    Parameters
    ----------
    model, prompt, pooling, device, precision
        See `lingualign.embedding.encoders.open_encoder`.
    source, column
        See `lingualign.mining.sentences.read_sentences`.
    output
        A file by its ending: ``.npy``, one float16 array (sentences, dimensions); ``.parquet``, columns ``sentence``
        and ``vector``; ``.faiss``, an index of FAISS, held in memory until it is written. Any other name is a folder
        of shards with a manifest, which `mine_pairs` reads and which can be resumed.
    engine
        Engine of the work, see `lingualign.mining.engines.open_engine`; this process by default. Other engines need a
        model's name and write folders only. The shards do not depend on the engine.
    part
        Encode only one call's share of the shards; a call without ``part`` then completes the folder.
    overwrite
        Replace the output file, or the encoded text in the output folder.
    progress
        Show a progress bar.

    Raises
    ------
    InputError
        If the source or the model cannot be used, the output exists, or a folder holds vectors of another model,
        prompt or text.
    """
    output = Path(output)
    options = ModelOptions(prompt, pooling, device, precision)
    engine = engine or Here()
    check_engine(engine, model)
    check_source(source)
    if part is not None or not isinstance(engine, Here):
        _check_several_files(output)
    if part is not None:
        _check_kept(overwrite=overwrite)
        check_readable_by_several(source)
    with _writing(output):
        if _is_one_file(output):
            if output.is_dir() or (output.exists() and not overwrite):
                raise InputError(f"output {str(output)!r} exists; give another name, or --overwrite it")
            _make_folder(output.parent)
            if output.suffix == ".faiss":
                import_faiss()
            encoder = TextEncoder(model, options)
            to_file = _TO_FILE[output.suffix]
            with progress_bar("Encoding", None, enabled=progress) as advance:
                rows = to_file(encoder, read_sentences(source, column), output, advance)
            return EncodeReport(rows, kept=0)
        _make_folder(output)
        _check_folder(output)
        with (
            engine.start(EncodeJob(model, options)) as workers,
            progress_bar("Encoding", None, enabled=progress) as advance,
        ):
            sentences = read_sentences(source, column)
            if part is not None:
                return encode_part(workers, sentences, output, part, advance)
            return encode_to_folder(workers, sentences, output, advance, overwrite=overwrite)


def check_engine(engine: Engine, model: str | SentenceTransformer) -> None:
    """Raise InputError for a loaded model where other processes would have to load it."""
    if not isinstance(model, str) and not isinstance(engine, Here):
        raise InputError(
            f"engine {engine.name!r} needs a model that its workers can load: give its folder or hub id"
        )


def check_shared(source: str, output: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Check that several calls can encode a text together.

    Raises
    ------
    InputError
        What it is, and the cure.
    """
    _check_several_files(Path(output))
    _check_kept(overwrite=overwrite)
    check_readable_by_several(source)
    check_source(source)


def _check_several_files(output: Path) -> None:
    if _is_one_file(output):
        raise InputError(
            f"output {str(output)!r} is one file, which one process writes; give a folder to several"
        )


def _check_kept(*, overwrite: bool) -> None:
    if overwrite:
        raise InputError(
            "overwrite would remove what the other calls write; delete the output before instead"
        )


def check_readable_by_several(*sources: str) -> None:
    """Raise InputError for standard input, which can be read only once."""
    if STANDARD_INPUT in sources:
        raise InputError("standard input cannot be read by several calls; give a file")


def _is_one_file(output: Path) -> bool:
    return output.suffix in _TO_FILE


def _encode_to_npy(
    encoder: TextEncoder, chunks: Iterator[list[str]], output: Path, advance: Callable[[int], None]
) -> int:
    width, rows = encoder.encoder.dimensions, 0
    with whole_file(output) as temporary, temporary.open("wb") as file:
        # The header has room for any number of rows, so it can be rewritten in place with the final count.
        file.write(_header(0, width))
        for sentences in chunks:
            file.write(encoder(sentences, advance).data)
            rows += len(sentences)
        file.seek(0)
        file.write(_header(rows, width))
    return rows


def _header(rows: int, width: int) -> bytes:
    header = io.BytesIO()
    described = np.lib.format.header_data_from_array_1_0(np.empty((0, width), np.float16))
    np.lib.format.write_array_header_1_0(header, {**described, "shape": (rows, width)})
    return header.getvalue()


def _encode_to_parquet(
    encoder: TextEncoder, chunks: Iterator[list[str]], output: Path, advance: Callable[[int], None]
) -> int:
    width, rows = encoder.encoder.dimensions, 0
    vector = pa.list_(pa.float16(), width)
    schema = pa.schema([("sentence", pa.large_string()), ("vector", vector)])
    metadata = {
        "model": encoder.encoder.model,
        "fingerprint": encoder.encoder.fingerprint,
        "prompt": encoder.encoder.prompt,
    }
    with (
        whole_file(output) as temporary,
        pq.ParquetWriter(temporary, schema.with_metadata(metadata), compression="zstd") as writer,
    ):
        for sentences in chunks:
            vectors = encoder(sentences, advance)
            flat = pa.array(vectors.reshape(-1), pa.float16())
            columns = [
                pa.array(sentences, pa.large_string()),
                pa.FixedSizeListArray.from_arrays(flat, type=vector),
            ]
            writer.write_table(pa.table(columns, schema=writer.schema))
            rows += len(sentences)
    return rows


def _encode_to_faiss(
    encoder: TextEncoder, chunks: Iterator[list[str]], output: Path, advance: Callable[[int], None]
) -> int:
    faiss = import_faiss()
    # An exact index: the half-precision vectors unchanged, all compared in every search.
    index = faiss.IndexScalarQuantizer(
        encoder.encoder.dimensions, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
    )
    for sentences in chunks:
        index.add(encoder(sentences, advance).astype(np.float32))
    with whole_file(output) as temporary:
        faiss.write_index(index, str(temporary))
    return int(index.ntotal)


_TO_FILE = {".npy": _encode_to_npy, ".parquet": _encode_to_parquet, ".faiss": _encode_to_faiss}


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"output {str(output)!r} cannot be written: {error.strerror or error}; make room or permit it, or "
            "give another place"
        ) from error


def _make_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"output {str(folder)!r} is a file; give a folder, or a name that ends in {', '.join(_TO_FILE)}"
        )
    folder.mkdir(parents=True, exist_ok=True)


def _check_folder(folder: Path) -> None:
    """Raise InputError for a folder with other files than shards."""
    if TextManifest.read(folder) is not None:
        return
    others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if not all(name.startswith("shard-") for name in others):
        raise InputError(
            f"output {str(folder)!r} holds other files ({others[0]}); give an empty or a new folder"
        )
