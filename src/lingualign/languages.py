"""Language codes: everything is keyed by the shortest ISO 639 code (``en``, ``ko``, ``ceb``)."""

from __future__ import annotations

from functools import lru_cache

from lingualign.errors import InputError


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
        The ISO 639-1 code where the language has one, else the ISO 639-3 code.

    Raises
    ------
    InputError
        If the tag names no language.

    Examples
    --------
    >>> language_code("kor_Hang"), language_code("en-US"), language_code("zho_Hans")
    ('ko', 'en', 'zh')
    """
    import langcodes  # 0.1 s that `lingualign --help` does not need

    try:
        if langcodes.tag_is_valid(tag):
            code = langcodes.Language.get(tag).language
            if code:
                return str(code)
    except (langcodes.LanguageTagError, ValueError):
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
