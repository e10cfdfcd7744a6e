"""What gets trained: a new static multilingual model, or any encoder there is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lingualign.student.encoder import encoder_student
    from lingualign.student.static import static_student

__all__ = ["encoder_student", "static_student"]


def __getattr__(name: str) -> Any:
    # Both import torch, which takes seconds that reading a configuration need not pay.
    if name == "static_student":
        from lingualign.student.static import static_student

        return static_student
    if name == "encoder_student":
        from lingualign.student.encoder import encoder_student

        return encoder_student
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
