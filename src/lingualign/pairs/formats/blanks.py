"""Inline elements that stand for a line break or other white space, told by their attributes and their native code."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

LONGEST_CODE = 200
"""Characters. Longer code holds more than a line break."""

# Elements of HTML, of office documents and of InDesign that a reader sees as a gap between words.
_TAGS = (
    "br|hr|p|div|li|ul|ol|dl|dt|dd|h[1-6]|table|thead|tbody|tfoot|tr|td|th|caption|blockquote|pre|section|article|"
    "header|footer|option|cr|lb|pb|cb|tab|line-?break|soft-?break|page-?break|newline|nbsp|space"
)
_CODE = re.compile(
    rf"(?:\s|</?(?:\w+:)?(?:{_TAGS})(?:\s[^<>]*)?/?>|<\w+:s(?:\s[^<>]*)?/>|[{{\[]{{1,2}}(?:br|nl|lb|newline|tab)/?[}}\]]{{1,2}}"
    r"|\{?\\(?:[nrtvf~]|line|par|page|tab|cell|row)(?![a-z])\}?)+",
    re.IGNORECASE,
)
# As Angular names what its messages hold; a number may follow.
_NAME = re.compile(
    r"(?:LINE_BREAK|HORIZONTAL_RULE|(?:START|CLOSE)_(?:PARAGRAPH|LIST_ITEM|(?:UN)?ORDERED_LIST|HEADING_LEVEL[1-6]|"
    r"TABLE\w*|TAG_(?:DIV|TABLE|LI|P|SECTION|ARTICLE|HEADER|FOOTER)))(?:_\d+)?"
)
_KIND = re.compile(rf"(?:.*[:-])?(?:{_TAGS}|break)", re.IGNORECASE)

_KINDS = frozenset({"ctype", "type", "subType"})
_CODES = frozenset({"equiv-text", "equiv", "equivStart", "equivEnd", "disp", "dispStart", "dispEnd"})
_REFERENCES = frozenset({"dataRef", "dataRefStart", "dataRefEnd"})
_INVALID_SPACES = (
    "b",
    "c",
)  # vertical tab and form feed, which XML cannot hold: XLIFF 2 writes <cp hex="000B"/>


@lru_cache(maxsize=1 << 12)
def is_blank_code(code: str) -> bool:
    r"""Whether native code is white space alone, line breaks or block tags: ``<br/>``, ``&nbsp;``, ``\n``, ``{\line}``."""
    if not code or len(code) > LONGEST_CODE:
        return False
    return bool(_CODE.fullmatch(html.unescape(code)))


def is_blank(name: str, attributes: Mapping[str, str], blank_data: Collection[str] = ()) -> bool:
    """Whether an inline element says of itself that it stands for white space.

    Parameters
    ----------
    name, attributes
        Of the element.
    blank_data
        Names of the unit's native code (XLIFF 2, ``originalData``) that is white space.
    """
    for key, value in attributes.items():
        if (
            (key in _CODES and (is_blank_code(value) or _NAME.fullmatch(value[:LONGEST_CODE])))
            or (key in _KINDS and _KIND.fullmatch(value[:LONGEST_CODE]))
            or (key in _REFERENCES and value in blank_data)
            or (name == "cp" and key == "hex" and value.lstrip("0").lower() in _INVALID_SPACES)
        ):
            return True
    return False


_CLOSING = frozenset(".,;:!?…)]}»”%。、，．！？：；）」』】》")


def join(parts: Iterable[str | None]) -> str:
    """Join text around blanks, which are None: each becomes one space where words would touch, else nothing."""
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
