"""XML localisation interchange: XLIFF 1.2 and 2.x."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NoReturn

from lingualign.pairs.formats.markup import UnitReader
from lingualign.pairs.table import pair_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

_UNITS = ("trans-unit", "segment")
_SIDES = ("source", "target")
_NOT_TRANSLATED = ("new", "needs-translation")


def stream_xliff(
    path: Path,
    *,
    corpus: str = "",
    languages: tuple[str, str] | None = None,
    encoding: str | None = None,
    left_out: Counter[str] | None = None,
) -> Iterator[pa.Table]:
    """Read the pairs of an XLIFF file: the source and target of each ``trans-unit`` (1.2) or ``segment`` (2.x).

    Languages are those that the side itself, its file or the document names. Of what stands within a side, text and
    what spans it (``g``, ``pc``, ``mrk``) are taken; placeholders hold none (``x``, ``bx``, ``ex``, ``sc``, ``ec``,
    ``cp``), and native code (``bpt``, ``ept``, ``it``, ``ph``) and what is in it are left out. Proposals
    (``alt-trans``, ``match``), notes, and what lies between segments (``ignorable``) are not read.

    Parameters
    ----------
    path
        The file, also compressed.
    corpus
        What pairs are said to come from.
    languages
        Of source and target, where the file does not name them.
    encoding
        Of the text, if not the one that the file declares.
    left_out
        Counts units that give no pair, by reason: without a target, or with one whose state (1.2) is ``new`` or
        ``needs-translation``.

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
    of_name: tuple[str, str] | None = None

    def holds_text(self, name: str, parent: str, attributes: dict[str, str]) -> bool:
        return name in _SIDES and parent in _UNITS

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        if name == "xliff":
            self._of_document = attributes.get("srcLang"), attributes.get("trgLang")
            self._of_file = self._of_document
        elif name == "file":
            source, target = self._of_document
            self._of_file = (
                attributes.get("source-language", source),
                attributes.get("target-language", target),
            )
        elif name in _UNITS:
            self._texts: dict[str, str] = {}
            self._tags: dict[str, str] = {}
            self._state = ""
        elif name in _SIDES and self._open[-1] in _UNITS:
            self._tags[name] = attributes.get("xml:lang", "")
            if name == "target":
                self._state = attributes.get("state", "")

    def take(self, name: str, text: str) -> None:
        self._texts[name] = text

    def finish(self, name: str) -> None:
        if name not in _UNITS:
            return
        if len(self._texts) < len(_SIDES):
            self.left_out["units without a target"] += 1
        elif self._state in _NOT_TRANSLATED:
            self.left_out["units whose target waits for its translation"] += 1
        else:
            lang1, lang2 = (self._language(place) for place in range(2))
            self.rows.append((self._texts["source"], self._texts["target"], lang1, lang2, self.corpus))

    def _language(self, place: int) -> str:
        tag = self._tags[_SIDES[place]] or self._of_file[place]
        if tag:
            return self.language(tag)
        if self.of_name is None:
            self._refuse_side(place)
        return self.of_name[place]

    def _refuse_side(self, place: int) -> NoReturn:
        attribute = (("source-language", "srcLang"), ("target-language", "trgLang"))[place]
        self.refuse(
            f"the language of the {_SIDES[place]} is not known; write {attribute[0]} (XLIFF 1.2) or "
            f"{attribute[1]} (2.x), or name the file as in NAME.en-fr.xlf"
        )
