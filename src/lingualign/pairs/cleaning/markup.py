"""What is left of HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from lingualign.pairs.cleaning.filter import either_side

if TYPE_CHECKING:
    import pyarrow as pa

    from lingualign.pairs.selection import Mask

# Names of elements, since text about programs has its own angle brackets (<module>, vector<int>).
_ELEMENTS = (
    "a|abbr|article|aside|b|big|blockquote|body|br|button|center|cite|code|dd|del|div|dl|dt|em|figure|font|footer|form|"
    "h[1-6]|head|header|hr|html|i|iframe|img|input|ins|label|li|link|meta|nav|nobr|noscript|ol|option|p|pre|q|s|script|"
    "section|select|small|span|strike|strong|style|sub|sup|table|tbody|td|textarea|tfoot|th|thead|title|tr|tt|u|ul|video"
)
_ATTRIBUTES = r"""(?:\s+[a-zA-Z:-]+\s*=\s*["'\w][^<>]*)?"""
_REFERENCES = r"&(?:#\d{2,6}|#x[\da-f]{2,5}|amp|lt|gt|quot|apos|nbsp);"
_MARKUP = rf"(?i)</?(?:{_ELEMENTS}){_ATTRIBUTES}\s*/?>|<!--|<!doctype|{_REFERENCES}"


class Markup:
    """A side holds HTML: a tag with the name of an element, a comment, or a character reference."""

    reason = "markup"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        return either_side(pairs, self._has_markup)

    def _has_markup(self, sentences: pa.LargeStringArray) -> Mask:
        return np.asarray(
            pc.match_substring_regex(sentences, _MARKUP).to_numpy(zero_copy_only=False), np.bool_
        )
