"""Two-way bitext accuracy in the middle of a training run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sentence_transformers.base.evaluation import BaseEvaluator

from lingualign.embedding import encode
from lingualign.errors import InputError
from lingualign.evaluation.bitext import bitext_accuracy

if TYPE_CHECKING:
    import pyarrow as pa
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding import Precision


class BitextEvaluator(BaseEvaluator):
    """Score a model by two-way retrieval accuracy, averaged over the language pairs of a pair table.

    A sentence-transformers evaluator: pass it to a trainer, or call it with a model. It returns
    ``{"accuracy": ..., "accuracy_en-fr": ..., ...}`` in [0, 1]; the first, the plain mean of the others, is
    its primary metric. The pairs are chosen once, so scores of different steps are comparable.

    Parameters
    ----------
    pairs
        Table with the columns of `lingualign.pairs.table.PAIR_SCHEMA`. A language pair needs at least two
        rows; ``en-fr`` and ``fr-en`` are different.
    limit
        Number of pairs of each language pair: one drawn by the seed from each of ``limit`` stretches of equal length,
        so that each corpus and each part of a sorted table has its share.
    prompt
        Text put before every sentence. None means the model's own default prompt, ``""`` no prompt.
    name
        Prefix of each metric's name, as in ``name_accuracy``.
    precision
        Precision of :func:`lingualign.embedding.encode`; single by default, so that the choice of the best model
        does not depend on the machine.
    seed
        Seed of the sample of pairs.

    Raises
    ------
    InputError
        If ``limit`` is below 2, the table is empty, or a language pair has a single row.
    """

    def __init__(
        self,
        pairs: pa.Table,
        *,
        limit: int = 1000,
        prompt: str | None = None,
        name: str = "",
        precision: Precision = "fp32",
        seed: int = 0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if limit < 2:
            raise InputError(f"limit = {limit} leaves nothing to choose from: expected 2 pairs or more")
        self.primary_metric = "accuracy"
        self.prompt = prompt
        self.name = name
        self.limit = limit
        self.precision: Precision = precision
        self.seed = seed
        self._sentences: dict[str, int] = {}
        self._pairs = self._take(pairs)

    def _take(self, pairs: pa.Table) -> dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        languages = zip(pairs["lang1"].to_pylist(), pairs["lang2"].to_pylist(), strict=True)
        rows: dict[str, list[int]] = {}
        for row, (lang1, lang2) in enumerate(languages):
            rows.setdefault(f"{lang1}-{lang2}", []).append(row)
        if not rows:
            raise InputError("no pairs to evaluate on: the table is empty")
        for pair, taken in rows.items():
            if len(taken) < 2:
                raise InputError(
                    f"cannot evaluate on {pair}: it has 1 pair, expected at least 2; leave it out"
                )
        chosen = {pair: self._spread(rows[pair]) for pair in sorted(rows)}
        return {
            pair: (self._places(pairs["sentence1"], taken), self._places(pairs["sentence2"], taken))
            for pair, taken in chosen.items()
        }

    def _spread(self, rows: list[int]) -> list[int]:
        """Draw one row of each of ``limit`` stretches, whose lengths differ by at most 1."""
        if len(rows) <= self.limit:
            return rows
        edges = np.linspace(0, len(rows), self.limit + 1).astype(int)
        places = np.random.default_rng(self.seed).integers(edges[:-1], edges[1:])
        return [rows[place] for place in places]

    def _places(self, column: pa.ChunkedArray, rows: list[int]) -> np.ndarray[Any, Any]:
        texts = column.take(rows).to_pylist()
        return np.array([self._sentences.setdefault(text, len(self._sentences)) for text in texts])

    def __call__(  # type: ignore[override]
        self, model: SentenceTransformer, output_path: str | None = None, epoch: int = -1, steps: int = -1
    ) -> dict[str, float]:
        """Encode each distinct sentence once and score every language pair; nothing is written to a file."""
        vectors = encode(model, list(self._sentences), prompt=self.prompt, precision=self.precision)
        accuracies = {
            pair: bitext_accuracy(vectors[source], vectors[target]).accuracy
            for pair, (source, target) in self._pairs.items()
        }
        metrics = {"accuracy": float(np.mean(list(accuracies.values())))}
        metrics |= {f"accuracy_{pair}": accuracy for pair, accuracy in accuracies.items()}
        metrics = self.prefix_name_to_metrics(metrics, self.name)
        self.store_metrics_in_model_card_data(model, metrics, epoch, steps)
        return metrics

    @property
    def description(self) -> str:
        """Name in the model card."""
        return "Bitext retrieval"

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings that the model card shows."""
        return {
            "limit": self.limit,
            "prompt": self.prompt,
            "precision": self.precision,
            "seed": self.seed,
        }
