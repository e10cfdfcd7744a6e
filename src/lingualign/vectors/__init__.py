"""Vectors of sentences on disk, found by the sentence: the teacher's store and the vectors that evaluation keeps.

`keys_of` digests sentences to keys of 16 bytes. A folder holds segments, each a file of keys and a file of vectors,
and a `VectorManifest` that lists the valid ones; `StoredVectors` reads them as one table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.vectors.arrays import DamagedSegmentError, write_array
    from lingualign.vectors.keys import KEY, KeyIndex, keys_of
    from lingualign.vectors.manifest import FORMAT, NAME, Segment, VectorManifest
    from lingualign.vectors.segments import StoredVectors

__all__ = [
    "FORMAT",
    "KEY",
    "NAME",
    "DamagedSegmentError",
    "KeyIndex",
    "Segment",
    "StoredVectors",
    "VectorManifest",
    "keys_of",
    "write_array",
]

lazy_face(__name__)
