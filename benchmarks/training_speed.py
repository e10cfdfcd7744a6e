"""Training speed on real pairs, against the usual recipes and against the floor, in turns within one run.

    python benchmarks/training_speed.py encoder    # an extended MiniLM, batches of 256 pairs
    python benchmarks/training_speed.py static     # a static student, batches of 1,024 pairs
    python benchmarks/training_speed.py n-way      # five languages: each sentence once, or pair by pair

`encoder` compares
- this project's trainer: token ids and teacher vectors made beforehand, sentences of like length together;
- the host library's: its trainer and collator, one forward pass a column, the teacher run on each batch;
- the paper's recipe: everything padded to 512 tokens, the teacher run on each batch. In batches of 16 pairs, which is
  what fits into memory; its cost is the same for every pair, so pairs per second are those of any batch;
- the floor: forward and backward pass of the same real tokens without any padding, and nothing else.

`static` compares with the host library's trainer, its collator and dense AdamW, the same loss, labels from the same
store; and with a floor counted in operations and bytes at the rates that this machine reaches in the same run.
"""

from __future__ import annotations

import os
import time
from functools import partial
from itertools import combinations, cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from machine import command_line, save_result

# Before torch loads: threads that spin while they wait would take the others' time.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset, DatasetDict
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers import SentenceTransformerTrainingArguments as Arguments
from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator
from torch import Tensor, nn

from lingualign.embedding import load_model
from lingualign.losses import SoftContrastiveLoss
from lingualign.pairs import prepare_pairs
from lingualign.student import extend_vocabulary, extended_student, static_start, static_student
from lingualign.teacher import TeacherCollator, TeacherStore
from lingualign.training.batches import PairBatches, ParallelRows
from lingualign.training.tokens import TokenIds
from lingualign.training.trainer import AlignmentTrainer
from side_by_side import AfterStep, medians

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from numpy.typing import NDArray

LANGUAGES = ("en", "fr", "ja", "ko", "ru")
PAPER_BATCH, PAPER_LENGTH = 16, 512
Pairs = dict[str, list[tuple[str, str]]]


def real_pairs(data: Path, size: int) -> tuple[Pairs, dict[str, list[str]]]:
    """Draw pairs from all training data, each language pair in its share; and the sentences of each language."""
    table = prepare_pairs(
        [str(data / "train")], languages=list(LANGUAGES), select="en-xx", priority=list(LANGUAGES)
    ).train
    rows = table.take(np.random.default_rng(7).permutation(table.num_rows)[: 30 * size]).to_pylist()
    pairs: Pairs = {}
    sentences: dict[str, list[str]] = {}
    for row in rows:
        pairs.setdefault(f"{row['lang1']}-{row['lang2']}", []).append((row["sentence1"], row["sentence2"]))
        sentences.setdefault(row["lang1"], []).append(row["sentence1"])
        sentences.setdefault(row["lang2"], []).append(row["sentence2"])
    # A batch is of one language pair: those that fill few are left out.
    return {name: of_pair for name, of_pair in pairs.items() if len(of_pair) >= 2 * size}, sentences


def arguments(folder: str, batch_size: int, **settings: Any) -> Arguments:
    return Arguments(
        output_dir=folder,
        max_steps=100_000,
        per_device_train_batch_size=batch_size,
        learning_rate=2e-5,
        bf16=False,
        report_to="none",
        eval_strategy="no",
        save_strategy="no",
        disable_tqdm=True,
        logging_strategy="no",
        use_cpu=True,
        seed=7,
        **settings,
    )


def copy_of(student: SentenceTransformer) -> SentenceTransformer:
    with TemporaryDirectory() as folder:
        student.save_pretrained(folder, create_model_card=False)
        return SentenceTransformer(folder, device="cpu")


def batches_of(pairs: Pairs, student: SentenceTransformer, store: TeacherStore, size: int) -> PairBatches:
    sentences = list(dict.fromkeys(side for of_pair in pairs.values() for pair in of_pair for side in pair))
    place = {sentence: row for row, sentence in enumerate(sentences)}
    rows = {
        name: ParallelRows(
            tuple(np.array([place[side] for side in column]) for column in zip(*of_pair, strict=True)),
            store.rows([source for source, _ in of_pair])[:, None],
        )
        for name, of_pair in pairs.items()
    }
    return PairBatches(rows, TokenIds(student, sentences), store, batch_size=size, seed=7)


