"""Where an extended student's new tokens begin: at random, or where a static student has found them a place.

Extends the encoder of a configuration, trains the static stage once, and scores the student that comes of each start,
before any training of its own, beside the encoder as it was: two-way accuracy on bitext suites, Spearman on similarity.

    python benchmarks/extended_initialisation.py --config configs/minilm.yaml --suite ../shared/data/eval/tatoeba
"""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any

from machine import command_line, save_result

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from lingualign.evaluation import Suite
    from lingualign.training import RunConfig

# Before torch loads: threads that spin while they wait slow each other down.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def scores(student: SentenceTransformer, suites: list[Suite]) -> dict[str, float]:
    """Score a student: accuracy or Spearman by suite, in percent."""
    from lingualign.evaluation import evaluate

    figures = {}
    for name, entry in evaluate(student, suites)["suites"].items():
        of_suite = entry.get("mean", entry)
        figures[name] = round(100 * of_suite.get("accuracy", of_suite.get("spearman")), 1)
    return figures


def starts(config_file: str, suites: list[Suite]) -> dict[str, dict[str, float]]:
    """Score the encoder as it was, and extended with each start."""
    import torch
    from rich.console import Console

    from lingualign.cli.arguments import parse
    from lingualign.cli.train import train
    from lingualign.embedding import load_model
    from lingualign.languages import language_code
    from lingualign.student import extend_vocabulary, extended_student, static_start
    from lingualign.student.vocabulary import replace_vocabulary
    from lingualign.training.build import align_static
    from lingualign.training.data import by_language, prepare
    from lingualign.training.kinds import teacher_views
    from lingualign.training.labels import teacher_store

    config: RunConfig = parse("train", train, ["--config", config_file])["run"]
    console = Console()
    encoder = load_model(config.student.model or "minilm", revision=config.student.revision)
    pairs = prepare(config).train
    views = teacher_views(config.loss)
    teacher = load_model(config.teacher.model, revision=config.teacher.revision)
    store = teacher_store(config, teacher, pairs, views, console)
    extension = extend_vocabulary(
        encoder,
        by_language(pairs),
        anchor=language_code(config.teacher.language),
        vocabulary=config.student.vocabulary,
    )
    static: Any = static_start(extension, seed=config.training.seed)
    align_static(static, config, pairs, store, views, console)

    own = extension.embeddings
    at_random = own.mean(0) + own.std() * torch.randn(
        static[0].embedding.weight.shape, generator=torch.Generator().manual_seed(0)
    )
    figures = {"the encoder as it was": scores(encoder, suites)}
    for name, vectors in (("random", at_random), ("the static student's own", static[0].embedding.weight)):
        student = copy.deepcopy(encoder)
        weights = vectors.detach().clone()
        weights[extension.rows] = own[extension.encoder_rows]
        replace_vocabulary(student, extension.tokenizer, weights)
        figures[name] = scores(student, suites)
    student = extended_student(copy.deepcopy(encoder), extension, static)
    return figures | {"nearest known tokens, as built": scores(student, suites)}


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--config", required=True, help="of an extended student")
    parser.add_argument("--suite", nargs="+", required=True, help="suites to score on")
    given = parser.parse_args()

    from lingualign.evaluation import load_suites

    figures = starts(given.config, load_suites(given.suite))
    save_result("extended_initialisation", {"starts": figures})
    names = list(figures["random"])
    print("| start |", " | ".join(names), "|")
    print("|---|", "---:|" * len(names), sep="")
    for start, row in figures.items():
        print(f"| {start} |", " | ".join(str(row[name]) for name in names), "|")


if __name__ == "__main__":
    main()
