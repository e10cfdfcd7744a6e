"""What each process of `test_distributed.py` does: one run after the other, and what came of each in a file.

Started by torchrun with the folder of the models and a folder for everything else.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tiny_runs import SAMPLE, tiny_run

from lingualign.training import EarlyStoppingConfig, RunConfig, StudentConfig, train

if TYPE_CHECKING:
    from collections.abc import Callable

models, folder = Path(sys.argv[1]), Path(sys.argv[2])
rank = int(os.environ["RANK"])
found: dict[str, dict[str, Any]] = {}


def outcome(name: str, config: RunConfig, **options: bool) -> None:
    try:
        trained = train(config, progress=True, **options)
    except (Exception, KeyboardInterrupt) as error:
        found[name] = {"error": type(error).__name__, "message": str(error)}
    else:
        found[name] = {"accuracies": trained.validation, "steps": trained.steps}
    (folder / f"{rank}.json").write_text(json.dumps(found))


def without_dropout(config: RunConfig, **loss: Any) -> RunConfig:
    student = StudentConfig(kind="encoder", model=str(models / "teacher"))
    return replace(config, student=student, loss=replace(config.loss, **loss))


def signalled(config: RunConfig) -> Callable[[], None]:
    """Send this process a SIGTERM once there is a checkpoint."""

    def watch() -> None:
        while not list(Path(config.output).glob("checkpoints/checkpoint-*")):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)

    return watch


def with_files_of_its_own(name: str, change: Callable[[list[str]], list[str]], config: RunConfig) -> None:
    """Let the second process find other rows under the same name."""
    place = folder / f"{name}-{rank}"
    place.mkdir()
    rows = Path(SAMPLE).read_text(encoding="utf-8").splitlines(keepends=True)
    (place / "pairs.tsv").write_text("".join(change(rows) if rank else rows), encoding="utf-8")
    os.chdir(place)
    outcome(name, replace(config, pairs=replace(config.pairs, sources=["pairs.tsv"])))


def main() -> None:
    torch.set_num_threads(1)
    outcome("static", tiny_run(folder / "static", models))
    outcome("encoder", without_dropout(tiny_run(folder / "encoder", models)))
    outcome("mini-batches", without_dropout(tiny_run(folder / "mini", models), mini_batch_size=5))

    outcome("ranking", without_dropout(tiny_run(folder / "ranking", models), kind="ranking"))

    dropout = tiny_run(folder / "undisturbed", models, "encoder")
    outcome("undisturbed", dropout)
    disturbed = replace(dropout, output=str(folder / "disturbed" / "run"))
    if rank == 1:
        threading.Thread(target=signalled(disturbed), daemon=True).start()
    outcome("signalled", disturbed)
    outcome("resumed", disturbed, resume=True)

    patience = EarlyStoppingConfig("validation", patience=2)
    outcome("stopped early", tiny_run(folder / "early", models, learning_rate=1e-9, early_stopping=patience))

    outcome("batch size", tiny_run(folder / "batch", models, batch_size=7))
    outcome("configuration", tiny_run(folder / "configuration", models, learning_rate=1e-2 * (1 + rank)))
    outcome("another run", tiny_run(folder / "static", models))
    with_files_of_its_own("rows", lambda rows: rows[:-1], tiny_run(folder / "rows", models))
    with_files_of_its_own(
        "words", lambda rows: [*rows[:-1], rows[-1].replace(".", "!")], tiny_run(folder / "words", models)
    )


main()
