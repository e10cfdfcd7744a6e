"""Whether the cost of training grows linearly in pairs: seconds a pair and memory at 50,000 pairs and at all.

A static student, one epoch in batches of 1,024, in a process for each number of pairs, drawn at random from all
language pairs of the training data. Time is that of the steps; memory is what the process holds at each tenth of them.

    python benchmarks/training_scale.py
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from machine import command_line, save_result
from training_memory import resident

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

BATCH = 1_024


def epoch(data: Path, count: int, seed: int) -> dict[str, Any]:
    """Train one epoch on so many pairs (0: all there are), in this process."""
    import numpy as np
    from sentence_transformers import SentenceTransformerTrainingArguments
    from transformers import TrainerCallback

    from lingualign.embedding import load_model
    from lingualign.losses import SoftContrastiveLoss
    from lingualign.pairs import prepare_pairs
    from lingualign.student import static_student
    from lingualign.teacher import TeacherStore
    from lingualign.training.batches import PairBatches, ParallelRows
    from lingualign.training.tokens import TokenIds
    from lingualign.training.trainer import AlignmentTrainer

    table = prepare_pairs([str(data / "train")]).train
    # The same model for any number of pairs: its pieces are those of all.
    everything = [
        sentence for name in ("sentence1", "sentence2") for sentence in table[name].unique().to_pylist()
    ]
    student = static_student(load_model("minilm"), {"en": everything[:1_000], "xx": everything}, anchor="en")
    del everything
    rows = np.random.default_rng(seed).permutation(table.num_rows)
    table = table.take(np.sort(rows[:count] if count else rows)).to_pydict()
    sides = [table[name] for name in ("sentence1", "sentence2")]
    sentences = list(dict.fromkeys(sides[0] + sides[1]))
    place = {sentence: row for row, sentence in enumerate(sentences)}
    names = np.array([f"{one}-{other}" for one, other in zip(table["lang1"], table["lang2"], strict=True)])
    numbers = [np.array([place[sentence] for sentence in side]) for side in sides]
    del table, sides

    class Watch(TrainerCallback):
        """Time of each step, memory at each tenth of them."""

        def __init__(self) -> None:
            self.times = [time.perf_counter()]
            self.megabytes: list[int] = []

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.times.append(time.perf_counter())
            if state.global_step % max(1, state.max_steps // 10) == 0:
                self.megabytes.append(resident() >> 20)

    with TemporaryDirectory() as folder:
        # What the labels say makes no difference to the cost: a teacher that is quick stands in.
        store = TeacherStore.for_model(
            Path(folder), static_student(load_model("minilm"), {"en": ["a"]}, anchor="en")
        )
        store.add(sentences)
        labels = store.rows(sentences)
        groups = {
            str(name): ParallelRows(
                [side[names == name] for side in numbers], labels[numbers[0][names == name], None]
            )
            for name in np.unique(names)
        }
        batches = PairBatches(groups, TokenIds(student, sentences), store, batch_size=BATCH, seed=seed)
        del sentences, place
        args = SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=BATCH,
            learning_rate=1e-2,
            report_to="none",
            eval_strategy="no",
            save_strategy="no",
            disable_tqdm=True,
            logging_strategy="no",
            use_cpu=True,
        )
        trainer = AlignmentTrainer(student, args, batches, SoftContrastiveLoss(student), evaluator=None)
        watch = Watch()
        trainer.add_callback(watch)
        trainer.train()
    steps = [after - before for before, after in zip(watch.times, watch.times[1:], strict=False)][2:]
    return {
        "pairs": len(names),
        "steps": len(steps) + 2,
        "microseconds_a_pair": round(1e6 * statistics.mean(steps) / BATCH, 2),
        "median_step_seconds": round(statistics.median(steps), 4),
        "megabytes": watch.megabytes,
    }


def main() -> None:
    parser = command_line(__doc__, data="folder with train/")
    parser.add_argument("--pairs", type=int, nargs="+", default=[50_000, 0], help="0: all there are")
    parser.add_argument("--here", type=int, help="one epoch on so many pairs, in this process")
    given = parser.parse_args()
    if given.here is not None:
        print(json.dumps(epoch(given.data, given.here, seed=7)))
        return
    figures: list[dict[str, Any]] = []
    for pairs in given.pairs:
        command = [sys.executable, __file__, "--data", str(given.data), "--here", str(pairs)]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        figures.append(json.loads(told.splitlines()[-1]))
        print(figures[-1], flush=True)
    save_result("training_scale", {"data": given.data.name, "runs": figures})


if __name__ == "__main__":
    main()
