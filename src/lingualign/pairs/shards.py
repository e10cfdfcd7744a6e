"""From sources to a folder of training and validation pairs, in memory that does not grow with them.

The sources are read twice, once to decide and once to write. A copy of the first reading would take as much disk as the
sources, even for a sample of a hundredth, and save little: a compressed copy costs 1.1 to 1.5 microseconds a pair, a
second reading 0.6 to 1.3 of parquet and 1.2 of TSV. Only JSON lines lose: some 12.
"""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from lingualign._version import __version__
from lingualign.errors import InputError
from lingualign.languages import language_code
from lingualign.pairs.decisions import TRAIN, VALIDATION, check_something_is_left, decide, report_of
from lingualign.pairs.discovery import MANIFEST
from lingualign.pairs.formats.compression import archive_of
from lingualign.pairs.manifest import File, Manifest
from lingualign.pairs.recipe import Recipe, gather
from lingualign.pairs.table import SHARD_SCHEMA
from lingualign.store import alone, replaced_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from lingualign.pairs.cleaning.judging import Filter
    from lingualign.pairs.config import DataConfig, PairsConfig
    from lingualign.pairs.discovery import PairFile

    Progress = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]

_GROUP_ROWS = 1 << 16
_SHARD_ROWS = 1 << 20
_SPLITS = {TRAIN: "train", VALIDATION: "validation"}
_CODED = ["lang1", "lang2", "corpus"]
_SHARD_NAME = re.compile(r"\d{5,}\.parquet")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def _unseen(task: str, total: int | None) -> Iterator[Callable[[int], None]]:
    yield lambda _: None


def prepare_shards(
    config: DataConfig,
    output: str | os.PathLike[str],
    *,
    filters: Sequence[Filter] = (),
    overwrite: bool = False,
    progress: Progress = _unseen,
) -> Manifest:
    """Prepare any number of pairs as `prepare_pairs` does, and write them to a folder that training reads.

    The folder holds ``train/*.parquet``, ``validation/*.parquet`` and `Manifest`. The same sources, settings and
    versions give the same bytes, on any machine and in whatever order the sources are named.

    Parameters
    ----------
    config
        Pairs to prepare.
    output
        Folder for the pairs, written whole or not at all.
    filters
        Filters: see `prepare_pairs`.
    overwrite
        Replace prepared pairs in the folder.
    progress
        Function from the task and its number of rows, if known, to a context; the context yields the function that is
        called with each further number of rows done.

    Raises
    ------
    InputError
        If an argument or a file cannot be used, no pair is left, the disk is full, the folder holds anything else, or a
        source changes meanwhile.
    """
    place = Path(output).absolute()
    try:
        anchor = language_code(config.anchor)
    except InputError as error:
        raise InputError(f"anchor: {error}") from None
    recipe = Recipe(config.pairs, config.decontaminate, (anchor,), config.seed, filters)
    _check_place(place, config.pairs, overwrite=overwrite)
    ingredients = gather(recipe)
    with _written(place, overwrite=overwrite) as unfinished:
        before = _states(ingredients.listing.files)
        scratch = unfinished / "scratch"
        scratch.mkdir()
        with progress("read", None) as advance:
            sources = [File.of(path, str(path)) for path in before]
            chunks = _counted(ingredients.chunks(recipe), advance)
            decisions = decide(chunks, recipe, ingredients, scratch)
        scratch.rmdir()
        report = report_of(decisions, ingredients)
        check_something_is_left(report, recipe, ingredients)
        _check_at_rest(ingredients.listing.files, before)
        with progress("write", len(decisions.roles)) as advance:
            chunks = _counted(ingredients.chunks(recipe), advance)
            shards = _write(decisions.of(chunks), unfinished)
        _check_at_rest(ingredients.listing.files, before)
        manifest = Manifest(
            versions={
                "lingualign": __version__,
                "pyarrow": pa.__version__,
                "unicode": unicodedata.unidata_version,
            },
            settings=_settings(config),
            filters=[each.reason for each in filters],
            priority=decisions.priority,
            sources=sources,
            skipped=report.skipped,
            suites=ingredients.suites.files,
            files=decisions.accounts.files,
            counts=decisions.accounts.counts(),
            train=shards[TRAIN],
            validation=shards[VALIDATION],
            swapped=decisions.swapped,
        )
        manifest.write(unfinished)
    return manifest


def _settings(config: DataConfig) -> dict[str, object]:
    settings = asdict(config)
    settings["pairs"]["sources"].sort()
    settings["decontaminate"].sort()
    return settings


def _counted(
    chunks: Iterable[tuple[int, pa.Table]], advance: Callable[[int], None]
) -> Iterator[tuple[int, pa.Table]]:
    for number, table in chunks:
        yield number, table
        advance(table.num_rows)


def _check_at_rest(files: Sequence[PairFile], before: dict[Path, tuple[int, int]]) -> None:
    for path, state in _states(files).items():
        if before[path] != state:
            raise InputError(f"{path} was changed while it was read; prepare again once it is at rest")


