"""Description of pairs by corpus and language pair: number, lengths, hits of each filter, and a sample."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lingualign.errors import InputError
from lingualign.pairs.characters import columns, each_run
from lingualign.pairs.cleaning.judging import SIDES, one_array
from lingualign.pairs.cleaning.language import SwappedSides
from lingualign.pairs.normalisation import Keys, mix, sentence_keys
from lingualign.pairs.selection import LanguagePair, Mask, group_numbers, matches, parse_patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from lingualign.pairs.cleaning.judging import Filter
    from lingualign.pairs.cleaning.language import Swapped

Counts = npt.NDArray[np.int64]
Group = tuple[str, str, str]

LENGTH_EDGES = (0, 10, 20, 30, 40, 60, 80, 120, 160, 240, 320, 480, 640, 1280)
"""Lower ends of the histogram's bars, in columns; the last has no upper end."""
COSINE_EDGES = tuple(edge / 20 for edge in range(-4, 20))
"""Lower ends of the histogram's bars; the first has no lower end."""

_ROWS_AT_ONCE = 65_536
_SAMPLE = 5
_EXAMPLES = 3


@dataclass
class Inspected:
    """The pairs of one corpus in one language pair."""

    corpus: str
    lang1: str
    lang2: str
    pairs: int = 0
    lengths: tuple[Counts, Counts] = field(default_factory=lambda: (_bars(LENGTH_EDGES), _bars(LENGTH_EDGES)))
    """Sentences of either side by length, between LENGTH_EDGES."""
    hits: Counter[str] = field(default_factory=Counter)
    """Pairs that each filter finds, independent of the others."""
    dropped: int = 0
    """Pairs that any filter finds."""
    examples: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """The first pairs that each filter finds."""
    sample: list[tuple[str, str]] = field(default_factory=list)
    """Pairs at random, the same in every run."""
    cosines: Counts | None = None
    """Pairs by the cosine of their sides, between COSINE_EDGES."""
    _drawn: Keys = field(default_factory=lambda: np.empty(0, np.uint64))

    @property
    def middle_lengths(self) -> tuple[int, int]:
        """Lower end of the bar of the median length, for both sides."""
        first, second = (int(np.searchsorted(np.cumsum(bars), bars.sum() / 2)) for bars in self.lengths)
        return LENGTH_EDGES[first], LENGTH_EDGES[second]

    def draw(self, pairs: pa.Table) -> None:
        """Add pairs to the sample, which holds the first ones of a random order."""
        ranks = mix(sentence_keys(pairs["sentence1"]) ^ mix(sentence_keys(pairs["sentence2"])))
        both = np.concatenate([self._drawn, ranks])
        best = np.argsort(both, kind="stable")[:_SAMPLE].tolist()
        before = len(self._drawn)
        self.sample = [self.sample[row] if row < before else _pair(pairs, row - before) for row in best]
        self._drawn = both[best]


@dataclass
class Inspection:
    """Result of an inspection, by corpus and language pair, in the order of the data."""

    groups: list[Inspected]
    reasons: list[str]
    """Reasons of the filters, in their order."""
    swapped: list[Swapped] = field(default_factory=list)
    """Corpora with sides that look swapped."""

    def totals(self) -> tuple[int, Counter[str], int]:
        """Return the number of pairs, of hits of each filter, and of pairs with any hit, over all groups."""
        hits = Counter({reason: sum(group.hits[reason] for group in self.groups) for reason in self.reasons})
        return sum(group.pairs for group in self.groups), hits, sum(group.dropped for group in self.groups)


