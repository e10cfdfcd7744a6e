"""Message catalogues of gettext (PO), with their plural formulas."""

from __future__ import annotations

import operator
import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, NoReturn

from lingualign.errors import InputError
from lingualign.languages import language_code
from lingualign.pairs.formats.compression import text_blocks
from lingualign.pairs.table import LONGEST_SENTENCE, pair_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from lingualign.pairs.table import Row

MANY = 100
"""The number that stands for many. In each published formula its form is one that many numbers take, never that of an
exact number or of fractions. The last form is often one of these: for none in Latvian, for one in Serbian, for
fractions in Transifex's Russian, for 8 and 11 in Welsh."""

_LONGEST = 2000  # Cornish, with the longest formula of the CLDR, takes 460 characters
_DEEPEST = 40
_UNSIGNED = 1 << 64  # formulas are of C's unsigned long
_FORMULA_TOKEN = re.compile(r"\s*(?:(\d{1,18})(?!\d)|(n\b|\|\||&&|[=!<>]=|[-+*/%<>!?:()]))")
_COUNT = re.compile(r"\bnplurals\s*=\s*(\d{1,3})\b")
_FORMULA = re.compile(r"\bplural\s*=([^;]+)")

_OPERATORS: tuple[dict[str, Callable[[int, int], int]], ...] = (
    {"||": lambda a, b: int(bool(a or b))},
    {"&&": lambda a, b: int(bool(a and b))},
    {"==": operator.eq, "!=": operator.ne},
    {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge},
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.floordiv, "%": operator.mod},
)
"""Operators from the loosest to the tightest, as in C; all are left-associative."""


def forms_for_one_and_many(header: str) -> tuple[int, int] | None:
    """Return the plural forms of 1 and of `MANY` by a header's ``Plural-Forms``; None if it is not valid.

    Parameters
    ----------
    header
        ``nplurals=3; plural=n%10==1 && n%100!=11 ? 0 : n != 0 ? 1 : 2;``: the number of forms, and an expression of C
        with ``n``, numbers, ``?:``, ``||``, ``&&``, comparisons, ``+ - * / %``, ``!`` and parentheses.
    """
    count, formula = _COUNT.search(header), _FORMULA.search(header)
    if count is None or formula is None or len(formula[1]) > _LONGEST:
        return None
    try:
        one, many = (_Formula(formula[1], n).value() for n in (1, MANY))
    except ValueError:
        return None
    return (one, many) if max(one, many) < int(count[1]) else None


class _Formula:
    """Evaluates a formula for one number while parsing it; nothing is compiled.

    A value is None where C would divide by zero, which matters only if that part decides.
    """

    def __init__(self, formula: str, n: int) -> None:
        self._n = n
        self._tokens: list[str] = []
        self._depth = 0
        place = 0
        formula = formula.rstrip()
        while place < len(formula):
            token = _FORMULA_TOKEN.match(formula, place)
            if token is None:
                raise ValueError(formula[place:])
            self._tokens.append(token[1] or token[2])
            place = token.end()
        self._tokens.reverse()

    def value(self) -> int:
        value = self._choice()
        if self._tokens or value is None:
            raise ValueError("not an expression, or a division by zero")
        return value

    def _take(self, *wanted: str) -> str | None:
        return self._tokens.pop() if self._tokens and self._tokens[-1] in wanted else None

    def _choice(self) -> int | None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ValueError("too deep")
        value = self._binary(0)
        if self._take("?"):
            yes = self._choice()
            if not self._take(":"):
                raise ValueError("? without :")
            no = self._choice()
            value = None if value is None else yes if value else no
        self._depth -= 1
        return value

    def _binary(self, level: int) -> int | None:
        if level == len(_OPERATORS):
            return self._single()
        value = self._binary(level + 1)
        while sign := self._take(*_OPERATORS[level]):
            right = self._binary(level + 1)
            settled = value is not None and (bool(value) if sign == "||" else sign == "&&" and not value)
            if settled:
                value = int(sign == "||")
            elif value is None or right is None or (sign in "/%" and right == 0):
                value = None
            else:
                value = int(_OPERATORS[level][sign](value, right)) % _UNSIGNED
        return value

    def _single(self) -> int | None:
        denials = 0
        while self._take("!"):
            denials += 1
        if self._take("("):
            value = self._choice()
            if not self._take(")"):
                raise ValueError("( without )")
        elif self._take("n"):
            value = self._n
        elif self._tokens and self._tokens[-1].isdecimal():
            value = int(self._tokens.pop())
        else:
            raise ValueError("a value is missing")
        return int(bool(value) ^ (denials % 2)) if denials and value is not None else value


