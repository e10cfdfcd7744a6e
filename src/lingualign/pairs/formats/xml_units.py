"""Translation units in XML, read as a stream by expat and never held as a tree.

Expat is Python's own parser and fetches nothing. Every entity that a file declares is an error here, so that the
content can neither grow nor refer to other files. Inline elements that stand for a line break or other white space are
recognised by their attributes and their native code.
"""

from __future__ import annotations

import html
import re
from abc import ABC, abstractmethod
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NoReturn, cast
from xml.parsers import expat

from lingualign.errors import InputError
from lingualign.languages import language_code
from lingualign.pairs.formats.compression import utf8_file
from lingualign.pairs.table import LONGEST_SENTENCE

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lingualign.pairs.table import Row

LONGEST_CODE = 200
"""Maximum number of characters of code for white space; longer code holds more."""

# Elements of HTML, of office documents and of InDesign that a reader sees as a gap between words.
_TAGS = (
    "br|hr|p|div|li|ul|ol|dl|dt|dd|h[1-6]|table|thead|tbody|tfoot|tr|td|th|caption|blockquote|pre|section|article|"
    "header|footer|option|cr|lb|pb|cb|tab|line-?break|soft-?break|page-?break|newline|nbsp|space"
)
_CODE = re.compile(
    rf"(?:\s|</?(?:\w+:)?(?:{_TAGS})(?:\s[^<>]*)?/?>|<\w+:s(?:\s[^<>]*)?/>|[{{\[]{{1,2}}(?:br|nl|lb|newline|tab)/?[}}\]]{{1,2}}"
    r"|\{?\\(?:[nrtvf~]|line|par|page|tab|cell|row)(?![a-z])(?:\s*\})?)+",
    re.IGNORECASE,
)
# Angular's names of placeholders in messages; a number may follow.
_NAME = re.compile(
    r"(?:LINE_BREAK|HORIZONTAL_RULE|(?:START|CLOSE)_(?:PARAGRAPH|LIST_ITEM|(?:UN)?ORDERED_LIST|HEADING_LEVEL[1-6]|"
    r"TABLE\w*|TAG_(?:DIV|TABLE|LI|P|SECTION|ARTICLE|HEADER|FOOTER)))(?:_\d+)?"
)
_KIND = re.compile(rf"(?:.*[:-])?(?:{_TAGS}|break)", re.IGNORECASE)

_KINDS = frozenset({"ctype", "type", "subType"})
_CODES = frozenset({"equiv-text", "equiv", "equivStart", "equivEnd", "disp", "dispStart", "dispEnd"})
_REFERENCES = frozenset({"dataRef", "dataRefStart", "dataRefEnd"})
_INVALID_SPACES = ("b", "c")
"""Vertical tab and form feed, which XML cannot hold: XLIFF 2 writes ``<cp hex="000B"/>``."""
_TELLING = _KINDS | _CODES | _REFERENCES | {"hex"}


@lru_cache(maxsize=1 << 12)
def is_blank_code(code: str) -> bool:
    r"""Return whether code is only white space, line breaks or block tags: ``<br/>``, ``&nbsp;``, ``{\line}``."""
    return len(code) <= LONGEST_CODE and bool(_CODE.fullmatch(html.unescape(code)))


@lru_cache(maxsize=1 << 12)
def _is_blank_value(key: str, value: str) -> bool:
    if len(value) > LONGEST_CODE:
        return False
    if key in _CODES:
        return is_blank_code(value) or bool(_NAME.fullmatch(value))
    if key in _KINDS:
        return bool(_KIND.fullmatch(value))
    return value.lstrip("0").lower() in _INVALID_SPACES


def is_blank(name: str, attributes: Mapping[str, str], blank_data: Collection[str] = ()) -> bool:
    """Return whether an inline element declares that it stands for white space.

    Parameters
    ----------
    name, attributes
        Name and attributes of the element.
    blank_data
        Names of the unit's native code (XLIFF 2, ``originalData``) that is white space.
    """
    return any(
        attributes[key] in blank_data if key in _REFERENCES else _is_blank_value(key, attributes[key])
        for key in _TELLING.intersection(attributes)
        if key != "hex" or name == "cp"
    )


_CLOSING = frozenset(".,;:!?…)]}»”%。、，．！？：；）」』】》")


def join(parts: Sequence[str | None]) -> str:
    """Join text around blanks, which are None: each becomes one space where words would touch, else nothing."""
    if None not in parts:
        return "".join(cast("Sequence[str]", parts))
    joined: list[str] = []
    last = ""
    blank = False
    for part in parts:
        if part is None:
            blank = True
        elif part:
            if blank and last and not last.isspace() and not part[0].isspace() and part[0] not in _CLOSING:
                joined.append(" ")
            blank = False
            joined.append(part)
            last = part[-1]
    return "".join(joined)


