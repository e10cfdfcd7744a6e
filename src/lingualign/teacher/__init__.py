"""The teacher: embed each sentence of the corpus once, keep the vectors on disk, return them as labels.

`TeacherStore` holds the vectors, and `TeacherCollator` puts them beside a batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.teacher.collator import TeacherCollator
    from lingualign.teacher.store import TeacherStore
    from lingualign.teacher.writer import AddReport

__all__ = ["AddReport", "TeacherCollator", "TeacherStore"]

lazy_face(__name__)
