"""What was read, kept and dropped, by file and reason."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from lingualign.pairs.cleaning.swapped import Swapped
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


def print_report(report: DataReport, console: Console | None = None) -> None:
    """Print the report as tables: by file, by language pair, by reason; then files passed over and swapped sides."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = console or Console()

    def table(title: str, *columns: str, total: Sequence[str]) -> Table:
        made = Table(
            title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0), show_footer=True
        )
        made.add_column(columns[0], footer="total", overflow="fold")
        for name, figure in zip(columns[1:], total, strict=True):
            made.add_column(name, footer=figure, justify="right", no_wrap=True)
        return made

    for title, tallies in (("file", report.files), ("language pair", report.language_pairs)):
        columns = ("", "read", "train", "validation", "dropped")
        by = table(f"Pairs by {title}", *columns, total=_figures(report.total))
        for name, tally in _shortened(tallies).items():
            by.add_row(escape(name), *_figures(tally))
        console.print(by)
    dropped = report.total.dropped
    if dropped:
        filters = [reason for reason in dropped if reason not in REASONS]
        known = (*REASONS[:BEFORE_FILTERS], *filters, *REASONS[BEFORE_FILTERS:])
        by = table("Pairs dropped", "because", "pairs", total=[f"{sum(dropped.values()):,}"])
        for reason in known:
            if reason in dropped:
                by.add_row(reason, f"{dropped[reason]:,}")
        console.print(by)
    print_skipped(report.skipped, console)
    for swapped in report.swapped:
        console.print(f"warning: {swapped}", markup=False, soft_wrap=True)


def print_skipped(skipped: Sequence[Skipped], console: Console | None = None) -> None:
    """Print what was not read, a line each."""
    from rich.console import Console

    console = console or Console()
    for each in skipped:
        console.print(f"not read: {each.file}: {each.reason}", markup=False, soft_wrap=True)


def _figures(tally: Tally) -> list[str]:
    counts = (tally.read, tally.train, tally.validation, sum(tally.dropped.values()))
    return [f"{count:,}" for count in counts]


def _shortened(tallies: Mapping[str, Tally]) -> dict[str, Tally]:
    """Names without the folders that all of them share."""
    names = list(tallies)
    parents = [name.split("/")[:-1] for name in names]
    shared = 0
    while parents and all(len(p) > shared and p[shared] == parents[0][shared] for p in parents):
        shared += 1
    return {"/".join(name.split("/")[shared:]): tally for name, tally in tallies.items()}
