"""All that people look at: tables in a terminal, comparisons as files and pages, plots, heatmaps and model cards.

``print_*`` functions print tables, ``save_*`` functions write files, ``*_page`` functions return HTML, and `model_card`
returns Markdown. The skeletons are in ``templates/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.report.comparison_tables import check_comparison_file, print_comparison, save_comparison
    from lingualign.report.heatmaps import save_heatmaps
    from lingualign.report.model_card import model_card
    from lingualign.report.pages import comparison_page, inspection_page
    from lingualign.report.pair_tables import print_inspection, print_pair_counts, print_report
    from lingualign.report.score_tables import print_scores

__all__ = [
    "check_comparison_file",
    "comparison_page",
    "inspection_page",
    "model_card",
    "print_comparison",
    "print_inspection",
    "print_pair_counts",
    "print_report",
    "print_scores",
    "save_comparison",
    "save_heatmaps",
]

lazy_face(__name__)
