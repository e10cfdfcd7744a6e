"""Time, memory and disk of preparing pairs, against their number.

Synthetic pairs of two languages in parquet, TSV and JSON lines, a tenth of them duplicates, go through
``prepare_shards`` in a process of its own, with a suite to keep out and the memory that it holds looked at ten times a
second. ``--real`` prepares the real pairs instead, all of them.

    python benchmarks/prepare.py                        # 1, 3 and 10 million pairs: some ten minutes, 8 GB of disk
    python benchmarks/prepare.py --sizes 100000 300000
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from machine import command_line, save_result

_AT_ONCE = 100_000
_PER_FILE = 500_000
_SECONDS = 0.1


def write_pairs(folder: Path, count: int) -> None:
    """Write synthetic pairs: sentences of 4 to 24 words from 50,000, every tenth pair one of the first again."""
    words = np.array([f"w{number:05x}" for number in range(50_000)])
    kinds = (".parquet", ".tsv", ".parquet", ".jsonl")
    folder.mkdir()
    first: list[tuple[str, str]] = []
    for number, start in enumerate(range(0, count, _PER_FILE)):
        rng = np.random.default_rng(number)
        languages = ("en-fr", "en-ko", "de-en")[number % 3]
        path = folder / f"corpus{number}.{languages}{kinds[number % len(kinds)]}"
        rows: list[tuple[str, str]] = []
        while len(rows) < min(_PER_FILE, count - start):
            lengths = rng.integers(4, 25, (_AT_ONCE, 2))
            drawn = words[rng.integers(0, len(words), int(lengths.sum()))].tolist()
            ends = np.cumsum(lengths.ravel()).reshape(-1, 2).tolist()
            begin = 0
            for end1, end2 in ends:
                rows.append((" ".join(drawn[begin:end1]), " ".join(drawn[end1:end2])))
                begin = end2
        rows = rows[: min(_PER_FILE, count - start)]
        first = first or rows[:_AT_ONCE]
        for place in range(0, len(rows), 10):
            rows[place] = first[place % len(first)]
        _write(path, rows)


def _write(path: Path, rows: list[tuple[str, str]]) -> None:
    if path.suffix == ".parquet":
        sides = list(zip(*rows, strict=True))
        table = pa.table({"sentence1": sides[0], "sentence2": sides[1]})
        pq.write_table(table, path, compression="zstd")
        return
    with path.open("w", encoding="utf-8") as file:
        if path.suffix == ".tsv":
            file.write("sentence1\tsentence2\n")
            file.writelines(f"{a}\t{b}\n" for a, b in rows)
        else:
            file.writelines(json.dumps({"sentence1": a, "sentence2": b}) + "\n" for a, b in rows)


def prepare(folder: Path, output: Path, suite: Path) -> None:
    """Prepare in this process."""
    from lingualign.pairs import prepare_shards
    from lingualign.pairs.config import DataConfig, PairsConfig

    config = DataConfig(pairs=PairsConfig(sources=[str(folder)]), decontaminate=[str(suite)])
    print(json.dumps(vars(prepare_shards(config, output).report().total)))


def measure(folder: Path, output: Path, suite: Path) -> dict[str, Any]:
    """Prepare in a process of its own and watch it."""
    command = [sys.executable, __file__, "--prepare", str(folder), str(output), str(suite)]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    memory: list[float] = []
    disk = [0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_SECONDS):
            try:
                pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            except (OSError, IndexError):
                return
            memory.append(round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1))
            if len(memory) % 20 == 0:
                disk[0] = max(disk[0], _size(output.parent))

    watcher = threading.Thread(target=watch)
    watcher.start()
    told, _ = process.communicate()
    seconds = time.perf_counter() - began
    over.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(process.returncode)
    total = json.loads(told.splitlines()[-1])
    return {
        "pairs": total["read"],
        "train": total["train"],
        "validation": total["validation"],
        "dropped": total["dropped"],
        "source_megabytes": round(_size(folder) / 2**20),
        "seconds": round(seconds, 1),
        "pairs_per_second": round(total["read"] / seconds),
        "peak_megabytes": max(memory),
        "disk_megabytes": round(max(disk[0], _size(output)) / 2**20),
        "memory_megabytes": memory[:: max(len(memory) // 300, 1)],
    }


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*"):
        try:
            size += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue  # it has gone meanwhile
    return size


def plot(figures: list[dict[str, Any]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, (over_time, by_size) = plt.subplots(1, 2, figsize=(10, 4))
    for each in figures:
        values = each["memory_megabytes"]
        share = np.linspace(0, each["seconds"], len(values))
        over_time.plot(share, [value / 1024 for value in values], label=f"{each['pairs'] / 1e6:g} million")
    over_time.set(xlabel="seconds", ylabel="GiB held by the process", ylim=(0, 4), title="Memory")
    over_time.axhline(4, color="grey", linestyle="--", linewidth=1)
    over_time.legend(title="pairs")
    sizes = [each["pairs"] / 1e6 for each in figures]
    by_size.plot(sizes, [each["seconds"] for each in figures], marker="o")
    by_size.set(xlabel="million pairs", ylabel="seconds", xlim=0, ylim=0, title="Time")
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = command_line(__doc__, data="folder with train/ and eval/")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--real", action="store_true", help="prepare the real pairs alone")
    parser.add_argument("--prepare", type=Path, nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.prepare:
        prepare(*given.prepare)
        return
    suite = given.data / "eval"
    figures: list[dict[str, Any]] = []
    for size in [None] if given.real else given.sizes:
        scratch = Path(tempfile.mkdtemp(prefix="lingualign-"))
        try:
            if size is not None:
                write_pairs(scratch / "sources", size)
            (scratch / "made").mkdir()
            sources = given.data / "train" if size is None else scratch / "sources"
            figures.append(measure(sources, scratch / "made" / "pairs", suite))
        finally:
            shutil.rmtree(scratch)
        print({name: value for name, value in figures[-1].items() if name != "memory_megabytes"}, flush=True)
    path = save_result("prepare_real" if given.real else "prepare", {"runs": figures})
    if not given.real:
        plot(figures, path.with_suffix(".svg"))


if __name__ == "__main__":
    main()
