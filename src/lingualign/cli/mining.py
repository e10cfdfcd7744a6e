"""Use a model: encode, mine, filter and align."""

from __future__ import annotations

import os
import sys
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, Literal

from lingualign.cli.options import options_of
from lingualign.embedding.options import ModelOptions  # noqa: TC001 - its fields are read, as of those below
from lingualign.mining.options import EngineOptions, MineOptions  # noqa: TC001
from lingualign.neighbours.options import SearchOptions  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Callable

    from lingualign.pairs.discovery import Skipped


def encode(
    model: str,
    input: str,  # noqa: A002 - it is the name on the command line
    output: str,
    encoding: ModelOptions,
    where: EngineOptions,
    column: str | None = None,
    part: str | None = None,
    overwrite: bool = False,
) -> None:
    """Encode a text to vectors on disk; the same command goes on from where an interrupted one stopped.

    Parameters
    ----------
    model
        Hub id, folder, minilm or me5.
    input
        Text, one sentence a line (also compressed), - for standard input, or parquet, CSV, TSV, JSON lines, or the id
        of a hub data set, whose train split is streamed.
    output
        A folder for shards with a manifest; or a file, .npy, .parquet or .faiss (an index of FAISS).
    column
        Column to encode, of an input with columns; sentence, text or the only one by default.
    encoding
        How the model encodes.
    where
        Where it runs.
    part
        Encode only what falls to one of several calls, such as 3/8; one without it then completes the output.
    overwrite
        Replace the output.
    """
    given = dict(locals())
    from lingualign.mining import encode_text
    from lingualign.mining.engines import open_engine
    from lingualign.mining.engines.engine import parse_part

    if where.engine == "slurm":
        print(_encode_script(given), end="")
        return
    try:
        report = encode_text(
            model,
            input,
            output,
            **vars(encoding),
            column=column,
            engine=open_engine(where.engine, where.workers, where.address),
            part=parse_part(part) if part else None,
            overwrite=overwrite,
            progress=True,
        )
    except KeyboardInterrupt:
        if os.path.isdir(output):  # the shards that are done
            raise
        raise KeyboardInterrupt("interrupted; run the same command again") from None
    before = f", {report.kept:,} of them before" if report.kept else ""
    of = f" of part {part}" if part else ""
    print(f"{report.rows:,} sentences{of} encoded to {output}{before}")


def mine(
    model: str,
    source: str,
    target: str,
    output: str,
    search: SearchOptions,
    options: MineOptions,
    encoding: ModelOptions,
    where: EngineOptions,
    column: str | None = None,
    part: str | None = None,
    overwrite: bool = False,
) -> None:
    """Find the sentences of two texts that translate each other.

    Parameters
    ----------
    model
        Hub id, folder, minilm or me5.
    source
        Text, one sentence a line, or a folder made by lingualign encode.
    target
        The same in the other language.
    output
        File for the pairs, the best first: .tsv (score, source, target; compressed too), .parquet,
        mined.en-fr.tmx, or mined.en-fr for Moses text.
    search
        How neighbours are searched.
    options
        Candidates that become pairs.
    column
        Column to read, of an input with columns; sentence, text or the only one by default.
    encoding
        How the model encodes.
    precision
        Precision of the arithmetic; auto is bf16 where the processor has instructions for it.
    memory
    approximate
    where
        Where it runs.
    part
        Do one step of several: plan, which encodes and cuts the search into tiles, or such as 3/8, which searches those
        that fall to one of eight calls; a call without it then ends the work.
    overwrite
        Replace the output.
    """
    given = dict(locals())
    from lingualign.mining import mine_pairs
    from lingualign.mining.engines import open_engine

    if where.engine == "slurm":
        print(_mine_script(given), end="")
        return
    if part is not None:
        print(_mine_part(given))
        return
    chosen = dict(vars(options))
    report = mine_pairs(
        model,
        source,
        target,
        output,
        **vars(encoding),
        **vars(search),
        calibrate_on=chosen.pop("calibrate"),
        **chosen,
        column=column,
        engine=open_engine(where.engine, where.workers, where.address),
        overwrite=overwrite,
        progress=True,
    )
    for name, (lines, distinct, blank) in ((source, report.source), (target, report.target)):
        print(f"{name}: {lines:,} lines, {distinct:,} distinct sentences, {blank:,} blank lines")
    below = (
        f", {report.below:,} below the threshold {report.threshold:.4f}"
        if report.threshold is not None
        else ""
    )
    print(f"{report.pairs:,} pairs in {output}{below}")
    _print_skipped(report.skipped)


