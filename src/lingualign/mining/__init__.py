"""Use a model on whole corpora: encode them, mine translation pairs from them, score pairs, align documents.

`encode_text` writes vectors to disk in shards with a manifest. `mine_pairs` finds the sentences of two texts that
translate each other. `filter_pairs` keeps the best of existing pairs. `align_documents` links the sentences of
documents that follow the same order. All of them resume after a crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.mining.alignment import AlignReport, Links, align_documents, align_vectors
    from lingualign.mining.encode_folder import EncodeReport
    from lingualign.mining.encode_text import encode_text
    from lingualign.mining.encoded_text import EncodedText
    from lingualign.mining.filter_pairs import FilterReport, filter_pairs
    from lingualign.mining.mine import MineReport, mine_pairs
    from lingualign.neighbours.margin import retrieve
    from lingualign.neighbours.options import Retrieval

__all__ = [
    "AlignReport",
    "EncodeReport",
    "EncodedText",
    "FilterReport",
    "Links",
    "MineReport",
    "Retrieval",
    "align_documents",
    "align_vectors",
    "encode_text",
    "filter_pairs",
    "mine_pairs",
    "retrieve",
]

lazy_face(__name__)
