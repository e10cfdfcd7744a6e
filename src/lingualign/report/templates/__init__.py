"""The templates of pages and of the model card, with ``$names`` for their parts."""

from __future__ import annotations

from pathlib import Path
from string import Template


def fill(template: str, **parts: str) -> str:
    """Fill a template; the parts are already HTML or Markdown."""
    text = (Path(__file__).parent / template).read_text(encoding="utf-8")
    return Template(text).substitute(parts)
