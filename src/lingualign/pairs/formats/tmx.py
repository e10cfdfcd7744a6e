"""Translation memory exchange: TMX 1.4 and earlier versions."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.languages import language_code
from lingualign.pairs.formats.xml_units import UnitReader
from lingualign.pairs.table import pair_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

_MOST_VARIANTS = 1000


def stream_tmx(
    path: Path, *, corpus: str = "", encoding: str | None = None, left_out: Counter[str] | None = None
) -> Iterator[pa.Table]:
    """Read the pairs of a TMX file.

    Each two variants of a unit in different languages are a pair, the one in the source language first
    (``srclang`` of the unit, else of the header), else in the order of the file. Regional variants count as their
    language (``en-US`` is ``en``), in ``xml:lang`` or in the older ``lang``. Text and highlights (``hi``) of a segment
    are read. Native code (``bpt``, ``ept``, ``it``, ``ph``, ``ut``) and its content are skipped, or read as one blank
    if it stands for a line break.

    Parameters
    ----------
    path
        The file, also compressed.
    corpus
        Corpus of pairs whose unit has no property ``corpus``.
    encoding
        Encoding of the text, if not the declared one.
    left_out
        Counter of units without a pair, by reason.

    Returns
    -------
    iterator of pyarrow.Table
        Tables of `PAIR_SCHEMA`, at least one, in memory that does not grow with the file.

    Raises
    ------
    InputError
        See `UnitReader.stream`; or if a variant's language is missing or unknown.
    """
    reader = _TmxReader(path, corpus, Counter() if left_out is None else left_out)
    return pair_tables(reader.stream(encoding))


class _TmxReader(UnitReader):
    root = "tmx"
    _header_language = ""
    _has_segment = False
    _bare_variants = 0

    def holds_text(self, name: str, parent: str, attributes: dict[str, str]) -> bool:
        return (name == "seg" and parent == "tuv") or (
            name == "prop" and parent == "tu" and attributes.get("type") == "corpus"
        )

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == "header":
            self._header_language = attributes.get("srclang", "")
        elif name == "tu":
            self._source = attributes.get("srclang", self._header_language)
            self._variants: list[tuple[str, str]] = []
            self._of_unit = self.corpus
            self._bare_variants = 0
            self.begin_unit()
        elif name == "tuv":
            tag = attributes.get("xml:lang") or attributes.get("lang")
            if not tag:
                self.refuse("a variant (tuv) that does not say its language; give it xml:lang")
            self._language = self.language(tag)
            self._has_segment = False

    def take(self, name: str, text: str, parts: Mapping[str, str]) -> None:
        # A file may have a variant outside of a unit.
        if "tu" not in self._open:
            self.refuse("a segment outside of a translation unit (tu)")
        if name == "prop":
            self._of_unit = text
            return
        self._has_segment = True
        self._variants.append((self._language, text))
        if len(self._variants) > _MOST_VARIANTS:
            self.refuse(
                f"a unit with more than {_MOST_VARIANTS:,} variants; there are not as many languages in it"
            )

    def finish(self, name: str) -> None:
        if name == "tuv" and not self._has_segment:
            self._bare_variants += 1
        if name != "tu":
            return
        if self._bare_variants:
            self.left_out["variants without a segment"] += self._bare_variants
        if self.is_spoilt():
            return
        source = _source_language(self._source)
        ordered = sorted(self._variants, key=lambda variant: variant[0] != source)
        if len({language for language, _ in ordered}) < 2 and (ordered or not self._bare_variants):
            self.left_out["units in one language alone"] += 1
        for (lang1, text1), (lang2, text2) in combinations(ordered, 2):
            if lang1 != lang2:
                self.rows.append((text1, text2, lang1, lang2, self._of_unit))


@lru_cache
def _source_language(tag: str) -> str | None:
    """Return the code of a ``srclang``; None if it names no language, such as ``*all*``."""
    try:
        return language_code(tag)
    except InputError:
        return None
