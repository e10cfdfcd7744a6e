"""The teacher: embed each sentence of the corpus once, keep the vectors on disk, hand them out as labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lingualign.teacher.store import TeacherStore
from lingualign.teacher.writer import AddReport

if TYPE_CHECKING:
    from lingualign.teacher.collator import TeacherCollator

__all__ = ["AddReport", "TeacherCollator", "TeacherStore"]


def __getattr__(name: str) -> Any:
    # The collator extends sentence-transformers' own, whose import takes seconds that a store need not pay.
    if name == "TeacherCollator":
        from lingualign.teacher.collator import TeacherCollator

        return TeacherCollator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
