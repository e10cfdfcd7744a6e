"""Nearest neighbours and margins, the one search behind evaluation and mining.

`nearest_neighbours` finds them exactly, in both directions at once and in bounded memory; `margin_scores` says how
far a pair stands out among them.
"""

from __future__ import annotations

from lingualign.neighbours.checkpoint import SearchCheckpoint
from lingualign.neighbours.margin import NEIGHBOURHOOD, Margin, check_margin, margin_scores
from lingualign.neighbours.search import Neighbours, check_neighbourhood, nearest_neighbours
from lingualign.neighbours.vectors import Rows, cosines, unit_rows

__all__ = [
    "NEIGHBOURHOOD",
    "Margin",
    "Neighbours",
    "Rows",
    "SearchCheckpoint",
    "check_margin",
    "check_neighbourhood",
    "cosines",
    "margin_scores",
    "nearest_neighbours",
    "unit_rows",
]
