"""What a set of training pairs is made of: the configuration file of ``lingualign data``, key by key.

Each class is a section of the YAML file; its fields are the keys, its docstring is their help.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lingualign.constraints import Limit, limited

_SHARE = Limit("above 0 and at most 1, or null for off", above=0, most=1)


@dataclass
class PairsConfig:
    """Which translation pairs to train on.

    Parameters
    ----------
    sources
        Folders (read recursively), files, hub data set ids, or ``opus:CORPUS``; to train on, also the one folder that
        ``lingualign data prepare`` has made.
    languages
        The languages to keep; all where absent.
    select
        Language pairs: ``all``, or patterns such as ``en-xx``, ``en-xx,fr-xx``, ``en-ko``.
    priority
        Languages, the one to anchor on first; or ``volume``: by the number of their sentences.
    per_corpus
        Pairs to sample of each corpus and language pair; all where absent.
    validation
        Pairs of each corpus and language pair to hold out, never more than a fifth of them; or a folder or file of
        pairs to validate on, whose sentences are then kept out of training.
    columns
        Names of columns where they differ, such as ``{sentence1: english}``; in CSV and TSV files without a header line
        their positions, ``{sentence1: 1, sentence2: 2}``.
    encoding
        Encoding of text files that declare none and are not valid UTF-8, such as ``cp1252``.
    """

    sources: list[str]
    languages: list[str] | None = None
    select: str = "all"
    priority: str | list[str] = "volume"
    per_corpus: int | None = None
    validation: int | str = 500
    columns: dict[str, int | str] | None = None
    encoding: str | None = None


@dataclass
class CleaningConfig:
    """Which pairs are too poor to keep; a filter is off where its value is false or null.

    Parameters
    ----------
    identical_sides
        Drop pairs whose sides are equal but for case, punctuation and white space.
    min_characters
        Least characters of a side.
    max_characters
        Most characters of a side.
    min_words
        Least words of a side; ideographs and kana, which stand without spaces, count one each.
    max_words
        Most words of a side.
    length_ratio
        How many times longer one side may be; ideographs, kana and Hangul syllables count as two characters.
    script
        Least share of a side's letters in a script of its language.
    language
        How sure the identification of another language must be for a pair to be dropped, up to 1.
    repetition
        Characters from which on a stretch that repeats itself is too long.
    letters
        Least share of letters in a side; the rest are digits, punctuation and symbols.
    mojibake
        Drop pairs with text that was decoded in the wrong encoding.
    markup
        Drop pairs with what is left of HTML.
    near_duplicates
        Jaccard similarity from which on a pair counts as a copy of an earlier one, such as 0.8.
    model
        Hub id, folder, or minilm, for the cosine of a pair's sides.
    cosine
        Least cosine of a pair's sides by the model.
    """

    identical_sides: bool = True
    min_characters: int = 1
    max_characters: int = 1000
    min_words: int = 1
    max_words: int = 500
    length_ratio: float | None = limited(3.0, Limit("1 or more, or null for off", least=1))
    script: float | None = limited(0.2, _SHARE)
    language: float | None = limited(0.8, _SHARE)
    repetition: int | None = limited(16, Limit("4 or more, or null for off", least=4))
    letters: float | None = limited(0.3, _SHARE)
    mojibake: bool = True
    markup: bool = True
    near_duplicates: float | None = limited(None, _SHARE)
    model: str | None = None
    cosine: float | None = None


@dataclass
class DataConfig:
    """A set of training pairs.

    Parameters
    ----------
    pairs
        Which translation pairs to take.
    cleaning
        Which pairs are too poor to keep.
    decontaminate
        Evaluation suites: a pair with a sentence of theirs is left out.
    leaks
        What becomes of pairs with a sentence that is nearly one of a suite: they are not looked for (exact), counted
        and shown (report), or left out too (strict).
    anchor
        Of languages with equal volume, the one to anchor on: that which the teacher understands best.
    seed
        Of the sample and of what is held out.
    """

    pairs: PairsConfig
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    decontaminate: list[str] = field(default_factory=list)
    leaks: Literal["exact", "report", "strict"] = "report"
    anchor: str = "en"
    seed: int = 7
