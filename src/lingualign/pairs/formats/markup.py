"""Translation units in XML, read as a stream by expat and never held as a tree.

Expat is the parser of Python itself, fetches nothing, and is told here to refuse every entity that a file declares:
what remains of XML cannot grow, nor point anywhere.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NoReturn
from xml.parsers import expat

from lingualign.errors import InputError
from lingualign.languages import language_code
from lingualign.pairs.formats.compression import read_blocks
from lingualign.pairs.formats.encodings import utf8_blocks
from lingualign.pairs.table import LONGEST_SENTENCE

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    from lingualign.pairs.table import Row

_DECLARATION = re.compile(rb"""\A\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_DEEPEST = 256


class UnitReader(ABC):
    """Gathers pairs while expat goes through one file.

    A subclass says which elements hold text (`holds_text`), and is told of each element that begins outside of such
    text (`begin`), of each text (`take`), and of each element that ends (`finish`); it appends to `rows`. A name comes
    without the prefix that the root has; one of another vocabulary keeps its own, and is none that is known.

    Parameters
    ----------
    path
        The file.
    corpus
        What pairs are said to come from.
    left_out
        Where units that give no pair are counted, by reason.
    """

    root: str
    native = frozenset({"bpt", "ept", "it", "ph", "ut"})
    """Elements within text that hold code of the document's own format: markup, variables, and text of footnotes and
    the like (``sub``) that is not in the sentence. They are left out; what other elements hold is text."""

    def __init__(self, path: Path, corpus: str, left_out: Counter[str]) -> None:
        self.path = path
        self.corpus = corpus
        self.left_out = left_out
        self.rows: list[Row] = []
        self._open: list[str] = []
        self._text: list[str] | None = None
        self._length = 0
        self._level = 0
        self._native = 0
        self._prefix = ""
        self._parser = expat.ParserCreate("utf-8")

    @abstractmethod
    def holds_text(self, name: str, parent: str, attributes: dict[str, str]) -> bool:
        """Whether the element that begins holds text to be taken."""

    @abstractmethod
    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """Note an element that begins."""

    @abstractmethod
    def take(self, name: str, text: str) -> None:
        """Note the text of an element that `holds_text`."""

    @abstractmethod
    def finish(self, name: str) -> None:
        """Note an element that ends, outside of text."""

    def stream(self, encoding: str | None) -> Iterator[Row]:
        """Go through the file, pair by pair.

        Raises
        ------
        InputError
            If it is no such file, is not well formed, is not in its encoding, declares or uses an entity, or holds a
            text that is no sentence.
        """
        parser = self._parser
        parser.buffer_text = True
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = self._declared_entity
        parser.SkippedEntityHandler = self._unknown_entity
        try:
            for block in utf8_blocks(read_blocks(self.path), self.path, encoding, _DECLARATION):
                parser.Parse(block, False)
                yield from self.rows
                self.rows.clear()
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code).removeprefix("not well-formed (").removesuffix(")")
            raise InputError(f"{self.path}, line {error.lineno}: not well-formed XML: {reason}") from None
        yield from self.rows

    def language(self, tag: str) -> str:
        """Reduce a tag to its code; `InputError` names the line of one that is no language."""
        try:
            return language_code(tag)
        except InputError as error:
            self.refuse(str(error))

    def refuse(self, reason: str) -> NoReturn:
        """Raise `InputError` that names the file and the line."""
        raise InputError(f"{self.path}, line {self._parser.CurrentLineNumber}: {reason}")

    def _begin(self, qualified: str, attributes: dict[str, str]) -> None:
        if not self._open:
            prefix, _, name = qualified.rpartition(":")
            if name != self.root:
                self.refuse(
                    f"the first element is <{name[:40]}>, not <{self.root}>; this is another kind of file"
                )
            self._prefix = f"{prefix}:" if prefix else ""
        name = qualified.removeprefix(self._prefix)
        if len(self._open) == _DEEPEST:
            self.refuse(
                f"elements within elements, {_DEEPEST} deep; no file of translations is made like that"
            )
        if self._text is not None:
            self._native += name in self.native
        else:
            if self._open and self.holds_text(name, self._open[-1], attributes):
                self._text, self._length, self._level, self._native = [], 0, len(self._open), 0
            self.begin(name, attributes)
        self._open.append(name)

    def _end(self, qualified: str) -> None:
        name = self._open.pop()
        if self._text is None:
            self.finish(name)
        elif len(self._open) == self._level:
            text, self._text = "".join(self._text), None
            self.take(name, text)
        else:
            self._native -= name in self.native

    def _characters(self, data: str) -> None:
        if self._text is None or self._native:
            return
        self._text.append(data)
        self._length += len(data)
        if self._length > LONGEST_SENTENCE:
            self.refuse(
                f"a text longer than {LONGEST_SENTENCE:,} characters, as no sentence is; leave it out"
            )

    def _declared_entity(self, name: str, *_: object) -> NoReturn:
        self.refuse(
            f"declares the entity {name[:40]!r}; entities can be made to fill a machine or to read its files, and are "
            "refused: write the text itself in their place"
        )

    def _unknown_entity(self, name: str, *_: object) -> NoReturn:
        self.refuse(
            f"&{name[:40]}; is none of XML's own entities (&amp; &lt; &gt; &quot; &apos;); write the character"
        )
