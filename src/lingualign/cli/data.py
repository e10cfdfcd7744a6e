"""Get translation pairs, look at them, clean them, and make training sets of them; get suites to evaluate on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.pairs.config import DataConfig, PairsConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from lingualign.embedding import CosineFilter
    from lingualign.pairs import Filter
    from lingualign.pairs.discovery import Skipped


def fetch(
    *,
    languages: list[str],
    corpora: list[str],
    output: str = "opus",
    select: str = "all",
    per_corpus: int | None = None,
    seed: int = 7,
    dry_run: bool = False,
) -> None:
    """Fetch corpora of translation pairs from OPUS, or a sample of each.

    Parameters
    ----------
    languages
        Codes of languages; a pair has both sides among them.
    corpora
        Names as on opus.nlpl.eu, in their newest version, or CORPUS/VERSION.
    output
        Folder for the pairs, a file for each corpus and language pair; what is there already is not fetched again.
    select
        Language pairs: all, or patterns such as en-xx, en-xx,fr-xx, en-ko.
    per_corpus
        Pairs to sample of each corpus and language pair; all where absent.
    seed
        Seed of the sample.
    dry_run
        List the archives and their sizes, and stop.
    """
    from lingualign.pairs.opus.fetch import fetch, plan_fetch, print_fetched, print_plan

    plan = plan_fetch(languages, corpora, output, select=select, per_corpus=per_corpus, seed=seed)
    print_plan(plan)
    if not dry_run:
        print_fetched(fetch(plan, progress=True), plan)


def fetch_suites(folder: str, languages: list[str] | None = None) -> None:
    """Copy the paper's evaluation suites from the hub into a folder, for evaluate --suite FOLDER.

    Parameters
    ----------
    folder
        Where to; its .manifest.json names the commits, and what is there already is not fetched again.
    languages
        Languages to fetch, among en, fr, ja, ko and ru; all by default.
    """
    from lingualign.evaluation.paper import fetch_suites

    files = fetch_suites(folder, languages)
    print(f"{len(files)} suites in {folder}")


def inspect_(data: DataConfig, output: str | None = None) -> None:
    """Show what pairs look like: lengths, what each filter finds, a sample; nothing is changed.

    Parameters
    ----------
    data
        YAML file with the options below; an option given on the command line wins.
    output
        File for a page with plots, as HTML.
    """
    from pathlib import Path

    from lingualign.pairs import inspect_pairs, inspection_page, near_leak_filter, print_inspection
    from lingualign.pairs.leaks import Leaks, read_suites
    from lingualign.progress import progress_bar
    from lingualign.report.pair_tables import print_skipped
    from lingualign.store import write_atomically

    if output is not None:
        _check_page(output)
    cosine = _cosine_filter(data)
    filters = _filters(data, cosine)
    if data.decontaminate:
        filters.append(Leaks(read_suites(data.decontaminate)))
        if data.leaks != "exact":
            filters.append(near_leak_filter(data.decontaminate))
    skipped: list[Skipped] = []
    with progress_bar("Pairs", None, enabled=True) as advance:
        found = inspect_pairs(
            _tables(data.pairs, skipped),
            filters,
            languages=data.pairs.languages,
            select=data.pairs.select,
            cosine=cosine.cosines if cosine else None,
            advance=advance,
        )
    print_inspection(found)
    print_skipped(skipped)
    if output is not None:
        write_atomically(Path(output), inspection_page(found))
        print(f"page with plots: {output}")


def prepare(folder: str, data: DataConfig, overwrite: bool = False) -> None:
    """Select, clean, sample and split translation pairs of any number, into a folder that train takes as a source.

    Parameters
    ----------
    folder
        Where the pairs go, in parquet, with a manifest.
    data
        YAML file with the options below; an option given on the command line wins.
    overwrite
        Replace prepared pairs in the folder.
    """
    from functools import partial

    import pyarrow as pa

    from lingualign.pairs import near_leak_filter, prepare_shards, print_report
    from lingualign.pairs.cleaning import Reported
    from lingualign.progress import progress_bar

    filters = _filters(data, _cosine_filter(data))
    told: Reported | None = None
    if data.decontaminate and data.leaks != "exact":
        near = near_leak_filter(data.decontaminate)
        told = Reported(near) if data.leaks == "report" else None
        filters.append(told or near)
    progress = partial(progress_bar, enabled=True)
    manifest = prepare_shards(data, folder, filters=filters, overwrite=overwrite, progress=progress)
    report = manifest.report()
    print_report(report)
    if told is not None and told.found:
        print(
            f"{told.found:,} pairs are nearly in a suite and were kept (--leaks strict leaves them out), such as"
        )
        for side in (side for pair in told.examples for side in pair):
            [place], [similarity] = near.nearest(pa.array([side]))
            if place >= 0:
                print(f"  {similarity:.2f}  {side}  ~  {near.sentences[int(place)]}")
    print(
        f"{report.total.train:,} pairs to train on and {report.total.validation:,} to validate on in {folder}"
    )


def counts(source: str) -> None:
    """Count the pairs of a set by language and by corpus, as the paper's Appendix B does.

    Parameters
    ----------
    source
        Folder, file or hub data set of pairs, as train takes them.
    """
    from lingualign.pairs import pair_counts, print_pair_counts
    from lingualign.report.pair_tables import print_skipped

    skipped: list[Skipped] = []
    print_pair_counts(pair_counts(_tables(PairsConfig([source]), skipped)))
    print_skipped(skipped)


def _filters(data: DataConfig, cosine: CosineFilter | None) -> list[Filter]:
    """Make the filters for what is poor."""
    from lingualign.pairs import cleaning_filters

    filters = cleaning_filters(data.cleaning)
    if cosine is not None and data.cleaning.cosine is not None:
        filters.append(cosine)
    return filters


def _cosine_filter(data: DataConfig) -> CosineFilter | None:
    if data.cleaning.model is None:
        return None
    from lingualign.embedding import CosineFilter, load_model

    threshold = data.cleaning.cosine
    return CosineFilter(load_model(data.cleaning.model), -1.0 if threshold is None else threshold)


def _tables(pairs: PairsConfig, skipped: list[Skipped]) -> Iterator[pa.Table]:
    """Read the sources, each file once, in the order of the files' names; what is not read joins ``skipped``."""
    from dataclasses import replace

    from lingualign.pairs.recipe import asked_languages, find_all

    asked_languages(pairs)
    listing, _ = find_all(replace(pairs, validation=0))
    skipped += listing.skipped
    for file in listing.files:
        yield from file.stream(pairs, skipped)


def _check_page(output: str) -> None:
    from pathlib import Path

    from lingualign.errors import InputError
    from lingualign.store import check_writable

    path = Path(output)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--output {output!r}: the page is HTML; give a name that ends in .html")
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise InputError(
            f"--output {output!r}: {'a folder' if path.is_dir() else 'its folder does not exist'}"
        )
    check_writable(path, f"--output {output!r}")
