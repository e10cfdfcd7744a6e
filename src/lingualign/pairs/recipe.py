"""The request for a preparation of pairs, checked before any pair is read."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.languages import language_code
from lingualign.pairs.columns import check_columns
from lingualign.pairs.discovery import Listing, PairFile, Skipped
from lingualign.pairs.formats.encodings import check_encoding
from lingualign.pairs.leaks import SuiteSentences, read_suites
from lingualign.pairs.manifest import Manifest
from lingualign.pairs.selection import parse_patterns, resolve_priority
from lingualign.pairs.sources import find_pairs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from lingualign.pairs.cleaning.judging import Filter
    from lingualign.pairs.config import PairsConfig


@dataclass(frozen=True)
class Recipe:
    """A request for pairs; `lingualign.pairs.prepare_pairs` describes each part."""

    pairs: PairsConfig
    decontaminate: Sequence[str]
    prefer: Sequence[str]
    seed: int
    filters: Sequence[Filter] = ()


@dataclass(frozen=True)
class Ingredients:
    """The files that a recipe names, and the sentences that it keeps out."""

    listing: Listing
    """Files, those given to validate on last."""
    given: int
    """Number of files given to validate on."""
    languages: set[str] | None
    suites: SuiteSentences

    @property
    def given_files(self) -> list[str]:
        """Names of the files given to validate on."""
        return [file.name for file in self.listing.files[len(self.listing.files) - self.given :]]

    def chunks(self, recipe: Recipe) -> Iterator[tuple[int, pa.Table]]:
        """Yield all pairs, file by file, some ten thousand at a time, with the number of their file.

        Content of a file that is not a pair is added to the skipped.
        """
        for number, file in enumerate(self.listing.files):
            left_out: list[Skipped] = []
            for table in file.stream(recipe.pairs, left_out):
                yield number, table
            self.listing.skipped += left_out


def gather(recipe: Recipe) -> Ingredients:
    """Check a recipe, find its files and read its suites.

    Raises
    ------
    InputError
        If an argument cannot be used, or a file or suite is missing.
    """
    pairs = recipe.pairs
    _check_counts(pairs)
    check_columns(pairs.columns)
    check_encoding(pairs.encoding)
    languages = asked_languages(pairs)
    parse_patterns(pairs.select)
    resolve_priority(Counter(), pairs.priority, recipe.prefer)
    for source in sorted(pairs.sources, key=os.fspath):
        if Manifest.read(Path(source)) is not None:
            raise InputError(
                f"source {os.fspath(source)!r} holds prepared pairs, which train takes as they are; to prepare some of "
                f"them anew, give {str(Path(source, 'train'))!r}"
            )
    listing, given = find_all(pairs)
    # Sorted, so that the result does not depend on the order of the suites.
    return Ingredients(listing, given, languages, read_suites(sorted(recipe.decontaminate, key=os.fspath)))


def find_all(pairs: PairsConfig) -> tuple[Listing, int]:
    """List all sources, each file once, in an order that does not depend on the order of the sources.

    Returns the listing, files to validate on last, and the number of these.
    """
    if not pairs.sources:
        raise InputError("sources: none given; give folders, files or hub data set ids")
    found = [find_pairs(source, pairs) for source in sorted(pairs.sources, key=os.fspath)]
    listing = Listing(skipped=[skipped for each in found for skipped in each.skipped])
    given: list[PairFile] = []
    validation = pairs.validation
    if not isinstance(validation, int):
        try:
            apart = find_pairs(validation, pairs)
        except InputError as error:
            raise InputError(f"validation: {error}") from None
        given = apart.files
        listing.skipped += apart.skipped
    files = sorted((file for each in found for file in each.files), key=lambda file: file.name)
    kept: dict[object, PairFile] = {}
    for file in [*given, *files]:
        first = kept.setdefault(file.identity, file)
        if first is not file:
            name = "" if first.name == file.name else f", read as {first.name}"
            use = ", kept to validate on" if first in given else ""
            listing.skipped.append(Skipped(file.name, f"given twice{name}{use}"))
    count = len({file.identity for file in given})
    if not isinstance(validation, int) and count == len(kept):
        raise InputError(
            f"validation: {os.fspath(validation)!r} holds every file of sources; give other pairs, or a "
            "number to hold out"
        )
    listing.files = [*kept.values()][count:] + [*kept.values()][:count]
    listing.skipped = list(dict.fromkeys(listing.skipped))
    return listing, count


def asked_languages(pairs: PairsConfig) -> set[str] | None:
    """Return the codes of ``languages``, None if it is absent; raise InputError for an unknown one."""
    if pairs.languages is None:
        return None
    try:
        return {language_code(code) for code in pairs.languages}
    except InputError as error:
        raise InputError(f"languages: {error}") from None


def _check_counts(pairs: PairsConfig) -> None:
    if pairs.per_corpus is not None and pairs.per_corpus < 1:
        raise InputError(
            f"per_corpus: {pairs.per_corpus} is not a number of pairs; give 1 or more, or nothing for all pairs"
        )
    if isinstance(pairs.validation, int) and pairs.validation < 0:
        raise InputError(
            f"validation: {pairs.validation} is not a number of pairs; give 0 or more, or pairs to validate on"
        )
