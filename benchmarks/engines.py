"""How much faster two workers on Ray are than one, of one thread each: encoding, and the tiles of a search.

One and two take turns, each on a Ray of this machine with as many processors as workers; each worker has loaded what
it needs, and done a task, before the clock starts. Medians over the repeats of wall time, and whether both wrote the
same bytes. Beside them stands what the machine allowed meanwhile: bare matrix products in one and two processes that
share nothing.

    python benchmarks/engines.py
"""

from __future__ import annotations

import hashlib
import logging
import os
import statistics
import tempfile
import time
from pathlib import Path

from machine import command_line, save_result

CHUNK = 768
TILES_A_SIDE = 4
BARE = """
import time
import numpy as np
a = np.ones((768, 768), np.float32)
a @ a
input()
begun = time.perf_counter()
for _ in range(200):
    a @ a
print(time.perf_counter() - begun)
"""


def real_sentences(data: Path, count: int) -> list[str]:
    import pyarrow.parquet as pq

    found: dict[str, None] = {}
    for path in sorted((data / "train").rglob("en-*.parquet")):
        found.update(dict.fromkeys(pq.read_table(path, columns=["sentence1"])["sentence1"].to_pylist()))
        if len(found) >= count:
            return list(found)[:count]
    raise SystemExit(f"{data}: fewer than {count} distinct English sentences in its training pairs")


def digest(paths: list[Path]) -> str:
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(path.name.encode() + path.read_bytes())
    return whole.hexdigest()


def timed_encoding(model: str, chunks: list[list[str]], folder: Path, workers: int) -> tuple[float, str]:
    from lingualign.embedding import ModelOptions
    from lingualign.mining.encode_folder import EncodeJob, encode_to_folder
    from lingualign.mining.engines import open_engine

    with open_engine("ray", workers).start(EncodeJob(model, ModelOptions(device="cpu"))) as running:
        encode_to_folder(running, [[f"warm {number}"] for number in range(4 * workers)], folder / "warm")
        begun = time.perf_counter()
        encode_to_folder(running, chunks, folder / "encoded")
        taken = time.perf_counter() - begun
    return taken, digest(list((folder / "encoded").glob("*.*")))


def random_texts(rows: int, width: int, folder: Path) -> list[str]:
    """Write encoded texts of vectors around shared centres."""
    import numpy as np

    from lingualign.mining.encoded_text import Encoder, TextManifest, write_shard
    from mining import clustered

    for seed in (1, 2):
        text = folder / str(seed)
        text.mkdir()
        vectors = clustered(rows, width, seed).astype(np.float16)
        shard = write_shard(text, 0, [str(row) for row in range(rows)], vectors)
        TextManifest(Encoder("random", "0", "", width, "fp32"), True, (shard,)).write(text)
    return [str(folder / str(seed)) for seed in (1, 2)]


def timed_tiles(texts: list[str], rows: int, folder: Path, workers: int) -> tuple[float, str]:
    import numpy as np

    from lingualign.mining.engines import open_engine
    from lingualign.mining.tiled_search import TileJob, TilePlan, run_tiles
    from lingualign.vectors import write_array

    searched = [write_array(folder / f"{side}.npy", np.arange(rows)) for side in ("source", "target")]
    edge = -(-rows // TILES_A_SIDE)
    plan = TilePlan("0", 4, "auto", 4 << 30, edge, rows, rows, texts[:1], texts[1:], searched[0], searched[1])
    plan.write(folder)
    tiles = plan.tiles(folder)
    with open_engine("ray", workers).start(TileJob(folder)) as running:
        list(running.run(tiles[:workers], lambda _: None))
        for tile in tiles:
            tile.path.unlink(missing_ok=True)
        begun = time.perf_counter()
        run_tiles(running, tiles)
        taken = time.perf_counter() - begun
    return taken, digest([tile.path for tile in tiles])


def timed_bare(workers: int) -> float:
    """Time as many products in all, shared by processes that begin together."""
    import subprocess
    import sys

    settings = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", BARE]
    running = [
        subprocess.Popen(command, env=settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(workers)
    ]
    time.sleep(1)
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    return max(float(process.communicate()[0]) for process in running) / workers


def main() -> None:
    parser = command_line(__doc__, data="real training pairs")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--sentences", type=int, default=6_144)
    parser.add_argument("--rows", type=int, default=36_000, help="vectors on each side of the search")
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--name", default="engines", help="the figures go to benchmarks/results/NAME.json")
    given = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import ray

    sentences = real_sentences(given.data, given.sentences)
    chunks = [sentences[start : start + CHUNK] for start in range(0, len(sentences), CHUNK)]
    times: dict[str, dict[int, list[float]]] = {what: {1: [], 2: []} for what in ("encode", "tiles", "bare")}
    digests: dict[str, set[str]] = {"encode": set(), "tiles": set()}
    with tempfile.TemporaryDirectory() as scratch:
        texts = random_texts(given.rows, given.width, Path(scratch))
        for repeat in range(given.repeats):
            for workers in (1, 2):
                folder = Path(scratch) / f"{repeat}-{workers}"
                folder.mkdir()
                ray.init(
                    num_cpus=workers,
                    include_dashboard=False,
                    object_store_memory=80 << 20,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
                measured = {
                    "encode": timed_encoding(given.model, chunks, folder, workers),
                    "tiles": timed_tiles(texts, given.rows, folder, workers),
                }
                ray.shutdown()
                times["bare"][workers].append(timed_bare(workers))
                for what, (seconds, found) in measured.items():
                    times[what][workers].append(seconds)
                    digests[what].add(found)
                    print(f"{what:6} on {workers}: {seconds:6.1f} s", flush=True)
    median = {
        what: {workers: statistics.median(each) for workers, each in by_workers.items()}
        for what, by_workers in times.items()
    }
    figures = {
        "model": given.model,
        "sentences": given.sentences,
        "rows": given.rows,
        "width": given.width,
        "repeats": given.repeats,
        "ray": ray.__version__,
        "load": os.getloadavg()[1],
        "median_s": median,
        "two_to_one": {what: each[1] / each[2] for what, each in median.items()},
        "sentences_per_second_of_one": given.sentences / median["encode"][1],
        "products_per_second_of_one": given.rows**2 / median["tiles"][1],
        "same_bytes": all(len(each) == 1 for each in digests.values()),
    }
    path = save_result(given.name, figures)
    print(f"{figures}\nkept in {path}")


if __name__ == "__main__":
    main()
