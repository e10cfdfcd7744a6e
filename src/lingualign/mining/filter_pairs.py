"""Score existing translation pairs, and keep the best of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pyarrow as pa

from lingualign.embedding.options import ModelOptions
from lingualign.errors import InputError
from lingualign.mining.corpus import Corpus, encode_chunks
from lingualign.mining.encode_folder import EncodeJob, TextEncoder
from lingualign.mining.engines import Here
from lingualign.mining.parts import SIDES, hold_parts, staged, was_written
from lingualign.mining.quality import FEWEST, Side, score_pairs
from lingualign.mining.sentences import chunks
from lingualign.neighbours import (
    SearchCheckpoint,
    SearchOptions,
    cosines,
    margin_scores,
    nearest_neighbours,
)
from lingualign.pairs.formats.writers import check_output, write_pairs
from lingualign.pairs.leaks import blank
from lingualign.pairs.sources import read_source
from lingualign.progress import progress_bar

if TYPE_CHECKING:
    import os

    import numpy.typing as npt
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.options import Pooling, Precision
    from lingualign.neighbours import Margin
    from lingualign.pairs.discovery import Skipped

By = Literal["score", "margin", "cosine"]

_BLOCK_PAIRS = 8_192

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FilterReport:
    """Counts of a filtering."""

    pairs: int
    """Pairs read"""
    kept: int
    blank: int
    """Pairs left out since a side is blank"""
    by: By
    """Score that the pairs were judged by"""
    scores: tuple[float, float]
    """Least and greatest value of it among all scored pairs"""
    skipped: tuple[Skipped, ...]
    """Parts that could not be read"""


def filter_pairs(
    model: str | SentenceTransformer,
    pairs: str,
    output: str | os.PathLike[str],
    *,
    by: By = "score",
    threshold: float | None = None,
    best: int | None = None,
    k: int = SearchOptions.k,
    margin: Margin = SearchOptions.margin,
    prompt: str | None = None,
    pooling: Pooling | None = None,
    device: str | None = None,
    precision: Precision = ModelOptions.precision,
    memory: str | int = SearchOptions.memory,
    overwrite: bool = False,
    progress: bool = False,
) -> FilterReport:
    """Score each pair among all pairs of the corpus, and keep the best.

    The score is the probability that a pair is a whole translation in the right languages: see
    `lingualign.mining.quality`. It doubles the encoding that cosine and margin need.

    The pairs stay in their order. A folder ``OUTPUT.parts`` holds vectors and the state of the search until the output
    is written. After an interruption the same call resumes from it.

    Parameters
    ----------
    model
        A hub id, a folder, ``minilm``, ``me5``, or a loaded model.
    pairs
        A folder, a file or a hub data set id: see `lingualign.pairs.read_source`.
    output
        File ``.parquet``, ``.tsv``, ``.jsonl`` or ``.tmx`` (text also compressed) with the columns of a pair table,
        ``cosine`` and ``margin``; by score also ``score`` and its factors, the probabilities ``meaning``, ``whole`` and
        ``language``. See `lingualign.pairs.formats.writers.write_pairs`.
    by
        Score that pairs are judged by.
    threshold, best
        Least score of a pair to keep, or number of the best pairs to keep. Without both, all pairs are written with
        their scores.
    k, margin
        See `lingualign.neighbours`. With ``absolute`` the margin is the cosine.
    prompt, pooling, device, precision, memory, overwrite, progress
        See `lingualign.mining.mine_pairs`.

    Raises
    ------
    InputError
        If an argument is invalid, or no pair reaches the threshold. The last message names the range of the scores.
    """
    if by not in get_args(By):
        raise InputError(f"by {by!r} is unknown: expected one of {', '.join(get_args(By))}")
    encoding, search = ModelOptions(prompt, pooling, device, precision), SearchOptions(k, margin, str(memory))
    search.check()
    if threshold is not None and best is not None:
        raise InputError("threshold and best are both given: leave out one")
    if best is not None and best < 1:
        raise InputError(f"best is {best}; it must be a number of pairs, at least 1")
    output = Path(output)
    check_output(output, overwrite=overwrite or was_written(output, [output]))
    read, skipped = read_source(pairs)
    table = pa.concat_tables([each.table for each in read])
    filled = np.ones(table.num_rows, np.bool_)
    for side in ("sentence1", "sentence2"):
        filled &= ~blank(table[side]).to_numpy(zero_copy_only=False)
    scored = table.filter(pa.array(filled))
    if not scored.num_rows:
        raise InputError(f"{pairs!r}: there is no pair in it with two sides")
    if by == "score" and scored.num_rows < FEWEST:
        few = f"{scored.num_rows} pairs are too few to learn a score from, which takes {FEWEST}"
        if threshold is not None:
            raise InputError(f"{few}; give a threshold of the margin, with by margin")
        logger.warning("%s: judged by margin", few)
        by = "margin"

    with hold_parts(output) as parts:
        corpora, identity = [], [str(k)]
        encoder = TextEncoder(model, encoding)
        with Here().start(EncodeJob(encoder.model, encoding)) as workers:
            for column, name in zip(("sentence1", "sentence2"), SIDES, strict=True):
                with progress_bar(f"Encoding {column}", None, enabled=progress) as advance:
                    distinct = scored[column].unique().to_pylist()
                    text = encode_chunks(workers, chunks(distinct), parts / name, advance)
                corpora.append(Corpus(text))
                identity.append(text.identity)
        source, target = corpora
        checkpoint = SearchCheckpoint(parts / "search", "".join(identity))
        total = source.vectors.shape[0] * target.vectors.shape[0]
        with progress_bar("Searching", total, enabled=progress) as advance:
            forward, backward = nearest_neighbours(
                source.vectors,
                target.vectors,
                k,
                memory=search.memory_bytes,
                precision=precision,
                device=device,
                checkpoint=checkpoint,
                advance=advance,
            )
        places = [
            corpus.positions(scored[column])
            for column, corpus in zip(("sentence1", "sentence2"), corpora, strict=True)
        ]
        cosine = _cosines(source, places[0], target, places[1])
        sides = tuple(
            Side(corpus, text, place, nearest.cosine.mean(axis=1, dtype=np.float64)[place])
            for corpus, text, place, nearest in zip(
                corpora, identity[1:], places, (forward, backward), strict=True
            )
        )
        margins = margin_scores(cosine, sides[0].neighbours, sides[1].neighbours, margin)
        scores: dict[str, npt.NDArray[np.floating]] = {"cosine": cosine, "margin": margins}
        if by == "score":
            with progress_bar("Scoring", scored.num_rows, enabled=progress) as advance:
                probabilities = score_pairs(
                    encoder, scored, sides, margins, margin, parts / "evenness", advance
                )
            scores |= {
                "meaning": probabilities.meaning,
                "whole": probabilities.whole,
                "language": probabilities.language,
                "score": probabilities.score,
            }
        for name, values in scores.items():
            scored = scored.append_column(name, pa.array(values))
        score = scores[by]
        kept = _kept(score, by, threshold, best)
        with staged(parts, [output]) as folder:
            write_pairs(scored.filter(pa.array(kept)), folder / output.name)
    return FilterReport(
        table.num_rows,
        int(kept.sum()),
        table.num_rows - scored.num_rows,
        by,
        (float(score.min()), float(score.max())),
        tuple(skipped),
    )


def _kept(
    score: npt.NDArray[np.floating], by: By, threshold: float | None, best: int | None
) -> npt.NDArray[np.bool_]:
    kept = np.ones(len(score), np.bool_)
    if best is not None:
        kept[np.argsort(-score, kind="stable")[best:]] = False
    elif threshold is not None:
        kept = score >= threshold
        if not kept.any():
            raise InputError(
                f"threshold {threshold:g} keeps none of {len(score):,} pairs: their {by}s are from "
                f"{score.min():.4f} to {score.max():.4f}; give a lower one"
            )
    return kept


def _cosines(
    source: Corpus,
    source_place: npt.NDArray[np.int64],
    target: Corpus,
    target_place: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
    cosine = np.empty(len(source_place), np.float32)
    for start in range(0, len(cosine), _BLOCK_PAIRS):
        some = slice(start, start + _BLOCK_PAIRS)
        cosine[some] = cosines(source.vectors[source_place[some]], target.vectors[target_place[some]])
    return cosine
