"""Tiny models and runs of real parts: seconds instead of minutes, on a few dozen sentences of the sample."""

from __future__ import annotations

import csv
import os
from typing import TYPE_CHECKING, Any

from lingualign.samples import EVERYDAY
from lingualign.training import (
    EarlyStoppingConfig,
    LossConfig,
    PairsConfig,
    RunConfig,
    StudentConfig,
    TeacherConfig,
    TrainingConfig,
)

if TYPE_CHECKING:
    from pathlib import Path

    from sentence_transformers import SentenceTransformer

SAMPLE = str(EVERYDAY / "train.tsv")


def sample_sentences(languages: tuple[str, ...] = ("en", "fr", "ja", "ko", "ru")) -> list[str]:
    with open(SAMPLE, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [row[language] for row in rows for language in languages]


def tiny_bert(
    dropout: float = 0.0, padding_side: str = "right", dimensions: int = 16, layers: int = 1
) -> SentenceTransformer:
    """A BERT, mean-pooled, with word pieces of the sample."""
    import tempfile

    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    pieces = BertWordPieceTokenizer(lowercase=True)
    pieces.train_from_iterator(sample_sentences()[:500], vocab_size=600, show_progress=False)
    tokenizer = BertTokenizerFast(
        tokenizer_object=pieces._tokenizer, model_max_length=32, padding_side=padding_side
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=dimensions,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * dimensions,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        max_position_embeddings=64,
    )
    with tempfile.TemporaryDirectory() as folder:
        BertModel(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        transformer = Transformer(folder)
    return SentenceTransformer(modules=[transformer, Pooling(dimensions, "mean")], device="cpu")


def tiny_run(folder: Path, models: Path, kind: str = "static", **training: Any) -> RunConfig:
    """24 steps on en-fr and en-ja of the sample, evaluated every 4; the encoder has dropout."""
    settings = {
        "max_steps": 24,
        "batch_size": 32,
        "learning_rate": 1e-2,
        "evaluate_every": 4,
        "early_stopping": EarlyStoppingConfig("validation", patience=None),
        "precision": "fp32",
    }
    return RunConfig(
        output=str(folder / "run"),
        pairs=PairsConfig(
            sources=[SAMPLE],
            languages=["en", "fr", "ja"],
            select="en-xx",
            priority=["en", "fr", "ja"],
            validation=20,
        ),
        teacher=TeacherConfig(model=str(models / "teacher"), store=str(folder / "store")),
        student={
            "static": StudentConfig(kind="static", vocabulary=200),
            "extended": StudentConfig(
                kind="extended", model=str(models / "student"), vocabulary=200, embeddings_first=0.25
            ),
            "encoder": StudentConfig(kind="encoder", model=str(models / "student")),
        }[kind],
        loss=LossConfig(kind="soft"),
        training=TrainingConfig(**{**settings, **training}),
    )


def run(config: RunConfig, resume: bool = False) -> None:
    """Train, in a process of its own."""
    import torch

    from lingualign.training import train

    torch.set_num_threads(1)
    train(config, resume=resume, progress=False)


def weights(folder: Path) -> dict[str, bytes]:
    """The weight files of a model, byte for byte."""
    found = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*.safetensors")
        if "checkpoints" not in path.relative_to(folder).parts
    }
    assert found
    return found


def leftovers(folder: Path) -> list[str]:
    """Names of unfinished things below a folder."""
    return [name for _, folders, files in os.walk(folder) for name in folders + files if "unfinished" in name]
