"""How long `lingualign evaluate` takes, by the clock and from the start of the command, without any kept vectors.

``--mteb``: the same suites through mteb task by task, the model in the hands of `SentenceTransformer.encode` at its
defaults, in a process of its own as well; both in turns. Last the command again, with the vectors that it has kept.

    python benchmarks/evaluation_speed.py runs/static-en-xx --mteb
    python benchmarks/evaluation_speed.py minilm
    python benchmarks/evaluation_speed.py minilm --mteb --suite sts/stsb-en.parquet tatoeba/fra-eng.parquet
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from machine import command_line, save_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class HostEncoder:
    """A model as the host library runs it."""

    precision = "fp32"

    def __init__(self, name: str) -> None:
        from lingualign.embedding import fingerprint, load_model

        self.name, self.prompt = name, ""
        self.model = load_model(name)
        self.fingerprint = fingerprint(self.model)
        self.dimensions = self.model.get_embedding_dimension() or 0
        self.tokenizer = self.model.tokenizer

    def describe(self) -> dict[str, Any]:
        """Give the kind."""
        return {"kind": "sentence-transformers"}

    def batches(self, sentences: Sequence[str]) -> Iterator[tuple[Any, Any]]:
        """Encode all at once; the host makes its own batches."""
        yield np.arange(len(sentences)), self.model.encode(list(sentences), normalize_embeddings=True)


def through_mteb(model: str, suites: list[Path]) -> None:
    """Score suites task by task."""
    from lingualign.evaluation import load_suites
    from lingualign.evaluation.mteb_bridge import through_mteb as run

    run(HostEncoder(model), load_suites(suites))


def seconds(arguments: list[str], cache: str) -> float:
    """Time a command of this interpreter."""
    environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, "XDG_CACHE_HOME": cache}
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = command_line(__doc__, data="folder with eval/")
    parser.add_argument("model")
    parser.add_argument("--suite", nargs="+", default=[""], help="below eval/; all by default")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--mteb", action="store_true")
    parser.add_argument("--only-mteb", action="store_true", help="what a round runs in a process of its own")
    given = parser.parse_args()
    suites = [given.data / "eval" / each for each in given.suite]
    if given.only_mteb:
        through_mteb(given.model, suites)
        return
    paths = [str(each) for each in suites]
    evaluate = ["-m", "lingualign", "evaluate", given.model, "--suite", *paths]
    mteb = [__file__, given.model, "--data", str(given.data), "--suite", *given.suite, "--only-mteb"]
    times: dict[str, list[float]] = {"evaluate": [], "evaluate_again": [], "mteb": []}
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as cache:
            times["evaluate"].append(seconds(evaluate, cache))
            times["evaluate_again"].append(seconds(evaluate, cache))
            if given.mteb:
                times["mteb"].append(seconds(mteb, cache))
    figures: dict[str, Any] = {
        "suites": given.suite if any(given.suite) else "all",
        "rounds": given.rounds,
        "seconds": {name: [round(each, 2) for each in found] for name, found in times.items() if found},
    }
    if given.mteb:
        figures["ratio"] = round(median(times["mteb"]) / median(times["evaluate"]), 2)
    name = "minilm" if given.model == "minilm" else "static"
    part = "_part" if any(given.suite) else ""
    print(figures, save_result(f"evaluation_speed_{name}{part}", figures).name)


if __name__ == "__main__":
    main()
