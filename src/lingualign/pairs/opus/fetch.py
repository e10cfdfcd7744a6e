"""From names of corpora to a folder of pairs: ``lingualign data fetch`` and its tables."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from lingualign.errors import InputError
from lingualign.languages import language_code
from lingualign.pairs.opus.catalogue import Bitext, Catalogue, open_client, spread
from lingualign.pairs.opus.downloads import Line, batches, decoded, download_archives, open_archive, sample
from lingualign.pairs.selection import LanguagePair, select_language_pairs
from lingualign.pairs.table import PAIR_SCHEMA
from lingualign.progress import Lines, draws_bars
from lingualign.store import read_json, sha256_of, taking_turns, whole_file, write_atomically

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import Console


MANIFEST = "manifest.json"
_FORMAT = "lingualign pairs from OPUS, 1"


@dataclass(frozen=True)
class Fetched:
    """A file of pairs in the folder, and its origin."""

    corpus: str
    version: str
    lang1: str
    lang2: str
    url: str
    lines: int
    """Number of lines in the archive."""
    kept: int
    no_text: int
    """Number of skipped lines of the sample: see `decoded`."""
    per_corpus: int | None
    """Requested size of the sample; None for all lines."""
    seed: int | None
    bytes: int
    sha256: str


@dataclass
class FetchPlan:
    """Plan of a fetch, made before any archive is downloaded."""

    output: Path
    per_corpus: int | None
    seed: int
    bitexts: dict[str, Bitext]
    """Bitexts by their file, relative to the output."""
    ready: dict[str, Fetched]
    """Existing files from the same archive with the same sample."""
    absent: dict[str, list[LanguagePair]] = field(default_factory=dict)
    """Selected language pairs that a corpus does not have."""

    @property
    def missing(self) -> dict[str, Bitext]:
        """Bitexts whose files do not exist yet."""
        return {name: bitext for name, bitext in self.bitexts.items() if name not in self.ready}


def plan_fetch(
    languages: Sequence[str],
    corpora: Sequence[str],
    output: str | os.PathLike[str],
    *,
    select: str | Sequence[str] = "all",
    per_corpus: int | None = None,
    seed: int = 7,
) -> FetchPlan:
    """Ask the catalogue for the wanted archives, and compare them with the existing files.

    Parameters
    ----------
    languages
        Languages of both sides of a pair.
    corpora
        ``CORPUS``, in its newest version, or ``CORPUS/VERSION``.
    output
        Folder for the pairs; files of an earlier fetch are used.
    select
        Language pairs: see `parse_patterns`.
    per_corpus
        Number of pairs to sample of each corpus and language pair; all by default.
    seed
        Seed of the sample. Same seed, same archives, same files.

    Raises
    ------
    InputError
        If an argument cannot be used, a corpus does not exist or has none of the pairs, or the catalogue cannot be
        reached.
    """
    if per_corpus is not None and per_corpus < 1:
        raise InputError(
            f"per_corpus: {per_corpus} is not a number of pairs; give 1 or more, or nothing for all"
        )
    try:
        wanted = {language_code(code) for code in languages}
    except InputError as error:
        raise InputError(f"languages: {error}") from None
    if len(wanted) < 2:
        raise InputError(f"languages: {', '.join(languages) or 'none'} given; a pair takes two")
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"output {str(folder)!r} is a file; give a folder")

    with open_client() as client:
        catalogue = Catalogue(client)
        listed = {corpus: catalogue.bitexts(corpus) for corpus in dict.fromkeys(corpora)}
    volumes: Counter[LanguagePair] = Counter()
    for bitext in (bitext for found in listed.values() for bitext in found):
        if wanted.issuperset(bitext.language_pair):
            volumes[bitext.language_pair] += bitext.pairs or 0
    if not volumes:
        existing = "; ".join(f"{corpus} has {spread(found, wanted)}" for corpus, found in listed.items())
        raise InputError(f"none of the corpora has a pair of {', '.join(sorted(wanted))}: {existing}")
    selected = select_language_pairs(volumes, select)

    plan = FetchPlan(folder, per_corpus, seed, {}, {})
    for corpus, found in listed.items():
        kept = [bitext for bitext in found if bitext.language_pair in selected]
        if not kept:
            asked = ", ".join("-".join(pair) for pair in sorted(selected))
            raise InputError(
                f"corpora: {corpus} has none of the pairs {asked}; it has {spread(found, wanted)}. Leave it out, or "
                "ask for other languages"
            )
        if absent := sorted(selected - {bitext.language_pair for bitext in kept}):
            plan.absent[kept[0].corpus] = absent
        for bitext in kept:
            name = f"{bitext.corpus}/{bitext.tag1}-{bitext.tag2}.parquet"
            if plan.bitexts.setdefault(name, bitext) != bitext:
                raise InputError(
                    f"corpora: {bitext.corpus} is given in two versions; fetch them to two folders"
                )
    manifest = _read_manifest(folder)
    for name, bitext in plan.bitexts.items():
        path = folder / name
        entry = manifest.get(name)
        if entry is None and path.exists():
            raise InputError(
                f"{path} is there, but not in {MANIFEST}: it was not fetched, and is not overwritten; give another "
                "folder"
            )
        if entry and _same(entry, bitext, plan) and path.is_file() and sha256_of(path) == entry.sha256:
            plan.ready[name] = entry
    return plan


def fetch(plan: FetchPlan, *, progress: bool = False) -> dict[str, Fetched]:
    """Download the missing archives, and write their samples.

    Archives are downloaded several at a time to a cache that all runs share. Each file is written whole and then added
    to the manifest: an interrupted fetch resumes.

    Parameters
    ----------
    plan
        Plan of `plan_fetch`.
    progress
        Show bars on standard error.

    Returns
    -------
    dict
        Files of the plan, by their path below the output.

    Raises
    ------
    InputError
        If an archive cannot be downloaded or used.
    OSError
        If a file cannot be written.
    KeyboardInterrupt
        With a message, after Ctrl-C: no half-written file is left, and the next fetch uses the downloads.
    """
    missing = plan.missing
    if not missing:
        return dict(plan.ready)
    plan.output.mkdir(parents=True, exist_ok=True)
    lock = plan.output / ".lock"
    try:
        with taking_turns(lock, f"waiting for another run that fetches to {plan.output}"):
            with open_client() as client:
                download_archives(client, list(missing.values()), progress=progress)
            made = {}
            for name, bitext in _shown(missing, enabled=progress):
                made[name] = _sample_to(plan.output / name, bitext, plan)
                _write_manifest(plan.output, _read_manifest(plan.output) | {name: made[name]})
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "interrupted; what was downloaded is kept, the same command goes on from there"
        ) from None
    return {name: made.get(name) or plan.ready[name] for name in plan.bitexts}


def _sample_to(path: Path, bitext: Bitext, plan: FetchPlan) -> Fetched:
    tally: Counter[str] = Counter()
    with open_archive(bitext) as lines:
        if plan.per_corpus is None:
            chosen: Iterable[Line] = _counted(lines, tally, "lines")
        else:
            seed = f"{plan.seed} {bitext.corpus} {bitext.tag1}-{bitext.tag2}"
            chosen, tally["lines"] = sample(lines, plan.per_corpus, seed)
        size, digest = _write_pairs(_readable(chosen, tally), bitext, path)
    return Fetched(
        bitext.corpus,
        bitext.version,
        bitext.lang1,
        bitext.lang2,
        bitext.url,
        tally["lines"],
        tally["kept"],
        tally["no text"],
        plan.per_corpus,
        None if plan.per_corpus is None else plan.seed,
        size,
        digest,
    )


def _counted(lines: Iterable[Line], tally: Counter[str], what: str) -> Iterator[Line]:
    for line in lines:
        tally[what] += 1
        yield line


def _readable(lines: Iterable[Line], tally: Counter[str]) -> Iterator[Line]:
    for line in lines:
        if decoded(line) is None:
            tally["no text"] += 1
        else:
            tally["kept"] += 1
            yield line


def _write_pairs(lines: Iterable[Line], bitext: Bitext, path: Path) -> tuple[int, str]:
    """Write pairs as a stream to a file, whole or not at all; returns its size and SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        with pq.ParquetWriter(temporary, PAIR_SCHEMA, compression="zstd") as writer:
            for batch in batches(lines, bitext):
                writer.write_table(batch)
        return temporary.stat().st_size, sha256_of(temporary)


