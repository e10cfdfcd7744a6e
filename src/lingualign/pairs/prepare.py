"""From sources to training and validation pairs in memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lingualign.pairs.config import PairsConfig
from lingualign.pairs.decisions import TRAIN, VALIDATION, check_something_is_left, decide, report_of
from lingualign.pairs.recipe import Recipe, gather
from lingualign.pairs.table import PAIR_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lingualign.pairs.cleaning.judging import Filter
    from lingualign.pairs.report import DataReport

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
    columns: Mapping[str, str | int] | None = None,
    encoding: str | None = None,
    filters: Sequence[Filter] = (),
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
    encoding
        Encoding of text files that declare none and are not valid UTF-8: see `read_source`.
    filters
        Further reasons to drop a pair, looked at in this order once its language pair is selected.
    seed
        Of the sample and the validation split. Same seed, same data, same result, whatever the order of the
        sources.

    Raises
    ------
    InputError
        If an argument or a file cannot be used, or no training pair is left, or none of those given to
        validate on.
    """
    # A configuration holds text and lists. Paths stay paths here, which are never taken for ids of hub data sets.
    given: dict[str, Any] = {
        "sources": _as_list(sources),
        "languages": languages,
        "select": select,
        "priority": priority,
        "per_corpus": per_corpus,
        "validation": validation,
        "columns": columns,
        "encoding": encoding,
    }
    suites: list[Any] = _as_list(decontaminate)
    return prepare_in_memory(Recipe(PairsConfig(**given), suites, prefer, seed, filters))


def prepare_in_memory(recipe: Recipe) -> PreparedPairs:
    """Follow a recipe in memory; see `prepare_pairs`."""
    ingredients = gather(recipe)
    chunks = list(ingredients.chunks(recipe))
    decisions = decide(chunks, recipe, ingredients)
    report = report_of(decisions, ingredients)
    check_something_is_left(report, recipe, ingredients)
    tables: dict[int, list[pa.Table]] = {TRAIN: [], VALIDATION: []}
    for role, table in decisions.of(chunks):
        tables[role].append(table)
    train, validate = (joined(tables[role]) for role in (TRAIN, VALIDATION))
    return PreparedPairs(train, validate, report, decisions.priority)


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Make one table of many, its columns in one piece each."""
    return pa.concat_tables([PAIR_SCHEMA.empty_table(), *tables]).unify_dictionaries().combine_chunks()


def _as_list(sources: Source | Sequence[Source]) -> list[Source]:
    return [sources] if isinstance(sources, str | os.PathLike) else list(sources)
