"""What each loss reaches: one configuration trained with hard and soft labels, TCM, MSE distillation and ranking.

Each run goes through ``lingualign train`` into a folder of its own; one that is finished there is not repeated,
one that was interrupted goes on. Further options override the configuration in all runs.

    python benchmarks/losses.py --config configs/static.yaml
    python benchmarks/losses.py --config configs/static.yaml --training.max_steps 300
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from machine import command_line, save_result

LOSSES = {
    "hard": ["--loss.kind", "hard", "--loss.tcm", "false"],
    "mse": ["--loss.kind", "mse"],
    "ranking": ["--loss.kind", "ranking", "--loss.hard_negatives", "3"],
    "soft": ["--loss.kind", "soft", "--loss.tcm", "false"],
    "soft + TCM": ["--loss.kind", "soft", "--loss.tcm", "true"],
}
"""Rows of the table, and the options that make them."""


def trained(config: Path, folder: Path, options: list[str]) -> Path:
    """Train into a folder, go on with the run in it, or leave it as it is where that is finished."""
    if (folder / "modules.json").is_file():
        print(f"{folder}: finished before, not repeated", file=sys.stderr)
        return folder
    resume = ["--resume"] if (folder / "lingualign.yaml").is_file() else []
    command = [sys.executable, "-m", "lingualign", "train", "--config", str(config), "--output", str(folder)]
    # A run's own report goes to standard error, so that standard output holds the table alone.
    subprocess.run([*command, *options, *resume], stdout=sys.stderr, check=True)
    return folder


def figures(scores: dict[str, Any]) -> dict[str, float]:
    """Take the table's columns from ``scores.json``; all are rates or correlations, times 100."""
    from lingualign.languages import is_language

    columns: dict[str, float] = {}
    similarity: dict[str, list[float]] = {}
    for name, entry in scores["suites"].items():
        group, _, suite = name.rpartition("/")
        if entry["kind"] == "bitext":
            columns[f"{group} {suite.removesuffix('-eng')}".strip()] = entry["accuracy"]
        elif entry["kind"] == "sts":
            # STS sets without a language in their names are the English ones.
            suffix = suite.rpartition("-")[2]
            language = suffix if is_language(suffix) else "en"
            similarity.setdefault(language, []).append(entry["spearman"])
    nway = {group: means for group, means in scores["means"].items() if "xsim" in means}
    for group, means in scores["means"].items():
        if "accuracy" in means and group not in nway:
            columns[f"{group} mean"] = means["accuracy"]
    for group, means in nway.items():
        columns |= {f"{group} mean": means["accuracy"], f"{group} xSIM": means["xsim"]}
    for language, values in similarity.items():
        columns[f"STS {language}"] = statistics.mean(values)
    return {name: round(100 * value, 2) for name, value in columns.items()}


def row(folder: Path) -> dict[str, float]:
    """Read a finished run: its scores, and what the training took."""
    log = _read(folder / "training_log.json")
    return {
        **figures(_read(folder / "scores.json")),
        "steps": log[-1]["step"],
        "seconds": (folder / "modules.json").stat().st_mtime - (folder / "lingualign.yaml").stat().st_mtime,
    }


def table(rows: dict[str, dict[str, float]], first: str = "loss") -> str:
    """Write the rows as Markdown."""
    names = list(dict.fromkeys(name for of_row in rows.values() for name in of_row))
    lines = [f"| {first} | " + " | ".join(names) + " |", "|---" + "|---:" * len(names) + "|"]
    for title, of_row in rows.items():
        cells = [_cell(name, of_row[name]) if name in of_row else "" for name in names]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(name: str, value: float) -> str:
    return f"{value:,.0f}" if name in ("pairs", "steps", "seconds") else f"{value:.1f}"


def _read(path: Path) -> Any:
    if not path.is_file():
        raise SystemExit(f"{path} is missing: the configuration must name suites to evaluate on")
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--config", type=Path, default=Path(__file__).parents[1] / "configs" / "static.yaml")
    parser.add_argument(
        "--runs", type=Path, default=Path("runs/losses"), help="folder for the trained models"
    )
    parser.add_argument("--name", default="losses", help="the figures go to benchmarks/results/NAME.json")
    given, overrides = parser.parse_known_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

    rows: dict[str, dict[str, float]] = {}
    for loss, options in LOSSES.items():
        folder = trained(given.config, given.runs / loss.replace(" + ", "-").lower(), [*options, *overrides])
        if not rows:
            rows["untrained"] = figures(_read(folder / "scores_before.json"))
        rows[loss] = row(folder)
    told = [Path(option).name if Path(option).exists() else option for option in overrides]
    save_result(given.name, {"config": given.config.name, "overrides": told, "losses": rows})
    print(table(rows))


if __name__ == "__main__":
    main()
