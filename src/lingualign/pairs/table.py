"""The one table of translation pairs that every later station reads."""

from __future__ import annotations

import pyarrow as pa

PAIR_SCHEMA = pa.schema(
    [
        pa.field("sentence1", pa.large_string(), nullable=False),
        pa.field("sentence2", pa.large_string(), nullable=False),
        pa.field("lang1", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("lang2", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("corpus", pa.dictionary(pa.int32(), pa.string()), nullable=False),
    ]
)
"""Columns of a pair table. ``lang1`` and ``lang2`` are as `lingualign.languages.language_code` gives them.

After orientation ``sentence1`` is the anchor: the side whose language has priority.
"""
