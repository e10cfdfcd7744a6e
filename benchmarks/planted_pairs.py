"""How well hidden translations are mined: NTREX and Tatoeba rows among the sentences of the training pairs.

The English sentences come from one half of the training pairs drawn, the others from the other half, so that what the
known pairs hide among has few translations of its own. For each language, every second known pair calibrates the
threshold and the others are judged by it. A mined pair with a sentence of a judged one is right if it is one and wrong
if not, so that the precision is a lower bound.

    python benchmarks/planted_pairs.py --model runs/static-en-xx
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from machine import command_line, save_result

SETS = {
    "fr": ("fra", "fra_Latn"),
    "ja": ("jpn", "jpn_Jpan"),
    "ko": ("kor", "kor_Hang"),
    "ru": ("rus", "rus_Cyrl"),
}
"""Names of each language in the test sets."""


def known_pairs(data: Path, language: str) -> list[tuple[str, str]]:
    """Read English sentences with their translations, those of Tatoeba first."""
    import pyarrow.parquet as pq

    short, column = SETS[language]
    tatoeba = pq.read_table(data / "eval" / "tatoeba" / f"{short}-eng.parquet")
    ntrex = pq.read_table(data / "eval" / "ntrex" / "ntrex128.parquet")
    return [
        *zip(tatoeba["sentence2"].to_pylist(), tatoeba["sentence1"].to_pylist(), strict=True),
        *zip(ntrex["eng_Latn"].to_pylist(), ntrex[column].to_pylist(), strict=True),
    ]


def training_pairs(data: Path, language: str, count: int) -> list[tuple[str, str]]:
    """Draw twice as many training pairs, with a fixed seed."""
    import pyarrow.parquet as pq

    pairs: list[tuple[str, str]] = []
    for path in sorted((data / "train").rglob(f"en-{language}.parquet")):
        table = pq.read_table(path, columns=["sentence1", "sentence2"])
        pairs += zip(*(column.to_pylist() for column in table.columns), strict=True)
    return random.Random(7).sample(pairs, min(2 * count, len(pairs)))


def mined(model: Any, data: Path, language: str, count: int, margin: str, retrieval: str) -> dict[str, Any]:
    """Hide, mine and judge."""
    import pyarrow.parquet as pq

    from lingualign.mining import mine_pairs

    known, others = known_pairs(data, language), training_pairs(data, language, count)
    judged = set(known[1::2])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for side in (0, 1):
            hidden_among = others[side::2]
            lines = [" ".join(pair[side].split()) for pair in (*known, *hidden_among)]
            random.Random(side).shuffle(lines)
            (folder / f"side{side}").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        rows = "".join("\t".join(" ".join(text.split()) for text in pair) + "\n" for pair in known[::2])
        path = folder / f"known.en-{language}.tsv"
        path.write_text(f"sentence1\tsentence2\n{rows}", encoding="utf-8")
        started = time.perf_counter(), time.process_time()
        report = mine_pairs(
            model,
            str(folder / "side0"),
            str(folder / "side1"),
            folder / "mined.parquet",
            margin=margin,  # type: ignore[arg-type]
            retrieval=retrieval,  # type: ignore[arg-type]
            calibrate_on=str(path),
        )
        wall, processor = time.perf_counter() - started[0], time.process_time() - started[1]
        found = pq.read_table(folder / "mined.parquet", columns=["source", "target"])
    pairs = set(zip(*(column.to_pylist() for column in found.columns), strict=True))
    judged = {(" ".join(one.split()), " ".join(two.split())) for one, two in judged}
    sources, targets = {one for one, _ in judged}, {two for _, two in judged}
    about = {pair for pair in pairs if pair[0] in sources or pair[1] in targets}
    precision, recall = len(about & judged) / max(1, len(about)), len(about & judged) / len(judged)
    return {
        "sentences": [report.source[1], report.target[1]],
        "threshold": report.threshold,
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(1e-9, precision + recall),
        "mined": report.pairs,
        "cpu_s": processor,
        "wall_s": wall,
    }


def main() -> None:
    parser = command_line(__doc__, data="folder with train/ and eval/")
    parser.add_argument("--model", default="runs/static-en-xx")
    parser.add_argument("--about", default="", help="what the model is, kept with the figures")
    parser.add_argument(
        "--sentences", type=int, default=100_000, help="training pairs that the rest hides among"
    )
    parser.add_argument("--languages", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--margin", default="ratio")
    parser.add_argument("--retrieval", default="max")
    parser.add_argument(
        "--name", default="planted_pairs", help="the figures go to benchmarks/results/NAME.json"
    )
    given = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from lingualign.embedding import load_model

    model = load_model(given.model)
    figures = {}
    for language in given.languages:
        figures[f"en-{language}"] = mined(
            model, given.data, language, given.sentences, given.margin, given.retrieval
        )
        print(f"en-{language}: {figures[f'en-{language}']}", flush=True)
    told = {
        "model": given.about or Path(given.model).name,
        "margin": given.margin,
        "retrieval": given.retrieval,
    }
    save_result(given.name, {**told, "pairs": figures})


if __name__ == "__main__":
    main()
