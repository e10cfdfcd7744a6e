"""Use a model on whole corpora: encode them, mine translation pairs from them, score pairs that exist.

`encode_text` writes vectors to disk in shards under a manifest, `mine_pairs` finds the sentences of two texts that
translate each other, `filter_pairs` keeps the best of given pairs. All three go on from where a killed call stopped.
"""

from __future__ import annotations

from lingualign.mining.encode import EncodeReport, encode_text
from lingualign.mining.encoded import EncodedText
from lingualign.mining.filter import FilterReport, filter_pairs
from lingualign.mining.mine import MineReport, mine_pairs
from lingualign.neighbours.retrieval import Retrieval, retrieve

__all__ = [
    "EncodeReport",
    "EncodedText",
    "FilterReport",
    "MineReport",
    "Retrieval",
    "encode_text",
    "filter_pairs",
    "mine_pairs",
    "retrieve",
]
