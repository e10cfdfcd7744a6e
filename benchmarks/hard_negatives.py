"""What mining hard negatives takes, and what its limit leaves out of pairs that people have scored.

The pairs of one language pair are mined with the teacher's vectors from its store, which is filled first where they are
missing; that is not timed. The second table tells how many pairs of STS benchmark lie above the limit.

    python benchmarks/hard_negatives.py --pair en-fr
    python benchmarks/hard_negatives.py --pair en-fr --most 20000
"""

from __future__ import annotations

import os
import resource
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from machine import command_line, save_result

if TYPE_CHECKING:
    from pathlib import Path

SCORES = (0.0, 1.0, 2.0, 3.0, 4.0, 4.5, 5.0)


def mined(data: Path, pair: str, most: int | None, teacher: str) -> dict[str, Any]:
    """Mine 3 negatives for each pair and take time and memory."""
    from lingualign.embedding import load_model
    from lingualign.store import cache_folder
    from lingualign.teacher import TeacherStore
    from lingualign.training.hard_negatives import SomeRows, Translations, mine_hard_negatives

    files = sorted((data / "train").glob(f"*/{pair}.parquet"))
    if not files:
        raise SystemExit(f"{data}/train has no {pair}.parquet")
    pairs = pa.concat_tables([pq.read_table(file, columns=["sentence1", "sentence2"]) for file in files])
    chosen = np.sort(np.random.default_rng(7).permutation(pairs.num_rows)[:most])
    pairs = pairs.take(chosen)
    store = TeacherStore.for_model(cache_folder("teacher"), load_model(teacher))
    store.add(pairs["sentence1"].to_pylist(), progress=True)

    sides = [pairs[name].combine_chunks().dictionary_encode() for name in ("sentence1", "sentence2")]
    columns = (
        sides[0].indices.to_numpy().astype(np.int64),
        sides[1].indices.to_numpy().astype(np.int64) + len(sides[0].dictionary),
    )
    vectors = SomeRows(store, store.rows(sides[0].dictionary.to_pylist()))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, processor = time.perf_counter(), time.process_time()
    found = mine_hard_negatives(columns, vectors, Translations(*columns), count=3, seed=7)
    return {
        "pair": pair,
        "pairs": pairs.num_rows,
        "anchors": vectors.shape[0],
        "seconds": round(time.perf_counter() - wall, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
        "load": round(os.getloadavg()[0], 1),
        "memory_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) // 1024,
        "limit": round(found.limit, 3),
        "near": found.near,
        "further": found.further,
        "random": found.random,
        "missing": found.missing,
    }


def left_out(data: Path, teacher: str) -> dict[str, float]:
    """Share of the pairs of STS benchmark above the limit, by their scores."""
    from lingualign.embedding import encode, load_model
    from lingualign.neighbours import cosines
    from lingualign.training.hard_negatives import similarity_limit

    table = pq.read_table(data / "eval" / "sts" / "stsb-en.parquet", filters=[("split", "=", "test")])
    model = load_model(teacher)
    sides = [encode(model, table[name].to_pylist()) for name in ("sentence1", "sentence2")]
    above = cosines(*sides) > similarity_limit(np.concatenate(sides))
    score = table["score"].to_numpy()
    bins = np.digitize(score, SCORES[1:-1])
    return {
        f"{low:g} to {high:g}": round(float(above[bins == place].mean()), 3)
        for place, (low, high) in enumerate(pairwise(SCORES))
    }


def main() -> None:
    parser = command_line(__doc__, data="folder with train/ and eval/")
    parser.add_argument("--pair", default="en-fr")
    parser.add_argument("--most", type=int, help="pairs to mine for, a sample; all where absent")
    parser.add_argument("--teacher", default="minilm")
    parser.add_argument(
        "--name", default="hard_negatives", help="the figures go to benchmarks/results/NAME.json"
    )
    given = parser.parse_args()
    figures = {
        "mining": mined(given.data, given.pair, given.most, given.teacher),
        "sts_benchmark_above_limit": left_out(given.data, given.teacher),
    }
    save_result(given.name, figures)
    for title, rows in figures.items():
        print(
            f"| {title} | |",
            "|---|---:|",
            *(f"| {name} | {value} |" for name, value in rows.items()),
            sep="\n",
        )
        print()


if __name__ == "__main__":
    main()
