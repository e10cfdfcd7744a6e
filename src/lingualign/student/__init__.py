"""What gets trained: a new static multilingual model, an encoder extended to new languages, or any encoder.

`static_student`, `extended_student` and `encoder_student` make one. `extend_vocabulary` and `trim_vocabulary` change an
encoder's vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.student.encoder import encoder_student
    from lingualign.student.extended import extend_vocabulary, extended_student, static_start
    from lingualign.student.static import static_student
    from lingualign.student.trimming import trim_vocabulary

__all__ = [
    "encoder_student",
    "extend_vocabulary",
    "extended_student",
    "static_start",
    "static_student",
    "trim_vocabulary",
]

lazy_face(__name__)
