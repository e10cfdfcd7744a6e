"""Turn any sentence-embedding model into an aligned multilingual one from translation pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign._version import __version__
from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.embedding import encode, load_model
    from lingualign.evaluation import BitextEvaluator, compare, evaluate, load_suites, measure
    from lingualign.losses import DistillationLoss, SoftContrastiveLoss, TranslationRankingLoss
    from lingualign.mining import align_documents, encode_text, filter_pairs, mine_pairs
    from lingualign.neighbours import nearest_neighbours
    from lingualign.pairs import prepare_pairs, read_source
    from lingualign.student import static_student
    from lingualign.teacher import TeacherCollator, TeacherStore
    from lingualign.training import RunConfig, train

__all__ = [
    "BitextEvaluator",
    "DistillationLoss",
    "RunConfig",
    "SoftContrastiveLoss",
    "TeacherCollator",
    "TeacherStore",
    "TranslationRankingLoss",
    "__version__",
    "align_documents",
    "compare",
    "encode",
    "encode_text",
    "evaluate",
    "filter_pairs",
    "load_model",
    "load_suites",
    "measure",
    "mine_pairs",
    "nearest_neighbours",
    "prepare_pairs",
    "read_source",
    "static_student",
    "train",
]

lazy_face(__name__)
