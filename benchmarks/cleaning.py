"""How fast each cleaning filter and leak filter is, and how many curated pairs each drops.

Sides (sentences) a second on real pairs, one thread. The pairs are curated, so what a filter drops is near its rate
of wrong drops.

    python benchmarks/cleaning.py
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from machine import command_line, save_result

if TYPE_CHECKING:
    from lingualign.pairs import Filter

_ROWS_AT_ONCE = 65_536


def measure(filter_: Filter, pairs: pa.Table) -> dict[str, Any]:
    """Time a filter over all pairs, chunk by chunk."""
    filter_(pairs.slice(0, 100))  # tables and models load
    began = time.perf_counter()
    starts = range(0, pairs.num_rows, _ROWS_AT_ONCE)
    dropped = sum(int(np.sum(filter_(pairs.slice(start, _ROWS_AT_ONCE)))) for start in starts)
    seconds = time.perf_counter() - began
    return {
        "seconds": round(seconds, 1),
        "sides_per_second": round(2 * pairs.num_rows / seconds),
        "dropped": dropped,
        "dropped_share": round(dropped / pairs.num_rows, 6),
    }


def main() -> None:
    given = command_line(__doc__, data="folder with train/ and eval/").parse_args()

    from lingualign.pairs import cleaning_filters, near_leak_filter, read_source
    from lingualign.pairs.cleaning import NearDuplicates
    from lingualign.pairs.config import CleaningConfig
    from lingualign.pairs.decontamination import Leaks, read_suites

    read, _ = read_source(given.data / "train")
    pairs = pa.concat_tables([each.table for each in read]).unify_dictionaries().combine_chunks()
    suites = [given.data / "eval"]
    filters = cleaning_filters(CleaningConfig())
    figures = {each.reason: measure(each, pairs) for each in filters}
    total = sum(figure["seconds"] for figure in figures.values())
    for each in (NearDuplicates(0.8), Leaks(read_suites(suites)), near_leak_filter(suites)):
        figures[each.reason] = measure(each, pairs)
    save_result(
        "cleaning", {"pairs": pairs.num_rows, "default_filters_seconds": round(total, 1), "filters": figures}
    )
    for reason, figure in figures.items():
        print(reason, figure)
    print("default filters", round(total, 1), "seconds")


if __name__ == "__main__":
    main()
