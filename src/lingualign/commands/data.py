"""Get translation pairs, and suites to evaluate on."""

from __future__ import annotations


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


def fetch_suites(folder: str, languages: list[str] | None = None) -> None:
    """Copy the paper's evaluation suites from the hub into a folder, for evaluate --suite FOLDER.

    Parameters
    ----------
    folder
        Where to; its .manifest.json names the commits, and what is there already is not fetched again.
    languages
        Of en, fr, ja, ko and ru, those to fetch; all by default.
    """
    from lingualign.evaluation.paper import fetch_suites

    files = fetch_suites(folder, languages)
    print(f"{len(files)} suites in {folder}")
