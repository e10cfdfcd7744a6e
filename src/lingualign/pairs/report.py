"""Counts of rows read, kept and dropped, by file, language pair, corpus and reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.pairs.selection import LanguagePair, Mask, Numbers, group_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from lingualign.pairs.cleaning.language import Swapped
    from lingualign.pairs.discovery import Skipped

REASONS = (
    "empty side",
    "one language",
    "other language",
    "not selected",
    "duplicate",
    "in a suite",
    "not sampled",
    "in validation",
)
"""Reasons to drop a pair, in the order in which they are checked."""
BEFORE_FILTERS = REASONS.index("duplicate")
"""Number of reasons that are checked before the filters that the user has chosen."""


@dataclass
class Tally:
    """Counts of rows, with ``read == train + validation + sum(dropped.values())``."""

    read: int = 0
    train: int = 0
    validation: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Add the counts of another tally."""
        self.read += other.read
        self.train += other.train
        self.validation += other.validation
        for reason, count in other.dropped.items():
            self.dropped[reason] = self.dropped.get(reason, 0) + count


@dataclass(frozen=True)
class Count:
    """Counts of the rows of one corpus and language pair in one file."""

    file: str
    languages: tuple[str, str]
    """Codes in alphabetical order."""
    corpus: str
    rows: Tally


@dataclass
class DataReport:
    """Account of a preparation of pairs: each row read is in train, in validation or under one reason."""

    files: dict[str, Tally]
    """Counts by file, in the order of the data."""
    language_pairs: dict[str, Tally]
    """Counts by language pair, ``anchor-other``; for pairs that were not selected, codes in alphabetical order."""
    skipped: list[Skipped]
    """Files that were not read, with the reason."""
    suites: dict[str, int]
    """Evaluation sentences that the pairs were decontaminated against, by file."""
    swapped: list[Swapped] = field(default_factory=list)
    """Files with sides that look swapped."""

    @property
    def total(self) -> Tally:
        """The sum over all files."""
        total = Tally()
        for tally in self.files.values():
            total.add(tally)
        return total

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON types."""
        return {"total": asdict(self.total), **asdict(self)}


def account(
    files: Sequence[str],
    counts: Sequence[Count],
    priority: Sequence[str],
    skipped: Sequence[Skipped],
    suites: Mapping[str, int],
    swapped: Sequence[Swapped] = (),
) -> DataReport:
    """Sum counts by file, in the order given, and by language pair."""
    place = {code: place for place, code in enumerate(priority)}
    names = {
        pair: "-".join(sorted(pair, key=lambda code: (place.get(code, len(place)), code)))
        for pair in sorted({count.languages for count in counts})
    }
    by_file = {name: Tally() for name in files}
    by_pair = {name: Tally() for name in names.values()}
    for count in counts:
        by_file[count.file].add(count.rows)
        by_pair[names[count.languages]].add(count.rows)
    return DataReport(by_file, by_pair, list(skipped), dict(suites), list(swapped))


@dataclass(frozen=True)
class Origin:
    """File, language pair and corpus of rows."""

    file: int
    pair: LanguagePair
    """Codes in alphabetical order."""
    corpus: str


class Accounts:
    """Counts of rows by their origin.

    Parameters
    ----------
    files
        Names of the files, in the order of the data.
    given
        Number of files, the last ones, that were given to validate on.
    reasons
        Reasons to drop rows, in the order in which they are checked.
    """

    def __init__(self, files: Sequence[str], given: int, reasons: Sequence[str]) -> None:
        self.files = list(files)
        self.origins: list[Origin] = []
        self._sources = len(files) - given
        self._numbers: dict[Origin, int] = {}
        self._counts: dict[str, list[int]] = {what: [] for what in ("read", "train", "validation", *reasons)}

    def origins_of(self, file: int, table: pa.Table) -> Numbers:
        """Return the number of each row's origin."""
        _, first, inverse = np.unique(
            group_numbers(table, ["lang1", "lang2", "corpus"]), return_index=True, return_inverse=True
        )
        numbers = []
        for row in first.tolist():
            lang1, lang2, corpus = (table[name][row].as_py() for name in ("lang1", "lang2", "corpus"))
            origin = Origin(file, (lang1, lang2) if lang1 < lang2 else (lang2, lang1), corpus)
            if origin not in self._numbers:
                self._numbers[origin] = len(self.origins)
                self.origins.append(origin)
            numbers.append(self._numbers[origin])
        return np.array(numbers, np.int64)[inverse]

    def count(self, what: str, origins: Numbers) -> None:
        """Count rows: ``read``, ``train``, ``validation``, or dropped for a reason."""
        counts = self._counts[what]
        counts.extend([0] * (len(self.origins) - len(counts)))
        for origin, count in enumerate(np.bincount(origins).tolist()):
            counts[origin] += count

    def left(self, *reasons: str) -> Counter[LanguagePair]:
        """Count the rows of the sources by language pair, without those dropped for these reasons."""
        left: Counter[LanguagePair] = Counter()
        for number, origin in enumerate(self.origins):
            if origin.file < self._sources:
                left[origin.pair] += self._of("read", number)
                left[origin.pair] -= sum(self._of(reason, number) for reason in set(reasons))
        return +left

    def given(self) -> Mask:
        """Return the mask of origins that were given to validate on."""
        return np.array([origin.file >= self._sources for origin in self.origins], np.bool_)

    def groups(self) -> Numbers:
        """Return a number for each origin, equal for those of one corpus and language pair."""
        numbers: dict[tuple[LanguagePair, str], int] = {}
        return np.array(
            [numbers.setdefault((each.pair, each.corpus), len(numbers)) for each in self.origins], np.int64
        )

    def _of(self, what: str, origin: int) -> int:
        counts = self._counts[what]
        return counts[origin] if origin < len(counts) else 0

    def counts(self) -> list[Count]:
        """Return the counts of each origin."""
        reasons = [*self._counts][3:]
        counts = []
        for number, origin in enumerate(self.origins):
            read, train, validation, *dropped = (self._of(what, number) for what in self._counts)
            by_reason = {reason: rows for reason, rows in zip(reasons, dropped, strict=True) if rows}
            tally = Tally(read, train, validation, by_reason)
            counts.append(Count(self.files[origin.file], origin.pair, origin.corpus, tally))
        return counts
