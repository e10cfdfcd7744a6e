"""The search of a mining cut into tiles on disk, for any number of workers: a file for each tile, merged at the end.

A tile is a block of source rows by a block of target rows; its file holds the nearest neighbours of both directions
within it. The plan, a file beside them, describes the search and the cut. A worker needs only their folder.
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
    """Description of a search and of its tiles."""

    key: str
    """Key of the vectors and k"""
    k: int
    precision: Precision
    memory: int
    """Bytes of each worker"""
    edge: int
    """Number of rows of a block, on both sides"""
    sources: int
    targets: int
    source_texts: list[str]
    """Folders of encoded text, stacked; `source.npy` lists the rows that are searched"""
    target_texts: list[str]
    source_file: tuple[int, str]
    """Bytes and SHA-256 of `source.npy`"""
    target_file: tuple[int, str]

    @staticmethod
    def read(folder: Path) -> TilePlan | None:
        """Read the plan of a folder; None if there is none.

        Raises
        ------
        InputError
            If it is not a plan of this format.
        """
        path = folder / PLAN
        try:
            if (checked := read_checked(path)) is None:
                return None
            content = checked[0]
            if (form := content.pop("format", None)) != FORMAT:
                raise FormatError(form)
            plan = build_record(TilePlan, content)
            if not all((plan.k, plan.memory, plan.edge, plan.sources, plan.targets)):
                raise ValueError("a number is 0")
        except (OSError, ValueError, TypeError) as error:
            raise InputError(f"{path}: not the plan of a search ({error}); delete {folder}") from None
        return plan

    def write(self, folder: Path) -> None:
        """Write the plan to its folder."""
        write_checked(folder / PLAN, {"format": FORMAT, **asdict(self)})

    def tiles(self, folder: Path) -> list[Tile]:
        """List all tiles, grouped by source block."""
        source_blocks, target_blocks = blocks(self.sources, self.edge), blocks(self.targets, self.edge)
        return [
            Tile(folder, self.key, self.k, number, *source_block, *target_block)
            for number, (source_block, target_block) in enumerate(
                (one, other) for one in source_blocks for other in target_blocks
            )
        ]


@dataclass(frozen=True, slots=True)
class Tile:
    """The task of searching the nearest neighbours of both directions within one tile."""

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
        """Number of products."""
        return (self.bottom - self.top) * (self.right - self.left)

    @property
    def holds(self) -> int:
        """The source block."""
        return self.top

    @property
    def path(self) -> Path:
        """File of the tile."""
        return self.folder / f"tile-{self.number:07d}"

    def read(self) -> tuple[Neighbours, Neighbours] | None:
        """Read the neighbours, positions within the blocks; None if the file is damaged or of another search."""
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
        neighbours, place = [], 0
        for one, other in shapes:
            count = one * other
            cosine = np.frombuffer(body, np.float32, count, place).reshape(one, other)
            index = np.frombuffer(body, np.uint32, count, place + 4 * count).reshape(one, other)
            neighbours.append(Neighbours(cosine, index.astype(np.int64)))
            place += 8 * count
        return neighbours[0], neighbours[1]

    def write(self, neighbours: tuple[Neighbours, Neighbours]) -> None:
        """Write the neighbours, which marks the tile as done."""
        arrays = [array for each in neighbours for array in (each.cosine, each.index.astype(np.uint32))]
        parts = [np.ascontiguousarray(array).view(np.uint8).data.cast("B") for array in arrays]
        write_checked(self.path, self._head(), *parts)

    def _head(self) -> dict[str, Any]:
        """Describe the tile, so that a file with the name of another tile is not read."""
        return {"search": self.key, "rows": [self.top, self.bottom], "columns": [self.left, self.right]}

    def __str__(self) -> str:
        return f"source rows {self.top + 1:,} to {self.bottom:,} by target rows {self.left + 1:,} to {self.right:,}"


@dataclass(frozen=True, slots=True)
class TileJob:
    """The search of a plan.

    Parameters
    ----------
    folder
        Folder of the plan.
    device
        Device, as in `lingualign.neighbours.nearest_neighbours`.
    """

    folder: Path
    device: str | None = None

    @property
    def gpu(self) -> bool:
        """True unless another device is set."""
        return self.device in (None, "cuda")

    def open(self, device: str | None) -> _Blocks:
        """Map the vectors."""
        return _Blocks(self.folder, device or self.device)

    def work(self, opened: _Blocks, tile: Tile, advance: Callable[[int], None]) -> None:
        """Search a tile, unless a worker did and then crashed."""
        if tile.read() is not None:
            advance(tile.size)
            return
        plan = opened.plan
        try:
            source = opened.source_block(tile.top, tile.bottom)
            neighbours = nearest_neighbours(
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
        tile.write(neighbours)


class _Blocks:
    """Both sides of a plan, mapped; a source block of at most a quarter of the memory is read into memory."""

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
            self._held = None  # frees its memory before the next block is read
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
    """Plan a search for a number of workers, or reuse its existing plan.

    Parameters
    ----------
    corpora
        The two sides.
    key
        Key of the vectors and k. The files of a search with another key are removed.
    search, precision
        Options of the search. Memory and precision affect speed only, never the result.
    folder
        Folder of the plan and the tiles.
    workers
        Number of workers, for which the search is cut.
    """
    k, memory = search.k, search.memory_bytes
    texts = [[str(text.folder.resolve()) for text in corpus.texts] for corpus in corpora]
    if (existing := _existing_plan(folder)) is not None and existing.key == key:
        plan = replace(
            existing, memory=memory, precision=precision, source_texts=texts[0], target_texts=texts[1]
        )
        if plan != existing:
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


def _existing_plan(folder: Path) -> TilePlan | None:
    """Read the plan of a folder; None if it or its files of rows are damaged."""
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
    """Search those tiles that are not done yet."""
    # The folder is listed, since a client of a network file system may cache the failed look-up of a single name.
    existing = {path.name for path in tiles[0].folder.iterdir()} if tiles else set()
    missing = []
    for tile in tiles:
        if tile.path.name in existing and tile.read() is not None:
            advance(tile.size)
        else:
            missing.append(tile)
    for _ in workers.run(missing, advance):
        pass


def search_part(
    output: str | os.PathLike[str], part: Part, *, device: str | None = None, progress: bool = False
) -> int:
    """Search one call's share of the tiles of a planned mining, and return the number of these.

    Raises
    ------
    InputError
        If no search is planned for this output.
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
        neighbours = tile.read()
        if neighbours is None:
            raise InputError(f"{tile.path}: missing or damaged; run the same command again to make it anew")
        forward.add(tile.top, neighbours[0], tile.left)
        backward.add(tile.left, neighbours[1], tile.top)
    return forward.neighbours, backward.neighbours
