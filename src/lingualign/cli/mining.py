"""Use a model: encode, mine, filter and align."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from lingualign.pairs.discovery import Skipped


def encode(
    model: str,
    input: str,  # noqa: A002 - it is the name on the command line
    output: str,
    column: str | None = None,
    prompt: str | None = None,
    pooling: Literal["mean", "cls", "last"] | None = None,
    device: str | None = None,
    precision: Literal["auto", "bf16", "fp32"] = "auto",
    engine: Literal["here", "processes", "ray", "slurm"] = "here",
    workers: int | None = None,
    address: str | None = None,
    part: str | None = None,
    overwrite: bool = False,
) -> None:
    """Encode a text to vectors on disk; the same command goes on from where an interrupted one stopped.

    Parameters
    ----------
    model
        Hub id, folder, or minilm.
    input
        Text, one sentence a line (also compressed), - for standard input, or parquet, CSV, TSV, JSON lines, or the id
        of a hub data set, whose train split is streamed.
    output
        A folder for shards with a manifest; or a file, .npy, .parquet or .faiss (an index of FAISS).
    column
        Of an input with columns, the one to encode; sentence, text or the only one by default.
    prompt
        Text put before every sentence, such as "query: " for E5; the model's own default prompt where absent.
    pooling
        How a plain transformer makes a sentence's vector of its tokens'; mean by default.
    device
        Where the model runs, such as cpu or cuda:1; the best there is by default.
    precision
        Of the model's arithmetic; auto is bf16 where the processor has instructions for it.
    engine
        Where it runs: in this process, in several, on a Ray cluster; slurm prints a script to submit instead.
    workers
        How many, on Slurm the tasks of an array; by default one for each GPU or four processors, and 8 on Slurm.
    address
        Of the Ray cluster, head:6379; without it $RAY_ADDRESS, and without that Ray is started on this machine.
    part
        Encode only what falls to one of several calls, such as 3/8; one without it then completes the output.
    overwrite
        Replace the output.
    """
    given = dict(locals())
    from lingualign.mining import encode_text
    from lingualign.mining.engines import open_engine
    from lingualign.mining.engines.part import parse_part

    if engine == "slurm":
        print(_encode_script(given), end="")
        return
    report = encode_text(
        model,
        input,
        output,
        column=column,
        prompt=prompt,
        pooling=pooling,
        device=device,
        precision=precision,
        engine=open_engine(engine, workers, address),
        part=parse_part(part) if part else None,
        overwrite=overwrite,
        progress=True,
    )
    before = f", {report.kept:,} of them before" if report.kept else ""
    of = f" of part {part}" if part else ""
    print(f"{report.rows:,} sentences{of} encoded to {output}{before}")


def mine(
    model: str,
    source: str,
    target: str,
    output: str,
    k: int = 4,
    margin: Literal["ratio", "distance", "absolute"] = "ratio",
    retrieval: Literal["max", "intersect", "forward", "backward"] = "max",
    threshold: float | None = None,
    calibrate: str | None = None,
    plot: str | None = None,
    candidates: bool = False,
    column: str | None = None,
    prompt: str | None = None,
    pooling: Literal["mean", "cls", "last"] | None = None,
    device: str | None = None,
    precision: Literal["auto", "bf16", "fp32"] = "auto",
    memory: str = "4GiB",
    approximate: bool = False,
    engine: Literal["here", "processes", "ray", "slurm"] = "here",
    workers: int | None = None,
    address: str | None = None,
    part: str | None = None,
    overwrite: bool = False,
) -> None:
    """Find the sentences of two texts that translate each other.

    Parameters
    ----------
    model
        Hub id, folder, or minilm.
    source
        Text, one sentence a line, or a folder made by lingualign encode.
    target
        The same in the other language.
    output
        File for the pairs, the best first: .tsv (score, source, target; compressed too), .parquet,
        mined.en-fr.tmx, or mined.en-fr for Moses text.
    k
        Neighbours of each sentence, among which its best is chosen and over which the margin is taken.
    margin
        Score of a pair: its cosine divided by the mean of the neighbours' (ratio), less it (distance), or alone.
    retrieval
        Each sentence in one pair at most (max), only pairs that are best for both (intersect), each source
        sentence's best (forward), or each target sentence's (backward).
    threshold
        Least score of a pair; all pairs where absent.
    calibrate
        Known pairs to plant in the texts, sentence1 in the source's language: the threshold that finds them with
        the best F1 is taken.
    plot
        File for precision and recall by threshold, .svg, .png or .pdf, with --calibrate.
    candidates
        Write every neighbour, not only the best.
    column
        Of an input with columns, the one to take; sentence, text or the only one by default.
    prompt
        Text put before every sentence, such as "query: " for E5; the model's own default prompt where absent.
    pooling
        How a plain transformer makes a sentence's vector of its tokens'; mean by default.
    device
        Where the model runs, such as cpu or cuda:1; the best there is by default.
    precision
        Of the arithmetic; auto is bf16 where the processor has instructions for it.
    memory
        What the search may take, in each worker, beside sentences and vectors.
    approximate
        Search by inverted lists of FAISS, which miss some pairs: for a million sentences a side
        and more, where the processor is not fast at bf16.
    engine
        Where it runs: in this process, in several, on a Ray cluster; slurm prints a script to submit instead.
    workers
        How many, on Slurm the tasks of an array; by default one for each GPU or four processors, and 8 on Slurm.
    address
        Of the Ray cluster, head:6379; without it $RAY_ADDRESS, and without that Ray is started on this machine.
    part
        Do one step of several: plan, which encodes and cuts the search into tiles, or such as 3/8, which searches those
        that fall to one of eight calls; a call without it then ends the work.
    overwrite
        Replace the output.
    """
    given = dict(locals())
    from lingualign.mining import mine_pairs
    from lingualign.mining.engines import open_engine

    if engine == "slurm":
        print(_mine_script(given), end="")
        return
    if part is not None:
        print(_mine_part(given))
        return
    report = mine_pairs(
        model,
        source,
        target,
        output,
        k=k,
        margin=margin,
        retrieval=retrieval,
        threshold=threshold,
        calibrate_on=calibrate,
        plot=plot,
        candidates=candidates,
        column=column,
        prompt=prompt,
        pooling=pooling,
        device=device,
        precision=precision,
        memory=memory,
        approximate=approximate,
        engine=open_engine(engine, workers, address),
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
    by: Literal["score", "margin", "cosine"] = "score",
    threshold: float | None = None,
    best: int | None = None,
    k: int = 4,
    margin: Literal["ratio", "distance", "absolute"] = "ratio",
    prompt: str | None = None,
    pooling: Literal["mean", "cls", "last"] | None = None,
    device: str | None = None,
    precision: Literal["auto", "bf16", "fp32"] = "auto",
    memory: str = "4GiB",
    overwrite: bool = False,
) -> None:
    """Score translation pairs that exist already, and keep the best.

    Parameters
    ----------
    model
        Hub id, folder, or minilm.
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
    prompt
        Text put before every sentence, such as "query: " for E5; the model's own default prompt where absent.
    pooling
        How a plain transformer makes a sentence's vector of its tokens'; mean by default.
    device
        Where the model runs, such as cpu or cuda:1; the best there is by default.
    precision
        Of the arithmetic; auto is bf16 where the processor has instructions for it.
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
        by=by,
        threshold=threshold,
        best=best,
        k=k,
        margin=margin,
        prompt=prompt,
        pooling=pooling,
        device=device,
        precision=precision,
        memory=memory,
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
    most: int = 2,
    skip: float = 0.5,
    column: str | None = None,
    prompt: str | None = None,
    pooling: Literal["mean", "cls", "last"] | None = None,
    device: str | None = None,
    precision: Literal["auto", "bf16", "fp32"] = "auto",
    overwrite: bool = False,
) -> None:
    """Align the sentences of documents that follow the same order in two languages.

    Parameters
    ----------
    model
        Hub id, folder, or minilm.
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
        Of an input with columns, the one to take; sentence, text or the only one by default.
    prompt
        Text put before every sentence, such as "query: " for E5; the model's own default prompt where absent.
    pooling
        How a plain transformer makes a sentence's vector of its tokens'; mean by default.
    device
        Where the model runs, such as cpu or cuda:1; the best there is by default.
    precision
        Of the model's arithmetic; auto is bf16 where the processor has instructions for it.
    overwrite
        Replace the output.
    """
    from lingualign.mining import align_documents

    report = align_documents(
        model,
        source,
        target,
        output,
        most=most,
        skip=skip,
        column=column,
        prompt=prompt,
        pooling=pooling,
        device=device,
        precision=precision,
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
    from lingualign.mining.encode import check_shared
    from lingualign.mining.engines.slurm import PARTS, Step, submission

    _check_script(given)
    check_shared(given["input"], given["output"], overwrite=given["overwrite"])
    command = ["encode", given["model"], given["input"], given["output"], *_options(encode, given)]
    return submission([Step("encode", [command], given["workers"] or PARTS), Step("encoded", [command])])


def _mine_script(given: dict[str, Any]) -> str:
    from pathlib import Path

    from lingualign.mining.engines.slurm import PARTS, Step, submission
    from lingualign.mining.mine import check_mining, check_shared_mining
    from lingualign.mining.options import MineOptions
    from lingualign.mining.parts import SIDES, parts_of
    from lingualign.neighbours import SearchOptions

    _check_script(given)
    _check_exact(given)
    search = SearchOptions(given["k"], given["margin"], given["memory"])
    chosen = ("retrieval", "threshold", "calibrate", "plot")
    options = MineOptions(**{name: given[name] for name in chosen})
    check_mining(
        given["source"],
        given["target"],
        Path(given["output"]),
        search,
        options,
        overwrite=given["overwrite"],
    )
    check_shared_mining(given["source"], given["target"], given["calibrate"])
    parts = given["workers"] or PARTS
    folder = parts_of(given["output"])
    shared = {name: given[name] for name in ("column", "prompt", "pooling", "device", "precision")}
    encodings = [
        ["encode", given["model"], given[name], str(folder / name), *_options(encode, shared)]
        for name in SIDES
        if not Path(given[name]).is_dir()
    ]
    command = ["mine", given["model"], given["source"], given["target"], given["output"]]
    command += _options(mine, given)
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

    check_workers(given["workers"])
    for name in ("address", "part"):
        if given[name] is not None:
            raise InputError(
                f"{name} is {given[name]!r}, but engine 'slurm' prints a script that has its own; leave it out"
            )


def _mine_part(given: dict[str, Any]) -> str:
    from lingualign.embedding.options import ModelOptions
    from lingualign.errors import InputError
    from lingualign.mining.engines.part import parse_part
    from lingualign.mining.engines.slurm import PARTS
    from lingualign.mining.mine import plan_mining, search_part
    from lingualign.neighbours import SearchOptions

    if given["engine"] != "here":
        raise InputError(
            f"part is {given['part']!r}, which is done here; leave out engine {given['engine']!r}"
        )
    _check_exact(given)
    if given["part"] != "plan":
        tiles = search_part(given["output"], parse_part(given["part"]), device=given["device"], progress=True)
        return f"{tiles:,} tiles of part {given['part']} searched"
    tiles = plan_mining(
        given["model"],
        given["source"],
        given["target"],
        given["output"],
        ModelOptions(*(given[name] for name in ("prompt", "pooling", "device", "precision"))),
        SearchOptions(given["k"], given["margin"], given["memory"]),
        calibrate_on=given["calibrate"],
        column=given["column"],
        workers=given["workers"] or PARTS,
        progress=True,
    )
    return f"{tiles:,} tiles planned"


def _check_exact(given: dict[str, Any]) -> None:
    from lingualign.errors import InputError

    if given["approximate"]:
        raise InputError("approximate search is not cut into parts: leave it out, or --engine and --part")


def _options(command: Callable[..., None], given: dict[str, Any]) -> list[str]:
    """Write the options of a command that differ from their defaults, those apart that say where it runs."""
    options = []
    for name, parameter in inspect.signature(command).parameters.items():
        if parameter.default is inspect.Parameter.empty or name in ("engine", "workers", "address", "part"):
            continue
        if (value := given.get(name, parameter.default)) != parameter.default:
            options.append(f"--{name}" if value is True else f"--{name}={value}")
    return options
