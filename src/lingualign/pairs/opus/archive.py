"""The archives of OPUS, read as a stream: nothing is unpacked to the disk, and no more kept than the sample needs."""

from __future__ import annotations

import heapq
import io
import random
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import IO, TYPE_CHECKING

import pyarrow as pa

from lingualign.errors import InputError
from lingualign.pairs.formats.archives import leaves_the_folder
from lingualign.pairs.table import LONGEST_SENTENCE, PAIR_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lingualign.pairs.opus.catalogue import Bitext

Line = tuple[bytes, bytes]

LARGEST_EXPANSION = 100
"""How many times its own size an archive may unpack to; text packs to a third or, if it repeats itself, a tenth."""

LONGEST_LINE = 16 << 20
"""Bytes."""

_BATCH = 1 << 16


@contextmanager
def open_archive(bitext: Bitext) -> Iterator[Iterator[Line]]:
    r"""Open the downloaded archive of a bitext; yields the iterator over its pairs of lines, their ends included.

    Raises
    ------
    InputError
        If the archive is damaged (it is removed from the cache then, so that the next run fetches it again), unpacks
        to more than a hundred times its size, holds a name that leads out of a folder, lacks a side, or its sides
        differ in length.
    """
    path = bitext.archive
    try:
        with ExitStack() as opened:
            with _reading():
                archive = opened.enter_context(zipfile.ZipFile(path))
                first, second = (opened.enter_context(archive.open(side)) for side in _sides(archive, bitext))
            yield _together(_lines(first, bitext), _lines(second, bitext), bitext)
    except _DamagedError as error:
        path.unlink(missing_ok=True)
        raise InputError(
            f"{bitext.url}: a damaged archive ({error}); it was removed from the cache, run the same command again to "
            "fetch it anew"
        ) from None


class _DamagedError(Exception):
    """An archive cannot be read."""


@contextmanager
def _reading() -> Iterator[None]:
    """Tell what an archive's reader raises from what is raised by those who take its lines."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise _DamagedError(error) from None


def batches(lines: Iterable[Line], bitext: Bitext) -> Iterator[pa.Table]:
    """Give pairs of lines as tables of `PAIR_SCHEMA`, 65,536 rows each; a pair that is no text has empty sides."""
    rest = iter(lines)
    while block := list(islice(rest, _BATCH)):
        yield _table(block, bitext)


def sample(lines: Iterable[Line], size: int, seed: str) -> tuple[list[Line], int]:
    """Draw pairs of lines evenly, in one pass that keeps no more than ``size`` of them.

    Every line gets a random key and the smallest stay, so that a larger sample with the same seed contains the
    smaller one.

    Returns
    -------
    list of tuple
        The lines drawn, in their order.
    int
        How many there were to draw from.
    """
    draw = random.Random(seed).random  # its stream is the same in every version of Python
    kept: list[tuple[float, int, Line]] = []
    total = 0
    for line in lines:
        key = -draw()
        if total < size:
            heapq.heappush(kept, (key, total, line))
        elif key > kept[0][0]:
            heapq.heapreplace(kept, (key, total, line))
        total += 1
    return [line for _, _, line in sorted(kept, key=lambda entry: entry[1])], total


def _sides(archive: zipfile.ZipFile, bitext: Bitext) -> tuple[zipfile.ZipInfo, zipfile.ZipInfo]:
    members = archive.infolist()
    for member in members:
        if leaves_the_folder(member.filename):
            raise InputError(
                f"{bitext.url}: the archive holds {member.filename!r}, a path that leaves the folder; it is refused"
            )
    found = []
    for tag in (bitext.tag1, bitext.tag2):
        ending = f".{bitext.tag1}-{bitext.tag2}.{tag}"
        named = [member for member in members if member.filename.endswith(ending)]
        if len(named) != 1:
            names = ", ".join(repr(member.filename) for member in members[:6]) or "nothing"
            raise InputError(
                f"{bitext.url}: {len(named) or 'no'} files in the archive end in {ending!r}, one should "
                f"(found: {names})"
            )
        found += named
    size, limit = sum(member.file_size for member in found), _limit(bitext)
    if size > limit:
        raise InputError(
            f"{bitext.url}: the archive of {bitext.archive.stat().st_size:,} bytes would unpack to {size:,}, more than "
            f"{LARGEST_EXPANSION} times as many; it is refused"
        )
    return found[0], found[1]


def _limit(bitext: Bitext) -> int:
    return LARGEST_EXPANSION * bitext.archive.stat().st_size + (1 << 20)


class _Bounded(io.RawIOBase):
    """A stream of text whose lines are not endless, so that each may be read into memory."""

    def __init__(self, stream: IO[bytes], bitext: Bitext) -> None:
        self._stream, self._bitext = stream, bitext
        self._run = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with _reading():
            block = self._stream.read(len(buffer))
        buffer[: len(block)] = block
        last = block.rfind(b"\n")
        self._run = self._run + len(block) if last < 0 else len(block) - last - 1
        if self._run > LONGEST_LINE:
            raise InputError(
                f"{self._bitext.url}: a line in the archive is longer than {LONGEST_LINE >> 20} MiB; it is refused"
            )
        return len(block)


def _lines(stream: IO[bytes], bitext: Bitext) -> Iterator[bytes]:
    return iter(io.BufferedReader(_Bounded(stream, bitext), 1 << 20))


def _together(first: Iterator[bytes], second: Iterator[bytes], bitext: Bitext) -> Iterator[Line]:
    number = 0
    for number, one in enumerate(first, 1):
        other = next(second, None)
        if other is None:
            raise _uneven(bitext, bitext.tag2, number)
        yield one, other
    if next(second, None) is not None:
        raise _uneven(bitext, bitext.tag1, number + 1)


def _uneven(bitext: Bitext, shorter: str, number: int) -> InputError:
    return InputError(
        f"{bitext.url}: the sides of the archive differ in length: .{shorter} ends before line {number:,}; line i of "
        "one must translate line i of the other"
    )


def _without_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _table(lines: list[Line], bitext: Bitext) -> pa.Table:
    pairs = [decoded(line) or ("", "") for line in lines]
    texts = [pa.array([pair[side] for pair in pairs], pa.large_string()) for side in (0, 1)]
    told = (
        pa.DictionaryArray.from_arrays(pa.array([0] * len(lines), pa.int32()), pa.array([value]))
        for value in (bitext.lang1, bitext.lang2, bitext.corpus)
    )
    return pa.table([*texts, *told], schema=PAIR_SCHEMA)


def decoded(line: Line) -> tuple[str, str] | None:
    """Give both sides without their line ends; None where one is not UTF-8, holds a NUL or is longer than a sentence.

    A corpus of millions of lines is not refused for one of them.
    """
    if any(b"\0" in side or len(side) > LONGEST_SENTENCE for side in line):
        return None
    try:
        return _without_end(line[0]).decode(), _without_end(line[1]).decode()
    except UnicodeDecodeError:
        return None
