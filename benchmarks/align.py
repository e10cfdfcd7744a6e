"""How well and how fast documents are aligned whose true links are known.

Documents are made of sets of pairs whose rows follow a text: a seeded script joins sentences in a row on one side,
drops some on one side, and swaps some that follow each other, and notes the links that are left. As is usual, precision
and recall are of links with both sides; a link is right if a true one is equal to it (strict) or shares a sentence with
it on both sides (lax).

    python benchmarks/align.py quality --model minilm --pairs en-fr
    python benchmarks/align.py quality --model runs/static-en-xx --name align_static
    python benchmarks/align.py time
"""

from __future__ import annotations

import os
import random
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

from machine import command_line, save_result

Link = tuple[frozenset[int], frozenset[int]]

NTREX = {"en": "eng_Latn", "fr": "fra_Latn", "ja": "jpn_Jpan", "ko": "kor_Hang", "ru": "rus_Cyrl"}
SETS = ("ntrex", "storybooks", "bible", "wmt-news", "python-docs", "gnome-help")
ROWS = 2_000
"""Of each set, the first."""

TRACED_LINES = 16_000
"""Memory is measured up to here only, for tracing takes several times as long as aligning."""

EDITS = {
    "same": 0.72,
    "join source": 0.06,
    "join target": 0.06,
    "drop source": 0.06,
    "drop target": 0.06,
    "swap": 0.04,
}
"""What becomes of a pair of sentences, with its share."""


def pairs_in_order(data: Path, name: str, pair: str) -> list[tuple[str, str]]:
    """Read a set of pairs whose rows follow a text; none if there is no such set."""
    import pyarrow.parquet as pq

    if name == "ntrex":
        path, columns = (
            data / "eval" / "ntrex" / "ntrex128.parquet",
            [NTREX[each] for each in pair.split("-")],
        )
    else:
        path, columns = data / "train" / name / f"{pair}.parquet", ["sentence1", "sentence2"]
    if not path.is_file():
        return []
    table = pq.read_table(path, columns=columns).slice(0, ROWS)
    return [
        (" ".join(one.split()), " ".join(two.split()))
        for one, two in zip(*(table[column].to_pylist() for column in columns), strict=True)
    ]


def edited(pairs: list[tuple[str, str]], seed: int) -> tuple[list[str], list[str], list[Link]]:
    """Edit two documents; gives both, and the true links between their lines, counted from 1."""
    chance = random.Random(seed)
    source: list[str] = []
    target: list[str] = []
    links = []
    place = 0
    while place < len(pairs):
        edit = chance.choices(list(EDITS), list(EDITS.values()))[0]
        taken = pairs[place : place + (2 if edit.startswith("join") or edit == "swap" else 1)]
        ours, theirs = [one for one, _ in taken], [two for _, two in taken]
        if edit == "join source":
            ours = [" ".join(ours)]
        elif edit == "join target":
            theirs = [" ".join(theirs)]
        elif edit == "drop source":
            ours = []
        elif edit == "drop target":
            theirs = []
        elif edit == "swap":
            theirs.reverse()
        if ours and theirs:
            links.append(
                (
                    frozenset(range(len(source) + 1, len(source) + len(ours) + 1)),
                    frozenset(range(len(target) + 1, len(target) + len(theirs) + 1)),
                )
            )
        source += ours
        target += theirs
        place += len(taken)
    return source, target, links


def judged(found: list[Link], true: list[Link]) -> dict[str, float]:
    """Precision, recall and F1, strict and lax."""
    exact = len(set(found) & set(true))
    scores = {"strict": (exact / max(1, len(found)), exact / len(true))}
    touching = [
        sum(_touches(link, others) for link in links) for links, others in ((found, true), (true, found))
    ]
    scores["lax"] = touching[0] / max(1, len(found)), touching[1] / len(true)
    return {
        f"{way}_{name}": value
        for way, (precision, recall) in scores.items()
        for name, value in (
            ("precision", precision),
            ("recall", recall),
            ("f1", 2 * precision * recall / max(1e-9, precision + recall)),
        )
    }