def _states(files: Sequence[PairFile]) -> dict[Path, tuple[int, int]]:
    """Return the size and the time of the last change of each file on the disk; of an archive, of the whole."""
    try:
        paths = [archive_of(path) or path for file in files for path in file.paths]
        stats = {path: path.stat() for path in paths}
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from None
    return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


def _write(rows: Iterable[tuple[int, pa.Table]], folder: Path) -> dict[int, list[File]]:
    """Write rows to the shards of their roles; returns the shards."""
    writers = {role: _Shards(folder, split) for role, split in _SPLITS.items()}
    try:
        for role, table in rows:
            writers[role].add(table)
        for writer in writers.values():
            writer.close()
    except BaseException:
        for writer in writers.values():
            writer.abandon()
        raise
    return {role: writer.files for role, writer in writers.items()}


class _Shards:
    """Parquet files of equal numbers of rows, whatever tables the rows come in."""

    def __init__(self, folder: Path, split: str) -> None:
        self.files: list[File] = []
        self._folder = folder
        self._split = split
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._writer: pq.ParquetWriter | None = None

    def add(self, table: pa.Table) -> None:
        """Write the full row groups."""
        self._waiting.append(table.cast(SHARD_SCHEMA))
        while sum(each.num_rows for each in self._waiting) >= _GROUP_ROWS:
            waiting = pa.concat_tables(self._waiting)
            self._write(waiting.slice(0, _GROUP_ROWS))
            self._waiting = [waiting.slice(_GROUP_ROWS)]

    def close(self) -> None:
        if any(each.num_rows for each in self._waiting):
            self._write(pa.concat_tables(self._waiting))
        self._waiting = []
        self._finish()

    def abandon(self) -> None:
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()

    def _write(self, group: pa.Table) -> None:
        if self._writer is None:
            (self._folder / self._split).mkdir(exist_ok=True)
            self._writer = pq.ParquetWriter(
                self._folder / self._name(), SHARD_SCHEMA, compression="zstd", use_dictionary=_CODED
            )
        self._writer.write_table(group.combine_chunks(), row_group_size=_GROUP_ROWS)
        self._rows += group.num_rows
        if self._rows == _SHARD_ROWS:
            self._finish()

    def _finish(self) -> None:
        if self._writer is not None:
            self._writer.close()
            path = self._folder / self._name()
            with path.open("rb+") as file:
                os.fsync(file.fileno())
            self.files.append(File.of(path, self._name(), self._rows))
            self._writer, self._rows = None, 0

    def _name(self) -> str:
        return f"{self._split}/{len(self.files):05}.parquet"


def _check_place(place: Path, pairs: PairsConfig, *, overwrite: bool) -> None:
    """Raise InputError for a folder that overlaps a source, cannot be written, or must not be replaced."""
    given = [] if isinstance(pairs.validation, int) else [pairs.validation]
    for path in map(Path, [*pairs.sources, *given]):
        if path.exists() and (
            place.resolve().is_relative_to(path.resolve()) or path.resolve().is_relative_to(place.resolve())
        ):
            raise InputError(
                f"output {str(place)!r} and source {str(path)!r} lie within each other; give another folder"
            )
    parent = next(each for each in place.absolute().parents if each.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"output {str(place)!r}: {str(parent)!r} cannot be written to; give another folder")
    _check_replaceable(place, overwrite=overwrite)


def _check_replaceable(place: Path, *, overwrite: bool) -> None:
    """Raise InputError for a folder of anything but prepared pairs, and for these without ``overwrite``."""
    if not place.exists() or (place.is_dir() and not any(place.iterdir())):
        return
    if not place.is_dir() or Manifest.read(place) is None:
        raise InputError(
            f"output {str(place)!r} is there and holds no prepared pairs (no {MANIFEST} of theirs); "
            "give a new folder"
        )
    if foreign := _foreign(place):
        raise InputError(
            f"output {str(place)!r} holds beside prepared pairs {', '.join(foreign)}; move these away, or give "
            "another folder"
        )
    if not overwrite:
        raise InputError(
            f"output {str(place)!r} holds prepared pairs; give another folder, or --overwrite to replace them"
        )


def _foreign(place: Path) -> list[str]:
    """Return the names of other files in a folder of prepared pairs."""
    splits = _SPLITS.values()
    inside = [path for split in splits if (place / split).is_dir() for path in (place / split).iterdir()]
    return sorted(
        {part.name for part in place.iterdir()} - {MANIFEST, *splits}
        | {f"{path.parent.name}/{path.name}" for path in inside if not _SHARD_NAME.fullmatch(path.name)}
    )


@contextmanager
def _written(place: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield an empty folder that moves to its place once it is filled, under a lock."""
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = place.with_name(f".{place.name}.lock")
    with alone(lock, f"output {str(place)!r}: another process prepares pairs there; wait for it"):
        try:
            with replaced_folder(
                place, partial(_check_replaceable, place, overwrite=overwrite)
            ) as unfinished:
                yield unfinished
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise InputError(
                f"output {str(place)!r}: {os.strerror(error.errno)}; nothing of it is left. Make room, or give a "
                "folder on another disk: it takes what the pairs take in parquet, and 80 bytes a pair meanwhile"
            ) from None
        finally:
            with suppress(OSError):
                lock.unlink()