def filter_(
    model: str,
    pairs: str,
    output: str,
    search: SearchOptions,
    encoding: ModelOptions,
    by: Literal["score", "margin", "cosine"] = "score",
    threshold: float | None = None,
    best: int | None = None,
    overwrite: bool = False,
) -> None:
    """Score translation pairs that exist already, and keep the best.

    Parameters
    ----------
    model
        Hub id, folder, minilm or me5.
    pairs
        Folder, file or hub data set of pairs, as train takes them.
    output
        File for the pairs kept, with their scores beside: .parquet, .tsv, .jsonl or .tmx.
    by
        What pairs are judged by: the probability that a pair is a whole translation in the right languages (score),
        or one of the figures that are written in any case. Without the score half of the encoding is saved.
    threshold
        Least of it that a pair is kept with; all are kept where neither this nor --best is given.
    best
        How many pairs to keep, those of the largest.
    k
        Neighbours within the corpus that the margin is taken over.
    margin
        A pair's cosine divided by the mean of the neighbours' (ratio), less it (distance), or alone.
    encoding
        How the model encodes.
    precision
        Precision of the arithmetic; auto is bf16 where the processor has instructions for it.
    memory
        What the search may take, beside sentences and vectors.
    overwrite
        Replace the output.
    """
    from lingualign.mining import filter_pairs

    report = filter_pairs(
        model,
        pairs,
        output,
        **vars(encoding),
        **vars(search),
        by=by,
        threshold=threshold,
        best=best,
        overwrite=overwrite,
        progress=True,
    )
    low, high = report.scores
    print(
        f"{report.pairs:,} pairs, {report.blank:,} of them with a blank side; {report.by}s from {low:.4f} to {high:.4f}"
    )
    print(f"{report.kept:,} pairs in {output}")
    _print_skipped(report.skipped)


def align(
    model: str,
    source: str,
    target: str,
    output: str,
    encoding: ModelOptions,
    most: int = 2,
    skip: float = 0.5,
    column: str | None = None,
    overwrite: bool = False,
) -> None:
    """Align the sentences of documents that follow the same order in two languages.

    Parameters
    ----------
    model
        Hub id, folder, minilm or me5.
    source
        Text, one sentence a line, or a folder of texts.
    target
        The same in the other language: a text, or a folder of texts with the same names.
    output
        File for the links: .tsv, .jsonl (.gz, .xz and .zst too), .parquet, or aligned.en-fr.tmx.
    most
        Sentences of each side that one link may join.
    skip
        How much more leaving out two sentences costs than linking them typically does, where linking random ones
        costs 1; lower leaves out more.
    column
        Column to read, of an input with columns; sentence, text or the only one by default.
    encoding
        How the model encodes.
    overwrite
        Replace the output.
    """
    from lingualign.mining import align_documents

    report = align_documents(
        model,
        source,
        target,
        output,
        **vars(encoding),
        most=most,
        skip=skip,
        column=column,
        overwrite=overwrite,
        progress=True,
    )
    for name, (lines, blank, alone) in ((source, report.source), (target, report.target)):
        print(f"{name}: {lines:,} lines, {blank:,} blank lines, {alone:,} sentences without a partner")
    documents = f" of {report.documents:,} documents" if report.documents > 1 else ""
    print(f"{report.links:,} links{documents} in {output}")
    for name in report.unrelated:
        print(
            f"warning: {name}: most sentences have no partner, or one that is no nearer than a random sentence; the "
            "two texts are not translations in the same order, or the model does not know one of the languages",
            file=sys.stderr,
        )


