"""Sentence alignment of documents that follow the same order (Thompson and Koehn, 2019, "Vecalign").

`align_documents` reads two files or two folders and writes one file of links. `align_vectors` is the search alone: the
cheapest path through a band. `costs.py` holds the cost of a link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.mining.alignment.align_documents import AlignReport, align_documents
    from lingualign.mining.alignment.align_vectors import Links, align_vectors

__all__ = ["AlignReport", "Links", "align_documents", "align_vectors"]

lazy_face(__name__)
