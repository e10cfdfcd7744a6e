"""Suites scored by the code of mteb, the extra ``lingualign[mteb]``, as a check of our figures."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.encoders import SentenceEncoder
    from lingualign.evaluation.suites import Suite


def through_mteb(
    model: str | SentenceTransformer | SentenceEncoder,
    suites: Iterable[Suite],
    *,
    prompt: str | None = None,
    device: str | None = None,
) -> dict[str, dict[str, float]]:
    """Score suites by mteb's tasks for bitext mining and similarity, without its cache and without a network.

    The fingerprint is the model's revision in mteb, so that models are not confused.

    Parameters
    ----------
    model, prompt, device
        Arguments of `lingualign.evaluation.evaluate`. The prompt is put before every sentence of every task.
    suites
        Suites of any kind.

    Returns
    -------
    dict
        Figures by suite, and for each two languages of an n-way set by ``NAME eng_Latn-fra_Latn``: mteb's ``accuracy``
        and ``f1`` from the first side to the second, or ``spearman`` and ``pearson``.

    Raises
    ------
    InputError
        If mteb is not installed, or the model cannot be used.
    """
    try:
        import mteb
    except ImportError:
        raise InputError("this needs the package mteb: pip install 'lingualign[mteb]'") from None
    from lingualign.embedding.encoders import open_encoder

    encoder = mteb_encoder(open_encoder(model, prompt=prompt, device=device, precision="fp32"))
    figures: dict[str, dict[str, float]] = {}
    for name, suite, sides in _parts(suites):
        task = _task(len(figures), name, suite, sides)
        results = mteb.evaluate(encoder, [task], cache=None, co2_tracker=False, show_progress_bar=False)
        (scores,) = results.task_results[0].scores["test"]
        wanted = (
            {"spearman": "cosine_spearman", "pearson": "cosine_pearson"}
            if suite.kind == "sts"
            else {"accuracy": "accuracy", "f1": "f1"}
        )
        figures[name] = {ours: float(scores[theirs]) for ours, theirs in wanted.items()}
    return figures


def mteb_encoder(encoder: SentenceEncoder) -> Any:
    """Wrap an encoder for mteb's tasks of bitext mining and similarity."""
    from mteb.models.model_meta import ModelMeta

    name = re.sub(r"[^\w.-]", "_", Path(encoder.name).name)
    meta = ModelMeta.create_empty({"name": f"lingualign/{name}", "revision": encoder.fingerprint})
    return _MtebEncoder(encoder, meta)


class _MtebEncoder:
    def __init__(self, encoder: SentenceEncoder, meta: Any) -> None:
        self.encoder = encoder
        self.mteb_model_meta = meta

    def encode(self, inputs: Iterable[dict[str, Any]], **_: Any) -> torch.Tensor:
        """Encode the batches of a data loader; the vectors do not depend on the task."""
        import torch

        from lingualign.embedding.encoders import encode_with

        texts = [text for batch in inputs for text in batch["text"]]
        place = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        vectors = encode_with(self.encoder, list(place))
        return torch.from_numpy(vectors[[place[text] for text in texts]])

    def similarity(self, one: Any, two: Any) -> torch.Tensor:
        """Cosines of all with all."""
        from sentence_transformers.util import cos_sim

        return cos_sim(one, two)

    def similarity_pairwise(self, one: Any, two: Any) -> torch.Tensor:
        """Cosines row by row."""
        from sentence_transformers.util import pairwise_cos_sim

        return pairwise_cos_sim(one, two)


def _parts(suites: Iterable[Suite]) -> Iterable[tuple[str, Suite, tuple[str, str]]]:
    for suite in suites:
        for one, two in combinations(suite.sentences, 2):
            name = f"{suite.name} {one}-{two}" if suite.kind == "nway" else suite.name
            yield name, suite, (one, two)


def _task(number: int, name: str, suite: Suite, sides: tuple[str, str]) -> Any:
    from datasets import Dataset
    from mteb.abstasks.sts import AbsTaskSTS
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.abstasks.text.bitext_mining import AbsTaskBitextMining

    sts = suite.kind == "sts"
    metadata = TaskMetadata(
        name=f"Lingualign{number}",
        description=name,
        dataset={"path": "lingualign/suite", "revision": "local"},
        type="STS" if sts else "BitextMining",
        eval_langs=["eng-Latn"],  # mteb must have some, and no figure depends on it
        eval_splits=["test"],
        main_score="cosine_spearman" if sts else "f1",
    )
    base = AbsTaskSTS if sts else AbsTaskBitextMining
    task = type(metadata.name, (base,), {"metadata": metadata})()
    one, two = (suite.sentences[column] for column in sides)
    columns: dict[str, Any] = {"sentence1": one[: suite.rows], "sentence2": two}
    if suite.kind == "mining":
        # Not a table: as in MTEB's BUCC, the translations of the pairs' first sides are searched in all second sides.
        task.dataset = {"test": {**columns, "gold": [(row, row) for row in range(suite.rows)]}}
    else:
        if suite.gold is not None:
            columns["score"] = suite.gold.tolist()
        task.dataset = {"test": Dataset.from_dict(columns)}
    task.data_loaded = True
    return task
