"""Archives of OPUS: download to the cache, and reading as a stream.

Several downloads run at a time, resume where they were cut off, and are shared with other runs. Nothing is unpacked to
the disk, and only the sample is held in memory.
"""

from __future__ import annotations

import heapq
import io
import os
import queue
import random
import re
import shutil
import threading
import zipfile
import zlib
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import islice
from typing import IO, TYPE_CHECKING

import pyarrow as pa

from lingualign.answers import AnswerError, in_time, open_answer
from lingualign.errors import InputError
from lingualign.pairs.formats.compression import leaves_the_folder
from lingualign.pairs.opus.catalogue import SILENT_SECONDS, Stopped, check_status, persistently
from lingualign.pairs.table import LONGEST_SENTENCE, PAIR_SCHEMA, constant
from lingualign.progress import Lines, draws_bars
from lingualign.store import cache_folder, named, taking_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import httpx2

    from lingualign.pairs.opus.catalogue import Bitext

    Told = Callable[[int, int | None], None]  # bytes so far, and in total if known
    from collections.abc import Iterable


AT_A_TIME = 4

# The catalogue counts in thousands of bytes, without saying which, and rounds: a twentieth covers both.
_TOLERANCE, _ROUNDING = 0.05, 8 * 1024


def download_archives(client: httpx2.Client, bitexts: Sequence[Bitext], *, progress: bool) -> None:
    """Download the missing archives of bitexts to the cache.

    A download that ends early, also by Ctrl-C, leaves its part in the cache; the next one resumes there.

    Parameters
    ----------
    client
        HTTP client.
    bitexts
        Bitexts: see `Bitext.archive`.
    progress
        Show a bar for each archive on standard error.

    Raises
    ------
    InputError
        If an archive cannot be downloaded, has another size than announced, or there is no room for it.
    OSError
        If an archive cannot be written.
    """
    missing = [bitext for bitext in bitexts if not bitext.archive.is_file()]
    if not missing:
        return
    _check_room(missing)
    stopped = threading.Event()
    left: queue.SimpleQueue[Bitext] = queue.SimpleQueue()
    for bitext in missing:
        left.put(bitext)
    ends: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def work() -> None:
        try:
            while not stopped.is_set():
                bitext = left.get_nowait()
                with bar(bitext) as told:
                    _download(client, bitext, told, stopped)
        except (queue.Empty, Stopped):
            ends.put(None)
        except BaseException as error:  # raised by the waiting thread
            ends.put(error)
        else:
            ends.put(None)

    with _bars(missing, enabled=progress) as bar:
        # Not a pool: the interpreter waits for its threads at exit, and one may hang on a silent server.
        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_A_TIME, len(missing)))]
        for thread in threads:
            thread.start()
        try:
            for _ in threads:
                if error := ends.get():
                    raise error
        finally:
            stopped.set()
            for thread in threads:
                thread.join(timeout=1.0 / len(threads))


def _download(client: httpx2.Client, bitext: Bitext, told: Told, stopped: threading.Event) -> None:
    path = bitext.archive
    path.parent.mkdir(parents=True, exist_ok=True)
    waiting = f"waiting for another run that downloads {bitext.name}"
    with taking_turns(path.with_name(f".{path.name}.lock"), waiting):
        if path.is_file():
            return
        part = path.with_name(f"{path.name}.part")
        persistently(
            lambda: _resume(client, bitext, part, told, stopped),
            bitext.url,
            later="; what has arrived is kept, the next run goes on from there",
            never=f". Leave {bitext.corpus} out, or name another version: CORPUS/VERSION",
            stopped=stopped,
        )
        part.replace(path)


def _resume(
    client: httpx2.Client,
    bitext: Bitext,
    part: Path,
    told: Told,
    stopped: threading.Event,
) -> None:
    """Append the missing bytes of an archive to its part."""
    have = part.stat().st_size if part.is_file() else 0
    headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={have}-"} if have else {})}
    with open_answer(client, "GET", bitext.url, headers=headers) as response:
        if response.status_code == 416 and have:
            if _total(response) == have:
                return
            part.unlink()
            raise AnswerError("it has another size than before", passing=True)
        check_status(response)
        resumed = response.status_code == 206
        have = have if resumed else 0
        if resumed and _start(response) != have:
            part.unlink()
            raise AnswerError("the server sent another part than was asked for", passing=True)
        total = _total(response)
        _check_size(bitext, total)
        with _explaining(part), part.open("ab" if resumed else "wb", buffering=0) as file:
            # Blocks as they arrive: with a fixed size, a broken connection loses the end of a block.
            for block in in_time(response.iter_raw(), SILENT_SECONDS):
                file.write(block)
                have += len(block)
                told(have, total)
                if stopped.is_set():
                    raise Stopped
                if total is None and have > _most(bitext):
                    break
            os.fsync(file.fileno())
    if total is not None and have != total:
        raise AnswerError(f"it ended after {have:,} of {total:,} bytes", passing=have < total)
    if total is None and not _fits(bitext, have):
        part.unlink()
        _check_size(bitext, have)


def _total(response: httpx2.Response) -> int | None:
    """Return the size of the whole archive by the headers of an answer; None if they do not say."""
    match = re.fullmatch(r"bytes .*/(\d+)", response.headers.get("Content-Range", ""))
    if match:
        return int(match[1])
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and response.status_code == 200 else None


