"""How well damaged pairs are told from good ones: real pairs, some shuffled, cut off or in another language.

One pair in ten gets another pair's translation, one in twenty loses the second half of it, one in twenty gets it in
another language. The area under the curve is the chance that a good pair scores above a damaged one.

    python benchmarks/filter_quality.py --model runs/static-en-xx
"""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from machine import command_line, save_result
from planted_pairs import SETS, known_pairs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

DAMAGE = {"shuffled": 0.10, "cut off": 0.05, "other language": 0.05}


def damaged(pairs: list[tuple[str, str]], others: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Damage a share of the pairs, with a fixed seed; the third text says how, and is empty for a good pair."""
    draw = random.Random(7)
    rows = draw.sample(range(len(pairs)), sum(int(share * len(pairs)) for share in DAMAGE.values()))
    how = dict.fromkeys(range(len(pairs)), "")
    begin = 0
    for name, share in DAMAGE.items():
        end = begin + int(share * len(pairs))
        how |= dict.fromkeys(rows[begin:end], name)
        begin = end
    shuffled = [row for row in rows if how[row] == "shuffled"]
    partner = dict(zip(shuffled, shuffled[1:] + shuffled[:1], strict=True))
    made = []
    for row, (english, translation) in enumerate(pairs):
        changed = {
            "": translation,
            "shuffled": pairs[partner.get(row, row)][1],
            "cut off": translation[: len(translation) // 2],
            "other language": others[row][1],
        }
        made.append((english, changed[how[row]], how[row]))
    return made


def area_under_curve(good: npt.NDArray[np.float64], bad: npt.NDArray[np.float64]) -> float:
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(good, bad).statistic / (len(good) * len(bad)))


def main() -> None:
    parser = command_line(__doc__, data="folder with train/ and eval/")
    parser.add_argument("--model", default="runs/static-en-xx")
    parser.add_argument("--about", default="", help="what the model is, kept with the figures")
    parser.add_argument("--languages", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument(
        "--name", default="filter_quality", help="the figures go to benchmarks/results/NAME.json"
    )
    given = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lingualign.embedding import load_model
    from lingualign.mining import filter_pairs

    model = load_model(given.model)
    figures = {}
    for language in given.languages:
        # Only NTREX has the same rows in all languages.
        ntrex = {name: known_pairs(given.data, name)[1_000:] for name in SETS}
        other = next(name for name in SETS if name != language)
        rows = damaged(ntrex[language], ntrex[other])
        with tempfile.TemporaryDirectory() as place:
            english, translation, how = zip(*rows, strict=True)
            path, output = Path(place, f"pairs.en-{language}.parquet"), Path(place, "scored.parquet")
            pq.write_table(pa.table({"sentence1": english, "sentence2": translation}), path)
            filter_pairs(model, str(path), output)
            scored = pq.read_table(output)
        figure = {}
        for score in ("cosine", "margin"):
            values = scored[score].to_numpy().astype(np.float64)
            kinds = {name: np.array([each == name for each in how]) for name in ("", *DAMAGE)}
            figure[score] = {"all": area_under_curve(values[kinds[""]], values[~kinds[""]])} | {
                name: area_under_curve(values[kinds[""]], values[kinds[name]]) for name in DAMAGE
            }
        figures[f"en-{language}"] = {"pairs": len(rows), "area_under_curve": figure}
        print(f"en-{language}: {figures[f'en-{language}']}", flush=True)
    save_result(given.name, {"model": given.about or Path(given.model).name, "pairs": figures})


if __name__ == "__main__":
    main()
