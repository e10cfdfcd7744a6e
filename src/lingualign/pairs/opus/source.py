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
        """The source that means this bitext alone."""
        return self.bitext.name

    @property
    def identity(self) -> object:
        """What is equal where the same content is reached by two ways."""
        return self.bitext.corpus, self.bitext.version, self.bitext.tag1, self.bitext.tag2

    @property
    def paths(self) -> list[Path]:
        """Name no file: what the cache holds is OPUS's own."""
        return []

    def stream(self, asked: PairsConfig, left_out: list[Skipped]) -> Iterator[pa.Table]:
        """Read its pairs."""
        yield PAIR_SCHEMA.empty_table()
        yield from stream_bitext(self.bitext)


def find_in_opus(source: str | os.PathLike[str], asked: PairsConfig) -> Listing | None:
    """List the bitexts that ``opus:CORPUS`` means; None for any other source."""
    text = os.fspath(source)
    if not text.startswith("opus:"):
        return None
    return Listing(files=[BitextSource(bitext) for bitext in find_bitexts(text, asked)])


def find_bitexts(source: str, asked: PairsConfig) -> list[Bitext]:
    """Ask the catalogue what a source consists of; nothing is downloaded yet.

    Parameters
    ----------
    source
        ``opus:CORPUS``, ``opus:CORPUS/VERSION``, or either with one pair, ``opus:Tatoeba:en-fr``.
    asked
        Its ``languages`` are those wanted on both sides, needed where the source names no pair; ``select`` names the
        language pairs wanted.

    Raises
    ------
    InputError
        If the source is written otherwise, names no languages, the corpus has none of the pairs (lists those it has),
        or the catalogue cannot be asked.
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
        there = Catalogue(client).bitexts(parts["corpus"])
    found = [
        bitext
        for bitext in there
        if wanted.issuperset(bitext.language_pair)
        and any(matches(bitext.language_pair, pattern) for pattern in patterns)
    ]
    if not found:
        raise InputError(
            f"source {source!r}: the corpus has no pair of {', '.join(sorted(wanted))} that is selected; it has "
            f"{spread(there, wanted)}"
        )
    return found


def stream_bitext(bitext: Bitext) -> Iterator[pa.Table]:
    """Read a bitext in tables of `PAIR_SCHEMA`, its archive downloaded first where the cache lacks it.

    A pair of lines that is no text is read as one with empty sides.

    Raises
    ------
    InputError
        If the archive cannot be had or read.
    """
    if not bitext.archive.is_file():
        with open_client() as client:
            download_archives(client, [bitext], progress=True)
    with open_archive(bitext) as lines:
        yield from batches(lines, bitext)
