"""The bundled sample: everyday sentences in five languages, written for this project (see ``everyday/README.md``)."""

from __future__ import annotations

from pathlib import Path

EVERYDAY = Path(__file__).parent / "everyday"
"""Folder of ``train.tsv``, ``validation.tsv`` and ``test.tsv``: columns en, fr, ja, ko, ru; a row is one meaning."""
