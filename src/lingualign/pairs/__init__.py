"""Translation pairs: from files, folders and the hub to one table, selected, oriented and free of leaks.

`prepare_pairs` returns training and validation pairs. `prepare_shards` writes them to disk when they exceed memory, and
`prepared_pairs` reads them back. `read_source` reads every pair of a source. `cleaning_filters` makes the filters, and
`inspect_pairs` counts what they would find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lingualign.faces import lazy_face

if TYPE_CHECKING:
    from lingualign.pairs.cleaning.filters import cleaning_filters
    from lingualign.pairs.cleaning.judging import Filter
    from lingualign.pairs.discovery import Skipped
    from lingualign.pairs.inspection import Inspection, inspect_pairs, pair_counts
    from lingualign.pairs.leaks import NearLeaks, near_leak_filter
    from lingualign.pairs.manifest import Manifest
    from lingualign.pairs.normalisation import normalise, sentence_keys
    from lingualign.pairs.prepare import PreparedPairs, prepare_pairs, prepared_pairs
    from lingualign.pairs.report import DataReport, Tally
    from lingualign.pairs.shards import prepare_shards
    from lingualign.pairs.sources import PairsRead, read_source
    from lingualign.pairs.table import PAIR_SCHEMA
    from lingualign.report.pages import inspection_page
    from lingualign.report.pair_tables import print_inspection, print_pair_counts, print_report

__all__ = [
    "PAIR_SCHEMA",
    "DataReport",
    "Filter",
    "Inspection",
    "Manifest",
    "NearLeaks",
    "PairsRead",
    "PreparedPairs",
    "Skipped",
    "Tally",
    "cleaning_filters",
    "inspect_pairs",
    "inspection_page",
    "near_leak_filter",
    "normalise",
    "pair_counts",
    "prepare_pairs",
    "prepare_shards",
    "prepared_pairs",
    "print_inspection",
    "print_pair_counts",
    "print_report",
    "read_source",
    "sentence_keys",
]

lazy_face(__name__)
