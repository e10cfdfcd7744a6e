"""From text to vectors: load a sentence-embedding model safely, name it by its content, encode with it.

`load_model` loads a model, `fingerprint` names it, `encode` encodes with it. The teacher store, evaluation, mining and
the command all encode through `encode`, so that their figures agree. ``encoders/`` holds the other kinds of encoder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.embedding.cosine_filter import CosineFilter
    from lingualign.embedding.encode import encode, encode_batches
    from lingualign.embedding.models import fingerprint, load_model
    from lingualign.embedding.options import ModelOptions, Precision

__all__ = [
    "CosineFilter",
    "ModelOptions",
    "Precision",
    "encode",
    "encode_batches",
    "fingerprint",
    "load_model",
]

lazy_face(__name__)
