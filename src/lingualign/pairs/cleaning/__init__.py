"""Filters that find pairs too poor to learn from, each of one shape: see `Filter`.

What they look for, and about where they draw the line, is what OpusFilter, Bicleaner's hard rules and the filters of
NLLB (stopes) do; the figures that the defaults were set by are in docs/pairs.md. ``filters.py`` holds the table
and the short filters; each other filter has a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.pairs.cleaning.filters import (
        FewLetters,
        IdenticalSides,
        Length,
        LengthRatio,
        Markup,
        Repetition,
        Reported,
        cleaning_filters,
    )
    from lingualign.pairs.cleaning.judging import Filter
    from lingualign.pairs.cleaning.language import Language
    from lingualign.pairs.cleaning.mojibake import Mojibake
    from lingualign.pairs.cleaning.near_duplicates import NearDuplicates
    from lingualign.pairs.cleaning.script import Script

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

lazy_face(__name__)
