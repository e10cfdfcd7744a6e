"""The search of a mining cut into tiles on disk, for any number of workers: a file for each tile, merged at the end.

A tile is a block of source rows by a block of target rows, and its file holds the best of both directions within it.
The plan, a file beside them, says what is searched and how it is cut; a worker needs no more than their folder.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.embedding.options import Precision  # noqa: TC001 - a record is built by it
from lingualign.errors import InputError
from lingualign.mining.encoded_text import StackedRows, TextManifest, map_vectors
from lingualign.mining.engines import Here
from lingualign.mining.parts import SIDES, TILES, parts_of
from lingualign.neighbours import Neighbours, nearest_neighbours
from lingualign.neighbours.search import BestSoFar, block_rows, blocks, least_memory
from lingualign.progress import progress_bar
from lingualign.store import FormatError, build_record, discard, file_damage, read_checked, write_checked
from lingualign.vectors import write_array

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import numpy.typing as npt

    from lingualign.mining.corpus import Corpus
    from lingualign.mining.engines import Workers
    from lingualign.mining.engines.engine import Part
    from lingualign.neighbours import Rows, SearchOptions

logger = logging.getLogger(__name__)

PLAN = "plan.json"
FORMAT = 2


@dataclass(frozen=True, slots=True)
class TilePlan:
    """What is searched, and how it is cut."""

    key: str
    """Names the vectors and k"""
    k: int
    precision: Precision
    memory: int
    """Bytes of each worker"""
    edge: int
    """Rows of a block, on both sides"""
    sources: int
    targets: int
    source_texts: list[str]
    """Folders of encoded text, one below the other; `source.npy` says which of their rows are searched"""
    target_texts: list[str]
    source_file: tuple[int, str]
    """Bytes and SHA-256 of `source.npy`"""
    target_file: tuple[int, str]

    @staticmethod
    def read(folder: Path) -> TilePlan | None:
        """Read the plan of a folder; None where there is none.

        Raises
        ------
        InputError
            If it is not a plan of this format.
        """
        path = folder / PLAN
        try:
            if (found := read_checked(path)) is None:
                return None
            content = found[0]
            if (form := content.pop("format", None)) != FORMAT:
                raise FormatError(form)
            plan = build_record(TilePlan, content)
            if not all((plan.k, plan.memory, plan.edge, plan.sources, plan.targets)):
                raise ValueError("a number is 0")
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path}: not the plan of a search ({error}); delete {folder}") from None
        return plan

    def write(self, folder: Path) -> None:
        """Put it in its place."""
        write_checked(folder / PLAN, {"format": FORMAT, **asdict(self)})

    def tiles(self, folder: Path) -> list[Tile]:
        """List all tiles, those of a source block one after the other."""
        source_blocks, target_blocks = blocks(self.sources, self.edge), blocks(self.targets, self.edge)
        return [
            Tile(folder, self.key, self.k, number, *source_block, *target_block)
            for number, (source_block, target_block) in enumerate(
                (one, other) for one in source_blocks for other in target_blocks
            )
        ]


@dataclass(frozen=True, slots=True)
class Tile:
    """The task of finding the best of both directions within one tile."""

    folder: Path
    key: str
    k: int
    number: int
    top: int
    bottom: int
    left: int
    right: int

    @property
    def size(self) -> int:
        """Products."""
        return (self.bottom - self.top) * (self.right - self.left)

    @property
    def holds(self) -> int:
        """The source block."""
        return self.top

    @property
    def path(self) -> Path:
        """Its file."""
        return self.folder / f"tile-{self.number:07d}"

    def read(self) -> tuple[Neighbours, Neighbours] | None:
        """Read what was found, positions within the blocks; None if its file is not whole or of another search."""
        rows, columns = self.bottom - self.top, self.right - self.left
        shapes = ((rows, min(self.k, columns)), (columns, min(self.k, rows)))
        try:
            kept = read_checked(self.path)
        except ValueError:
            return None
        if kept is None or kept[0] != self._head():
            return None
        body = kept[1]
        if len(body) != sum(8 * one * other for one, other in shapes):
            return None
        found, place = [], 0
        for one, other in shapes:
            count = one * other
            cosine = np.frombuffer(body, np.float32, count, place).reshape(one, other)
            index = np.frombuffer(body, np.uint32, count, place + 4 * count).reshape(one, other)
            found.append(Neighbours(cosine, index.astype(np.int64)))
            place += 8 * count
        return found[0], found[1]

    def write(self, found: tuple[Neighbours, Neighbours]) -> None:
        """Write what was found, which makes the tile count."""
        arrays = [array for each in found for array in (each.cosine, each.index.astype(np.uint32))]
        parts = [np.ascontiguousarray(array).view(np.uint8).data.cast("B") for array in arrays]
        write_checked(self.path, self._head(), *parts)

    def _head(self) -> dict[str, Any]:
        """Describe what was searched: a file under the name of another tile does not count."""
        return {"search": self.key, "rows": [self.top, self.bottom], "columns": [self.left, self.right]}

    def __str__(self) -> str:
        return f"source rows {self.top + 1:,} to {self.bottom:,} by target rows {self.left + 1:,} to {self.right:,}"


@dataclass(frozen=True, slots=True)
class TileJob:
    """The search of a plan.

    Parameters
    ----------
    folder
        Of the plan.
    device
        As in `lingualign.neighbours.nearest_neighbours`.
    """

    folder: Path
    device: str | None = None

    @property
    def gpu(self) -> bool:
        """Unless another device is asked for."""
        return self.device in (None, "cuda")

    def open(self, device: str | None) -> _Blocks:
        """Map the vectors."""
        return _Blocks(self.folder, device or self.device)

    def work(self, opened: _Blocks, tile: Tile, advance: Callable[[int], None]) -> None:
        """Search a tile, unless a worker that died just afterwards did."""
        if tile.read() is not None:
            advance(tile.size)
            return
        plan = opened.plan
        try:
            source = opened.source_block(tile.top, tile.bottom)
            found = nearest_neighbours(
                source,
                opened.target.between(tile.left, tile.right),
                tile.k,
                memory=plan.memory - (source.nbytes if isinstance(source, np.ndarray) else 0),
                precision=plan.precision,
                device=opened.device,
                advance=advance,
            )
        except InputError as error:
            raise InputError(f"{tile}, counted from there: {error}") from None
        tile.write(found)


class _Blocks:
    """Both sides of a plan, mapped; a source block of no more than a quarter of the memory is held in it."""

    def __init__(self, folder: Path, device: str | None) -> None:
        self.device = device
        plan = TilePlan.read(folder)
        if plan is None:
            raise InputError(
                f"{folder}: there is no plan of a search in it; run the step that makes it first"
            )
        self.plan = plan
        self._source = _rows(folder / "source.npy", plan.source_file, plan.source_texts)
        self.target = _rows(folder / "target.npy", plan.target_file, plan.target_texts)
        self._top = -1
        self._held: Rows | None = None

    def source_block(self, top: int, bottom: int) -> Rows:
        if self._held is None or top != self._top:
            self._held = None  # before the next one is read
            block = self._source.between(top, bottom)
            size = (bottom - top) * block.shape[1] * 2
            rest = least_memory(bottom - top, self.plan.edge, block.shape[1], self.plan.k)
            fits = size <= min(self.plan.memory // 4, self.plan.memory - rest)
            self._held, self._top = block[:] if fits else block, top
        return self._held


def _rows(first: Path, written: tuple[int, str], texts: list[str]) -> StackedRows:
    if damage := file_damage(first, *written):
        raise InputError(f"{damage}; delete {first.parent}, and the search is planned anew")
    arrays: list[npt.NDArray[Any]] = []
    for text in texts:
        manifest = TextManifest.read(Path(text))
        if manifest is None:
            raise InputError(f"{text}: the encoded text that is searched is no longer there; encode it again")
        arrays += map_vectors(Path(text), manifest)
    return StackedRows(arrays, np.load(first, mmap_mode="r", allow_pickle=False))


def plan_tiles(
    corpora: list[Corpus],
    key: str,
    search: SearchOptions,
    precision: Precision,
    folder: Path,
    workers: int,
) -> TilePlan:
    """Plan a search for a number of workers, or find the plan that was made for it before.

    Parameters
    ----------
    corpora
        The two sides.
    key
        Names the vectors and k. What is left of another search is removed.
    search, precision
        What is asked for. Memory, of each worker, and precision move the time, not the outcome.
    folder
        Where plan and tiles lie.
    workers
        How many there are, for which the search is cut.
    """
    k, memory = search.k, search.memory_bytes
    texts = [[str(text.folder.resolve()) for text in corpus.texts] for corpus in corpora]
    if (known := _known_plan(folder)) is not None and known.key == key:
        plan = replace(
            known, memory=memory, precision=precision, source_texts=texts[0], target_texts=texts[1]
        )
        if plan != known:
            plan.write(folder)
        return plan
    discard(folder)
    folder.mkdir()
    sources, targets = (corpus.vectors.shape[0] for corpus in corpora)
    edge = block_rows(sources, targets, workers)
    source_file, target_file = (
        write_array(folder / f"{name}.npy", corpus.first) for corpus, name in zip(corpora, SIDES, strict=True)
    )
    plan = TilePlan(
        key, k, precision, memory, edge, sources, targets, texts[0], texts[1], source_file, target_file
    )
    plan.write(folder)
    return plan


def _known_plan(folder: Path) -> TilePlan | None:
    """Read the plan that was made before, unless it or the rows that it names are damaged."""
    try:
        plan = TilePlan.read(folder)
    except InputError as error:
        logger.warning("%s: the search is planned anew.", error)
        return None
    if plan is not None:
        for name, written in (("source", plan.source_file), ("target", plan.target_file)):
            if damage := file_damage(folder / f"{name}.npy", *written):
                logger.warning("%s: the search is planned anew.", damage)
                return None
    return plan


def run_tiles(
    workers: Workers[Tile], tiles: list[Tile], advance: Callable[[int], None] = lambda _: None
) -> None:
    """Search those tiles that are not there yet."""
    # A name that was looked for in vain may be remembered as missing by the client of a network's file system.
    there = {path.name for path in tiles[0].folder.iterdir()} if tiles else set()
    missing = []
    for tile in tiles:
        if tile.path.name in there and tile.read() is not None:
            advance(tile.size)
        else:
            missing.append(tile)
    for _ in workers.run(missing, advance):
        pass


def search_part(
    output: str | os.PathLike[str], part: Part, *, device: str | None = None, progress: bool = False
) -> int:
    """Search the tiles of a planned mining that fall to one of several calls; gives how many these are.

    Raises
    ------
    InputError
        If nothing is planned for this output.
    """
    folder = parts_of(output) / TILES
    plan = TilePlan.read(folder)
    if plan is None:
        raise InputError(
            f"output {str(output)!r}: no search is planned for it; run mine with --part plan before"
        )
    tiles = [tile for tile in plan.tiles(folder) if part.takes(tile.number)]
    with (
        Here().start(TileJob(folder, device)) as workers,
        progress_bar("Searching", sum(tile.size for tile in tiles), enabled=progress) as advance,
    ):
        run_tiles(workers, tiles, advance)
    return len(tiles)


def merge_tiles(plan: TilePlan, folder: Path) -> tuple[Neighbours, Neighbours]:
    """Merge all tiles into the nearest neighbours of both sides.

    Raises
    ------
    InputError
        If one is missing or damaged.
    """
    forward = BestSoFar(plan.sources, plan.targets, plan.k)
    backward = BestSoFar(plan.targets, plan.sources, plan.k)
    for tile in plan.tiles(folder):
        found = tile.read()
        if found is None:
            raise InputError(f"{tile.path}: missing or damaged; run the same command again to make it anew")
        forward.add(tile.top, found[0], tile.left)
        backward.add(tile.left, found[1], tile.top)
    return forward.neighbours, backward.neighbours
