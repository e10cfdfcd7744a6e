"""Mine translation pairs from two texts: the recipe."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from lingualign.embedding.options import ModelOptions
from lingualign.errors import InputError
from lingualign.hub import nearest_path
from lingualign.mining.corpus import Corpus, check_filled, encode_chunks, open_text
from lingualign.mining.encode_folder import EncodeJob, describe
from lingualign.mining.encode_text import check_engine, check_readable_by_several
from lingualign.mining.encoded_text import text_digest
from lingualign.mining.engines import Here, check_workers
from lingualign.mining.options import MineOptions
from lingualign.mining.output import check_mined_output, output_files, write_mined
from lingualign.mining.parts import (
    PLANTED,
    SIDES,
    TILES,
    check_parts,
    hold_parts,
    parts_of,
    staged,
    was_written,
)
from lingualign.mining.sentences import STANDARD_INPUT, chunks
from lingualign.mining.tiled_search import TileJob, TilePlan, merge_tiles, plan_tiles, run_tiles
from lingualign.neighbours import (
    SearchCheckpoint,
    SearchOptions,
    approximate_neighbours,
    nearest_neighbours,
)
from lingualign.neighbours.approximate import import_faiss
from lingualign.neighbours.margin import retrieve, thresholds
from lingualign.neighbours.options import check_retrieval
from lingualign.pairs.hub_datasets import check_on_hub, hub_dataset
from lingualign.pairs.sources import read_source
from lingualign.progress import progress_bar
from lingualign.report.calibration_plot import check_plot, plot_calibration, print_calibration

if TYPE_CHECKING:
    import numpy.typing as npt
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.options import Pooling, Precision
    from lingualign.mining.engines import Engine
    from lingualign.neighbours import Margin, Neighbours
    from lingualign.neighbours.margin import Calibration, Pairs
    from lingualign.neighbours.options import Retrieval
    from lingualign.pairs.discovery import Skipped


@dataclass(frozen=True, slots=True)
class MineReport:
    """Counts of a mining."""

    pairs: int
    """Pairs written"""
    below: int
    """Pairs left out for a score below the threshold"""
    threshold: float | None
    source: tuple[int, int, int]
    """Lines, distinct sentences, blank lines"""
    target: tuple[int, int, int]
    calibration: Calibration | None
    skipped: tuple[Skipped, ...]
    """Parts of the known pairs that could not be read"""


def mine_pairs(
    model: str | SentenceTransformer,
    source: str,
    target: str,
    output: str | os.PathLike[str],
    *,
    k: int = SearchOptions.k,
    margin: Margin = SearchOptions.margin,
    retrieval: Retrieval = MineOptions.retrieval,
    threshold: float | None = None,
    calibrate_on: str | None = None,
    plot: str | os.PathLike[str] | None = None,
    candidates: bool = False,
    column: str | None = None,
    prompt: str | None = None,
    pooling: Pooling | None = None,
    device: str | None = None,
    precision: Precision = ModelOptions.precision,
    memory: str | int = SearchOptions.memory,
    approximate: bool = False,
    engine: Engine | None = None,
    overwrite: bool = False,
    progress: bool = False,
) -> MineReport:
    """Find sentences of two texts that translate each other, and write them with their scores, the best first.

    A folder ``OUTPUT.parts`` holds vectors and the state of the search until the output is written. After an
    interruption the same call resumes from it.

    Parameters
    ----------
    model
        A hub id, a folder, ``minilm``, ``me5``, or a loaded model.
    source, target
        A text (see `lingualign.mining.sentences.read_sentences`), or a folder that `encode_text` wrote. A sentence
        on several lines is searched once; blank lines are never matched.
    output
        See `lingualign.mining.output.write_mined`.
    k
        Number of neighbours of each sentence. Its best is chosen among them, and the margin is taken over them.
    margin
        See `lingualign.neighbours.margin_scores`.
    retrieval, candidates
        See `lingualign.neighbours.retrieve`.
    threshold
        Least score of a pair.
    calibrate_on
        Known pairs (see `lingualign.pairs.read_source`), ``sentence1`` in the language of the source. They are
        planted in the texts, and the threshold that finds them with the best F1 is used.
    plot
        File for the plot of the calibration, ``.svg``, ``.png`` or ``.pdf``; needs matplotlib.
    column
        Column to read from files with columns.
    prompt, pooling
        See `lingualign.embedding.encoders.open_encoder`.
    device, precision
        Device and precision of the encoding and of the search; they do not change the result of the search.
    memory
        Memory limit of the search in each worker, beside sentences and mapped vectors: ``4GiB``, or a number of bytes.
    approximate
        Search by `lingualign.neighbours.approximate_neighbours`, which misses some pairs. Use it for a million
        sentences a side and more, where bf16 is not fast.
    engine
        Engine of encoding and search, see `lingualign.mining.engines.open_engine`; this process by default. It affects
        speed only, never the result. Work started by another engine is resumed.
    overwrite
        Replace the output.
    progress
        Show progress bars and the calibration.

    Raises
    ------
    InputError
        If an argument is invalid, both ``threshold`` and ``calibrate_on`` are given, or no pair reaches the
        threshold. The last message names the range of the scores.
    """
    encoding, search = ModelOptions(prompt, pooling, device, precision), SearchOptions(k, margin, str(memory))
    plotted = None if plot is None else os.fspath(plot)
    options = MineOptions(retrieval, threshold, calibrate_on, plotted, candidates, approximate)
    engine = engine or Here()
    check_engine(engine, model)
    if approximate:
        if not isinstance(engine, Here):
            raise InputError(
                f"approximate search runs in one process: leave it out, or engine {engine.name!r}"
            )
        import_faiss()
    output = Path(output)
    check_mining(source, target, output, search, options, overwrite=overwrite)
    gold, skipped = _known_pairs(calibrate_on) if calibrate_on is not None else (None, [])

    job = EncodeJob(model, encoding)
    with hold_parts(output) as parts:
        corpora = _encode_sides(engine, job, (source, target), gold, column, parts, progress)
        if approximate:
            forward, backward = _search_approximately(corpora, search, parts, progress)
        else:
            forward, backward = _search(engine, corpora, search, encoding, parts, progress)
        pairs = retrieve(forward, backward, margin=margin, retrieval=retrieval, candidates=candidates)
        calibration = None
        if gold is not None:
            calibration = calibrate(
                pairs, *(corpora[side].positions(pa.array(gold[side])) for side in (0, 1))
            )
            if calibration is None:
                raise InputError(
                    f"calibrate {calibrate_on!r}: none of its sentences is in a mined pair; is sentence1 in the "
                    "language of the source, and does the model know both languages?"
                )
            if progress:
                print_calibration(calibration)
            threshold = float(calibration.threshold[calibration.best])
            # A sentence that was only planted is not a result.
            pairs = pairs[corpora[0].in_text[pairs.source] & corpora[1].in_text[pairs.target]]
        kept = pairs if threshold is None else pairs[pairs.score >= threshold]
        _check_some(kept, pairs, threshold, retrieval)
        with staged(parts, output_files(output)) as folder:
            write_mined(kept, corpora[0], corpora[1], folder / output.name)
        if calibration is not None and plot is not None:
            plot_calibration(calibration, Path(plot))
    counts = [(corpus.lines, int(corpus.in_text.sum()), corpus.blank) for corpus in corpora]
    return MineReport(
        len(kept), len(pairs) - len(kept), threshold, counts[0], counts[1], calibration, tuple(skipped)
    )


def plan_mining(
    model: str,
    source: str,
    target: str,
    output: str | os.PathLike[str],
    encoding: ModelOptions,
    search: SearchOptions,
    *,
    workers: int,
    calibrate_on: str | None = None,
    column: str | None = None,
    progress: bool = False,
) -> int:
    """Encode both sides of a mining, and cut its search into tiles for several calls.

    Any number of calls of `search_part` then search them, and `mine_pairs` with the same parameters finishes.
    Parameters and errors are those of `mine_pairs`.

    Parameters
    ----------
    workers
        Number of calls that will search.

    Returns
    -------
    int
        Number of tiles.
    """
    search.check()
    check_workers(workers)
    _check_sides(source, target)
    gold = _known_pairs(calibrate_on)[0] if calibrate_on is not None else None
    job = EncodeJob(model, encoding)
    with hold_parts(Path(output), keep=True) as parts:
        corpora = _encode_sides(Here(), job, (source, target), gold, column, parts, progress)
        folder = parts / TILES
        plan = plan_tiles(corpora, _key(corpora, search.k), search, encoding.precision, folder, workers)
    return len(plan.tiles(folder))


def check_mining(
    source: str,
    target: str,
    output: Path,
    search: SearchOptions,
    options: MineOptions,
    *,
    overwrite: bool,
) -> None:
    """Raise InputError, before any work, for texts or options that cannot be mined with.

    The parameters are those of `mine_pairs`.
    """
    search.check()
    check_retrieval(options.retrieval)
    overwrite = overwrite or was_written(output, output_files(output))
    check_mined_output(output, overwrite=overwrite)
    if options.threshold is not None and options.calibrate is not None:
        raise InputError(
            "threshold and calibrate are both given, but calibration chooses the threshold: leave out one"
        )
    if options.plot is not None:
        if options.calibrate is None:
            raise InputError(
                "plot is given, but there is nothing to plot without calibrate; give known pairs to it"
            )
        check_plot(Path(options.plot), overwrite=overwrite)
    _check_sides(source, target)
    check_parts(parts_of(output))


def check_shared_mining(source: str, target: str, calibrate_on: str | None) -> None:
    """Raise InputError if a side is standard input, or the known pairs cannot be read: several calls need both."""
    check_readable_by_several(source, target)
    if calibrate_on is not None:
        _known_pairs(calibrate_on)


def _check_sides(*sides: str) -> None:
    for side in sides:
        if side == STANDARD_INPUT or Path(side).exists():
            continue
        if (dataset := hub_dataset(side)) is None:
            raise InputError(
                f"{side!r}: no such file or folder{nearest_path(side)}; give a text, or a folder made by lingualign "
                "encode"
            )
        check_on_hub(dataset.id, dataset.name)


def _known_pairs(source: str) -> tuple[tuple[list[str], list[str]], list[Skipped]]:
    """Return the two sides of known pairs, and the parts that could not be read."""
    read, skipped = read_source(source)
    table = pa.concat_tables([each.table for each in read]).select(["sentence1", "sentence2"])
    rows = [
        (one, two)
        for one, two in zip(*(c.to_pylist() for c in table.columns), strict=True)
        if one.strip() and two.strip()
    ]
    if not rows:
        raise InputError(f"calibrate {source!r}: there is no pair in it")
    return ([one for one, _ in rows], [two for _, two in rows]), skipped


def _encode_sides(
    engine: Engine,
    job: EncodeJob,
    sources: tuple[str, str],
    gold: tuple[list[str], list[str]] | None,
    column: str | None,
    parts: Path,
    progress: bool,
) -> list[Corpus]:
    corpora = []
    with engine.start(job) as workers:
        describe(workers)
        for number, (source, name) in enumerate(zip(sources, SIDES, strict=True)):
            with progress_bar(f"Encoding {name}", None, enabled=progress) as advance:
                text = open_text(workers, source, parts / name, column, advance)
            planted = None
            if gold is not None:
                distinct = list(dict.fromkeys(gold[number]))
                # Named by their text, since another call may plant others.
                folder = parts / f"{PLANTED}{name}-{text_digest(distinct)[:16]}"
                planted = encode_chunks(workers, chunks(distinct), folder)
            corpora.append(Corpus(text, planted))
            check_filled(corpora[-1], source)
    return corpora


def _search(
    engine: Engine,
    corpora: list[Corpus],
    options: SearchOptions,
    encoding: ModelOptions,
    parts: Path,
    progress: bool,
) -> tuple[Neighbours, Neighbours]:
    key, folder = _key(corpora, options.k), parts / TILES
    source, target = (corpus.vectors for corpus in corpora)
    begun = TilePlan.read(folder)
    with progress_bar("Searching", source.shape[0] * target.shape[0], enabled=progress) as advance:
        if isinstance(engine, Here) and (begun is None or begun.key != key):
            checkpoint = SearchCheckpoint(parts / "search", key)
            return nearest_neighbours(
                source,
                target,
                options.k,
                memory=options.memory_bytes,
                precision=encoding.precision,
                device=encoding.device,
                checkpoint=checkpoint,
                advance=advance,
            )
        with engine.start(TileJob(folder, encoding.device)) as workers:
            plan = plan_tiles(corpora, key, options, encoding.precision, folder, workers.count)
            run_tiles(workers, plan.tiles(folder), advance)
        return merge_tiles(plan, folder)


def _search_approximately(
    corpora: list[Corpus], options: SearchOptions, parts: Path, progress: bool
) -> tuple[Neighbours, Neighbours]:
    source, target = (corpus.vectors for corpus in corpora)
    checkpoint = SearchCheckpoint(parts / "search", _key(corpora, options.k))
    with progress_bar("Searching", source.shape[0] + target.shape[0], enabled=progress) as advance:
        return approximate_neighbours(
            source, target, options.k, memory=options.memory_bytes, checkpoint=checkpoint, advance=advance
        )


def _key(corpora: list[Corpus], k: int) -> str:
    digest = hashlib.sha256(f"{k}".encode())
    for corpus in corpora:
        for text in corpus.texts:
            digest.update(text.identity.encode())
        digest.update(b"\n")
    return digest.hexdigest()


def calibrate(
    pairs: Pairs, gold_source: npt.NDArray[np.int64], gold_target: npt.NDArray[np.int64]
) -> Calibration | None:
    """Judge mined pairs by known ones.

    A mined pair with a sentence of a known pair counts as right if it is a known pair. Else it counts as wrong, even
    if it is another good translation; true precision is at least the measured one. Other mined pairs are not judged.

    Parameters
    ----------
    pairs
        Mined pairs of the text and the planted sentences, sorted by score.
    gold_source, gold_target
        Positions of the known pairs' sentences.

    Returns
    -------
    Calibration or None
        None if no mined pair has a sentence of a known pair.
    """
    judged = np.isin(pairs.source, gold_source) | np.isin(pairs.target, gold_target)
    if not judged.any():
        return None
    return thresholds(pairs[judged], gold_source, gold_target)


def _check_some(kept: Pairs, pairs: Pairs, threshold: float | None, retrieval: Retrieval) -> None:
    if len(kept):
        return
    if not len(pairs):
        why = {"intersect": ": no two sentences are each other's best; give another retrieval"}
        raise InputError(f"no pair was found{why.get(retrieval, '')}")
    raise InputError(
        f"threshold {threshold:g} keeps none of {len(pairs):,} pairs: their scores are from {pairs.score[-1]:.4f} to "
        f"{pairs.score[0]:.4f}; give a lower one"
    )
