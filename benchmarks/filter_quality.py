"""How well damaged pairs are told from good ones: real pairs, some shuffled, cut off or in another language.

``stated``: one pair in ten gets another pair's translation, one in twenty loses the second half of it, one in twenty
gets it in another language. ``wide``: three pairs in a hundred each get another pair's translation, that of the row
below, lose the second half, the last third or the first half of it or all after a punctuation mark, lose the second
half of the source, or get the translation in another language or the source itself. The area under the curve is the
chance that a good pair scores above a damaged one.

    python benchmarks/filter_quality.py --model runs/static-en-xx
"""

from __future__ import annotations

import os
import random
import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from machine import command_line, save_result
from planted_pairs import SETS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pair = tuple[str, str]

DAMAGES = {
    "stated": {"shuffled": 0.10, "second half lost": 0.05, "other language": 0.05},
    "wide": dict.fromkeys(
        (
            "shuffled",
            "row below",
            "second half lost",
            "last third lost",
            "first half lost",
            "end after punctuation lost",
            "second half of source lost",
            "other language",
            "source copied",
        ),
        0.03,
    ),
}
CORPORA = ("ntrex", "tatoeba", "python-docs", "gnome-help", "quran")
"""The first two are of the test sets, the others among what models are trained on."""
ROWS = 3_000
PUNCTUATION = re.compile(r"[.,;:!?。、！？…]+[\"»”」]?")
SCORES = ("cosine", "margin", "score")


def pairs_of(data: Path, corpus: str, language: str) -> list[Pair]:
    """Read English sentences and their translations in the order of the corpus; none if there is no such file."""
    import pyarrow.parquet as pq

    short, column = SETS[language]
    path, columns = {
        "ntrex": (data / "eval" / "ntrex" / "ntrex128.parquet", ["eng_Latn", column]),
        "tatoeba": (data / "eval" / "tatoeba" / f"{short}-eng.parquet", ["sentence2", "sentence1"]),
    }.get(corpus, (data / "train" / corpus / f"en-{language}.parquet", ["sentence1", "sentence2"]))
    if not path.is_file():
        return []
    table = pq.read_table(path, columns=columns).slice(0, ROWS)
    return list(zip(*(table[name].to_pylist() for name in columns), strict=True))


def damaged(
    pairs: list[Pair], others: dict[str, list[str]], shares: dict[str, float], seed: int
) -> list[tuple[str, str, str]]:
    """Damage a share of the pairs; the third text says how, and is empty for a good pair.

    ``others`` holds what English sentences are in other languages than the pairs'.
    """
    draw = random.Random(seed)
    made = [(*pair, "") for pair in pairs]
    rows = iter(draw.sample(range(len(pairs)), len(pairs)))
    for name, share in shares.items():
        left = int(share * len(pairs))
        if name == "shuffled":
            some = [row for _, row in zip(range(left), rows, strict=False)]
            for row, partner in zip(some, [*some[1:], *some[:1]], strict=True):
                made[row] = (pairs[row][0], pairs[partner][1], name)
            continue
        for row in rows:
            english, translation = pairs[row]
            below = pairs[(row + 1) % len(pairs)][1]
            changed = _changed(name, english, translation, below, others, draw)
            if changed and all(map(str.strip, changed)) and changed != pairs[row]:
                made[row] = (*changed, name)
                left -= 1
            if not left:
                break
    return made


def _changed(
    name: str, english: str, text: str, below: str, others: dict[str, list[str]], draw: random.Random
) -> Pair | None:
    marks = [mark.end() for mark in PUNCTUATION.finditer(text) if 0.3 < mark.end() / len(text) < 0.75]
    made = {
        "row below": below,
        "second half lost": text[: len(text) // 2],
        "last third lost": text[: len(text) * 2 // 3],
        "first half lost": text[len(text) // 2 :],
        "end after punctuation lost": text[: marks[-1]] if marks else None,
        "second half of source lost": text,
        "other language": draw.choice(others[english]) if english in others else None,
        "source copied": english,
    }[name]
    if made is None:
        return None
    return (english[: len(english) // 2] if name == "second half of source lost" else english), made


def area_under_curve(good: npt.NDArray[np.float64], bad: npt.NDArray[np.float64]) -> float:
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(good, bad).statistic / (len(good) * len(bad)))


def judged(model: Any, language: str, rows: list[tuple[str, str, str]], shares: dict[str, float]) -> Any:
    """Filter the pairs as the command does, and compare what is written beside them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lingualign.mining import filter_pairs

    english, translation, how = zip(*rows, strict=True)
    seconds = {}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, f"pairs.en-{language}.parquet")
        pq.write_table(pa.table({"sentence1": english, "sentence2": translation}), path)
        for by in ("margin", "score"):
            started = time.process_time()
            filter_pairs(model, str(path), Path(place, f"{by}.parquet"), by=by)
            seconds[by] = time.process_time() - started
        scored = pq.read_table(Path(place, "score.parquet"))
    kinds = {name: np.array([each == name for each in how]) for name in ("", *shares)}
    areas: dict[str, dict[str, float]] = {}
    for score in SCORES:
        values = scored[score].to_numpy().astype(np.float64)
        good = values[kinds[""]]
        areas[score] = {"all": area_under_curve(good, values[~kinds[""]])} | {
            name: area_under_curve(good, values[kinds[name]]) for name in shares if kinds[name].any()
        }
    kept = scored["score"].to_numpy() >= 0.5
    return {
        "pairs": len(rows),
        "area_under_curve": areas,
        "kept_at_half": {
            name or "good": float(kept[rows].mean()) for name, rows in kinds.items() if rows.any()
        },
        "cpu_s": seconds,
    }


def main() -> None:
    parser = command_line(__doc__, data="folder with train/ and eval/")
    parser.add_argument("--model", default="runs/static-en-xx")
    parser.add_argument("--about", default="", help="what the model is, kept with the figures")
    parser.add_argument("--languages", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=list(CORPORA))
    parser.add_argument("--seed", type=int, default=7, help="decides which pairs are damaged")
    parser.add_argument(
        "--name", default="filter_quality", help="the figures go to benchmarks/results/NAME.json"
    )
    given = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from lingualign.embedding import load_model

    model = load_model(given.model)
    figures: dict[str, Any] = {}
    for corpus in given.corpora:
        sets = {name: pairs_of(given.data, corpus, name) for name in SETS}
        for language in given.languages:
            others: dict[str, list[str]] = {}
            for name, pairs in sets.items():
                for english, translation in pairs if name != language else []:
                    others.setdefault(english, []).append(translation)
            for way, shares in DAMAGES.items() if sets[language] else []:
                rows = damaged(sets[language], others, shares, given.seed)
                figure = judged(model, language, rows, shares)
                figures.setdefault(way, {})[f"{corpus} en-{language}"] = figure
                areas = {score: round(all_["all"], 4) for score, all_ in figure["area_under_curve"].items()}
                print(f"{way}, {corpus} en-{language}: {areas}", flush=True)
    told = {"model": given.about or Path(given.model).name, "seed": given.seed}
    save_result(given.name, told | figures)


if __name__ == "__main__":
    main()
