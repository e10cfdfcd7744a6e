"""How fast a teacher store fills, against ``SentenceTransformer.encode`` on the same sentences; its memory.

Every measurement runs in a process of its own, the ways in turn, and the medians are compared. Memory is
measured with a static teacher, whose own memory does not vary, on sentences streamed from the files.

    python benchmarks/teacher_store.py --sentences 3000 --repeats 3 --output teacher_store.json
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import command_line

if TYPE_CHECKING:
    from collections.abc import Iterator

WAYS = ("store", "encode", "encode-bf16")


def stream_sentences(data: Path) -> Iterator[str]:
    """Read every side of every training pair, file by file."""
    import pyarrow.parquet as pq

    for path in sorted((data / "train").rglob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(1_000, columns=["sentence1", "sentence2"]):
                for column in batch.columns:
                    yield from column.to_pylist()


def draw_sentences(data: Path, count: int) -> list[str]:
    """Draw distinct sentences from all the training pairs, with a fixed seed."""
    distinct = list(dict.fromkeys(stream_sentences(data)))
    if len(distinct) < count:
        raise SystemExit(f"{data} has only {len(distinct)} distinct sentences, not {count}")
    return random.Random(7).sample(distinct, count)


def measure(way: str, sentences: list[str], model_name: str, threads: int | None) -> dict[str, float]:
    """Time one way and take its memory; loading and a short warm-up do not count."""
    import torch

    from lingualign.embedding import load_model
    from lingualign.teacher import TeacherStore

    if threads:
        torch.set_num_threads(threads)
    model = load_model(model_name)
    model.encode(sentences[:32])
    with tempfile.TemporaryDirectory() as root:
        start, cpu = time.perf_counter(), time.process_time()
        if way == "store":
            TeacherStore.for_model(root, model).add(sentences)
        elif way == "encode":
            model.encode(sentences, normalize_embeddings=True)
        else:
            with torch.autocast(model.device.type, dtype=torch.bfloat16):
                model.encode(sentences, normalize_embeddings=True)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mb": peak_mb()}


def measure_memory(count: int, data: Path, model_name: str) -> dict[str, float]:
    """Fill a store with the first sentences of the corpus, and take what the peak rose by meanwhile."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    from lingualign.embedding import load_model
    from lingualign.teacher import TeacherStore

    tokenizer = load_model(model_name, device="cpu").tokenizer
    torch.manual_seed(7)
    teacher = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=384)], device="cpu")
    teacher.encode(["warm up"])
    before = peak_mb()
    with tempfile.TemporaryDirectory() as root:
        store = TeacherStore.for_model(root, teacher)
        store.add(islice(stream_sentences(data), count))
        return {"given": count, "vectors": len(store), "peak_mb": peak_mb(), "rise_mb": peak_mb() - before}


def peak_mb() -> float:
    """Give the highest resident memory of this process so far, in MB (Linux counts in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def lookup_milliseconds(batch: int = 256, dimensions: int = 768, rows: int = 200_000) -> float:
    """Time what the collator adds to a batch: looking 256 sentences up and reading their vectors."""
    import numpy as np

    from lingualign.teacher.store import TeacherStore
    from lingualign.vectors import VectorManifest, keys_of

    per_segment = 25_000
    settings = {"teacher": "x", "prompt": "", "normalize": True, "dimensions": None}
    with tempfile.TemporaryDirectory() as root:
        folder, manifest = Path(root), VectorManifest(settings, "x", dimensions)
        vectors = np.random.default_rng(7).standard_normal((per_segment, dimensions)).astype(np.float16)
        for first in range(0, rows, per_segment):
            keys = keys_of([f"sentence {row}" for row in range(first, first + per_segment)])
            manifest = manifest.add(folder, keys, vectors, "fp32")
        store, times, draw = TeacherStore(folder), [], random.Random(7)
        for _ in range(30):
            sentences = [f"sentence {draw.randrange(rows)}" for _ in range(batch)]
            start = time.perf_counter()
            store[store.rows(sentences)].astype(np.float32)
            times.append(time.perf_counter() - start)
    return 1_000 * statistics.median(times[1:])


def in_process(function: str, *arguments: object) -> dict[str, float]:
    """Call one of the functions above in a process of its own."""
    command = [sys.executable, __file__, "--call", json.dumps([function, *arguments], default=str)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def call(function: str, *arguments: Any) -> dict[str, float]:
    """Do what :func:`in_process` asked for."""
    if function == "measure":
        way, sentences, model, threads = arguments
        return measure(way, json.loads(Path(sentences).read_text(encoding="utf-8")), model, threads)
    count, data, model = arguments
    return measure_memory(count, Path(data), model)


def main() -> None:
    parser = command_line(__doc__, data="folder with train/**/*.parquet")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--sentences", type=int, default=3_000, help="sentences to time")
    parser.add_argument(
        "--corpora", type=int, nargs=2, default=(80_000, 320_000), help="sizes to take memory at"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path, help="write the figures here as JSON")
    parser.add_argument("--call", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.call:
        print(json.dumps(call(*json.loads(options.call))))
        return

    import torch

    from lingualign.embedding.encode import fast_bf16

    bf16 = fast_bf16(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    ways = WAYS if bf16 else WAYS[:2]
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "sentences.json"
        drawn.write_text(json.dumps(draw_sentences(options.data, options.sentences)), encoding="utf-8")
        for _ in range(options.repeats):
            for way in ways:
                runs[way].append(in_process("measure", way, drawn, options.model, options.threads))
    medians = {
        way: {key: statistics.median(run[key] for run in of_way) for key in of_way[0]}
        for way, of_way in runs.items()
    }
    figures = {
        "model": options.model,
        "sentences": options.sentences,
        "fast_bf16": bf16,
        "medians": medians,
        "speedup": {
            way: {key: medians[way][key] / medians["store"][key] for key in ("seconds", "cpu_seconds")}
            for way in ways[1:]
        },
        "memory": [
            in_process("measure_memory", size, options.data, options.model) for size in options.corpora
        ],
        "lookup_ms_256x768": lookup_milliseconds(),
    }
    print(json.dumps(figures, indent=1))
    if options.output:
        options.output.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
