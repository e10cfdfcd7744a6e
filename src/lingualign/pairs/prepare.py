"""From sources to training and validation pairs: the recipe."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lingualign.errors import InputError
from lingualign.languages import language_code
from lingualign.pairs.decontamination import among, blank, read_suites
from lingualign.pairs.discovery import Listing, check_columns, find_pairs
from lingualign.pairs.normalisation import sentence_keys
from lingualign.pairs.readers import read_pairs
from lingualign.pairs.report import DataReport, Tally
from lingualign.pairs.selection import (
    LanguagePair,
    Mask,
    duplicates,
    group_numbers,
    held_out,
    orient,
    resolve_priority,
    seeded_ranks,
    select_language_pairs,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Source = str | os.PathLike[str]


@dataclass(frozen=True)
class PreparedPairs:
    """Pairs ready for training. ``sentence1`` is the anchor, rows are in the order of the files."""

    train: pa.Table
    validation: pa.Table
    report: DataReport
    priority: list[str]
    """Languages, the highest priority first."""


def prepare_pairs(
    sources: Source | Sequence[Source],
    *,
    languages: Sequence[str] | None = None,
    select: str | Sequence[str] = "all",
    priority: str | Sequence[str] = "volume",
    per_corpus: int | None = None,
    validation: int = 500,
    decontaminate: Source | Sequence[Source] = (),
    columns: Mapping[str, str] | None = None,
    seed: int = 0,
) -> PreparedPairs:
    """Read, select, orient, clean of leaks, sample and split translation pairs.

    Parameters
    ----------
    sources
        Folders, files, or hub data set ids: see `read_source`.
    languages
        The languages to keep; all by default.
    select
        Language pairs to keep: see `parse_patterns`.
    priority
        Whose side is the anchor: see `resolve_priority`.
    per_corpus
        How many pairs of each corpus and language pair to sample, those held out for validation included.
    validation
        How many pairs of each corpus and language pair to hold out; never more than a fifth of them.
    decontaminate
        Evaluation suites: no pair with a side that equals, normalised, one of their sentences is kept.
    columns
        Names of columns, where they differ: see `read_source`.
    seed
        Of the sample and the validation split. Same seed, same data, same result, whatever the order of the
        sources.

    Raises
    ------
    InputError
        If an argument or a file cannot be used, or no training pair is left.
    """
    _check_counts(per_corpus, validation)
    check_columns(list(columns or {}))
    asked = None if languages is None else _languages(languages)
    listing = _find_all(_as_list(sources))
    suites = read_suites(_as_list(decontaminate))

    funnel = _Funnel(listing, columns)
    table = funnel.table
    funnel.drop(_either(blank(table["sentence1"]), blank(table["sentence2"])), "empty side")
    funnel.drop(np.array([a == b for a, b in funnel.pairs], np.bool_)[funnel.pair], "one language")
    if asked is not None:
        funnel.drop(
            ~np.array([asked >= set(pair) for pair in funnel.pairs], np.bool_)[funnel.pair], "other language"
        )
    selected = select_language_pairs(funnel.counts(), select)
    funnel.drop(~np.array([pair in selected for pair in funnel.pairs], np.bool_)[funnel.pair], "not selected")

    order = resolve_priority(funnel.counts(), priority)
    funnel.table = orient(funnel.table, order)
    funnel.drop(duplicates(funnel.table), "duplicate")
    anchors, others = sentence_keys(funnel.table["sentence1"]), sentence_keys(funnel.table["sentence2"])
    kept = funnel.drop(among(suites.keys, anchors, others), "in a suite")
    anchors, others = anchors[kept], others[kept]

    groups = group_numbers(funnel.table, ["corpus", "lang1", "lang2"])
    ranks = seeded_ranks(groups, anchors, others, seed=seed)
    if per_corpus is not None:
        kept = funnel.drop(ranks >= per_corpus, "not sampled")
        groups, ranks, anchors, others = groups[kept], ranks[kept], anchors[kept], others[kept]
    for_validation = held_out(groups, ranks, validation)
    seen = np.concatenate([anchors[for_validation], others[for_validation]])
    kept = funnel.drop(among(seen, anchors, others) & ~for_validation, "in validation")
    for_validation = for_validation[kept]

    report = funnel.report(for_validation, order, listing, suites.files)
    report.skipped += suites.skipped
    if for_validation.all():
        dropped = ", ".join(f"{reason}: {count:,}" for reason, count in report.total.dropped.items())
        raise InputError(
            f"no training pair is left of {report.total.read:,} read (dropped: {dropped or 'none'})"
        )
    return PreparedPairs(
        train=funnel.table.filter(pa.array(~for_validation)),
        validation=funnel.table.filter(pa.array(for_validation)),
        report=report,
        priority=order,
    )


class _Funnel:
    """The pairs still in play. Whatever leaves is counted by file, language pair and reason."""

    def __init__(self, listing: Listing, columns: Mapping[str, str] | None) -> None:
        tables = [read_pairs(file, columns=columns) for file in listing.files]
        self.files = [file.name for file in listing.files]
        self.table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
        self.file = np.repeat(np.arange(len(tables)), [table.num_rows for table in tables])
        self.pairs, self.pair = _unordered_pairs(self.table)
        self._read = self._cells(np.ones(len(self.file), np.bool_))
        self._dropped: dict[str, npt.NDArray[np.int64]] = {}

    def drop(self, mask: Mask, reason: str) -> Mask:
        """Take the masked pairs out; returns the mask of those kept."""
        if mask.any():
            self._dropped[reason] = self._cells(mask)
            self.table = self.table.filter(pa.array(~mask))
            self.file, self.pair = self.file[~mask], self.pair[~mask]
        return ~mask

    def counts(self) -> Counter[LanguagePair]:
        """Count the pairs in play of each language pair, codes in alphabetical order."""
        counts = np.bincount(self.pair, minlength=len(self.pairs)).tolist()
        return Counter({pair: count for pair, count in zip(self.pairs, counts, strict=True) if count})

    def report(
        self, for_validation: Mask, priority: Sequence[str], listing: Listing, suites: dict[str, int]
    ) -> DataReport:
        """Account for every row, by file and by language pair."""
        place = {code: place for place, code in enumerate(priority)}
        cells = {"train": self._cells(~for_validation), "validation": self._cells(for_validation)}
        names = [
            "-".join(sorted(pair, key=lambda code: (place.get(code, len(place)), code)))
            for pair in self.pairs
        ]
        return DataReport(
            files=self._tallies(self.files, cells, axis=1),
            language_pairs=self._tallies(names, cells, axis=0),
            skipped=list(listing.skipped),
            suites=suites,
        )

    def _cells(self, mask: Mask) -> npt.NDArray[np.int64]:
        """Count the masked pairs by file (rows) and language pair (columns)."""
        shape = len(self.files), len(self.pairs)
        cells = self.file[mask] * shape[1] + self.pair[mask]
        return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)

    def _tallies(
        self, names: list[str], cells: dict[str, npt.NDArray[np.int64]], axis: int
    ) -> dict[str, Tally]:
        tallies: dict[str, Tally] = {}
        read, train, validation = (
            part.sum(axis).tolist() for part in (self._read, cells["train"], cells["validation"])
        )
        dropped = {reason: part.sum(axis).tolist() for reason, part in self._dropped.items()}
        for i, name in enumerate(names):
            reasons = {reason: counts[i] for reason, counts in dropped.items() if counts[i]}
            tallies[name] = Tally(read[i], train[i], validation[i], reasons)
        return tallies


def _unordered_pairs(table: pa.Table) -> tuple[list[LanguagePair], npt.NDArray[np.int64]]:
    """Language pairs in alphabetical order of their codes, and which of them each row has."""
    _, first, inverse = np.unique(
        group_numbers(table, ["lang1", "lang2"]), return_index=True, return_inverse=True
    )
    ordered: list[LanguagePair] = []
    for row in first.tolist():
        a, b = sorted((table["lang1"][row].as_py(), table["lang2"][row].as_py()))
        ordered.append((a, b))
    pairs = sorted(set(ordered))
    return pairs, np.array([pairs.index(pair) for pair in ordered], np.int64)[inverse]


def _find_all(sources: Sequence[Source]) -> Listing:
    """List all sources, files in an order that does not depend on the order of the sources."""
    if not sources:
        raise InputError("sources: none given; give folders, files or hub data set ids")
    found = [find_pairs(source) for source in sources]
    files = sorted((file for listing in found for file in listing.files), key=lambda file: file.name)
    return Listing(files, [skipped for listing in found for skipped in listing.skipped])


def _languages(codes: Sequence[str]) -> set[str]:
    try:
        return {language_code(code) for code in codes}
    except InputError as error:
        raise InputError(f"languages: {error}") from None


def _as_list(sources: Source | Sequence[Source]) -> list[Source]:
    return [sources] if isinstance(sources, str | os.PathLike) else list(sources)


def _either(first: pa.ChunkedArray, second: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.or_(first, second).to_numpy(), np.bool_)


def _check_counts(per_corpus: int | None, validation: int) -> None:
    if per_corpus is not None and per_corpus < 1:
        raise InputError(
            f"per_corpus: {per_corpus} is not a number of pairs; give 1 or more, or nothing for all pairs"
        )
    if validation < 0:
        raise InputError(f"validation: {validation} is not a number of pairs; give 0 or more")
