"""Language codes: everything is keyed by the shortest ISO 639 code (``en``, ``ko``, ``ceb``)."""

from __future__ import annotations

import re
from functools import lru_cache

from lingualign.errors import InputError

# ISO 639 codes that name no language: undetermined, several, no linguistic content, uncoded, "artificial",
# and the range left to private use.
_NO_LANGUAGE = re.compile(r"und|mul|zxx|mis|art|q[a-t][a-z]")

# The CLDR folds every other predominant member of a macrolanguage (cmn into zh, arb into ar); corpora name
# Bokmål by both codes, while Nynorsk (nn) is a written standard of its own.
_MACROLANGUAGE = {"nb": "no"}


@lru_cache(maxsize=4096)
def language_code(tag: str) -> str:
    """Reduce a language tag to its primary code.

    Parameters
    ----------
    tag
        ``en``, ``eng``, ``eng_Latn``, ``en-US``, ``ko_KR``: any BCP 47 tag, ISO 639-3 code or FLORES name.

    Returns
    -------
    str
        The ISO 639-1 code where the language has one, else the ISO 639-3 code. The language that a
        macrolanguage's code stands for in practice takes that code: Mandarin (``cmn``) is ``zh``, Standard
        Arabic (``arb``) is ``ar``, Bokmål (``nob``) is ``no``; Cantonese (``yue``) stays itself.

    Raises
    ------
    InputError
        If the tag names no language; the special codes (``und``, ``mul``, ``zxx``, ``mis``, ``art``, the
        private ``qaa`` to ``qtz``) name none.

    Examples
    --------
    >>> language_code("kor_Hang"), language_code("en-US"), language_code("cmn_Hans")
    ('ko', 'en', 'zh')
    """
    import langcodes  # 0.1 s that `lingualign --help` does not need

    try:
        if langcodes.tag_is_valid(tag):
            code = langcodes.Language.get(tag).prefer_macrolanguage().language
            if code and not _NO_LANGUAGE.fullmatch(code):
                return _MACROLANGUAGE.get(code, code)
    except ValueError:
        pass
    raise InputError(
        f"unknown language code {tag!r}: expected an ISO 639 code such as 'en' or 'kor', "
        "a BCP 47 tag such as 'en-US', or a FLORES name such as 'kor_Hang'"
    )


def is_language(tag: str) -> bool:
    """Whether `language_code` accepts ``tag``."""
    try:
        language_code(tag)
    except InputError:
        return False
    return True