# A header may be wrapped anywhere. CHARSET stands in templates for a name that nobody has written yet.
_DECLARATION = re.compile(rb'"Content-Type:(?:[^"]|"\s*")*?charset=(?!CHARSET\b)([A-Za-z0-9._:-]+)')
_SOURCE_LANGUAGE = "en"
_MOST_FORMS = 100
_LONGEST_CONTINUED_LINE = 1 << 22

_STRING = r'"([^"\\\n]*+(?:\\.[^"\\\n]*+)*+)"'
_BLANKS = r"[ \t\r\n\f\v]*+"
_TOKEN = re.compile(
    rf"{_BLANKS}(?:{_STRING}"
    rf"|([A-Za-z_$][\w$]*)(?:{_BLANKS}\[{_BLANKS}([0-9]{{1,4}}){_BLANKS}\])?(?:{_BLANKS}{_STRING})?"
    r"|(\#[^\n]*)|(.)|\Z)",
    re.DOTALL,
)
_OBSOLETE = re.compile(r"#~\s*msgid\b")
_FLAGS = re.compile(r"#[,=!]")

_START = ("", "msgstr", "msgstr[]", "domain")
_BEGINNINGS = ("domain", "msgctxt", "msgid")
_FOLLOWS = {
    "domain": _START,
    "msgctxt": _START,
    "msgid": (*_START, "msgctxt"),
    "msgid_plural": ("msgid",),
    "msgstr": ("msgid",),
    "msgstr[]": ("msgid_plural", "msgstr[]"),
}
"""Each keyword with those that it may stand after."""

_ESCAPE = re.compile(r"((?:\\(?:[0-7]{1,3}|x[0-9A-Fa-f]+))+)|\\(.)", re.DOTALL)
_NUMBER = re.compile(r"\\(?:x([0-9A-Fa-f]+)|([0-7]+))")
_ESCAPED = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "\n": "",
}  # fmt: skip
"""A backslash at the end of a line joins it to the next."""


def stream_po(
    path: Path,
    *,
    corpus: str = "",
    languages: tuple[str | None, str] | None = None,
    encoding: str | None = None,
    left_out: Counter[str] | None = None,
) -> Iterator[pa.Table]:
    """Read the pairs of a PO file: each ``msgid`` with its ``msgstr``.

    In a message with plural forms the singular is paired with the form for 1, and the plural with that for 100, by the
    header's ``Plural-Forms``; without a valid one, with the first and the last. The language of the translations is the
    header's ``Language``, else the name's. That of the messages is the header's ``X-Source-Language``, else the name's,
    else English.

    The reader accepts what ``msgfmt`` of gettext accepts, and forms of other tools: a byte order mark, messages that
    are defined twice, comments within a message. An escape that C does not have stays unchanged.

    Parameters
    ----------
    path
        The file, also compressed.
    corpus
        Corpus of the pairs.
    languages
        Languages of messages and translations, if the header does not name them; None for an unknown one.
    encoding
        Encoding of the text, if not the declared one.
    left_out
        Counter of messages without a pair, by reason: fuzzy, obsolete, not translated; and of plural forms that are
        missing or chosen without a formula.

    Returns
    -------
    iterator of pyarrow.Table
        Tables of `PAIR_SCHEMA`, at least one, in memory that does not grow with the file.

    Raises
    ------
    InputError
        If the file is not valid, is not in its encoding, or its language is not known.
    """
    return pair_tables(_pairs(path, corpus, languages, encoding, Counter() if left_out is None else left_out))