def ours(student: SentenceTransformer, batches: PairBatches, after_step: Callable[[], None]) -> None:
    with TemporaryDirectory() as folder:
        trainer = AlignmentTrainer(
            student, arguments(folder, 1), batches, SoftContrastiveLoss(student), evaluator=None
        )
        trainer.add_callback(AfterStep(after_step))
        trainer.train()


class PlainLoss(nn.Module):
    """The soft contrastive loss with one forward pass a column, as a training script would have it."""

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        self.model = model

    def forward(self, sentence_features: Any, labels: Tensor) -> Tensor:
        """Give the loss."""
        x, y = (F.normalize(self.model(each)["sentence_embedding"], dim=1) for each in sentence_features)
        teacher = F.normalize(labels.float().view(len(labels), -1), dim=1)
        w = ((teacher @ teacher.T) / 0.1).softmax(1)
        similarity = x @ y.T / 0.1
        return F.cross_entropy(similarity, w) + F.cross_entropy(similarity.T, w)


class LiveTeacherCollator(SentenceTransformerDataCollator):
    """The host's collator, with the teacher run on each batch; ``length`` pads everything, as the paper does."""

    teacher: SentenceTransformer
    length: int | None = None

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        """Collate one batch."""
        batch: dict[str, Any] = super().__call__(features)
        sources = [each["sentence1"] for each in features]
        if self.length is None:
            batch["label"] = self.teacher.encode(sources, convert_to_tensor=True)
            return batch
        for name, value in batch.items():
            if name.endswith(("input_ids", "attention_mask", "token_type_ids")):
                batch[name] = F.pad(value, (0, self.length - value.shape[1]))
        padded = {
            name: F.pad(value, (0, self.length - value.shape[1]))
            for name, value in self.teacher.preprocess(sources).items()
            if isinstance(value, Tensor)
        }
        with torch.no_grad():
            batch["label"] = self.teacher(padded)["sentence_embedding"]
        return batch


def host(
    pairs: Pairs,
    student: SentenceTransformer,
    size: int,
    loss: nn.Module,
    collator: SentenceTransformerDataCollator,
    after_step: Callable[[], None],
) -> None:
    """Train with the host's trainer, on columns of text."""
    data = DatasetDict(
        {
            name: Dataset.from_dict(
                dict(zip(("sentence1", "sentence2"), zip(*of_pair, strict=True), strict=True))
            )
            for name, of_pair in pairs.items()
        }
    )
    with TemporaryDirectory() as folder:
        SentenceTransformerTrainer(
            model=student,
            args=arguments(folder, size, remove_unused_columns=False),
            train_dataset=data,
            loss=loss,
            data_collator=collator,
            callbacks=[AfterStep(after_step)],
        ).train()


def with_live_teacher(
    pairs: Pairs,
    student: SentenceTransformer,
    teacher: SentenceTransformer,
    size: int,
    length: int | None = None,
) -> Callable[[Callable[[], None]], None]:
    """Give the host's recipe with the teacher run on each batch."""
    collator = LiveTeacherCollator(preprocess_fn=student.preprocess)
    collator.teacher, collator.length = teacher, length
    return partial(host, pairs, student, size, PlainLoss(student), collator)


