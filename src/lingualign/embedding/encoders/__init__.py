"""Encoders of sentences: models of several kinds, files of vectors, and services.

`open_encoder` finds the encoder of a name. All of them are a `SentenceEncoder`; their users need not know the kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.embedding.encoders.kept import encode_kept
    from lingualign.embedding.encoders.open import open_encoder
    from lingualign.embedding.encoders.sentence_encoder import SentenceEncoder, encode_with

__all__ = ["SentenceEncoder", "encode_kept", "encode_with", "open_encoder"]

lazy_face(__name__)
