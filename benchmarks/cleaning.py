"""How fast each cleaning filter and leak filter is, and how many curated pairs each drops.

Sides (sentences) a second on real pairs, one thread. The pairs are curated, so what a filter drops is near its rate
of wrong drops.

    python benchmarks/cleaning.py

With NTREX-128 (github.com/MicrosoftTranslator/NTREX), what the default filters drop of right translations in each of
its languages, and what they find of faults planted in them:

    python benchmarks/cleaning.py --ntrex NTREX-128
"""

from __future__ import annotations

import itertools
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from machine import command_line, save_result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lingualign.pairs import Filter

_ROWS_AT_ONCE = 65_536
_PLANTED = 100
_CODE_PAGES = ("cp1252", "latin-1", "cp1250", "cp1251", "cp1254", "cp437", "mac-roman")


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


def found_by(filters: Sequence[Filter], first: list[str], second: list[str], language: str) -> Counter[str]:
    """Count pairs of English and a language that each filter finds, and those that any does."""
    from lingualign.pairs import PAIR_SCHEMA

    columns = [first, second, *([each] * len(first) for each in ("en", language, "ntrex"))]
    pairs = pa.table(columns, PAIR_SCHEMA.names).cast(PAIR_SCHEMA)
    masks = {each.reason: np.asarray(each(pairs)) for each in filters}
    counts = Counter({reason: int(mask.sum()) for reason, mask in masks.items()})
    counts["any"] = int(np.logical_or.reduce(list(masks.values())).sum())
    return +counts


def planted(texts: dict[str, list[str]], name: str, english: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Give what may stand in a language's place by mistake: its kind, and sentences."""
    from lingualign.pairs.cleaning.language import same_language

    own = _language(name)
    here = _PLANTED * sorted(texts).index(name) % (len(english) - _PLANTED)
    rows = slice(here, here + _PLANTED)
    yield "English", english[rows]
    others = (other for other in itertools.cycle(sorted(texts)) if other > name or other == sorted(texts)[0])
    wanted = {"other language, same script", "other language, other script"}
    for other in itertools.islice(others, len(texts)):
        kind = (
            f"other language, {'same' if _script(texts[other]) == _script(texts[name]) else 'other'} script"
        )
        if kind in wanted and not same_language(own, _language(other)):
            wanted.remove(kind)
            yield kind, texts[other][rows]
    for page in _CODE_PAGES:
        broken = [(text, text.encode().decode(page, "ignore")) for text in texts[name][rows]]
        yield f"UTF-8 read as {page}", [misread for text, misread in broken if text != misread]


def _language(name: str) -> str:
    """Read the language of a file's name: ``fra``, ``ref-2.spa``, ``srp-Cyrl``."""
    from lingualign.languages import language_code

    return language_code(name.rpartition(".")[2])


def _script(sentences: list[str]) -> str:
    """Name the script of most letters, by the first word of their names."""
    import unicodedata

    letters = (char for char in "".join(sentences[:20]) if char.isalpha())
    return Counter(unicodedata.name(char, "").split(" ")[0] for char in letters).most_common(1)[0][0]


def measure_ntrex(folder: Path) -> None:
    """Say what the default filters drop of NTREX-128, and what they find of planted faults."""
    from lingualign.pairs import cleaning_filters
    from lingualign.pairs.config import CleaningConfig

    english = (folder / "newstest2019-src.eng.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    texts: dict[str, list[str]] = {}
    for path in sorted(folder.glob("newstest2019-ref*.txt")):
        name = path.stem.removeprefix("newstest2019-")
        if _language(name) != "en":
            texts[name.removeprefix("ref.")] = path.read_text(encoding="utf-8").split("\n")[: len(english)]
    filters = cleaning_filters(CleaningConfig())
    dropped = {}
    faults: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, text in texts.items():
        language = _language(name)
        counts = found_by(filters, english, text, language)
        dropped[name] = {"rows": len(text), **counts}
        listed = ", ".join(f"{reason} {count}" for reason, count in counts.items() if reason != "any")
        print(f"{name:10}{counts['any'] / len(text):7.2%}  {listed}", flush=True)
        for kind, sentences in planted(texts, name, english):
            faults[kind] += found_by(filters, english[len(english) - len(sentences) :], sentences, language)
            faults[kind]["planted"] += len(sentences)
    shares = [counts.get("any", 0) / counts["rows"] for counts in dropped.values()]
    print(f"{len(shares)} texts: {np.mean(shares):.2%} dropped in the mean, {max(shares):.2%} at most")
    for kind, counts in faults.items():
        print(
            f"{kind:30}{counts['any'] / counts['planted']:7.1%} of {counts['planted']:,} found", dict(counts)
        )
    save_result("cleaning_ntrex", {"dropped": dropped, "faults": dict(faults)})


def main() -> None:
    parser = command_line(__doc__, data="folder with train/ and eval/")
    parser.add_argument("--ntrex", type=Path, help="folder of NTREX-128, to measure on it instead")
    given = parser.parse_args()
    if given.ntrex is not None:
        measure_ntrex(given.ntrex)
        return

    from lingualign.pairs import cleaning_filters, near_leak_filter, read_source
    from lingualign.pairs.cleaning import NearDuplicates
    from lingualign.pairs.config import CleaningConfig
    from lingualign.pairs.leaks import Leaks, read_suites

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
