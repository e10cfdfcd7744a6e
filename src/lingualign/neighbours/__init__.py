"""Nearest neighbours and margins, the one search behind evaluation and mining.

`nearest_neighbours` finds neighbours exactly, in both directions at once and in bounded memory. `margin_scores`
compares a pair with its neighbours, `retrieve` selects pairs, and `thresholds` judges their scores by known pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.neighbours.approximate import approximate_neighbours
    from lingualign.neighbours.checkpoint import SearchCheckpoint
    from lingualign.neighbours.margin import Pairs, judge, margin_scores, retrieve, thresholds
    from lingualign.neighbours.options import (
        NEIGHBOURHOOD,
        Margin,
        SearchOptions,
        check_margin,
        check_neighbourhood,
    )
    from lingualign.neighbours.search import Neighbours, nearest_neighbours
    from lingualign.neighbours.vectors import Rows, cosines, unit_rows

__all__ = [
    "NEIGHBOURHOOD",
    "Margin",
    "Neighbours",
    "Pairs",
    "Rows",
    "SearchCheckpoint",
    "SearchOptions",
    "approximate_neighbours",
    "check_margin",
    "check_neighbourhood",
    "cosines",
    "judge",
    "margin_scores",
    "nearest_neighbours",
    "retrieve",
    "thresholds",
    "unit_rows",
]

lazy_face(__name__)
