"""Nearest neighbours in both directions, against the bare matrix product and against two FAISS flat searches.

The three run in turn in one process, on the same random vectors and threads; medians over the repeats of processor
time and wall time. FAISS is measured where ``faiss-cpu`` is installed, and its neighbours compared.

    python benchmarks/mining.py
    python benchmarks/mining.py --rows 40000 --repeats 3 --name mining_40k
"""

from __future__ import annotations

import os
import statistics
import time
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from machine import command_line, save_result

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from lingualign.embedding import Precision


def clustered(rows: int, width: int, seed: int) -> npt.NDArray[np.float32]:
    """Draw unit vectors around shared centres, so that neighbours are near, as those of sentences are."""
    import numpy as np

    from lingualign.neighbours import unit_rows

    centres = np.random.default_rng(0).normal(size=(rows // 50 + 1, width))
    random = np.random.default_rng(seed)
    vectors = centres[random.integers(len(centres), size=rows)] + random.normal(size=(rows, width))
    return unit_rows(vectors)


def search(
    source: npt.NDArray[np.float32], target: npt.NDArray[np.float32], k: int, precision: Precision
) -> Any:
    from lingualign.neighbours import nearest_neighbours

    return nearest_neighbours(source, target, k, precision=precision)


def product(source: npt.NDArray[np.float32], target: npt.NDArray[np.float32], precision: Precision) -> None:
    """Compute every product, tile by tile as the search does, and look at none."""
    from lingualign.neighbours.search import TILE_COLUMNS, TILE_ROWS, tile_times
    from lingualign.neighbours.tiles import Products

    times = tile_times(precision, "cpu")
    high, wide = times * TILE_ROWS, times * TILE_COLUMNS
    products = Products(precision, "cpu", high, wide, source.shape[1])
    rows = [products.block(source[start : start + high]) for start in range(0, len(source), high)]
    for left in range(0, len(target), wide):
        columns = products.block(target[left : left + wide])
        for down in rows:
            products.tile(down, columns)


def faiss_flat(source: npt.NDArray[np.float32], target: npt.NDArray[np.float32], k: int) -> Any:
    import faiss

    found = []
    for queries, candidates in ((source, target), (target, source)):
        index = faiss.IndexFlatIP(candidates.shape[1])
        index.add(candidates)
        found.append(index.search(queries, k))
    return found


def measured(way: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    wall, processor = time.perf_counter(), time.process_time()
    outcome = way()
    return {"cpu_s": time.process_time() - processor, "wall_s": time.perf_counter() - wall}, outcome


def agreement(ours: Any, theirs: Any) -> dict[str, float]:
    """Compare neighbours and the margins made from them, both directions together."""
    import numpy as np

    recalls, largest = [], 0.0
    for mine, (cosine, index) in zip(ours, theirs, strict=True):
        recalls.append((mine.index[:, :, None] == index[:, None, :]).any(axis=2).mean())
        largest = max(largest, float(np.abs(mine.cosine.mean(axis=1) - cosine.mean(axis=1)).max()))
    return {"recall": float(np.mean(recalls)), "largest_difference_of_a_mean_cosine": largest}


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="vectors on each side")
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("-k", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16"], default="auto")
    parser.add_argument("--name", default="mining", help="the figures go to benchmarks/results/NAME.json")
    given = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    has_faiss = find_spec("faiss") is not None
    source, target = (clustered(given.rows, given.width, seed) for seed in (1, 2))
    search(source[:99], target[:99], given.k, given.precision)  # what is done once a process
    ways: dict[str, Callable[[], Any]] = {
        "search": lambda: search(source, target, given.k, given.precision),
        "product": lambda: product(source, target, given.precision),
    }
    if has_faiss:
        ways["faiss"] = lambda: faiss_flat(source, target, given.k)
    times: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    outcomes = {}
    for _ in range(given.repeats):
        for name, way in ways.items():
            taken, outcomes[name] = measured(way)
            times[name].append(taken)
            print(f"{name:8} {taken['cpu_s']:8.1f} s of processor, {taken['wall_s']:8.1f} s", flush=True)
    median = {
        way: {kind: statistics.median(each[kind] for each in rows) for kind in ("cpu_s", "wall_s")}
        for way, rows in times.items()
    }
    figures: dict[str, Any] = {
        "rows": given.rows,
        "width": given.width,
        "k": given.k,
        "repeats": given.repeats,
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "precision": given.precision,
        "load": os.getloadavg()[1],
        "median": median,
        "search_to_product_cpu": median["search"]["cpu_s"] / median["product"]["cpu_s"],
    }
    if has_faiss:
        figures["faiss"] = version("faiss-cpu")
        figures["faiss_to_search_cpu"] = median["faiss"]["cpu_s"] / median["search"]["cpu_s"]
        figures["agreement"] = agreement(outcomes["search"], outcomes["faiss"])
    path = save_result(given.name, figures)
    print(f"{figures}\nkept in {path}")


if __name__ == "__main__":
    main()
