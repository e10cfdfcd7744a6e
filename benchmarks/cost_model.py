"""What mining two texts costs: vectors, operations, bytes and hours by the number of sentences a side.

Unit costs of processors are read from ``results/engines.json`` (`engines.py`) for encoding and from
``results/mining.json`` (`mining.py`) for searching, which is as large as tiles of a real search; those of merging
are measured here. Those of GPUs are assumptions, for none was measured; give others with the options.

    python benchmarks/cost_model.py
"""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

from machine import command_line, save_result

SIDES = (10**6, 10**8, 10**9)
WIDTH, K = 384, 4
LAYERS = 10_621_440
"""Weights of MiniLM's layers, of which each takes part in two operations for a token."""


def merging_seconds() -> float:
    """Seconds that the driver takes to merge one neighbour of a tile."""
    import numpy as np

    from lingualign.neighbours import Neighbours
    from lingualign.neighbours.search import BestSoFar

    rows, candidates, tiles = 100_000, 1 << 20, 32
    random = np.random.default_rng(0)
    best = BestSoFar(rows, tiles * candidates, K)
    taken = 0.0
    for tile in range(tiles):
        cosine = -np.sort(-random.random((rows, K), np.float32), axis=1)
        found = Neighbours(cosine, random.integers(candidates, size=(rows, K)))
        begun = time.perf_counter()
        best.add(0, found, tile * candidates)
        taken += time.perf_counter() - begun
    return taken / (tiles * rows * K)


def choosing_bytes() -> float:
    """Bytes that the driver takes for each sentence of a side, beside the neighbours, to choose pairs."""
    import numpy as np

    from lingualign.neighbours import Neighbours
    from lingualign.neighbours.margin import retrieve

    rows, random = 200_000, np.random.default_rng(0)
    sides = [
        Neighbours(
            -np.sort(-random.random((rows, K), np.float32), axis=1), random.integers(rows, size=(rows, K))
        )
        for _ in range(2)
    ]
    tracemalloc.start()
    retrieve(*sides)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / rows


def cost(rows: int, units: dict[str, float], workers: int) -> dict[str, Any]:
    """Tell the costs of ``rows`` sentences a side on so many workers, each with one unit's rates."""
    from lingualign.neighbours.search import block_rows

    edge = block_rows(rows, rows, workers)
    blocks = -(-rows // edge)
    return {
        "rows": rows,
        "workers": workers,
        "vectors_bytes": 2 * rows * WIDTH * 2,
        "encode_operations": 2 * rows * 2 * LAYERS * units["tokens"],
        "search_operations": 2 * WIDTH * rows**2,
        "tiles": blocks**2,
        "tiles_bytes": 2 * rows * blocks * K * 8,
        "read_bytes": rows * WIDTH * 2 * (1 + blocks),
        "driver_bytes": rows * (2 * K * 12 + units["choosing_bytes"]),
        "encode_hours": 2 * rows / units["sentences"] / workers / 3600,
        "search_hours": rows**2 / units["products"] / workers / 3600,
        "merge_hours": 2 * rows * blocks * K * units["merging_seconds"] / 3600,
    }


def shown(row: dict[str, Any], kind: str) -> str:
    cells = [
        f"{row['rows']:,}",
        f"{row['workers']:,} {kind}",
        f"{row['vectors_bytes'] / 1e9:,.1f} GB",
        f"{row['encode_operations']:.1e}",
        f"{row['search_operations']:.1e}",
        f"{row['tiles']:,}",
        f"{row['tiles_bytes'] / 1e9:,.1f} GB",
        f"{row['read_bytes'] / 1e12:,.2f} TB",
        f"{row['driver_bytes'] / 1e9:,.1f} GB",
        *(f"{row[f'{stage}_hours']:,.2g}" if row[f"{stage}_hours"] < 10 else f"{row[f'{stage}_hours']:,.0f}"
          for stage in ("encode", "search", "merge")),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--tokens", type=float, default=20, help="of a sentence, for its operations")
    parser.add_argument("--gpu-sentences", type=float, default=10_000, help="a second on one GPU: assumed")
    parser.add_argument("--gpu-products", type=float, default=5e10, help="a second on one GPU: assumed")
    given = parser.parse_args()
    encoding, searching = (
        json.loads((Path(__file__).parent / "results" / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("engines", "mining")
    )
    common = {
        "tokens": given.tokens,
        "merging_seconds": merging_seconds(),
        "choosing_bytes": choosing_bytes(),
    }
    core = {
        **common,
        "sentences": encoding["sentences_per_second_of_one"],
        "products": searching["rows"] ** 2 / searching["median"]["search"]["cpu_s"],
    }
    gpu = {**common, "sentences": given.gpu_sentences, "products": given.gpu_products}
    rows = [
        *((cost(rows, core, workers), "cores") for rows in SIDES for workers in (16, 1_024)),
        *((cost(rows, gpu, workers), "GPUs") for rows in SIDES for workers in (8, 64)),
    ]
    head = "a side | on | vectors | encode, operations | search, operations | tiles | their files | read | driver holds"
    print(f"| {head} | encode, h | search, h | merge, h |")
    print("|" + "---:|" * 12)
    for row, kind in rows:
        print(shown(row, kind))
    figures = {
        "core": {**core, "measured": [encoding["machine"], searching["machine"]]},
        "gpu": {**gpu, "measured": None},
        "costs": [{"kind": kind, **row} for row, kind in rows],
    }
    print(f"kept in {save_result('cost_model', figures)}")


if __name__ == "__main__":
    main()
