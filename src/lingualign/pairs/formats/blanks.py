"""Inline elements that stand for a line break or other white space, known by their attributes and their native code."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

LONGEST_CODE = 200
"""Characters. Longer code holds more than a line break."""

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
# As Angular names what its messages hold; a number may follow.
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
    r"""Whether native code is white space, line breaks or block tags alone: ``<br/>``, ``&nbsp;``, ``{\line}``."""
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
    """Whether an inline element says of itself that it stands for white space.

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
