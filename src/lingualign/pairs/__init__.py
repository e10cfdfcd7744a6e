"""Translation pairs: from files, folders and the hub to one table, selected, oriented and free of leaks.

`prepare_pairs` is the station's one verb; `read_source`, the selections and `leaked` are its steps.
"""

from lingualign.pairs.decontamination import SuiteSentences, leaked, read_suites
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
    "SuiteSentences",
    "Tally",
    "leaked",
    "normalise",
    "prepare_pairs",
    "print_report",
    "read_source",
    "read_suites",
    "sentence_keys",
]