def _start(response: httpx2.Response) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _most(bitext: Bitext) -> float:
    return bitext.kib * 1024 * (1 + _TOLERANCE) + _ROUNDING


def _fits(bitext: Bitext, size: int) -> bool:
    return bitext.kib * 1000 * (1 - _TOLERANCE) - _ROUNDING <= size <= _most(bitext)


def _check_size(bitext: Bitext, size: int | None) -> None:
    if size is not None and not _fits(bitext, size):
        raise AnswerError(
            f"{size:,} bytes, but the catalogue announces about {bitext.kib:,} KiB; this is not the archive that it "
            "lists",
            passing=False,
        )


def _check_room(bitexts: Sequence[Bitext]) -> None:
    folder = cache_folder("opus")
    folder.mkdir(parents=True, exist_ok=True)
    needed = sum(bitext.kib for bitext in bitexts) * 1024
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{folder}: the archives take {needed / 1024**3:,.1f} GiB, and {free / 1024**3:,.1f} GiB are free; make "
            "room, take fewer corpora, or set XDG_CACHE_HOME to a folder on a larger disk"
        )


@contextmanager
def _explaining(path: Path) -> Iterator[None]:
    """Add the name of the file to an error of writing."""
    try:
        yield
    except OSError as error:
        raise named(error, path) from None


@contextmanager
def _bars(
    bitexts: Sequence[Bitext], *, enabled: bool
) -> Iterator[Callable[[Bitext], AbstractContextManager[Told]]]:
    """Show a bar for all archives and one for each running download; without a terminal, lines about all."""

    @contextmanager
    def silent(_: Bitext) -> Iterator[Told]:
        yield lambda have, total: None

    if not enabled:
        yield silent
        return

    arrived: dict[Bitext, int] = {}
    if not draws_bars():
        lines = Lines(f"{len(bitexts)} archives, KiB", sum(each.kib for each in bitexts))

        @contextmanager
        def counted(bitext: Bitext) -> Iterator[Told]:
            def told(have: int, total: int | None) -> None:
                arrived[bitext] = have
                lines.show(sum(list(arrived.values())) // 1024)

            yield told

        try:
            yield counted
        finally:
            lines.end(sum(list(arrived.values())) // 1024)
        return

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        everything = bars.add_task(f"{len(bitexts)} archives", total=sum(each.kib for each in bitexts) * 1024)

        @contextmanager
        def shown(bitext: Bitext) -> Iterator[Told]:
            label = f"{bitext.corpus} {bitext.tag1}-{bitext.tag2}"
            task = bars.add_task(label, total=bitext.kib * 1024 or None)

            def told(have: int, total: int | None) -> None:
                arrived[bitext] = have
                bars.update(task, completed=have, total=total or bitext.kib * 1024)
                bars.update(everything, completed=sum(list(arrived.values())))

            yield told
            bars.remove_task(task)

        yield shown


Line = tuple[bytes, bytes]

LARGEST_EXPANSION = 100
"""Maximum ratio of unpacked to packed size; text packs to a third or, if repetitive, a tenth."""

LONGEST_LINE = 16 << 20
"""Maximum number of bytes of a line."""

_BATCH = 1 << 16


@contextmanager
def open_archive(bitext: Bitext) -> Iterator[Iterator[Line]]:
    r"""Open the downloaded archive of a bitext; yields an iterator over its pairs of lines, including line ends.

    Raises
    ------
    InputError
        If the archive is damaged (it is removed from the cache, and the next run downloads it again), unpacks to more
        than a hundred times its size, holds a name that leads out of a folder, lacks a side, or its sides differ in
        length.
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
    """Mark the errors of an archive's reader, to separate them from those of its callers."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise _DamagedError(error) from None


def batches(lines: Iterable[Line], bitext: Bitext) -> Iterator[pa.Table]:
    """Yield pairs of lines as tables of `PAIR_SCHEMA`, 65,536 rows each; a pair that is not text has empty sides."""
    rest = iter(lines)
    while block := list(islice(rest, _BATCH)):
        yield _table(block, bitext)


def sample(lines: Iterable[Line], size: int, seed: str) -> tuple[list[Line], int]:
    """Draw pairs of lines evenly, in one pass that holds at most ``size`` of them.

    Every line gets a random key, and the smallest keys stay: a larger sample with the same seed contains the smaller
    one.

    Returns
    -------
    list of tuple
        Drawn lines, in their order.
    int
        Number of lines to draw from.
    """
    draw = random.Random(seed).random  # the same stream in every version of Python
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
    """A stream of text with bounded lines, each of which fits in memory."""

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
    labels = (constant(value, len(lines)) for value in (bitext.lang1, bitext.lang2, bitext.corpus))
    return pa.table([*texts, *labels], schema=PAIR_SCHEMA)


def decoded(line: Line) -> tuple[str, str] | None:
    """Return both sides without line ends; None if one is not UTF-8, holds a NUL or is longer than a sentence.

    One such line among millions must not stop the corpus.
    """
    if any(b"\0" in side or len(side) > LONGEST_SENTENCE for side in line):
        return None
    try:
        return _without_end(line[0]).decode(), _without_end(line[1]).decode()
    except UnicodeDecodeError:
        return None
