"""From text to vectors: load a sentence-embedding model safely, name it by its content, encode with it.

The one path by which sentences become vectors: the teacher store, the evaluation and the command line all
encode through :func:`encode`, so that their figures mean the same.
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