def _touches(link: Link, others: list[Link]) -> bool:
    return any(link[0] & one and link[1] & two for one, two in others)


def aligned(model: Any, source: list[str], target: list[str], skip: float) -> list[Link]:
    """Align two documents by files, as the command does."""
    import pyarrow.parquet as pq

    from lingualign.mining import align_documents

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, lines in (("source", source), ("target", target)):
            (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        align_documents(
            model, str(folder / "source"), str(folder / "target"), folder / "links.parquet", skip=skip
        )
        rows = pq.read_table(folder / "links.parquet", columns=["source_lines", "target_lines"])
    columns = (column.to_pylist() for column in rows.columns)
    return [(frozenset(one), frozenset(two)) for one, two in zip(*columns, strict=True) if one and two]


def quality(given: Any) -> dict[str, Any]:
    from lingualign.embedding import load_model

    model = load_model(given.model)
    figures = {}
    for pair in given.pairs:
        for name in SETS:
            pairs = pairs_in_order(given.data, name, pair)
            if not pairs:
                continue
            source, target, true = edited(pairs, seed=7)
            started = time.process_time()
            scores: dict[str, Any] = judged(aligned(model, source, target, given.skip), true)
            scores |= {"lines": [len(source), len(target)], "cpu_s": time.process_time() - started}
            figures[f"{name} {pair}"] = scores
            print(f"{name} {pair}: {scores}", flush=True)
    return {"model": given.about or Path(given.model).name, "skip": given.skip, "documents": figures}


def random_documents(lines: int, width: int = 384) -> Any:
    """Make vectors of a document and its noisy translation, in which every tenth sentence is missing, and lengths."""
    import numpy as np

    from lingualign.neighbours import unit_rows

    chance = np.random.default_rng(lines)
    sentences = chance.normal(size=(lines, width)).astype(np.float32)
    kept = chance.random(lines) > 0.1
    others = (sentences + 0.7 * chance.normal(size=sentences.shape).astype(np.float32))[kept]
    long = chance.integers(20, 200, lines)
    vectors = [
        [unit_rows(side).astype(np.float16), unit_rows(side[1:] + side[:-1]).astype(np.float16)]
        for side in (sentences, others)
    ]
    return vectors, tuple([side, side[1:] + side[:-1]] for side in (long, long[kept]))


def timed(given: Any) -> dict[str, Any]:
    from lingualign.mining import align_vectors

    rows = []
    for lines in given.lines:
        (source, target), lengths = random_documents(lines)
        wall, processor = time.perf_counter(), time.process_time()
        align_vectors(source, target, lengths=lengths)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        memory = None
        if lines <= TRACED_LINES:
            tracemalloc.start()
            align_vectors(source, target, lengths=lengths)
            memory = tracemalloc.get_traced_memory()[1] / lines
            tracemalloc.stop()
        rows.append(
            {
                "lines": lines,
                "wall_s": wall,
                "cpu_s": processor,
                "us_per_line": 1e6 * processor / lines,
                "bytes_per_line": memory,
            }
        )
        print(rows[-1], flush=True)
    return {"threads": os.environ.get("OMP_NUM_THREADS"), "load": os.getloadavg()[1], "search": rows}


def main() -> None:
    parser = command_line(__doc__, data="folder with train/ and eval/")
    parser.add_argument("what", choices=["quality", "time"])
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--about", default="", help="what the model is, kept with the figures")
    parser.add_argument("--pairs", nargs="+", default=["en-fr", "en-ja", "en-ko", "en-ru"])
    parser.add_argument("--skip", type=float, default=0.5)
    parser.add_argument("--lines", type=int, nargs="+", default=[1_000 * 2**power for power in range(8)])
    parser.add_argument("--name", default="", help="the figures go to benchmarks/results/NAME.json")
    given = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    figures = quality(given) if given.what == "quality" else timed(given)
    print(f"kept in {save_result(given.name or f'align_{given.what}', figures)}")


if __name__ == "__main__":
    main()
