"""What was read, kept and dropped, by file and reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
"""Why a pair is dropped, in the order in which the reasons are looked at."""
BEFORE_FILTERS = REASONS.index("duplicate")
"""How many of them are looked at before the filters that the user has chosen."""


@dataclass
class Tally:
    """Where the rows that were read have gone: ``read == train + validation + sum(dropped.values())``."""

    read: int = 0
    train: int = 0
    validation: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Count the rows of another tally too."""
        self.read += other.read
        self.train += other.train
        self.validation += other.validation
        for reason, count in other.dropped.items():
            self.dropped[reason] = self.dropped.get(reason, 0) + count


@dataclass(frozen=True)
class Count:
    """Where the rows of one corpus and language pair in one file have gone."""

    file: str
    languages: tuple[str, str]
    """Codes in alphabetical order."""
    corpus: str
    rows: Tally


@dataclass
class DataReport:
    """Account of a preparation of pairs. Each row read is in train, in validation or under one reason."""

    files: dict[str, Tally]
    """By file, in the order of the data."""
    language_pairs: dict[str, Tally]
    """By language pair, ``anchor-other``; pairs that were not selected in alphabetical order."""
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
        """Give the report as JSON types."""
        return {"total": asdict(self.total), **asdict(self)}


def account(
    files: Sequence[str],
    counts: Sequence[Count],
    priority: Sequence[str],
    skipped: Sequence[Skipped],
    suites: Mapping[str, int],
    swapped: Sequence[Swapped] = (),
) -> DataReport:
    """Sum counts up by file and by language pair, the files in the order given."""
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
