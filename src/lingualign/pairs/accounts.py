"""Where every row has gone: counted by file, language pair and corpus."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lingualign.pairs.report import Count, Tally
from lingualign.pairs.selection import LanguagePair, Mask, Numbers, group_numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa


@dataclass(frozen=True)
class Origin:
    """Where rows come from."""

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
        How many of them, the last ones, hold the pairs that were given to validate on.
    reasons
        Why rows may be dropped, in the order in which the reasons are looked at.
    """

    def __init__(self, files: Sequence[str], given: int, reasons: Sequence[str]) -> None:
        self.files = list(files)
        self.origins: list[Origin] = []
        self._sources = len(files) - given
        self._numbers: dict[Origin, int] = {}
        self._counts: dict[str, list[int]] = {what: [] for what in ("read", "train", "validation", *reasons)}

    def origins_of(self, file: int, table: pa.Table) -> Numbers:
        """Give rows of a file the numbers of their origins."""
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
        """Count by language pair what the sources hold beside rows dropped for these reasons."""
        left: Counter[LanguagePair] = Counter()
        for number, origin in enumerate(self.origins):
            if origin.file < self._sources:
                left[origin.pair] += self._of("read", number)
                left[origin.pair] -= sum(self._of(reason, number) for reason in set(reasons))
        return +left

    def given(self) -> Mask:
        """Which origins hold pairs that were given to validate on."""
        return np.array([origin.file >= self._sources for origin in self.origins], np.bool_)

    def groups(self) -> Numbers:
        """Give origins numbers, the same to those of one corpus and language pair."""
        numbers: dict[tuple[LanguagePair, str], int] = {}
        return np.array(
            [numbers.setdefault((each.pair, each.corpus), len(numbers)) for each in self.origins], np.int64
        )

    def _of(self, what: str, origin: int) -> int:
        counts = self._counts[what]
        return counts[origin] if origin < len(counts) else 0

    def counts(self) -> list[Count]:
        """Say where the rows of each origin have gone."""
        reasons = [*self._counts][3:]
        counts = []
        for number, origin in enumerate(self.origins):
            read, train, validation, *dropped = (self._of(what, number) for what in self._counts)
            given = {reason: rows for reason, rows in zip(reasons, dropped, strict=True) if rows}
            tally = Tally(read, train, validation, given)
            counts.append(Count(self.files[origin.file], origin.pair, origin.corpus, tally))
        return counts