_DECLARATION = re.compile(rb"""\A\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_DEEPEST = 256

# Characters that XML 1.0 forbids but that tools write, as references or as they are: expat stops at the first. Each
# gets a mark for its first byte, a noncharacter of Unicode that no text holds, and is found again in the text.
_FORBIDDEN_REFERENCE = re.compile(
    rb"&(#(?:x0*(?:[0-8bcef]|1[0-9a-f]|fff[ef])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]|6553[45]));)", re.IGNORECASE
)
_FORBIDDEN_BYTES = bytes(set(range(1, 32)) - set(b"\t\n\r"))
_FORBIDDEN_CHARACTER = re.compile(b"[" + re.escape(_FORBIDDEN_BYTES) + b"]|\xef\xbf[\xbe\xbf]")
_OF_REFERENCE, _OF_CHARACTER = "\ufdd0", "\ufdd1"
_MARKED = re.compile(f"[{_OF_REFERENCE}{_OF_CHARACTER}](#x?[0-9a-f]+;)", re.IGNORECASE)
_UNFINISHED = re.compile(rb"&#?[0-9a-z]{0,40}\Z", re.IGNORECASE)
_ANY_REFERENCE = re.compile(rb"&#[0-9a-zA-Z]{0,40};?")


class UnitReader(ABC):
    """Gathers pairs while expat goes through one file.

    A subclass decides which elements hold text (`holds_text`), handles each element that begins outside of such text
    (`begin`), each text (`take`), and each element that ends (`finish`), and appends to `rows`. Names come without the
    root's prefix; names of other vocabularies keep theirs, and so match no known name.

    Parameters
    ----------
    path
        The file.
    corpus
        Corpus of the pairs.
    left_out
        Counter of units without a pair, by reason.
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
        self.blank_data: set[str] = set()
        self._open: list[str] = []
        self._text: list[str | None] | None = None
        self._length = 0
        self._level = 0
        self._native = 0
        self._code: list[str] | None = None
        self._code_length = 0
        self._code_level = 0
        self._blank_levels: list[int] = []
        self._parts: dict[str, list[str | None]] = {}
        self._part = ""
        self._part_start = self._part_level = 0
        self._marks = 0
        self._literal = False
        self._first_forbidden = ""
        self._holds_forbidden = False
        self._prefix = ""
        self._parser = expat.ParserCreate("utf-8")

    @abstractmethod
    def holds_text(self, name: str, parent: str, attributes: dict[str, str]) -> bool:
        """Return whether the element that begins holds text."""

    @abstractmethod
    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """Handle an element that begins."""

    @abstractmethod
    def take(self, name: str, text: str, parts: Mapping[str, str]) -> None:
        """Handle the text of an element that `holds_text`, and that of its parts by name."""

    @abstractmethod
    def finish(self, name: str) -> None:
        """Handle an element that ends, outside of text."""

    def part_of_text(self, name: str, attributes: dict[str, str]) -> str:
        """Return the name of the part of a text that an element forms; empty if it forms none."""
        return ""

    def holds_code(self, name: str, parent: str) -> bool:
        """Return whether the element that begins, outside of text, holds native code."""
        return False

    def take_code(self, blank: bool) -> None:  # noqa: B027, since only some formats keep code apart
        """Handle the native code of an element that `holds_code`: whether it stands for white space."""

    def stream(self, encoding: str | None) -> Iterator[Row]:
        """Yield the pairs of the file.

        Raises
        ------
        InputError
            If the file is of another kind, not well formed or not in its encoding, declares or uses an entity, or holds
            a text that is not a sentence.
        """
        parser = self._parser
        parser.buffer_text = True
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.StartCdataSectionHandler = partial(setattr, self, "_literal", True)
        parser.EndCdataSectionHandler = partial(setattr, self, "_literal", False)
        parser.EntityDeclHandler = self._declared_entity
        parser.SkippedEntityHandler = self._unknown_entity
        block, before = b"", 0
        try:
            for block in self._marked(utf8_file(self.path, encoding, _DECLARATION)):
                parser.Parse(block, False)
                before += len(block)
                yield from self.rows
                self.rows.clear()
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code).removeprefix("not well-formed (").removesuffix(")")
            if error.code == expat.errors.codes[expat.errors.XML_ERROR_BAD_CHAR_REF]:
                reference = _ANY_REFERENCE.match(block, max(parser.ErrorByteIndex - before, 0))
                reason += f" {reference[0].decode()}; take it out" if reference else ""
            raise InputError(f"{self.path}, line {error.lineno}: not well-formed XML: {reason}") from None
        yield from self.rows

    def begin_unit(self) -> None:
        """Begin a unit without forbidden characters."""
        self._holds_forbidden = False

    def is_spoilt(self) -> bool:
        """Return whether a text of the unit holds a character that XML forbids, and count the unit if so."""
        if self._holds_forbidden:
            self.left_out[self._first_forbidden] += 1
        return self._holds_forbidden

    def language(self, tag: str) -> str:
        """Return the code of a tag; raise InputError with the line for an unknown language."""
        try:
            return language_code(tag)
        except InputError as error:
            self.refuse(str(error))

    def refuse(self, reason: str) -> NoReturn:
        """Raise InputError with the file and the line."""
        raise InputError(f"{self.path}, line {self._parser.CurrentLineNumber}: {reason}")

    def _begin(self, qualified: str, attributes: dict[str, str]) -> None:
        if not self._open:
            prefix, _, name = qualified.rpartition(":")
            if name != self.root:
                self.refuse(
                    f"the first element is <{name[:40]}>, not <{self.root}>; this is another kind of file"
                )
            self._prefix = f"{prefix}:" if prefix else ""
        name = qualified.removeprefix(self._prefix) if self._prefix else qualified
        if len(self._open) == _DEEPEST:
            self.refuse(
                f"elements within elements, {_DEEPEST} deep; no file of translations is made like that"
            )
        if self._text is not None:
            self._begin_inline(name, attributes)
        else:
            parent = self._open[-1] if self._open else ""
            if self._open and self.holds_text(name, parent, attributes):
                self._text, self._length, self._level, self._native = [], 0, len(self._open), 0
                self._parts = {}
            elif self._code is None and self.holds_code(name, parent):
                self._begin_code()
            self.begin(name, attributes)
        self._open.append(name)

    def _begin_inline(self, name: str, attributes: dict[str, str]) -> None:
        is_native = name in self.native
        if not self._native:
            if attributes:
                if is_blank(name, attributes, self.blank_data):
                    self._add_blank()
                    self._blank_levels.append(len(self._open))
                if not self._part:
                    self._begin_part(self.part_of_text(name, attributes))
            if is_native:
                self._begin_code()
        self._native += is_native

    def _begin_part(self, name: str) -> None:
        self._part = name
        if name and self._text is not None:
            self._part_level, self._part_start = len(self._open), len(self._text)
            self._grow(1)

    def _begin_code(self) -> None:
        self._code, self._code_length, self._code_level = [], 0, len(self._open)

    def _end(self, qualified: str) -> None:
        name = self._open.pop()
        level = len(self._open)
        blank = None
        if self._code is not None and level == self._code_level:
            blank = self._code_length <= LONGEST_CODE and is_blank_code("".join(self._code))
            self._code = None
        if self._text is None:
            if blank is not None:
                self.take_code(blank)
            self.finish(name)
        elif level == self._level:
            parts = {part: join(texts) for part, texts in self._parts.items()} if self._parts else {}
            text, self._text = join(self._text), None
            self.take(name, text, parts)
        else:
            self._native -= name in self.native
            if self._blank_levels and level == self._blank_levels[-1]:
                self._blank_levels.pop()
                blank = True
            if blank:
                self._add_blank()
            if self._part and level == self._part_level:
                self._parts.setdefault(self._part, []).extend((None, *self._text[self._part_start :]))
                self._part = ""

    def _characters(self, data: str) -> None:
        if self._code is not None:
            self._code_length += len(data)
            if self._code_length <= LONGEST_CODE:
                self._code.append(data)
        if self._text is None or self._native:
            return
        if self._marks and (_OF_REFERENCE in data or _OF_CHARACTER in data):
            data = self._forbidden(data)
        self._text.append(data)
        self._grow(len(data))

    def _add_blank(self) -> None:
        if self._text is not None:
            self._text.append(None)
            self._grow(1)

    def _grow(self, length: int) -> None:
        self._length += length
        if self._length > LONGEST_SENTENCE:
            self.refuse(
                f"a text longer than {LONGEST_SENTENCE:,} characters, as no sentence is; leave it out"
            )

    def _forbidden(self, data: str) -> str:
        """Record the marks of `_marked` in a text; in CDATA a reference is text."""
        if self._literal:
            data = data.replace(f"{_OF_REFERENCE}#", "&#")
        if found := _MARKED.search(data):
            self._holds_forbidden = True
            line = self._parser.CurrentLineNumber - data.count("\n", found.start())
            self._first_forbidden = self._first_forbidden or (
                f"units with a control character, which XML forbids (first &{found[1]} in line {line}; take them out)"
            )
        return data

    def _marked(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """Mark characters that XML forbids, and references to them; see `_FORBIDDEN_REFERENCE`."""
        held = b""
        for block in blocks:
            text = held + block
            start = text.rfind(b"&", -50)
            held = text[start:] if block and start >= 0 and _UNFINISHED.match(text, start) else b""
            text = text[: len(text) - len(held)]
            if len(text.translate(None, _FORBIDDEN_BYTES)) < len(text) or b"\xef\xbf" in text:
                text, count = _FORBIDDEN_CHARACTER.subn(_name_of_character, text)
                self._marks += count
            if b"&#" in text:
                text, count = _FORBIDDEN_REFERENCE.subn(_OF_REFERENCE.encode() + rb"\1", text)
                self._marks += count
            if text:
                yield text

    def _declared_entity(self, name: str, *_: object) -> NoReturn:
        self.refuse(
            f"declares the entity {name[:40]!r}; entities can be made to fill a machine or to read its files, and are "
            "refused: write the text itself in their place"
        )

    def _unknown_entity(self, name: str, *_: object) -> NoReturn:
        self.refuse(
            f"&{name[:40]}; is none of XML's own entities (&amp; &lt; &gt; &quot; &apos;); write the character"
        )


def _name_of_character(found: re.Match[bytes]) -> bytes:
    return f"{_OF_CHARACTER}#x{ord(found[0].decode()):X};".encode()
