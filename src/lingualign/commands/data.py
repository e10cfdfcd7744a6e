"""Look at translation pairs, clean them, and make sets of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from lingualign.embedding import CosineFilter
    from lingualign.pairs import Filter
    from lingualign.pairs.config import DataConfig
    from lingualign.pairs.discovery import PairFile


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

    from lingualign.embedding.progress import progress_bar
    from lingualign.files import write_atomically
    from lingualign.pairs import inspect_pairs, inspection_page, print_inspection

    if output is not None:
        _check_page(output)
    filters = _filters(data)
    cosine = _cosine_filter(data)
    if cosine is not None and data.cleaning.cosine is not None:
        filters.append(cosine)
    files = _files(data.pairs.sources)
    with progress_bar("Pairs", None, enabled=True) as advance:
        found = inspect_pairs(
            _tables(files, data.pairs.columns),
            filters,
            languages=data.pairs.languages,
            select=data.pairs.select,
            cosine=cosine.cosines if cosine else None,
            advance=advance,
        )
    print_inspection(found)
    if output is not None:
        write_atomically(Path(output), inspection_page(found))
        print(f"page with plots: {output}")


def counts(source: str) -> None:
    """Count the pairs of a set by language and by corpus, as the paper's Appendix B does.

    Parameters
    ----------
    source
        Folder, file or hub data set of pairs, as train takes them.
    """
    from lingualign.pairs import pair_counts, print_pair_counts

    print_pair_counts(pair_counts(_tables(_files([source]), None)))


def _filters(data: DataConfig) -> list[Filter]:
    """Make the filters that need no model: for what is poor, and for what leaks."""
    from lingualign.pairs import cleaning_filters, near_leak_filter
    from lingualign.pairs.decontamination import Leaks, read_suites

    filters = cleaning_filters(data.cleaning)
    if data.decontaminate:
        filters.append(Leaks(read_suites(data.decontaminate)))
        if data.leaks != "exact":
            filters.append(near_leak_filter(data.decontaminate))
    return filters


def _cosine_filter(data: DataConfig) -> CosineFilter | None:
    if data.cleaning.model is None:
        return None
    from lingualign.embedding import CosineFilter, load_model

    threshold = data.cleaning.cosine
    return CosineFilter(load_model(data.cleaning.model), -1.0 if threshold is None else threshold)


def _files(sources: list[str]) -> list[PairFile]:
    from lingualign.pairs.discovery import find_pairs

    found = {file.identity: file for source in sources for file in find_pairs(source).files}
    return sorted(found.values(), key=lambda file: file.name)


def _tables(files: list[PairFile], columns: dict[str, str] | None) -> Iterator[pa.Table]:
    from lingualign.pairs.readers import read_pairs

    return (read_pairs(file, columns=columns) for file in files)


def _check_page(output: str) -> None:
    from pathlib import Path

    from lingualign.errors import InputError

    path = Path(output)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--output {output!r}: the page is HTML; give a name that ends in .html")
    if path.is_dir() or not path.resolve().parent.is_dir():
        raise InputError(
            f"--output {output!r}: {'a folder' if path.is_dir() else 'its folder does not exist'}"
        )