def _print_skipped(skipped: tuple[Skipped, ...]) -> None:
    for each in skipped:
        print(f"not read: {each.file}: {each.reason}")


def _encode_script(given: dict[str, Any]) -> str:
    from lingualign.mining.encode_text import check_shared
    from lingualign.mining.engines.slurm import PARTS, Step, submission

    _check_script(given)
    check_shared(given["input"], given["output"], overwrite=given["overwrite"])
    command = ["encode", given["model"], given["input"], given["output"], *_written(encode, given)]
    return submission(
        [Step("encode", [command], given["where"].workers or PARTS), Step("encoded", [command])]
    )


def _mine_script(given: dict[str, Any]) -> str:
    from pathlib import Path

    from lingualign.mining.engines.slurm import PARTS, Step, submission
    from lingualign.mining.mine import check_mining, check_shared_mining
    from lingualign.mining.parts import SIDES, parts_of

    model, source, target, output = (given[name] for name in ("model", "source", "target", "output"))
    _check_script(given)
    _check_exact(given["options"])
    check_mining(
        source, target, Path(output), given["search"], given["options"], overwrite=given["overwrite"]
    )
    check_shared_mining(source, target, given["options"].calibrate)
    parts = given["where"].workers or PARTS
    shared = _written(encode, {"column": given["column"], "encoding": given["encoding"]})
    encodings = [
        ["encode", model, given[name], str(parts_of(output) / name), *shared]
        for name in SIDES
        if not Path(given[name]).is_dir()
    ]
    command = ["mine", model, source, target, output, *_written(mine, given)]
    return submission(
        [
            *([Step("encode", encodings, parts)] if encodings else []),
            Step("plan", [[*command, "--part=plan", f"--workers={parts}"]]),
            Step("search", [command], parts),
            Step("mined", [command]),
        ]
    )


def _check_script(given: dict[str, Any]) -> None:
    from lingualign.errors import InputError
    from lingualign.mining.engines import check_workers

    check_workers(given["where"].workers)
    for name, value in (("address", given["where"].address), ("part", given["part"])):
        if value is not None:
            raise InputError(
                f"{name} is {value!r}, but engine 'slurm' prints a script that has its own; leave it out"
            )


def _mine_part(given: dict[str, Any]) -> str:
    from lingualign.errors import InputError
    from lingualign.mining.engines.engine import parse_part
    from lingualign.mining.engines.slurm import PARTS
    from lingualign.mining.mine import plan_mining
    from lingualign.mining.tiled_search import search_part

    part, where, encoding = given["part"], given["where"], given["encoding"]
    if where.engine != "here":
        raise InputError(f"part is {part!r}, which is done here; leave out engine {where.engine!r}")
    _check_exact(given["options"])
    if part != "plan":
        tiles = search_part(given["output"], parse_part(part), device=encoding.device, progress=True)
        return f"{tiles:,} tiles of part {part} searched"
    tiles = plan_mining(
        *(given[name] for name in ("model", "source", "target", "output", "encoding", "search")),
        calibrate_on=given["options"].calibrate,
        column=given["column"],
        workers=where.workers or PARTS,
        progress=True,
    )
    return f"{tiles:,} tiles planned"


def _check_exact(options: MineOptions) -> None:
    from lingualign.errors import InputError

    if options.approximate:
        raise InputError("approximate search is not cut into parts: leave it out, or --engine and --part")


def _written(command: Callable[..., object], given: dict[str, Any]) -> list[str]:
    """Write the options of a command that differ from their defaults, those apart that say where it runs."""
    values: dict[str, Any] = {}
    for name, value in given.items():
        values |= vars(value) if is_dataclass(value) else {name: value}
    written = []
    for option in options_of(command):
        if option.by_place or option.key in ("engine", "workers", "address", "part"):
            continue
        if (value := values.get(option.key, option.default)) != option.default:
            written.append(option.flag if value is True else f"{option.flag}={value}")
    return written
