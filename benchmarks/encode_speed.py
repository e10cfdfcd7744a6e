"""How fast sentences become vectors, against `SentenceTransformer.encode` at its defaults, in turns within one run.

Real sentences of training pairs: short (English of Tatoeba) and mixed (Tatoeba and WMT news in five languages). Medians
over rounds, processor threads as torch takes them or ``--threads``. The cosines are with the host's fp32 vectors.

    python benchmarks/encode_speed.py minilm runs/static-en-xx
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from machine import command_line, save_result

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentence_transformers import SentenceTransformer

_SHORT = ("tatoeba/en-fr",)
_MIXED = ("tatoeba/en-fr", "tatoeba/ja-ko", "wmt-news/en-ru")


def read_sentences(data: Path, files: tuple[str, ...], count: int, *, sides: tuple[str, ...]) -> list[str]:
    """Take distinct sentences, as many of each side of each file."""
    import pyarrow.parquet as pq

    each = count // (len(files) * len(sides))
    found: dict[str, None] = {}
    for file in files:
        table = pq.read_table(data / "train" / f"{file}.parquet", columns=list(sides))
        for side in sides:
            found |= dict.fromkeys(list(dict.fromkeys(table[side].to_pylist()))[:each])
    return list(found)


def timed(work: Callable[[], Any]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def measure(model: SentenceTransformer, sentences: list[str], rounds: int) -> dict[str, Any]:
    """Time both in turns, and compare their vectors."""
    from lingualign.embedding import encode

    ways = {
        "sentence_transformers": lambda: model.encode(sentences, show_progress_bar=False),
        "lingualign": lambda: encode(model, sentences),
        "lingualign_fp32": lambda: encode(model, sentences, precision="fp32"),
    }
    expected = model.encode(sentences, normalize_embeddings=True, show_progress_bar=False)
    cosines = (encode(model, sentences) * expected).sum(axis=1)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            times[name].append(timed(way))
    speed = {name: len(sentences) / median(each) for name, each in times.items()}
    return {
        "sentences": len(sentences),
        "sentences_per_second": {name: round(each) for name, each in speed.items()},
        "ratio": round(speed["lingualign"] / speed["sentence_transformers"], 2),
        "ratio_fp32": round(speed["lingualign_fp32"] / speed["sentence_transformers"], 2),
        "seconds": {name: [round(each, 3) for each in several] for name, several in times.items()},
        "cosine_least": round(float(cosines.min()), 6),
        "cosine_mean": round(float(np.mean(cosines)), 6),
    }


def main() -> None:
    parser = command_line(__doc__, data="folder with train/")
    parser.add_argument("model", nargs="+")
    parser.add_argument("--sentences", type=int, default=1_800)
    parser.add_argument("--static-sentences", type=int, default=20_000, help="of a static model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int)
    given = parser.parse_args()

    import torch

    from lingualign.embedding import load_model

    if given.threads:
        torch.set_num_threads(given.threads)
    figures: dict[str, Any] = {"threads": torch.get_num_threads(), "rounds": given.rounds}
    for name in given.model:
        model = load_model(name, device="cpu")
        static = type(model[0]).__name__ == "StaticEmbedding"
        count = given.static_sentences if static else given.sentences
        of_model = {}
        for kind, files, sides in (
            ("short", _SHORT, ("sentence1",)),
            ("mixed", _MIXED, ("sentence1", "sentence2")),
        ):
            of_model[kind] = measure(
                model, read_sentences(given.data, files, count, sides=sides), given.rounds
            )
            print(name, kind, {key: value for key, value in of_model[kind].items() if key != "seconds"})
        figures["static" if static else Path(name).name] = of_model
    save_result(f"encode_speed_{figures['threads']}", figures)


if __name__ == "__main__":
    main()