def inspect_pairs(
    tables: Iterable[pa.Table],
    filters: Sequence[Filter] = (),
    *,
    languages: Sequence[str] | None = None,
    select: str | Sequence[str] = "all",
    cosine: Callable[[pa.Table], npt.NDArray[np.float32]] | None = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> Inspection:
    """Inspect pairs; none is changed or dropped.

    Parameters
    ----------
    tables
        Tables of `PAIR_SCHEMA`, one after the other.
    filters
        Filters, each applied to every pair: a pair may count under several reasons.
    languages, select
        Languages and language pairs to inspect: see `prepare_pairs`.
    cosine
        Function that returns the cosine of each pair's sides, for a histogram.
    advance
        Function called with the number of rows after each step.

    Raises
    ------
    InputError
        If nothing is selected.
    """
    patterns = parse_patterns(select)
    groups: dict[Group, Inspected] = {}
    existing: Counter[LanguagePair] = Counter()
    swapped = SwappedSides()
    for table in tables:
        for start in range(0, table.num_rows, _ROWS_AT_ONCE):
            part = table.slice(start, _ROWS_AT_ONCE)
            chunk = _selected(part, languages, patterns, existing)
            if chunk.num_rows:
                _inspect(chunk, filters, cosine, groups, swapped)
            advance(part.num_rows)
    if not groups:
        listed = ", ".join(f"{a}-{b} ({count:,})" for (a, b), count in sorted(existing.items())) or "none"
        raise InputError(f"nothing to inspect is selected; the language pairs there are: {listed}")
    return Inspection(list(groups.values()), [each.reason for each in filters], swapped.found())


def _inspect(
    chunk: pa.Table,
    filters: Sequence[Filter],
    cosine: Callable[[pa.Table], npt.NDArray[np.float32]] | None,
    groups: dict[Group, Inspected],
    swapped: SwappedSides,
) -> None:
    masks = {each.reason: each(chunk) for each in filters}
    dropped = np.logical_or.reduce([*masks.values(), np.zeros(chunk.num_rows, np.bool_)])
    lengths = [each_run(one_array(chunk[side]), columns) for side, _ in SIDES]
    cosines = cosine(chunk) if cosine else None
    for name, rows in _rows_of_groups(chunk):
        group = groups.setdefault(name, Inspected(*name))
        group.pairs += len(rows)
        for bars, length in zip(group.lengths, lengths, strict=True):
            bars += _histogram(length[rows], LENGTH_EDGES)
        if cosines is not None:
            before = _bars(COSINE_EDGES) if group.cosines is None else group.cosines
            group.cosines = before + _histogram(cosines[rows], COSINE_EDGES)
        group.dropped += int(dropped[rows].sum())
        for reason, mask in masks.items():
            hits = rows[mask[rows]]
            group.hits[reason] += len(hits)
            examples = group.examples.setdefault(reason, [])
            examples += [_pair(chunk, row) for row in hits[: _EXAMPLES - len(examples)].tolist()]
        pairs = chunk.take(pa.array(rows))
        group.draw(pairs)
        swapped.look_at(group.corpus, pairs)


def _selected(
    table: pa.Table,
    languages: Sequence[str] | None,
    patterns: Sequence[LanguagePair],
    existing: Counter[LanguagePair],
) -> pa.Table:
    keep: Mask = np.zeros(table.num_rows, np.bool_)
    for (_, lang1, lang2), rows in _rows_of_groups(table):
        a, b = sorted((lang1, lang2))
        existing[a, b] += len(rows)
        wanted = languages is None or {a, b} <= set(languages)
        keep[rows] = wanted and any(matches((a, b), pattern) for pattern in patterns)
    return table if keep.all() else table.filter(pa.array(keep))


def _rows_of_groups(table: pa.Table) -> Iterator[tuple[Group, Counts]]:
    """Yield each corpus and language pair with its rows, in the order of first occurrence."""
    numbers = group_numbers(table.unify_dictionaries(), ["corpus", "lang1", "lang2"])
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    for place in np.argsort(first).tolist():
        row = int(first[place])
        corpus, lang1, lang2 = (table[name][row].as_py() for name in ("corpus", "lang1", "lang2"))
        yield (corpus, lang1, lang2), np.flatnonzero(inverse == place)


def _histogram(values: npt.NDArray[np.int64] | npt.NDArray[np.float32], edges: Sequence[float]) -> Counts:
    places = np.searchsorted(edges, values, side="right") - 1
    return np.bincount(np.maximum(places, 0), minlength=len(edges))


def _bars(edges: Sequence[float]) -> Counts:
    return np.zeros(len(edges), np.int64)


def _pair(table: pa.Table, row: int) -> tuple[str, str]:
    return table["sentence1"][row].as_py(), table["sentence2"][row].as_py()


CorpusPair = tuple[str, str, str]


def pair_counts(tables: Iterable[pa.Table]) -> Counter[CorpusPair]:
    """Count pairs by corpus and language pair, whose codes are in alphabetical order.

    Parameters
    ----------
    tables
        Tables of `PAIR_SCHEMA`.
    """
    counts: Counter[CorpusPair] = Counter()
    for table in tables:
        numbers = group_numbers(table.unify_dictionaries(), ["corpus", "lang1", "lang2"])
        _, first, times = np.unique(numbers, return_index=True, return_counts=True)
        for row, count in zip(first.tolist(), times.tolist(), strict=True):
            corpus, *languages = (table[name][row].as_py() for name in ("corpus", "lang1", "lang2"))
            counts[corpus, min(languages), max(languages)] += count
    return counts
