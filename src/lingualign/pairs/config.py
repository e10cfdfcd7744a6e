"""What a set of training pairs is made of: the configuration file of ``lingualign data``, key by key.

Each class is a section of the YAML file; its fields are the keys, its docstring is their help.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class PairsConfig:
    """Which translation pairs to train on.

    Parameters
    ----------
    sources
        Folders (read recursively), files, hub data set ids, or ``opus:CORPUS``. To train: or one folder of lingualign
        data prepare.
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
        Names of columns where they differ, such as ``{sentence1: english}``.
    encoding
        Of text files that are not UTF-8, such as ``cp1252``.
    """

    sources: list[str]
    languages: list[str] | None = None
    select: str = "all"
    priority: str | list[str] = "volume"
    per_corpus: int | None = None
    validation: int | str = 500
    columns: dict[str, str] | None = None
    encoding: str | None = None


@dataclass
class DataConfig:
    """A set of training pairs.

    Parameters
    ----------
    pairs
        Which translation pairs to take.
    decontaminate
        Evaluation suites: a pair with a sentence of theirs is left out.
    anchor
        Of languages with equal volume, the one to anchor on: that which the teacher understands best.
    seed
        Of the sample and of what is held out.
    """

    pairs: PairsConfig
    decontaminate: list[str] = field(default_factory=list)
    anchor: str = "en"
    seed: int = 7