def without_padding(batch: dict[str, Any]) -> list[dict[str, Tensor]]:
    """Lay the real tokens of a batch end to end, cut into rows of their mean length, a thousand tokens a part."""
    ids, count = [], 0
    for side in ("sentence1", "sentence2"):
        mask = batch[f"{side}_attention_mask"].bool()
        ids.append(batch[f"{side}_input_ids"][mask])
        count += len(mask)
    tokens = torch.cat(ids)
    length = -(-len(tokens) // count)
    rows = tokens[: len(tokens) // length * length].view(-1, length)
    return [
        {"input_ids": part, "attention_mask": torch.ones_like(part)}
        for part in torch.split(rows, max(1, 1_024 // length))
    ]


def floor(student: SentenceTransformer, batches: PairBatches, after_step: Callable[[], None]) -> None:
    prepared = [without_padding(batches[place]) for place in range(min(12, len(batches)))]
    student.train()
    for parts in cycle(prepared):
        vectors = torch.cat([student(dict(part))["sentence_embedding"] for part in parts])
        torch.autograd.backward(vectors, torch.ones_like(vectors))
        student.zero_grad()
        after_step()


def extended_minilm(sentences: dict[str, list[str]], vocabulary: int) -> SentenceTransformer:
    """Extend minilm's vocabulary; where its new tokens start makes no difference to the speed."""
    student = load_model("minilm")
    extension = extend_vocabulary(student, sentences, anchor="en", vocabulary=vocabulary)
    return extended_student(student, extension, static_start(extension))


def encoder(given: argparse.Namespace) -> dict[str, Any]:
    size = given.batch_size or 256
    pairs, sentences = real_pairs(given.data, size)
    teacher, student = load_model("minilm"), extended_minilm(sentences, given.vocabulary)
    # At minilm's own 256 tokens the host's batches, padded to their longest, take more than 24 GB.
    student.max_seq_length = given.max_length
    print(f"{len(student.tokenizer):,} tokens; pairs: { {n: len(p) for n, p in pairs.items()} }")
    with TemporaryDirectory() as folder:
        store = TeacherStore.for_model(Path(folder), teacher)
        store.add([source for of_pair in pairs.values() for source, _ in of_pair], progress=True)
        batches = batches_of(pairs, student, store, size)
        recipes: dict[str, Any] = {
            "lingualign": partial(ours, copy_of(student), batches),
            "floor": partial(floor, copy_of(student), batches_of(pairs, student, store, size)),
            "host": with_live_teacher(pairs, copy_of(student), teacher, size),
            "paper": with_live_teacher(pairs, copy_of(student), teacher, PAPER_BATCH, PAPER_LENGTH),
        }
        recipes = {name: recipe for name, recipe in recipes.items() if name in given.recipes}
        figures = medians(recipes, given.rounds, given.warm_up)
    for name, figure in figures.items():
        figure["pairs_per_second"] = round((PAPER_BATCH if name == "paper" else size) / figure["seconds"], 2)
    return {
        "batch_size": size,
        "max_length": given.max_length,
        "vocabulary": len(student.tokenizer),
        "recipes": figures,
    }


def static_floor(student: SentenceTransformer, batches: PairBatches) -> dict[str, Any]:
    """Count what a step cannot do without, at the rates of matrix product and copy measured here."""
    batch = batches[0]
    ids = torch.cat([batch["sentence1_input_ids"], batch["sentence2_input_ids"]])
    pairs, dimensions = len(batch["label"]), student.get_embedding_dimension() or 0
    row = 4 * dimensions
    # Similarities of teacher and student, and the two products of the latter's gradient.
    operations = 4 * 2 * pairs**2 * dimensions
    touched = len(set(ids.tolist()))
    # Each token's row is read once and its gradient written once; the optimizer reads four rows (weight, gradient, two
    # moments) and writes three; the matrix of similarities is gone through some ten times.
    moved = 2 * len(ids) * row + 7 * touched * row + 10 * 4 * pairs**2
    one = torch.randn(pairs, dimensions)
    many = torch.randn(16 * 2**20)
    rate = operations_per_second = 0.0
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(10):
            one @ one.T
        operations_per_second = max(
            operations_per_second, 10 * 2 * pairs**2 * dimensions / (time.perf_counter() - began)
        )
        began = time.perf_counter()
        many.clone()
        rate = max(rate, 2 * 4 * len(many) / (time.perf_counter() - began))
    return {
        "tokens": len(ids),
        "distinct_tokens": touched,
        "giga_operations": round(operations / 1e9, 3),
        "megabytes": round(moved / 1e6, 1),
        "giga_operations_per_second": round(operations_per_second / 1e9, 1),
        "gigabytes_per_second": round(rate / 1e9, 1),
        "seconds": round(operations / operations_per_second + moved / rate, 4),
    }


def host_with_store(
    pairs: Pairs, student: SentenceTransformer, store: TeacherStore, size: int
) -> Callable[[Callable[[], None]], None]:
    """Give the host's recipe with labels from the teacher store."""
    collator = TeacherCollator(preprocess_fn=student.preprocess, store=store)
    return partial(host, pairs, student, size, PlainLoss(student), collator)


def static(given: argparse.Namespace) -> dict[str, Any]:
    size = given.batch_size or 1024
    pairs, sentences = real_pairs(given.data, size)
    student = static_student(load_model("minilm"), sentences, anchor="en", vocabulary=given.vocabulary)
    print(f"{len(student.tokenizer.get_vocab()):,} tokens; pairs: { {n: len(p) for n, p in pairs.items()} }")
    with TemporaryDirectory() as folder:
        # The labels' values make no difference to the speed, so a teacher that is quick stands in.
        store = TeacherStore.for_model(Path(folder), copy_of(student))
        store.add([source for of_pair in pairs.values() for source, _ in of_pair])
        batches = batches_of(pairs, student, store, size)
        figures = medians(
            {
                "lingualign": partial(ours, copy_of(student), batches),
                "host": host_with_store(pairs, copy_of(student), store, size),
            },
            given.rounds,
            given.warm_up,
        )
        figures["floor"] = static_floor(student, batches)
    for figure in figures.values():
        figure["pairs_per_second"] = round(size / figure["seconds"], 1)
    return {"batch_size": size, "vocabulary": len(student.tokenizer.get_vocab()), "recipes": figures}


def n_way(given: argparse.Namespace) -> dict[str, Any]:
    size = given.batch_size or 64
    _, sentences = real_pairs(given.data, 256)
    teacher, student = load_model("minilm"), extended_minilm(sentences, given.vocabulary)
    columns = n_way_sentences(given.data, 4 * size)
    with TemporaryDirectory() as folder:
        store = TeacherStore.for_model(Path(folder), teacher)
        store.add(columns[0])
        rows = np.arange(4 * size)
        tokens = TokenIds(student, [sentence for column in columns for sentence in column])
        of_language: list[NDArray[np.int64]] = [rows + place * len(rows) for place in range(len(columns))]
        labels = store.rows(columns[0])[:, None]

        def batches(kept: tuple[int, ...]) -> PairBatches:
            content = ParallelRows([of_language[place] for place in kept], labels)
            return PairBatches({"content": content}, tokens, store, batch_size=size, seed=7)

        def pairwise(after_step: Callable[[], None]) -> None:
            # All ten language pairs of the same contents are one turn.
            done = 0

            def after_one() -> None:
                nonlocal done
                done += 1
                if done % len(every) == 0:
                    after_step()

            pairs = {
                "-".join(map(str, kept)): ParallelRows([of_language[place] for place in kept], labels)
                for kept in every
            }
            ours(copy_of(student), PairBatches(pairs, tokens, store, batch_size=size, seed=7), after_one)

        every = list(combinations(range(len(columns)), 2))
        together = partial(ours, copy_of(student), batches(tuple(range(len(columns)))))
        figures = medians({"n-way": together, "pairwise": pairwise}, given.rounds, given.warm_up)
    for figure in figures.values():
        figure["pair_losses_per_second"] = round(size * len(every) / figure["seconds"], 2)
    return {"languages": len(columns), "batch_size": size, "recipes": figures}


def n_way_sentences(data: Path, count: int) -> list[list[str]]:
    """Read the same content in five languages from a parallel test set."""
    import pyarrow.parquet as pq

    for path in sorted((data / "eval").rglob("*.parquet")):
        names = pq.read_schema(path).names
        found = [
            next((name for name in names if name.startswith(code)), None)
            for code in ("eng", "fra", "jpn", "kor", "rus")
        ]
        if all(found):
            table = pq.read_table(path, columns=found).slice(0, count)
            return [table[name].to_pylist() for name in found]
    raise SystemExit(f"{data}: no parallel set of the five languages below eval/")


def main() -> None:
    parser = command_line(__doc__, data="folder with train/ and eval/")
    parser.add_argument("what", choices=("encoder", "static", "n-way"))
    parser.add_argument("--batch-size", type=int, help="pairs of a batch; 256, 1,024 or 64")
    parser.add_argument("--vocabulary", type=int, default=20_000, help="pieces to add for each language")
    parser.add_argument("--max-length", type=int, default=128, help="most tokens of a sentence, of encoder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm-up", type=int, default=1)
    parser.add_argument(
        "--recipes", nargs="+", default=["lingualign", "floor", "host", "paper"], help="of encoder"
    )
    given = parser.parse_args()
    figures = {"encoder": encoder, "static": static, "n-way": n_way}[given.what](given)
    recipes = figures["recipes"]
    unit = "pair_losses_per_second" if given.what == "n-way" else "pairs_per_second"
    first = next(iter(recipes))
    for name, figure in recipes.items():
        ratio = recipes[first][unit] / figure[unit]
        print(f"{name}: {figure[unit]:,.1f} {unit.replace('_', ' ')}; {first} does {ratio:.2f} times as many")
        figure[f"{first}_against_it"] = round(ratio, 3)
    save_result(f"training_speed_{given.what.replace('-', '_')}", {"data": given.data.name, **figures})


if __name__ == "__main__":
    main()
