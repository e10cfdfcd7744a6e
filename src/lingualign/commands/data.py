"""Get translation pairs, and make a training set of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lingualign.pairs.config import DataConfig


def fetch(
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
        Of the sample.
    dry_run
        List the archives and their sizes, and stop.
    """
    from lingualign.pairs.opus.fetch import fetch, plan_fetch
    from lingualign.pairs.opus.listing import print_fetched, print_plan

    plan = plan_fetch(languages, corpora, output, select=select, per_corpus=per_corpus, seed=seed)
    print_plan(plan)
    if not dry_run:
        print_fetched(fetch(plan, progress=True), plan)


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

    from lingualign.embedding.progress import progress_bar
    from lingualign.pairs import prepare_shards, print_report

    progress = partial(progress_bar, enabled=True)
    manifest = prepare_shards(data, folder, overwrite=overwrite, progress=progress)
    report = manifest.report()
    print_report(report)
    print(
        f"{report.total.train:,} pairs to train on and {report.total.validation:,} to validate on in {folder}"
    )
