"""Decision on each pair: dropped, for training, or for validation.

The pairs are read once, a chunk at a time. What depends on all of them (volumes, duplicates, samples, validation) is
decided on records of 64-bit keys, on disk in parts if a scratch folder is given.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lingualign.errors import InputError
from lingualign.pairs.cleaning.language import SwappedSides
from lingualign.pairs.leaks import among, blank
from lingualign.pairs.normalisation import Keys, sentence_keys
from lingualign.pairs.partitions import Partitions, Records, make_records
from lingualign.pairs.report import BEFORE_FILTERS, REASONS, Accounts, account
from lingualign.pairs.selection import (
    LanguagePair,
    Mask,
    Numbers,
    held_out,
    matches,
    orient,
    pair_keys,
    parse_patterns,
    repeats,
    resolve_priority,
    seeded_ranks,
    select_language_pairs,
    shuffled,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from lingualign.pairs.cleaning.language import Swapped
    from lingualign.pairs.recipe import Ingredients, Recipe
    from lingualign.pairs.report import DataReport

DROPPED, TRAIN, VALIDATION = 0, 1, 2

_LOOKED_AT = np.dtype(
    [
        ("row", "<i8"),
        ("origin", "<i4"),
        ("head", "<u8"),  # of the pair, letter for letter
        ("tail", "<u8"),
        ("first", "<u8"),  # of the sentence in the language that is first by alphabet
        ("second", "<u8"),
        ("leaks", "?"),
    ]
)
_CANDIDATE = np.dtype([("row", "<i8"), ("origin", "<i4"), ("anchor", "<u8"), ("other", "<u8")])


@dataclass(frozen=True)
class Decisions:
    """Decisions on the rows, in the order in which they were read."""

    roles: npt.NDArray[np.uint8]
    """`DROPPED`, `TRAIN` or `VALIDATION`."""
    priority: list[str]
    """Languages, the highest priority first."""
    accounts: Accounts
    swapped: list[Swapped]
    """Files with sides that look swapped."""

    def of(self, chunks: Iterable[tuple[int, pa.Table]]) -> Iterator[tuple[int, pa.Table]]:
        """Yield the role, `TRAIN` or `VALIDATION`, and its rows, oriented.

        ``chunks`` are those of `decide`, read again.
        """
        start = 0
        for _, table in chunks:
            roles = self.roles[start : start + table.num_rows]
            start += table.num_rows
            if len(roles) < table.num_rows:
                raise InputError("a source was changed while it was read; prepare again once it is at rest")
            for role in (TRAIN, VALIDATION):
                if (roles == role).any():
                    yield role, orient(table.filter(pa.array(roles == role)), self.priority)


def decide(
    chunks: Iterable[tuple[int, pa.Table]],
    recipe: Recipe,
    ingredients: Ingredients,
    scratch: Path | None = None,
) -> Decisions:
    """Decide on each pair by a recipe.

    Parameters
    ----------
    chunks
        Output of `Ingredients.chunks`.
    recipe, ingredients
        Recipe, and what `gather` returns for it.
    scratch
        Folder for records that would not fit into memory, some 80 bytes a pair; all in memory where absent.

    Raises
    ------
    InputError
        If a file cannot be used, or a pattern of ``select`` matches nothing.
    """
    filters = [each.reason for each in recipe.filters]
    reasons = (*REASONS[:BEFORE_FILTERS], *filters, *REASONS[BEFORE_FILTERS:])
    accounts = Accounts([file.name for file in ingredients.listing.files], ingredients.given, reasons)
    looked_at = Partitions(_LOOKED_AT, scratch, "looked-at")
    swapped = SwappedSides()
    count = _look_at(chunks, recipe, ingredients, accounts, looked_at, swapped)

    volumes = accounts.left(*reasons[: BEFORE_FILTERS + len(filters)])
    priority = resolve_priority(volumes, recipe.pairs.priority, recipe.prefer)
    candidates = Partitions(_CANDIDATE, scratch, "candidates")
    sizes = _first_of_each(looked_at, priority, recipe.seed, accounts, candidates)
    roles = np.full(count, DROPPED, np.uint8)
    if isinstance(recipe.pairs.validation, int):
        _sample_and_hold_out(candidates, sizes, recipe, recipe.pairs.validation, accounts, roles)
    else:
        _sample_beside_given(candidates, recipe, accounts, roles)
    return Decisions(roles, priority, accounts, swapped.found())


def _look_at(
    chunks: Iterable[tuple[int, pa.Table]],
    recipe: Recipe,
    ingredients: Ingredients,
    accounts: Accounts,
    looked_at: Partitions,
    swapped: SwappedSides,
) -> int:
    """Drop what a row alone decides, and record the keys of the others; returns the number of rows read."""
    asked = ingredients.languages
    patterns = parse_patterns(recipe.pairs.select)
    source_count = len(accounts.files) - ingredients.given
    selected: set[LanguagePair] | None = None

    def is_selected(pair: LanguagePair) -> bool:
        if selected is not None:
            return pair in selected
        return any(matches(pair, pattern) for pattern in patterns)

    read = 0
    for number, chunk in chunks:
        if number >= source_count and selected is None:
            # The files to validate on begin: all language pairs of the sources have been counted.
            selected = select_language_pairs(
                accounts.left(*REASONS[: BEFORE_FILTERS - 1]), recipe.pairs.select
            )
        rows = _Rows(number, chunk, read, accounts)
        read += chunk.num_rows
        rows.drop(_either(blank(chunk["sentence1"]), blank(chunk["sentence2"])), "empty side")
        rows.drop(rows.of_pairs(lambda pair: pair[0] == pair[1]), "one language")
        if asked is not None:
            rows.drop(rows.of_pairs(lambda pair: not asked >= set(pair)), "other language")
        rows.drop(rows.of_pairs(lambda pair: not is_selected(pair)), "not selected")
        swapped.look_at(accounts.files[number], rows.table)
        for each in recipe.filters:
            rows.drop(np.asarray(each(rows.table), np.bool_), each.reason)
        records = rows.records(ingredients.suites.keys)
        looked_at.add(records, records["head"])
    if selected is None:
        select_language_pairs(accounts.left(*REASONS[: BEFORE_FILTERS - 1]), recipe.pairs.select)
    return read


class _Rows:
    """Rows of one file that are not dropped yet; dropped ones are counted."""

    def __init__(self, file: int, table: pa.Table, before: int, accounts: Accounts) -> None:
        self.table = table
        self._accounts = accounts
        self._origin = accounts.origins_of(file, table)
        self._row = np.arange(before, before + table.num_rows)
        accounts.count("read", self._origin)

    def drop(self, mask: Mask, reason: str) -> None:
        if mask.any():
            self._accounts.count(reason, self._origin[mask])
            self.table = self.table.filter(pa.array(~mask))
            self._origin, self._row = self._origin[~mask], self._row[~mask]

    def of_pairs(self, condition: Callable[[LanguagePair], bool]) -> Mask:
        """Return the mask of rows of a language pair that meets a condition."""
        met = np.zeros(len(self._accounts.origins), np.bool_)
        for origin in np.unique(self._origin).tolist():
            met[origin] = condition(self._accounts.origins[origin].pair)
        return np.asarray(met[self._origin], np.bool_)

    def records(self, suites: Keys) -> Records:
        codes = {code for origin in np.unique(self._origin) for code in self._accounts.origins[origin].pair}
        table = orient(self.table, sorted(codes))
        pairs = pair_keys(table)
        first, second = sentence_keys(table["sentence1"]), sentence_keys(table["sentence2"])
        return make_records(
            _LOOKED_AT,
            row=self._row,
            origin=self._origin,
            head=pairs["head"],
            tail=pairs["tail"],
            first=first,
            second=second,
            leaks=among(suites, first, second),
        )


def _first_of_each(
    looked_at: Partitions, priority: Sequence[str], seed: int, accounts: Accounts, candidates: Partitions
) -> Numbers:
    """Drop duplicates and leaks; returns the number of the others in each group of corpus and language pair."""
    place = {code: place for place, code in enumerate(priority)}
    pairs = (origin.pair for origin in accounts.origins)
    swapped = np.array([place.get(b, len(place)) < place.get(a, len(place)) for a, b in pairs], np.bool_)
    group, given = accounts.groups(), accounts.given()
    sizes = np.zeros(group.max(initial=-1) + 1, np.int64)
    for records in looked_at.consume():
        repeated = np.zeros(len(records), np.bool_)
        for part in (given[records["origin"]], ~given[records["origin"]]):
            repeated[part] = repeats(records[part])  # apart: a pair of both stays for validation
        accounts.count("duplicate", records["origin"][repeated])
        leaks = records["leaks"] & ~repeated
        accounts.count("in a suite", records["origin"][leaks])
        kept = records[~(repeated | leaks)]
        swap = swapped[kept["origin"]]
        anchors = np.where(swap, kept["second"], kept["first"])
        others = np.where(swap, kept["first"], kept["second"])
        made = make_records(_CANDIDATE, row=kept["row"], origin=kept["origin"], anchor=anchors, other=others)
        candidates.add(made, shuffled(anchors, seed))
        sizes += np.bincount(group[kept["origin"]], minlength=len(sizes))
    return sizes


def _sample_and_hold_out(
    candidates: Partitions,
    sizes: Numbers,
    recipe: Recipe,
    validation: int,
    accounts: Accounts,
    roles: npt.NDArray[np.uint8],
) -> None:
    """Draw the sample, hold out some of it, and drop training pairs that share a sentence with those."""
    if recipe.pairs.per_corpus is not None:
        sizes = np.minimum(sizes, recipe.pairs.per_corpus)
    seen: list[Keys] = []
    for part, group, ranks in _ranked(candidates, recipe.seed, accounts):
        sampled = ranks < sizes[group]
        held = held_out(group, ranks, validation, sizes)
        accounts.count("not sampled", part["origin"][~sampled])
        roles[part["row"][sampled]] = TRAIN
        roles[part["row"][held]] = VALIDATION
        seen += [part["anchor"][held], part["other"][held]]
    held_keys = np.unique(np.concatenate(seen)) if seen else np.empty(0, np.uint64)
    for part in candidates.consume():
        held = roles[part["row"]] == VALIDATION
        train = part[roles[part["row"]] == TRAIN]
        shared = among(held_keys, train["anchor"], train["other"])
        roles[train["row"][shared]] = DROPPED
        accounts.count("validation", part["origin"][held])
        accounts.count("in validation", train["origin"][shared])
        accounts.count("train", train["origin"][~shared])


def _sample_beside_given(
    candidates: Partitions, recipe: Recipe, accounts: Accounts, roles: npt.NDArray[np.uint8]
) -> None:
    """Drop pairs that share a sentence with the given validation pairs, and draw the sample from the others."""
    given = accounts.given()
    seen: list[Keys] = []
    for part in candidates:
        held = part[given[part["origin"]]]
        roles[held["row"]] = VALIDATION
        accounts.count("validation", held["origin"])
        seen += [held["anchor"], held["other"]]
    held_keys = np.unique(np.concatenate(seen)) if seen else np.empty(0, np.uint64)

    def apart(part: Records) -> Records:
        # Before sampling, so that the sample has its full size.
        pool = part[~given[part["origin"]]]
        shared = among(held_keys, pool["anchor"], pool["other"])
        accounts.count("in validation", pool["origin"][shared])
        kept: Records = pool[~shared]
        return kept

    for part, _, ranks in _ranked(map(apart, candidates.consume()), recipe.seed, accounts):
        sampled = ranks < (len(roles) if recipe.pairs.per_corpus is None else recipe.pairs.per_corpus)
        accounts.count("not sampled", part["origin"][~sampled])
        accounts.count("train", part["origin"][sampled])
        roles[part["row"][sampled]] = TRAIN


def _ranked(
    parts: Iterable[Records], seed: int, accounts: Accounts
) -> Iterator[tuple[Records, Numbers, Numbers]]:
    """Yield candidates with their groups and their ranks in these; parts come in the order of the ranks."""
    group = accounts.groups()
    before = np.zeros(group.max(initial=-1) + 1, np.int64)
    for part in parts:
        ordered = part[np.argsort(part["row"])]
        groups = group[ordered["origin"]]
        ranks = before[groups] + seeded_ranks(groups, ordered["anchor"], ordered["other"], seed=seed)
        before += np.bincount(groups, minlength=len(before))
        yield ordered, groups, ranks


def _either(first: pa.ChunkedArray, second: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.or_(first, second).to_numpy(), np.bool_)


def report_of(decisions: Decisions, ingredients: Ingredients) -> DataReport:
    """Account for every row."""
    accounts = decisions.accounts
    skipped = [*ingredients.listing.skipped, *ingredients.suites.skipped]
    return account(
        accounts.files,
        accounts.counts(),
        decisions.priority,
        skipped,
        ingredients.suites.files,
        decisions.swapped,
    )


def check_something_is_left(report: DataReport, recipe: Recipe, ingredients: Ingredients) -> None:
    """Check that pairs are left to train on, and of pairs given to validate on.

    Raises
    ------
    InputError
        If none are, with the number of rows read and the reasons for which they were dropped.
    """
    if not report.total.train:
        raise InputError(f"no training pair is left {_what_became(report, list(report.files))}")
    if ingredients.given and not report.total.validation:
        raise InputError(
            f"validation: no pair of {str(recipe.pairs.validation)!r} is left "
            f"{_what_became(report, ingredients.given_files)}"
        )


def _what_became(report: DataReport, files: Sequence[str]) -> str:
    tallies = [report.files[name] for name in files]
    dropped: Counter[str] = Counter()
    for tally in tallies:
        dropped.update(tally.dropped)
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in dropped.items())
    return f"of {sum(tally.read for tally in tallies):,} read (dropped: {reasons or 'none'})"
