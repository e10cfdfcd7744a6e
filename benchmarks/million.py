"""A million sentences a side mined by the command, in little memory, killed on the way and gone on with.

Both texts hold the two sides of training pairs and of such pairs joined, each line once, each side in an order of its
own. ``lingualign mine`` is killed with SIGKILL after some minutes and run again, to its end. Reported are the processor
time and the clock of both runs, the most memory that either held, and how many of the known translations were mined.

    python benchmarks/million.py runs/static-en-xx
    python benchmarks/million.py runs/static-en-xx --approximate
    python benchmarks/million.py runs/static-en-xx --lines 50000 --kill-after 10
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import command_line, save_result


def write_texts(data: Path, lines: int, source: Path, target: Path) -> set[tuple[str, str]]:
    """Write the two texts, and give the translations in them."""
    import pyarrow.parquet as pq

    pairs: dict[str, str] = {}
    for path in sorted((data / "train").rglob("en-*.parquet")):
        table = pq.read_table(path, columns=["sentence1", "sentence2"])
        pairs |= zip(*(column.to_pylist() for column in table.columns), strict=True)
    chance = random.Random(3)
    known = [pair for pair in pairs.items() if not any("\n" in side or "\r" in side for side in pair)]
    chosen = dict(known[:lines])
    while len(chosen) < lines:
        (one, other), (one_more, other_more) = chance.choice(known), chance.choice(known)
        chosen[f"{one} {one_more}"] = f"{other} {other_more}"
    sides = list(chosen), list(dict.fromkeys(chosen.values()))
    for path, side in zip((source, target), sides, strict=True):
        chance.shuffle(side)
        path.write_text("\n".join(side) + "\n", encoding="utf-8")
    return set(chosen.items())


def run(command: list[str], kill_after: float | None = None) -> float:
    """Run to the end, or until killed; give the seconds."""
    began = time.perf_counter()
    process = subprocess.Popen(command)
    try:
        code = process.wait(kill_after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        code = None
    if code is not None and (code or kill_after is not None):
        raise SystemExit(f"mine has ended with {code}" if code else "mine has ended before it was killed")
    return time.perf_counter() - began


def main() -> None:
    parser = command_line(__doc__, data="folder with train/")
    parser.add_argument("model")
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--memory", default="4GiB")
    parser.add_argument("--approximate", action="store_true", help="search by inverted lists")
    parser.add_argument("--kill-after", type=float, default=600.0, help="seconds, less than the whole takes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source, target, output = (folder / name for name in ("source.txt", "target.txt", "mined.parquet"))
        known = write_texts(given.data, given.lines, source, target)
        command = [
            sys.executable,
            "-m",
            "lingualign",
            "mine",
            given.model,
            str(source),
            str(target),
            str(output),
        ]
        command += ["--memory", given.memory, *(["--approximate"] if given.approximate else [])]
        seconds = [run(command, given.kill_after), run(command)]
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures: dict[str, Any] = {
            "lines": given.lines,
            "memory_option": given.memory,
            "approximate": given.approximate,
            "minutes": [round(each / 60, 1) for each in seconds],
            "processor_minutes": round((used.ru_utime + used.ru_stime) / 60, 1),
            "memory_gb": round(used.ru_maxrss / 2**20, 2),
            **judged(output, known),
        }
    name = "million_approximate" if given.approximate else "million"
    print(figures, save_result(name, figures).name)


def judged(output: Path, known: set[tuple[str, str]]) -> dict[str, Any]:
    """Count what was mined, and how much of it is a known translation."""
    import pyarrow.parquet as pq

    table = pq.read_table(output)
    mined = list(zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True))
    return {"mined": len(mined), "known_mined": sum(pair in known for pair in mined), "known": len(known)}


if __name__ == "__main__":
    main()
