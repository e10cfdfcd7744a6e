"""Translation pairs: from files, folders and the hub to one table, selected, oriented and free of leaks.

`prepare_pairs` is the station's verb. `prepare_shards` is the same for more pairs than memory holds, and
`prepared_pairs` reads what it has written. `read_source` is their first step.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lingualign.pairs.cleaning import Filter, cleaning_filters
    from lingualign.pairs.discovery import Skipped
    from lingualign.pairs.inspection.counts import pair_counts, print_pair_counts
    from lingualign.pairs.inspection.inspect import Inspection, inspect_pairs
    from lingualign.pairs.inspection.page import inspection_page
    from lingualign.pairs.inspection.text import print_inspection
    from lingualign.pairs.manifest import Manifest
    from lingualign.pairs.near_leaks import NearLeaks, near_leak_filter
    from lingualign.pairs.normalisation import normalise, sentence_keys
    from lingualign.pairs.prepare import PreparedPairs, prepare_pairs
    from lingualign.pairs.prepared import prepared_pairs
    from lingualign.pairs.readers import PairsRead, read_source
    from lingualign.pairs.report import DataReport, Tally, print_report
    from lingualign.pairs.shards import prepare_shards
    from lingualign.pairs.table import PAIR_SCHEMA

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

_MODULES = {
    "cleaning": ("Filter", "cleaning_filters"),
    "inspection.counts": ("pair_counts", "print_pair_counts"),
    "discovery": ("Skipped",),
    "manifest": ("Manifest",),
    "inspection.inspect": ("Inspection", "inspect_pairs"),
    "inspection.page": ("inspection_page",),
    "inspection.text": ("print_inspection",),
    "near_leaks": ("NearLeaks", "near_leak_filter"),
    "normalisation": ("normalise", "sentence_keys"),
    "prepare": ("PreparedPairs", "prepare_pairs"),
    "prepared": ("prepared_pairs",),
    "readers": ("PairsRead", "read_source"),
    "report": ("DataReport", "Tally", "print_report"),
    "shards": ("prepare_shards",),
    "table": ("PAIR_SCHEMA",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    # On first use: Arrow takes a tenth of a second, which the help of a command does not need.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"lingualign.pairs.{_HOME[name]}"), name)
    return value
