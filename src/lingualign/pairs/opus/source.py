"""``opus:CORPUS`` as a source of pairs."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.languages import language_code
from lingualign.pairs.discovery import Listing, Skipped
from lingualign.pairs.opus.catalogue import Bitext, Catalogue, open_client, spread
from lingualign.pairs.opus.downloads import batches, download_archives, open_archive
from lingualign.pairs.selection import matches, parse_patterns
from lingualign.pairs.table import PAIR_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from lingualign.pairs.config import PairsConfig

_SOURCE = re.compile(r"opus:(?P<corpus>[\w./+-]+)(:(?P<pair>[\w.+]+-[\w.+]+))?", re.ASCII)


@dataclass(frozen=True)
class BitextSource:
    """A bitext as an entry of a `Listing`."""

    bitext: Bitext

    @property
    def name(self) -> str:
        """The source name of this bitext alone."""
        return self.bitext.name

    @property
    def identity(self) -> object:
        """Value that is equal for two names of the same content."""
        return self.bitext.corpus, self.bitext.version, self.bitext.tag1, self.bitext.tag2

    @property
    def paths(self) -> list[Path]:
        """No files: the cache is not a source of the user's."""
        return []

    def stream(self, asked: PairsConfig, left_out: list[Skipped]) -> Iterator[pa.Table]:
        """Read its pairs."""
        yield PAIR_SCHEMA.empty_table()
        yield from stream_bitext(self.bitext)


def find_in_opus(source: str | os.PathLike[str], asked: PairsConfig) -> Listing | None:
    """List the bitexts of ``opus:CORPUS``; None for any other source."""
    text = os.fspath(source)
    if not text.startswith("opus:"):
        return None
    return Listing(files=[BitextSource(bitext) for bitext in find_bitexts(text, asked)])


def find_bitexts(source: str, asked: PairsConfig) -> list[Bitext]:
    """Return the bitexts of a source by the catalogue; no archive is downloaded yet.

    Parameters
    ----------
    source
        ``opus:CORPUS``, ``opus:CORPUS/VERSION``, or either with one pair, ``opus:Tatoeba:en-fr``.
    asked
        Request, whose ``languages`` (needed if the source names no pair) hold both sides of a pair, and whose
        ``select`` names the wanted language pairs.

    Raises
    ------
    InputError
        If the source has another form or no languages, the corpus has none of the pairs (the message lists its pairs),
        or the catalogue cannot be reached.
    """
    parts = _SOURCE.fullmatch(source)
    if parts is None:
        raise InputError(
            f"source {source!r}: expected opus:CORPUS, opus:CORPUS/VERSION or opus:CORPUS:en-fr, as in opus:Tatoeba"
        )
    patterns = parse_patterns(asked.select)
    named = parts["pair"].split("-") if parts["pair"] else asked.languages
    if named is None:
        raise InputError(
            f"source {source!r}: a corpus of OPUS may have thousands of language pairs; name the languages "
            "(pairs.languages), or the pair as in opus:Tatoeba:en-fr"
        )
    try:
        wanted = {language_code(tag) for tag in named}
    except InputError as error:
        raise InputError(f"source {source!r}: languages: {error}") from None
    with open_client() as client:
        listed = Catalogue(client).bitexts(parts["corpus"])
    found = [
        bitext
        for bitext in listed
        if wanted.issuperset(bitext.language_pair)
        and any(matches(bitext.language_pair, pattern) for pattern in patterns)
    ]
    if not found:
        raise InputError(
            f"source {source!r}: the corpus has no pair of {', '.join(sorted(wanted))} that is selected; it has "
            f"{spread(listed, wanted)}"
        )
    return found


def stream_bitext(bitext: Bitext) -> Iterator[pa.Table]:
    """Yield a bitext as tables of `PAIR_SCHEMA`, and download its archive first if the cache lacks it.

    A pair of lines that is not text has empty sides.

    Raises
    ------
    InputError
        If the archive cannot be downloaded or read.
    """
    if not bitext.archive.is_file():
        with open_client() as client:
            download_archives(client, [bitext], progress=True)
    with open_archive(bitext) as lines:
        yield from batches(lines, bitext)
