"""Archives to the cache: streamed, resumed where they were cut off, several at a time, shared with other runs."""

from __future__ import annotations

import os
import queue
import re
import shutil
import threading
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from lingualign.answers import AnswerError, in_time, open_answer
from lingualign.errors import InputError
from lingualign.files import cache_folder, named, taking_turns
from lingualign.pairs.opus.connection import SILENT_SECONDS, Stopped, check_status, persistently
from lingualign.progress_lines import Lines, draws_bars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import httpx2

    from lingualign.pairs.opus.catalogue import Bitext

    Told = Callable[[int, int | None], None]  # bytes that have arrived, and all there are where that is known

AT_A_TIME = 4

# The catalogue counts in thousands of bytes, without saying which, and rounds: a twentieth covers both.
_TOLERANCE, _ROUNDING = 0.05, 8 * 1024


def download_archives(client: httpx2.Client, bitexts: Sequence[Bitext], *, progress: bool) -> None:
    """Bring the archives of all bitexts into the cache; those that are there are left alone.

    What has arrived of an archive stays in the cache when the download ends early, by Ctrl-C too; the next one goes on
    from there.

    Parameters
    ----------
    client
        Open connections.
    bitexts
        Their archives: see `Bitext.archive`.
    progress
        Whether a bar for each is shown, on standard error.

    Raises
    ------
    InputError
        If an archive cannot be had, is of another size than announced, or there is no room for it.
    OSError
        If it cannot be written.
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
        except BaseException as error:  # told by the thread that waits
            ends.put(error)
        else:
            ends.put(None)

    with _bars(missing, enabled=progress) as bar:
        # Not a pool: its threads are waited for when the interpreter ends, and one may hang on a silent server.
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
            lambda: _go_on(client, bitext, part, told, stopped),
            bitext.url,
            later="; what has arrived is kept, the next run goes on from there",
            never=f". Leave {bitext.corpus} out, or name another version: CORPUS/VERSION",
            stopped=stopped,
        )
        part.replace(path)


def _go_on(
    client: httpx2.Client,
    bitext: Bitext,
    part: Path,
    told: Told,
    stopped: threading.Event,
) -> None:
    """Append what is missing of an archive to what is there of it."""
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
            # As they come: of a block of a set size a broken connection loses the end.
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
    """How long the whole archive is, by the headers of an answer."""
    said = re.fullmatch(r"bytes .*/(\d+)", response.headers.get("Content-Range", ""))
    if said:
        return int(said[1])
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and response.status_code == 200 else None


def _start(response: httpx2.Response) -> int | None:
    said = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(said[1]) if said else None


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
    """Give an error of writing the name of the file."""
    try:
        yield
    except OSError as error:
        raise named(error, path) from None


@contextmanager
def _bars(
    bitexts: Sequence[Bitext], *, enabled: bool
) -> Iterator[Callable[[Bitext], AbstractContextManager[Told]]]:
    """Show a bar for all archives, and one for each that is under way; where none can be drawn, lines about all."""

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