def _pairs(
    path: Path,
    corpus: str,
    named: tuple[str | None, str] | None,
    encoding: str | None,
    left_out: Counter[str],
) -> Iterator[Row]:
    messages = _Catalogue(path, encoding).messages()
    first = next(messages, None)
    if first is None or first.is_header:
        header = first
    else:  # a catalogue that was sorted has it elsewhere
        header = next(
            (message for message in _Catalogue(path, encoding).messages() if message.is_header), None
        )
        messages = chain([first], messages)
    fields = _fields(header) if header else {}
    lang1, lang2 = _languages(fields, path, named)
    charset = _charset(fields)
    forms = forms_for_one_and_many(fields.get("plural-forms", ""))
    for message in messages:
        if not message.is_header:
            for sentence, translation in message.pairs(charset, forms, left_out):
                yield sentence, translation, lang1, lang2, corpus


@dataclass(slots=True)
class _Message:
    """A message as written: the strings of each keyword, and of each plural form under its number."""

    texts: dict[str | int, list[str]] = field(default_factory=dict)
    fuzzy: bool = False
    obsolete: bool = False

    @property
    def is_header(self) -> bool:
        return "msgstr" in self.texts and "msgctxt" not in self.texts and not any(self.texts["msgid"])

    def pairs(
        self, charset: str, forms: tuple[int, int] | None, left_out: Counter[str]
    ) -> list[tuple[str, str]]:
        """Return the pairs of the message, and count the rest."""
        if self.obsolete or self.fuzzy:
            left_out["obsolete messages" if self.obsolete else "fuzzy messages"] += 1
            return []
        texts = {
            name: "".join([_unescape(part, charset) if "\\" in part else part for part in parts])
            for name, parts in self.texts.items()
            if name != "msgctxt"
        }
        if any("\0" in text for text in texts.values()):
            left_out["messages with a NUL"] += 1
            return []
        sentence = texts.pop("msgid")
        plural = texts.pop("msgid_plural", None)
        if not all(texts.values()):
            left_out["messages without a translation"] += 1
            return []
        if plural is None:
            return [(sentence, texts["msgstr"])]
        if forms is None and len(texts) > 1:
            left_out["plurals paired by their first and last form, for want of a valid Plural-Forms"] += 1
        one, many = forms or (0, max(index for index in texts if isinstance(index, int)))
        if many not in texts:
            left_out["plurals without the form for many"] += 1
        wanted = [(sentence, one)] if one != many else []
        return [(text, texts[form]) for text, form in (*wanted, (plural, many)) if form in texts]


class _DamageError(ValueError):
    """Reason why a token is wrong at its place."""


