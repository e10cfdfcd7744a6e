"""The configuration file of ``lingualign data``, key by key.

Each class is a section of the YAML file; its fields are the keys, its docstring is their help.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lingualign.constraints import Limit, limited

_SHARE = Limit("above 0 and at most 1, or null for off", above=0, most=1)


@dataclass
class PairsConfig:
    """Translation pairs to train on.

    Parameters
    ----------
    sources
        Folders (read recursively), files, hub data set ids, or ``opus:CORPUS``; to train on, also the one folder that
        ``lingualign data prepare`` has made.
    languages
        Languages to keep; all where absent.
    select
        Language pairs: ``all``, or patterns such as ``en-xx``, ``en-xx,fr-xx``, ``en-ko``.
    priority
        Languages in the order of preference as the anchor; ``volume`` orders them by their number of sentences.
    per_corpus
        Number of pairs to sample of each corpus and language pair; all where absent.
    validation
        Number of pairs of each corpus and language pair to hold out, at most a fifth of them; or a folder or file of
        pairs to validate on. No sentence of a validation pair is trained on.
    columns
        Names of columns that differ from the standard ones, such as ``{sentence1: english}``; positions in CSV and TSV
        files without a header line, ``{sentence1: 1, sentence2: 2}``.
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
    """Filters that drop poor pairs; a filter is off if its value is false or null.

    Parameters
    ----------
    identical_sides
        Drop pairs whose sides differ only in case, punctuation and white space.
    min_characters
        Minimum number of characters of a side.
    max_characters
        Maximum number of characters of a side.
    min_words
        Minimum number of words of a side; each ideograph or kana counts as a word.
    max_words
        Maximum number of words of a side.
    length_ratio
        Maximum ratio of the longer side to the shorter; ideographs, kana and Hangul syllables count as two characters.
    script
        Minimum share of a side's letters in a script of its language.
    language
        Probability, up to 1, of another language at which a pair is dropped.
    repetition
        Length in characters at which a repetitive stretch is too long.
    letters
        Minimum share of letters in a side, beside digits, punctuation and symbols.
    mojibake
        Drop pairs with text that was decoded in the wrong encoding.
    markup
        Drop pairs with remains of HTML.
    near_duplicates
        Jaccard similarity at which a pair counts as a copy of an earlier one, such as 0.8.
    model
        Model for the cosine of a pair's sides: hub id, folder, minilm or me5.
    cosine
        Minimum cosine of a pair's sides.
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
        Translation pairs to take.
    cleaning
        Filters that drop poor pairs.
    decontaminate
        Evaluation suites; a pair with a sentence of a suite is dropped.
    leaks
        Treatment of pairs with a sentence that is nearly one of a suite: not searched for (exact), counted and shown
        (report), or dropped (strict).
    anchor
        Language to anchor on among those of equal volume: the one that the teacher understands best.
    seed
        Seed of the sample and of the held-out pairs.
    """

    pairs: PairsConfig
    cleaning: CleaningConfig = field(default_factory=CleaningConfig)
    decontaminate: list[str] = field(default_factory=list)
    leaks: Literal["exact", "report", "strict"] = "report"
    anchor: str = "en"
    seed: int = 7
