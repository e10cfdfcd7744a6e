"""Sentences in another script than their language's."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lingualign.pairs.characters import Characters, CharacterTable, each_run
from lingualign.pairs.cleaning.filter import by_language

if TYPE_CHECKING:
    import pyarrow as pa

    from lingualign.pairs.selection import Mask

_WRITTEN_WITH = {
    "Jpan": ("Hira", "Kana", "Hani"),
    "Kore": ("Hang", "Hani"),
    "Hans": ("Hani", "Bopo"),
    "Hant": ("Hani", "Bopo"),
    "Hira": ("Hira", "Kana", "Hani"),
}
"""Writing systems that mix Unicode scripts, by their ISO 15924 code."""

_ALSO_IN = {
    "az": "Cyrl Arab",
    "bm": "Nkoo",
    "bs": "Cyrl",
    "crh": "Cyrl",
    "ha": "Arab",
    "kk": "Latn Arab",
    "kok": "Latn Knda",
    "ks": "Deva",
    "ku": "Arab Cyrl",
    "ky": "Arab Latn",
    "mn": "Mong",
    "ms": "Arab",
    "pa": "Arab",
    "sa": "Latn",
    "sat": "Beng Deva",
    "sd": "Deva",
    "sh": "Cyrl",
    "sr": "Latn",
    "tg": "Latn Arab",
    "tk": "Cyrl Arab",
    "tt": "Latn",
    "ug": "Cyrl Latn",
    "uz": "Cyrl Arab",
    "yi": "Latn",
    "zgh": "Latn",
    "kab": "Tfng",
    "ber": "Tfng Arab",
}
"""Languages that are written in further scripts than their most likely one."""

_FITS, _OTHER_LETTER = 1, 2


@dataclass(frozen=True)
class Script:
    """Of a side's letters, less than a share belong to a script that its language is written in.

    A side without letters is not judged, nor is a language whose script is unknown.
    """

    least: float
    reason = "script"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        return by_language(pairs, self._other_script)

    def _other_script(self, sentences: pa.LargeStringArray, language: str) -> Mask:
        table = _letters_of(scripts_of(language))

        def judge(characters: Characters) -> Mask:
            letter = table(characters.points)
            fitting = characters.count(letter == _FITS)
            return np.asarray(fitting < self.least * characters.count(letter > 0), np.bool_)

        return np.asarray(each_run(sentences, judge), np.bool_)


@lru_cache(maxsize=512)
def scripts_of(language: str) -> tuple[str, ...]:
    """Name the Unicode scripts that a language is written in, as ISO 15924 codes; none where that is not known.

    Parameters
    ----------
    language
        As `lingualign.languages.language_code` gives it.
    """
    import langcodes

    likely = langcodes.Language.get(language).maximize().script
    systems = [*filter(None, [likely]), *_ALSO_IN.get(language, "").split()]
    return tuple(
        dict.fromkeys(script for system in systems for script in _WRITTEN_WITH.get(system, (system,)))
    )


@lru_cache(maxsize=64)
def _letters_of(scripts: tuple[str, ...]) -> CharacterTable:
    import regex

    properties = "".join(rf"\p{{scx={script}}}" for script in scripts)
    try:
        fits = regex.compile(f"[{properties}]") if scripts else regex.compile(".")
    except regex.error:  # a script that Unicode has not encoded yet
        fits = regex.compile(".")
    # Letters that no script owns, such as the ª of Romance languages, count for none.
    letter = regex.compile(r"[\p{L}--\p{sc=Common}]", regex.VERSION1)
    return CharacterTable(
        lambda char: (
            _FITS if fits.match(char) and letter.match(char) else _OTHER_LETTER * bool(letter.match(char))
        )
    )
