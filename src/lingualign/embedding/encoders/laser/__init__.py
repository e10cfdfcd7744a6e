"""LASER2 and LASER3 without fairseq: their text, their two networks, and the encoder around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.embedding.encoders.laser.encoder import LaserEncoder

__all__ = ["LaserEncoder"]

lazy_face(__name__)
