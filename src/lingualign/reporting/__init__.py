"""What is told to people: model cards, heatmaps, and comparisons as JSON, Markdown, LaTeX or a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.reporting.comparison import check_comparison_file, save_comparison
    from lingualign.reporting.heatmaps import save_heatmaps
    from lingualign.reporting.model_card import model_card

__all__ = ["check_comparison_file", "model_card", "save_comparison", "save_heatmaps"]

lazy_face(__name__)
