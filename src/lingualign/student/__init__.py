"""What gets trained: a new static multilingual model, an encoder extended to new languages, or any encoder."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

_HOME = {
    "encoder_student": "encoder",
    "extend_vocabulary": "extended",
    "extended_student": "extended",
    "static_start": "extended",
    "static_student": "static",
    "trim_vocabulary": "trimming",
}


def __getattr__(name: str) -> Any:
    # All import torch, which takes seconds that reading a configuration need not pay.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lingualign.student.{_HOME[name]}"), name)
