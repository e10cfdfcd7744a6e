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
from lingualign.pairs.discovery import Listing, PairFile, Skipped, check_columns, find_pairs
from lingualign.pairs.normalisation import Keys, sentence_keys
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
    """Pairs ready for training. ``sentence1`` is the anchor, rows are in the order of the report's files."""

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
    prefer: Sequence[str] = (),
    per_corpus: int | None = None,
    validation: int | Source = 500,
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
    prefer
        Of languages with equal volume, those that come first: the ones that the teacher understands best.
    per_corpus
        How many pairs of each corpus and language pair to sample, those held out for validation included.
    validation
        How many pairs of each corpus and language pair to hold out, never more than a fifth of them. Or the
        pairs to validate on, a folder, a file or a hub data set id, read with the same ``columns``: those that
        ``languages`` and ``select`` keep are oriented and cleaned as the others, and none is sampled away.
        Either way no sentence of a validation pair stays in training.
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
        If an argument or a file cannot be used, or no training pair is left, or none of those given to
        validate on.
    """
    _check_counts(per_corpus, validation)
    check_columns(list(columns or {}))
    asked = None if languages is None else _languages(languages)
    listing, given = _find_all(
        _as_list(sources), None if isinstance(validation, int) else validation, asked, select
    )
    suites = read_suites(_as_list(decontaminate))

    funnel = _Funnel(listing, given, columns)
    table = funnel.table
    funnel.drop(_either(blank(table["sentence1"]), blank(table["sentence2"])), "empty side")
    funnel.drop(np.array([a == b for a, b in funnel.pairs], np.bool_)[funnel.pair], "one language")
    if asked is not None:
        funnel.drop(
            ~np.array([asked >= set(pair) for pair in funnel.pairs], np.bool_)[funnel.pair], "other language"
        )
    selected = select_language_pairs(funnel.counts(~funnel.given), select)
    funnel.drop(~np.array([pair in selected for pair in funnel.pairs], np.bool_)[funnel.pair], "not selected")

    order = resolve_priority(funnel.counts(~funnel.given), priority, prefer)
    funnel.table = orient(funnel.table, order)
    repeated = np.zeros(funnel.table.num_rows, np.bool_)
    for part in (funnel.given, ~funnel.given):  # apart, as a pair of both stays for validation
        repeated[part] = duplicates(funnel.table.filter(pa.array(part)))
    funnel.drop(repeated, "duplicate")
    anchors, others = sentence_keys(funnel.table["sentence1"]), sentence_keys(funnel.table["sentence2"])
    kept = funnel.drop(among(suites.keys, anchors, others), "in a suite")
    anchors, others = anchors[kept], others[kept]

    if isinstance(validation, int):
        groups = group_numbers(funnel.table, ["corpus", "lang1", "lang2"])
        ranks = seeded_ranks(groups, anchors, others, seed=seed)
        if per_corpus is not None:
            kept = funnel.drop(ranks >= per_corpus, "not sampled")
            groups, ranks, anchors, others = groups[kept], ranks[kept], anchors[kept], others[kept]
        for_validation = held_out(groups, ranks, validation)
        kept = funnel.drop(_shares_a_sentence(for_validation, anchors, others), "in validation")
        for_validation = for_validation[kept]
    else:
        # The sentences to validate on are known before the sample is drawn, so that it can be drawn in full.
        kept = funnel.drop(_shares_a_sentence(funnel.given, anchors, others), "in validation")
        anchors, others = anchors[kept], others[kept]
        if per_corpus is not None:
            groups = group_numbers(funnel.table, ["corpus", "lang1", "lang2"])
            pool = ~funnel.given
            ranks = np.zeros(len(groups), np.int64)
            ranks[pool] = seeded_ranks(groups[pool], anchors[pool], others[pool], seed=seed)
            funnel.drop(ranks >= per_corpus, "not sampled")
        for_validation = funnel.given

    report = funnel.report(for_validation, order, listing, suites.files)
    report.skipped += suites.skipped
    if for_validation.all():
        raise InputError(f"no training pair is left {_what_became(report)}")
    if not isinstance(validation, int) and not for_validation.any():
        raise InputError(
            f"validation: no pair of {os.fspath(validation)!r} is left {_what_became(report, funnel.given_files)}"
        )
    return PreparedPairs(
        train=funnel.table.filter(pa.array(~for_validation)),
        validation=funnel.table.filter(pa.array(for_validation)),
        report=report,
        priority=order,
    )


def _shares_a_sentence(for_validation: Mask, anchors: Keys, others: Keys) -> Mask:
    """Which of the other pairs have a side that equals, normalised, a sentence of a validation pair."""
    seen = np.concatenate([anchors[for_validation], others[for_validation]])
    return among(seen, anchors, others) & ~for_validation


def _what_became(report: DataReport, files: Sequence[str] | None = None) -> str:
    """Say how many rows were read, of all files or some, and why they were dropped."""
    tallies = [tally for name, tally in report.files.items() if files is None or name in files]
    dropped: Counter[str] = Counter()
    for tally in tallies:
        dropped.update(tally.dropped)
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in dropped.items())
    return f"of {sum(tally.read for tally in tallies):,} read (dropped: {reasons or 'none'})"


class _Funnel:
    """The pairs still in play. Whatever leaves is counted by file, language pair and reason.

    The last ``given`` files of the listing are those that the user gave to validate on.
    """

    def __init__(self, listing: Listing, given: int, columns: Mapping[str, str] | None) -> None:
        tables = [read_pairs(file, columns=columns) for file in listing.files]
        self.files = [file.name for file in listing.files]
        self.given_files = self.files[len(self.files) - given :]
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

    @property
    def given(self) -> Mask:
        """Which of the pairs in play were given to validate on."""
        return np.asarray(self.file >= len(self.files) - len(self.given_files), np.bool_)

    def counts(self, mask: Mask) -> Counter[LanguagePair]:
        """Count the masked pairs of each language pair, codes in alphabetical order."""
        counts = np.bincount(self.pair[mask], minlength=len(self.pairs)).tolist()
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


def _find_all(
    sources: Sequence[Source],
    validation: Source | None,
    languages: set[str] | None,
    select: str | Sequence[str],
) -> tuple[Listing, int]:
    """List all sources, each file once, in an order that does not depend on the order of the sources.

    Those to validate on come last; returns their number too.
    """
    if not sources:
        raise InputError("sources: none given; give folders, files or hub data set ids")
    found = [find_pairs(source, languages=languages, select=select) for source in sources]
    listing = Listing(skipped=[skipped for each in found for skipped in each.skipped])
    given: list[PairFile] = []
    if validation is not None:
        try:
            apart = find_pairs(validation, languages=languages, select=select)
        except InputError as error:
            raise InputError(f"validation: {error}") from None
        given = apart.files
        listing.skipped += apart.skipped
    files = sorted((file for each in found for file in each.files), key=lambda file: file.name)
    kept: dict[object, PairFile] = {}
    for file in [*given, *files]:
        first = kept.setdefault(file.identity, file)
        if first is not file:
            name = "" if first.name == file.name else f", read as {first.name}"
            use = ", kept to validate on" if first in given else ""
            listing.skipped.append(Skipped(file.name, f"given twice{name}{use}"))
    count = len({file.identity for file in given})
    if validation is not None and count == len(kept):
        raise InputError(
            f"validation: {os.fspath(validation)!r} holds every file of sources; give other pairs, or a "
            "number to hold out"
        )
    listing.files = [*kept.values()][count:] + [*kept.values()][:count]
    listing.skipped = list(dict.fromkeys(listing.skipped))
    return listing, count


def _languages(codes: Sequence[str]) -> set[str]:
    try:
        return {language_code(code) for code in codes}
    except InputError as error:
        raise InputError(f"languages: {error}") from None


def _as_list(sources: Source | Sequence[Source]) -> list[Source]:
    return [sources] if isinstance(sources, str | os.PathLike) else list(sources)


def _either(first: pa.ChunkedArray, second: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.or_(first, second).to_numpy(), np.bool_)


def _check_counts(per_corpus: int | None, validation: int | Source) -> None:
    if per_corpus is not None and per_corpus < 1:
        raise InputError(
            f"per_corpus: {per_corpus} is not a number of pairs; give 1 or more, or nothing for all pairs"
        )
    if isinstance(validation, int) and validation < 0:
        raise InputError(
            f"validation: {validation} is not a number of pairs; give 0 or more, or pairs to validate on"
        )
