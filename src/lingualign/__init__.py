"""Turn any sentence-embedding model into an aligned multilingual one from translation pairs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lingualign._version import __version__

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

_STATIONS = {
    "embedding": ("encode", "load_model"),
    "evaluation": ("BitextEvaluator", "compare", "evaluate", "load_suites", "measure"),
    "losses": ("DistillationLoss", "SoftContrastiveLoss", "TranslationRankingLoss"),
    "mining": ("align_documents", "encode_text", "filter_pairs", "mine_pairs"),
    "neighbours": ("nearest_neighbours",),
    "pairs": ("prepare_pairs", "read_source"),
    "student": ("static_student",),
    "teacher": ("TeacherCollator", "TeacherStore"),
    "training": ("RunConfig", "train"),
}
_HOME = {name: station for station, names in _STATIONS.items() for name in names}


def __getattr__(name: str) -> Any:
    # On first use: most of the stations import torch, which takes seconds.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"lingualign.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
