"""Filters that find pairs too poor to learn from, each of one shape: see `Filter`.

What they look for, and about where they draw the line, is what OpusFilter, Bicleaner's hard rules and the filters of
NLLB (stopes) do; the figures that the defaults were set by are in docs/pairs.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.constraints import check_limits
from lingualign.errors import InputError
from lingualign.pairs.cleaning.filter import Filter
from lingualign.pairs.cleaning.identical import IdenticalSides
from lingualign.pairs.cleaning.language import Language
from lingualign.pairs.cleaning.length import Length, LengthRatio
from lingualign.pairs.cleaning.markup import Markup
from lingualign.pairs.cleaning.mojibake import Mojibake
from lingualign.pairs.cleaning.near_duplicates import NearDuplicates
from lingualign.pairs.cleaning.repetition import Repetition
from lingualign.pairs.cleaning.reported import Reported
from lingualign.pairs.cleaning.script import Script
from lingualign.pairs.cleaning.symbols import FewLetters

if TYPE_CHECKING:
    from lingualign.pairs.config import CleaningConfig

__all__ = [
    "FewLetters",
    "Filter",
    "IdenticalSides",
    "Language",
    "Length",
    "LengthRatio",
    "Markup",
    "Mojibake",
    "NearDuplicates",
    "Repetition",
    "Reported",
    "Script",
    "cleaning_filters",
]


def cleaning_filters(config: CleaningConfig) -> list[Filter]:
    """Make the filters that a configuration asks for, the cheap ones first.

    The filter by cosine needs a model, and is `lingualign.embedding.CosineFilter`.

    Parameters
    ----------
    config
        Thresholds: see `CleaningConfig`.

    Raises
    ------
    InputError
        If a value is out of range.
    """
    _check(config)
    filters: list[Filter] = []
    if config.identical_sides:
        filters.append(IdenticalSides())
    filters.append(
        Length((config.min_characters, config.max_characters), (config.min_words, config.max_words))
    )
    if config.length_ratio is not None:
        filters.append(LengthRatio(config.length_ratio))
    if config.letters is not None:
        filters.append(FewLetters(config.letters))
    if config.repetition is not None:
        filters.append(Repetition(config.repetition))
    if config.script is not None:
        filters.append(Script(config.script))
    if config.markup:
        filters.append(Markup())
    if config.mojibake:
        filters.append(Mojibake())
    if config.language is not None:
        filters.append(Language(config.language))
    if config.near_duplicates is not None:
        filters.append(NearDuplicates(config.near_duplicates))
    return filters


def _check(config: CleaningConfig) -> None:
    check_limits(config, "cleaning")
    for unit in ("characters", "words"):
        least, most = getattr(config, f"min_{unit}"), getattr(config, f"max_{unit}")
        if not 0 <= least <= most:
            raise InputError(
                f"cleaning.min_{unit} is {least} and cleaning.max_{unit} {most}; the first must be 0 or more and "
                "the second no less than it"
            )
    if config.cosine is not None and config.model is None:
        raise InputError(
            "cleaning.cosine is given without cleaning.model; name the model whose cosine is meant"
        )
    if config.cosine is not None and not -1 <= config.cosine <= 1:
        raise InputError(f"cleaning.cosine is {config.cosine}; a cosine is between -1 and 1")