def _same(entry: Fetched, bitext: Bitext, plan: FetchPlan) -> bool:
    """Return whether a file has the archive and the sample of the plan."""
    seed = None if plan.per_corpus is None else plan.seed
    return (entry.version, entry.url, entry.per_corpus, entry.seed) == (
        bitext.version,
        bitext.url,
        plan.per_corpus,
        seed,
    )


def _read_manifest(folder: Path) -> dict[str, Fetched]:
    path = folder / MANIFEST
    try:
        content: Any = read_json(path.read_bytes())
        if content["format"] != _FORMAT:
            raise ValueError(content["format"])
        return {name: Fetched(**entry) for name, entry in content["files"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not the manifest of a fetch ({type(error).__name__}: {error}); give another folder"
        ) from None


def _write_manifest(folder: Path, files: dict[str, Fetched]) -> None:
    listed = {name: asdict(files[name]) for name in sorted(files)}
    text = json.dumps({"format": _FORMAT, "files": listed}, ensure_ascii=False, indent=2)
    write_atomically(folder / MANIFEST, text + "\n")


def _shown(missing: dict[str, Bitext], *, enabled: bool) -> Iterator[tuple[str, Bitext]]:
    if not enabled:
        yield from missing.items()
        return
    if not draws_bars():
        lines = Lines("Reading archives", len(missing))
        for done, item in enumerate(missing.items()):
            lines.show(done)
            yield item
        lines.end(len(missing))
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(list(missing.items()), "Reading archives", console=Console(stderr=True))


def print_plan(plan: FetchPlan, console: Console | None = None) -> None:
    """Print each archive with its size, the language pairs that a corpus lacks, and the size of the downloads."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = console or Console()
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in ("corpus", "version", "pair"):
        table.add_column(name, overflow="fold")
    for name in ("pairs", "archive"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    to_load = 0
    for name, bitext in plan.bitexts.items():
        cached = bitext.archive.is_file()
        to_load += 0 if name in plan.ready or cached else bitext.kib
        state = "there" if name in plan.ready else "in the cache" if cached else ""
        pairs = "?" if bitext.pairs is None else f"{bitext.pairs:,}"
        pair = f"{bitext.tag1}-{bitext.tag2}"
        table.add_row(bitext.corpus, bitext.version, pair, pairs, _size(bitext.kib), state)
    console.print(table)
    for corpus, pairs_absent in plan.absent.items():
        lacking = ", ".join("-".join(pair) for pair in pairs_absent)
        console.print(f"not in {corpus}: {lacking}", markup=False, soft_wrap=True)
    console.print(f"to download: {_size(to_load)}", markup=False)


def print_fetched(files: Mapping[str, Fetched], plan: FetchPlan, console: Console | None = None) -> None:
    """Print the number of pairs in the output."""
    from rich.console import Console

    console = console or Console()
    kept = sum(file.kept for file in files.values())
    lines = sum(file.lines for file in files.values())
    console.print(
        f"{kept:,} pairs of {lines:,} in {plan.output} ({len(files)} files, {len(plan.ready)} of them there before)",
        markup=False,
        soft_wrap=True,
    )
    for name, file in files.items():
        if file.no_text:
            line = f"{name}: {file.no_text:,} pairs left out: not UTF-8, with a NUL, or too long"
            console.print(line, markup=False, soft_wrap=True)


def _size(kib: int) -> str:
    for unit, scale in (("GiB", 1024**2), ("MiB", 1024)):
        if kib >= scale:
            return f"{kib / scale:,.1f} {unit}"
    return f"{kib} KiB"
