"""Where inverted lists begin to pay: exact and approximate neighbours of real sentences' vectors, by size.

The distinct sentences of all training pairs, first sides against second sides. For each size and number of lists looked
into: processor time of both searches, in turn, and the share of exact neighbours that the approximate search finds.

    python benchmarks/approximate.py --model runs/static-en-xx
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import command_line, save_result

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt


def vectors_of(model: str, data: Path, rows: int) -> list[npt.NDArray[np.float16]]:
    """Encode sentences of each side of the training pairs, drawn with a fixed seed."""
    import numpy as np
    import pyarrow.parquet as pq

    from lingualign.embedding import encode, load_model

    loaded = load_model(model)
    sides = []
    for side in ("sentence1", "sentence2"):
        tables = [pq.read_table(path, columns=[side]) for path in sorted((data / "train").rglob("*.parquet"))]
        texts = list(dict.fromkeys(text for table in tables for text in table[side].to_pylist()))
        random.Random(7).shuffle(texts)
        sides.append(encode(loaded, texts[:rows]).astype(np.float16))
    return sides


def measured(way: Callable[[], Any]) -> tuple[float, Any]:
    started = time.process_time()
    outcome = way()
    return time.process_time() - started, outcome


def main() -> None:
    parser = command_line(__doc__, data="folder with train/")
    parser.add_argument("--model", default="runs/static-en-xx")
    parser.add_argument("--about", default="", help="what the model is, kept with the figures")
    parser.add_argument("--rows", type=int, nargs="+", default=[50_000, 100_000, 200_000])
    parser.add_argument("--probes", type=int, nargs="+", default=[16, 64])
    parser.add_argument("-k", type=int, default=4)
    parser.add_argument(
        "--name", default="approximate", help="the figures go to benchmarks/results/NAME.json"
    )
    given = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import numpy as np

    from lingualign.neighbours import approximate_neighbours, nearest_neighbours

    source, target = vectors_of(given.model, given.data, max(given.rows))
    nearest_neighbours(source[:99], target[:99], given.k, precision="auto")  # what is done once a process
    sizes = []
    for rows in given.rows:
        one, two = source[:rows], target[:rows]
        seconds, exact = measured(lambda: nearest_neighbours(one, two, given.k, precision="auto"))  # noqa: B023
        size: dict[str, Any] = {"rows": [len(one), len(two)], "exact_cpu_s": seconds, "lists": []}
        for probes in given.probes:
            seconds, found = measured(lambda: approximate_neighbours(one, two, given.k, probes=probes))  # noqa: B023
            shares = [
                (side.index[:, :, None] == true.index[:, None, :]).any(axis=2).mean()
                for side, true in zip(found, exact, strict=True)
            ]
            size["lists"].append({"probes": probes, "cpu_s": seconds, "recall": float(np.mean(shares))})
        sizes.append(size)
        print(size, flush=True)
    told = {"model": given.about or Path(given.model).name, "k": given.k, "load": os.getloadavg()[1]}
    print(f"kept in {save_result(given.name, {**told, 'sizes': sizes})}")


if __name__ == "__main__":
    main()
