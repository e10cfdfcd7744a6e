"""Filters that find pairs too poor to learn from: see `Filter`.

Their criteria, and roughly their thresholds, are those of OpusFilter, Bicleaner's hard rules and the filters of NLLB
(stopes); docs/pairs.md has the figures behind the defaults. `filters` holds the table of all and the short ones; the
others have a file each.
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
