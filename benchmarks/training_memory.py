"""Memory of a training step against the size of its batch: at once, and with cached gradients.

One step each, of an extended MiniLM on real pairs, in a process of its own. The figure is the most that the process has
held during the step, above what it held before: model, optimizer and data are there already, the gradients are not.

    python benchmarks/training_memory.py                       # up to 8,192 pairs: some 15 minutes on 2 cores
    python benchmarks/training_memory.py --sizes 64 256 1024

With `--growth` the figure is another one: what the process holds after many steps, and after many sentences encoded,
each batch of another shape, with the caches of oneDNN as the library bounds them and as torch has them.

    python benchmarks/training_memory.py --growth 30
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from machine import command_line, save_result

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

MINI_BATCH = 64
PAIRS = 16
"""Of a step, where the growth over many steps is looked at."""
ENOUGH = 8 * 2**30
"""Bytes beyond which a batch at once is not tried any larger."""


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Peak:
    """The most memory that this process holds, looked at a hundred times a second."""

    def __enter__(self) -> Peak:
        self.bytes = self.before = resident()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            self.bytes = max(self.bytes, resident())

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()


def step(data: Path, size: int, mini_batch_size: int | None) -> dict[str, Any]:
    """Do one step in this process."""
    import pyarrow.parquet as pq
    import torch

    from lingualign.embedding import load_model
    from lingualign.losses import SoftContrastiveLoss

    paths = sorted((data / "train").glob("*/en-fr.parquet"))
    table = pq.read_table(paths[0].parents[1] / "tatoeba" / "en-fr.parquet").slice(0, size).to_pydict()
    if len(table["sentence1"]) < size:
        raise SystemExit(f"only {len(table['sentence1'])} pairs")
    student = load_model("minilm").train()
    teacher = torch.randn(size, 1, 384)
    features = [dict(student.preprocess(table[name])) for name in ("sentence1", "sentence2")]
    loss = SoftContrastiveLoss(student, mini_batch_size=mini_batch_size)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-5, fused=True)

    def train() -> None:
        rows = slice(None, len(batch[0]["input_ids"]))
        torch.autograd.backward(torch.stack(list(loss(batch, teacher[rows]).values())).sum())
        optimizer.step()

    # Once with a few pairs, so that the gradients and moments, which are of the model's size, are there.
    batch = [
        {name: value[:8] for name, value in column.items() if isinstance(value, torch.Tensor)}
        for column in features
    ]
    train()
    batch = features
    began = time.perf_counter()
    with Peak() as peak:
        train()
    return {
        "pairs": size,
        "mini_batch_size": mini_batch_size,
        "tokens": int(sum(column["attention_mask"].sum() for column in features)),
        "megabytes": round((peak.bytes - peak.before) / 2**20, 1),
        "seconds": round(time.perf_counter() - began, 1),
    }


def grow(data: Path, steps: int) -> dict[str, Any]:
    """Encode and train in this process, batch by batch of another shape."""
    import pyarrow.parquet as pq
    import torch

    from lingualign.embedding import encode, load_model
    from lingualign.losses import SoftContrastiveLoss

    paths = sorted((data / "train").glob("*/en-fr.parquet"))
    table = (
        pq.read_table(paths[0].parents[1] / "tatoeba" / "en-fr.parquet").slice(0, steps * PAIRS).to_pydict()
    )
    student = load_model("minilm")
    loss = SoftContrastiveLoss(student)
    optimizer = torch.optim.AdamW(student.parameters(), lr=1e-5, fused=True)
    held = {"loaded": resident()}
    began = time.perf_counter()
    for number in range(steps):
        encode(
            student, table["sentence2"][number * PAIRS : (number + 1) * PAIRS - number % 8], precision="fp32"
        )
    held["encoded"] = resident()
    student.train()
    for number in range(steps):
        rows = slice(number * PAIRS, (number + 1) * PAIRS)
        features = [dict(student.preprocess(table[name][rows])) for name in ("sentence1", "sentence2")]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            terms = loss(features, torch.randn(len(features[0]["input_ids"]), 1, 384))
        torch.autograd.backward(torch.stack(list(terms.values())).sum())
        optimizer.step()
        optimizer.zero_grad()
    held["trained"] = resident()
    return {
        **{name: round(size / 2**20) for name, size in held.items()},
        "seconds": round(time.perf_counter() - began, 1),
    }


def growth(data: Path, steps: int) -> None:
    """Compare the bounded caches with torch's own."""
    from lingualign.environment import SETTINGS

    caches = [name for name in SETTINGS if name.endswith("_CACHE_CAPACITY")]
    figures = {}
    for kind, capacity in (("bounded", {}), ("as torch has them", dict.fromkeys(caches, "1024"))):
        command = [sys.executable, __file__, "--data", str(data), "--grow", str(steps)]
        told = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=os.environ | capacity
        ).stdout
        figures[kind] = json.loads(told.splitlines()[-1])
        print(kind, figures[kind], flush=True)
    save_result("training_memory_growth", {"data": data.name, "steps": steps, "megabytes": figures})


def plot(figures: list[dict[str, Any]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4))
    for mini_batch_size, name in ((None, "the batch at once"), (MINI_BATCH, f"mini_batch_size {MINI_BATCH}")):
        of_kind = [each for each in figures if each["mini_batch_size"] == mini_batch_size]
        axes.plot(
            [each["pairs"] for each in of_kind],
            [each["megabytes"] / 1024 for each in of_kind],
            marker="o",
            label=name,
        )
    axes.axhline(4, color="grey", linestyle="--", linewidth=1)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="pairs of a batch",
        ylabel="GiB above the model, its gradients and moments",
        title="Memory of a training step, MiniLM",
    )
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = command_line(__doc__, data="folder with train/tatoeba/en-fr.parquet")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256, 1024, 4096, 8192])
    parser.add_argument("--growth", type=int, metavar="STEPS", help="what is held after so many steps")
    parser.add_argument(
        "--grow", type=int, metavar="STEPS", help="the same, here, with the caches as they are"
    )
    parser.add_argument("--step", type=int, nargs=2, metavar=("PAIRS", "MINI_BATCH"), help="one step, here")
    given = parser.parse_args()
    if given.step:
        print(json.dumps(step(given.data, given.step[0], given.step[1] or None)))
        return
    if given.grow:
        print(json.dumps(grow(given.data, given.grow)))
        return
    if given.growth:
        growth(given.data, given.growth)
        return
    figures: list[dict[str, Any]] = []
    for mini_batch_size in (None, MINI_BATCH):
        for size in given.sizes:
            command = [sys.executable, __file__, "--data", str(given.data), "--step", str(size)]
            told = subprocess.run(
                [*command, str(mini_batch_size or 0)], check=True, stdout=subprocess.PIPE, text=True
            ).stdout
            figures.append(json.loads(told.splitlines()[-1]))
            print(figures[-1], flush=True)
            if mini_batch_size is None and figures[-1]["megabytes"] * 2**20 * 4 > ENOUGH:
                break
    path = save_result("training_memory", {"data": given.data.name, "steps": figures})
    plot(figures, path.with_suffix(".svg"))


if __name__ == "__main__":
    main()
