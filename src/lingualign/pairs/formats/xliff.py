"""XML localisation interchange: XLIFF 1.2 and 2.x."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn

from lingualign.pairs.formats.xml_units import UnitReader
from lingualign.pairs.table import pair_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

_UNITS = ("trans-unit", "segment")
_SIDES = ("source", "target")
_TEXTS = (*_SIDES, "seg-source")
_PASS_ON_TRANSLATE = ("file", "group", "unit", "trans-unit")
_MOST_BLANK_DATA = 1 << 16

_WAITING = frozenset({"initial", "needs-l10n", "needs-translation", "new", "not-translated", "untranslated"})
"""States of a target that is not a translation yet: of XLIFF 2, of 1.2, and of tools."""


def stream_xliff(
    path: Path,
    *,
    corpus: str = "",
    languages: tuple[str | None, str] | None = None,
    encoding: str | None = None,
    left_out: Counter[str] | None = None,
) -> Iterator[pa.Table]:
    """Read the pairs of an XLIFF file: the source and target of each ``trans-unit`` (1.2) or ``segment`` (2.x).

    Languages are those of the side itself, its file or the document. Text of a side and its spans (``g``, ``pc``,
    ``mrk``) are read. Placeholders (``x``, ``bx``, ``ex``, ``sc``, ``ec``, ``cp``), native code (``bpt``, ``ept``,
    ``it``, ``ph``) and its content are skipped, or read as one blank if they stand for a line break. If both sides of a
    ``trans-unit`` are cut into segments (``mrk`` of the type ``seg``), segments with equal ``mid`` are pairs. Proposals
    (``alt-trans``, ``match``), notes, and text between segments (``ignorable``) are not read.

    Parameters
    ----------
    path
        The file, also compressed.
    corpus
        Corpus of the pairs.
    languages
        Languages of source and target, if the file does not name them; None for an unknown one.
    encoding
        Encoding of the text, if not the declared one.
    left_out
        Counter of units without a pair, by reason: without a side, not to be translated, or with a state such as
        ``initial`` (2.x), ``new`` or ``needs-translation``.

    Returns
    -------
    iterator of pyarrow.Table
        Tables of `PAIR_SCHEMA`, at least one, in memory that does not grow with the file.

    Raises
    ------
    InputError
        See `UnitReader.stream`; or if a language is missing or unknown.
    """
    reader = _XliffReader(path, corpus, Counter() if left_out is None else left_out)
    reader.of_name = languages
    return pair_tables(reader.stream(encoding))


class _XliffReader(UnitReader):
    root = "xliff"
    of_name: tuple[str | None, str] | None = None

    def __init__(self, path: Path, corpus: str, left_out: Counter[str]) -> None:
        super().__init__(path, corpus, left_out)
        self._translate = ["yes"]
        self._waits = False
        self._of_document: tuple[str | None, str | None] = (None, None)
        self._of_file: tuple[str | None, str | None] = (None, None)
        self._texts: dict[str, tuple[str, Mapping[str, str]]] = {}
        self._tags: dict[str, str] = {}

    def holds_text(self, name: str, parent: str, attributes: dict[str, str]) -> bool:
        return name in _TEXTS and parent in _UNITS

    def part_of_text(self, name: str, attributes: dict[str, str]) -> str:
        return attributes.get("mid", "") if name == "mrk" and attributes.get("mtype") == "seg" else ""

    def holds_code(self, name: str, parent: str) -> bool:
        return name == "data" and parent == "originalData"

    def take_code(self, blank: bool) -> None:
        if blank and len(self.blank_data) < _MOST_BLANK_DATA:
            self.blank_data.add(self._data)

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name in _SIDES:
            if self._open[-1] in _UNITS:
                self._tags[name] = attributes.get("xml:lang", "")
                self._waits = self._waits or (name == "target" and _is_waiting(attributes))
            return
        if name in _PASS_ON_TRANSLATE:
            self._translate.append(attributes.get("translate", self._translate[-1]))
        if name in _UNITS:
            self._texts, self._tags = {}, {}
            self._waits = _is_waiting(attributes)
            self.begin_unit()
        elif name == "unit":
            self.blank_data.clear()
        elif name == "data":
            self._data = attributes.get("id", "")
        elif name == "file":
            source, target = self._of_document
            self._of_file = (
                attributes.get("source-language", source),
                attributes.get("target-language", target),
            )
        elif name == "xliff":
            self._of_document = attributes.get("srcLang"), attributes.get("trgLang")
            self._of_file = self._of_document

    def take(self, name: str, text: str, parts: Mapping[str, str]) -> None:
        self._texts[name] = text, parts

    def finish(self, name: str) -> None:
        if name in _UNITS and not self.is_spoilt():
            if reason := self._reason():
                self.left_out[reason] += 1
            else:
                self._pair()
        if name in _PASS_ON_TRANSLATE:
            self._translate.pop()

    def _reason(self) -> str:
        """Return the reason why the unit is not a pair; empty if it is one."""
        if self._translate[-1] == "no":
            return "units that are not to be translated"
        for side in _SIDES:
            if side not in self._texts:
                return f"units without a {side}"
        return "units whose target waits for its translation" if self._waits else ""

    def _pair(self) -> None:
        source, source_parts = self._texts["source"]
        target, target_parts = self._texts["target"]
        if target_parts and "seg-source" in self._texts:
            source_parts = self._texts["seg-source"][1]
        is_cut = target_parts and source_parts
        pairs = self._pair_segments(source_parts, target_parts) if is_cut else [(source, target)]
        for text1, text2 in pairs:
            self.rows.append((text1, text2, self._language(0), self._language(1), self.corpus))

    def _pair_segments(
        self, source_parts: Mapping[str, str], target_parts: Mapping[str, str]
    ) -> list[tuple[str, str]]:
        pairs = []
        for mid in dict.fromkeys((*source_parts, *target_parts)):
            pair = source_parts.get(mid, ""), target_parts.get(mid, "")
            missing = [side for side, text in zip(_SIDES, pair, strict=True) if not text.strip()]
            if not missing:
                pairs.append(pair)
            elif len(missing) == 1:
                self.left_out[f"segments without a {missing[0]}"] += 1
        return pairs

    def _language(self, place: int) -> str:
        tag = self._tags[_SIDES[place]] or self._of_file[place]
        if tag:
            return self.language(tag)
        of_name = self.of_name[place] if self.of_name else None
        if of_name is None:
            self._refuse_side(place)
        return of_name

    def _refuse_side(self, place: int) -> NoReturn:
        attribute = (("source-language", "srcLang"), ("target-language", "trgLang"))[place]
        name = "NAME.en-fr.xlf" if place == 0 else "NAME.fr.xlf or NAME.en-fr.xlf"
        self.refuse(
            f"the language of the {_SIDES[place]} is not known; write {attribute[0]} (XLIFF 1.2) or "
            f"{attribute[1]} (2.x), or name the file as in {name}"
        )


def _is_waiting(attributes: Mapping[str, str]) -> bool:
    """Return whether the state of a unit, a segment or a target means that it is not translated yet."""
    state = attributes.get("state")
    return state is not None and (_waits(state) or _waits(attributes.get("subState", "")))


@lru_cache
def _waits(state: str) -> bool:
    return state.lower().rpartition(":")[2].removeprefix("x-") in _WAITING
