"""How accuracy grows with the pairs of a language: one configuration trained on nested samples of growing size.

All sizes are validated on the same held-out pairs, and scored on the suites of the configuration. A language pair with
fewer pairs than asked for gives all that it has. Further options override the configuration in all runs.

    python benchmarks/learning_curve.py --config configs/static.yaml
    python benchmarks/learning_curve.py --sizes 1000 3000 --training.epochs 6
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from losses import row, table, trained
from machine import command_line, save_result

SIZES = [1_000, 3_000, 10_000, 30_000, 100_000]
HELD_OUT = 500


def samples(config: dict[str, Any], folder: Path, sizes: list[int], seed: int = 7) -> dict[int, int]:
    """Write the pairs of each size, and those to validate on; returns the number of pairs of each size."""
    from lingualign.pairs import prepare_pairs

    pairs = {**config["pairs"], "validation": 1}
    prepared = prepare_pairs(**pairs, decontaminate=config.get("decontaminate", [])).train
    names = pc.binary_join_element_wise(
        pc.cast(prepared["lang1"], pa.string()), pc.cast(prepared["lang2"], pa.string()), "-"
    )
    generator = np.random.default_rng(seed)
    held_out: list[Any] = []
    rows: dict[int, list[Any]] = {size: [] for size in sizes}
    for name in sorted(pc.unique(names).to_pylist()):
        order = generator.permutation(np.flatnonzero(pc.equal(names, name).to_numpy(zero_copy_only=False)))
        held_out.append(order[:HELD_OUT])
        for size in sizes:
            rows[size].append(order[HELD_OUT:][:size])
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(prepared.take(np.concatenate(held_out)), folder / "validation.parquet")
    for size in sizes:
        pq.write_table(prepared.take(np.concatenate(rows[size])), folder / f"{size}.parquet")
    return {size: sum(map(len, rows[size])) for size in sizes}


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--config", type=Path, default=Path(__file__).parents[1] / "configs" / "static.yaml")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="pairs of each language pair")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/learning-curve"), help="folder for samples and trained models"
    )
    parser.add_argument(
        "--name", default="learning_curve", help="the figures go to benchmarks/results/NAME.json"
    )
    given, overrides = parser.parse_known_args()

    config = yaml.safe_load(given.config.read_text(encoding="utf-8"))
    counts = samples(config, given.runs / "pairs", given.sizes)
    rows: dict[str, dict[str, float]] = {}
    for size, count in counts.items():
        options = [
            "--pairs.sources",
            str(given.runs / "pairs" / f"{size}.parquet"),
            "--pairs.validation",
            str(given.runs / "pairs" / "validation.parquet"),
            "--training.early_stopping.metric",
            "validation",
        ]
        folder = trained(given.config, given.runs / str(size), [*options, *overrides])
        log = json.loads((folder / "training_log.json").read_text(encoding="utf-8"))
        accuracies = [
            entry["eval_validation_accuracy"] for entry in log if "eval_validation_accuracy" in entry
        ]
        rows[f"{size:,}"] = {
            "pairs": count,
            "validation": round(100 * max(accuracies), 2),
            **row(folder),
        }
        save_result(given.name, {"config": given.config.name, "overrides": overrides, "sizes": rows})
    print(table(rows, "pairs a language"))


if __name__ == "__main__":
    main()