class _Catalogue:
    """Parser of the messages of one file, token by token."""

    def __init__(self, path: Path, encoding: str | None) -> None:
        self._path = path
        self._encoding = encoding
        self._message = _Message()
        self._strings: list[str] | None = None
        self._last = ""
        self._fuzzy = False
        self._size = 0

    def messages(self) -> Iterator[_Message]:
        """Yield the messages in the order of the file, obsolete ones without text."""
        lines = 1
        for text in self._texts():
            for token in _TOKEN.finditer(text):
                string, keyword, index, first, comment, damage = token.groups()
                try:
                    if keyword is not None:
                        if done := self._begin(keyword, index):
                            yield done
                        if first is not None:
                            self._take(first)
                    elif string is not None:
                        self._take(string)
                    elif comment is not None:
                        if self._is_obsolete(comment):
                            yield _Message(obsolete=True)
                    elif damage is not None:
                        raise _DamageError(
                            "a string does not end on its line" if damage == '"' else f"unexpected {damage!r}"
                        )
                except _DamageError as error:
                    start = next(place for place in map(token.start, range(1, 7)) if place >= 0)
                    unescaped = keyword and keyword not in _FOLLOWS and start and text[start - 1] == '"'
                    reason = "unescaped double quote found" if unescaped else error
                    self._refuse(lines + text.count("\n", 0, start), reason)
            lines += text.count("\n")
        if self._last not in _START or self._strings == []:
            self._refuse(lines, f"the file ends after {self._last}")
        if self._message.texts:
            yield self._message

    def _texts(self) -> Iterator[str]:
        """Yield the file in blocks of whole lines; a line that a backslash continues stays with the next."""
        held = b""
        for lines in text_blocks(self._path, self._encoding, _DECLARATION):
            block = held + lines
            end = len(block)
            while block.endswith(b"\\\n", 0, end):
                end = block.rfind(b"\n", 0, end - 1) + 1
            yield block[:end].decode("utf-8")
            held = block[end:]
            if len(held) > _LONGEST_CONTINUED_LINE:
                raise InputError(
                    f"{self._path}: a line continued for more than {_LONGEST_CONTINUED_LINE >> 20} MiB by backslashes; "
                    "take them out"
                )
        yield held.decode("utf-8")

    def _begin(self, keyword: str, index: str | None) -> _Message | None:
        """Begin a keyword; return the message that it ends."""
        name = keyword if index is None else f"{keyword}[]"
        if keyword not in _FOLLOWS:
            raise _DamageError(f"unknown keyword {keyword[:40]!r}")
        if self._last not in _FOLLOWS.get(name, ()):
            written = keyword if index is None else f"{keyword}[{index}]"
            raise _DamageError(f"{written} stands after {self._last or 'nothing'}")
        if self._strings == []:
            raise _DamageError(f"{self._last} without a string")
        done = None
        if name in _BEGINNINGS and self._last != "msgctxt":
            done = self._message if self._message.texts else None
            self._message = _Message(fuzzy=self._fuzzy)
            self._fuzzy = False
        key = keyword if index is None else int(index)
        if key in self._message.texts:
            raise _DamageError(f"msgstr[{key}] twice in a message")
        if len(self._message.texts) >= _MOST_FORMS + 2:
            raise _DamageError(f"more than {_MOST_FORMS} plural forms")
        self._strings, self._size, self._last = [], 0, name
        if keyword != "domain":
            self._message.texts[key] = self._strings
        return done

    def _take(self, string: str) -> None:
        if self._strings is None:
            raise _DamageError("a string without a keyword")
        self._strings.append(string)
        self._size += len(string) + 1
        if self._size > LONGEST_SENTENCE:
            raise _DamageError(
                f"a text longer than {LONGEST_SENTENCE:,} characters, as no sentence is; leave it out"
            )

    def _is_obsolete(self, comment: str) -> bool:
        """Return whether a comment begins an obsolete message; flags are stored for the next message."""
        if _FLAGS.match(comment):
            self._fuzzy |= "fuzzy" in re.split(r"[\s,]+", comment[2:])
        elif _OBSOLETE.match(comment):
            self._fuzzy = False
            return True
        return False

    def _refuse(self, line: int, reason: object) -> NoReturn:
        raise InputError(f"{self._path}, line {line}: not a valid PO file ({reason})")


def _unescape(string: str, charset: str) -> str:
    """Replace the escapes of C; numbers are bytes of the header's charset. Other backslashes stay."""

    def replacement(escape: re.Match[str]) -> str:
        if escape[2]:
            return _ESCAPED.get(escape[2], escape[0])
        values = (
            int(octal, 8) if octal else int(digits[-2:], 16) for digits, octal in _NUMBER.findall(escape[1])
        )
        try:
            return bytes(value % 256 for value in values).decode(charset)
        except UnicodeError:
            return escape[0]

    return _ESCAPE.sub(replacement, string)


def _fields(header: _Message) -> dict[str, str]:
    """Return the fields of a header, with names in lower case."""
    text = "".join(_unescape(string, "utf-8") for string in header.texts["msgstr"])
    lines = (line.partition(":") for line in text.split("\n"))
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _charset(fields: dict[str, str]) -> str:
    name = fields.get("content-type", "").rpartition("charset=")[2].strip()
    try:
        b"a".decode(name)
    except (LookupError, ValueError):
        return "utf-8"
    return name


def _languages(fields: dict[str, str], path: Path, named: tuple[str | None, str] | None) -> tuple[str, str]:
    source, target = fields.get("x-source-language"), fields.get("language")
    source_of_name, target_of_name = named or (None, "")
    if not target and not target_of_name:
        raise InputError(
            f"{path}: the language is not known; write it into the header (Language: fr), or name the file as in fr.po"
        )
    try:
        return (
            language_code(source) if source else source_of_name or _SOURCE_LANGUAGE,
            language_code(target) if target else target_of_name,
        )
    except InputError as error:
        raise InputError(f"{path}: the header's language: {error}") from None
