"""How likely a given pair is a whole translation in the right languages, told from the corpus alone.

Three things may be wrong with a pair: the sides mean something else, one of them lost a part, or one is in another
language. The corpus itself shows what each looks like: its own pairs are taken apart and put together wrongly, and what
is measured of a pair is compared with both. `measures.py` says what is measured, `coverage.py` and
`lingualign.pairs.cleaning.language` measure it, `evidence.py` weighs it, `score.py` goes through a corpus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.mining.quality.score import FEWEST, PairScores, Side, score_pairs

__all__ = ["FEWEST", "PairScores", "Side", "score_pairs"]

lazy_face(__name__)
