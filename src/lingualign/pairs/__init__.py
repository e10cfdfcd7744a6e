"""Translation pairs: from files, folders and the hub to one table, selected, oriented and free of leaks.

`prepare_pairs` is the station's one verb; `read_source` is its first step.
"""

from lingualign.pairs.discovery import Skipped
from lingualign.pairs.normalisation import normalise, sentence_keys
from lingualign.pairs.prepare import PreparedPairs, prepare_pairs
from lingualign.pairs.readers import PairsRead, read_source
from lingualign.pairs.report import DataReport, Tally, print_report
from lingualign.pairs.table import PAIR_SCHEMA

__all__ = [
    "PAIR_SCHEMA",
    "DataReport",
    "PairsRead",
    "PreparedPairs",
    "Skipped",
    "Tally",
    "normalise",
    "prepare_pairs",
    "print_report",
    "read_source",
    "sentence_keys",
]
