"""Training and validation pairs in memory: prepared from sources, or read back from a folder of prepared pairs."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from lingualign.errors import InputError
from lingualign.pairs.config import PairsConfig
from lingualign.pairs.decisions import TRAIN, VALIDATION, check_something_is_left, decide, report_of
from lingualign.pairs.discovery import MANIFEST
from lingualign.pairs.formats.parquet import batches, open_parquet, written_out
from lingualign.pairs.leaks import among, read_suites
from lingualign.pairs.manifest import Manifest
from lingualign.pairs.normalisation import Keys, sentence_keys
from lingualign.pairs.recipe import Recipe, asked_languages, gather
from lingualign.pairs.report import Count, Tally, account
from lingualign.pairs.selection import LanguagePair, resolve_priority, select_language_pairs
from lingualign.pairs.table import PAIR_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lingualign.pairs.cleaning.judging import Filter
    from lingualign.pairs.manifest import File
    from lingualign.pairs.report import DataReport
    from lingualign.pairs.sources import Source


@dataclass(frozen=True)
class PreparedPairs:
    """Pairs ready for training: ``sentence1`` is the anchor, rows are in the order of the report's files."""

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
        Languages to keep; all by default.
    select
        Language pairs to keep: see `parse_patterns`.
    priority
        Languages in the order of preference as the anchor: see `resolve_priority`.
    prefer
        Languages that come first among those of equal volume: the ones that the teacher understands best.
    per_corpus
        Number of pairs to sample of each corpus and language pair, including those held out for validation.
    validation
        Number of pairs of each corpus and language pair to hold out, at most a fifth of them. Or the pairs to validate
        on: a folder, a file or a hub data set id, read with the same ``columns``. Those that ``languages`` and
        ``select`` keep are oriented and cleaned like the others, and never sampled. In both cases no sentence of a
        validation pair stays in training.
    decontaminate
        Evaluation suites: a pair with a side that equals, normalised, one of their sentences is dropped.
    columns
        Names of columns that differ from the standard ones: see `read_source`.
    encoding
        Encoding of text files that declare none and are not valid UTF-8: see `read_source`.
    filters
        Filters applied in this order to the pairs of selected language pairs.
    seed
        Seed of the sample and the validation split. Same seed, same data, same result, whatever the order of the
        sources.

    Raises
    ------
    InputError
        If an argument or a file cannot be used, no training pair is left, or none of the given validation pairs.
    """
    # Paths stay paths, although a configuration holds text: a path is never taken for the id of a hub data set.
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
    """Concatenate tables to one, each column in one chunk."""
    return pa.concat_tables([PAIR_SCHEMA.empty_table(), *tables]).unify_dictionaries().combine_chunks()


def _as_list(sources: Source | Sequence[Source]) -> list[Source]:
    return [sources] if isinstance(sources, str | os.PathLike) else list(sources)


def is_prepared(source: str | os.PathLike[str]) -> bool:
    """Return whether a source is a folder that `prepare_shards` has written."""
    return Manifest.read(Path(source)) is not None


def prepared_pairs(config: PairsConfig, decontaminate: Sequence[str] = ()) -> PreparedPairs:
    """Read the one prepared folder that a configuration names as its source.

    ``languages`` and ``select`` take some of its language pairs; the report counts the others as dropped. All else was
    settled when the pairs were prepared. A different setting is an error, and so is a leak of a suite.

    Parameters
    ----------
    config
        Pairs that a run asks for.
    decontaminate
        Evaluation suites that no pair may share a sentence with.

    Raises
    ------
    InputError
        If a setting contradicts those of the folder, a shard is missing or changed, a pair has a sentence of a suite,
        or no pair is left.
    """
    if len(config.sources) > 1:
        prepared = next(source for source in config.sources if is_prepared(source))
        raise InputError(
            f"pairs.sources: {prepared!r} holds prepared pairs, which are a source by themselves; name it alone, or "
            "prepare all of the sources together"
        )
    folder = Path(config.sources[0])
    manifest = Manifest.read(folder)
    if manifest is None:
        raise InputError(
            f"{folder}: no prepared pairs, for its {MANIFEST} is missing; prepare the pairs again"
        )
    selected = _selected(config, manifest)
    _check_settings(config, manifest, folder, selected)
    suites = read_suites(decontaminate)
    for shard in (*manifest.train, *manifest.validation):
        if damage := shard.damage(folder):
            raise InputError(f"{damage}; prepare the pairs again, or fetch the folder again")
    train, validation = (_read(folder, shards, selected) for shards in (manifest.train, manifest.validation))
    if len(suites.keys):
        for table in (train, validation):
            _check_clean(folder, table, suites.keys, decontaminate)
    counts = [_narrowed(count, config, selected) for count in manifest.counts]
    report = account(
        manifest.files, counts, manifest.priority, manifest.skipped, manifest.suites, manifest.swapped
    )
    if not train.num_rows:
        raise InputError(f"{folder}: no training pair is left of the language pairs selected")
    return PreparedPairs(train, validation, report, list(manifest.priority))


def _selected(config: PairsConfig, manifest: Manifest) -> set[LanguagePair]:
    asked = asked_languages(config)
    volumes: Counter[LanguagePair] = Counter()
    for count in manifest.counts:
        if asked is None or asked >= set(count.languages):
            volumes[count.languages] += count.rows.train + count.rows.validation
    return select_language_pairs(+volumes, config.select)


def _check_settings(
    config: PairsConfig, manifest: Manifest, folder: Path, selected: set[LanguagePair]
) -> None:
    """Raise InputError for settings that differ from those of the preparation; defaults are not compared."""
    unset = PairsConfig(sources=[])
    settled = manifest.settings["pairs"]
    differing = [
        f"{name} is {getattr(config, name)!r} and was {settled[name]!r}"
        for name in ("per_corpus", "validation", "columns", "encoding")
        if getattr(config, name) not in (getattr(unset, name), settled[name])
    ]
    if config.priority != unset.priority:
        asked = resolve_priority(Counter(dict.fromkeys(selected, 1)), config.priority)
        turned = [
            "-".join(pair)
            for pair in sorted(selected)
            if min(pair, key=asked.index) != min(pair, key=manifest.priority.index)
        ]
        if turned:
            differing.append(
                f"priority {config.priority!r} turns {', '.join(turned)} round, as the order was "
                f"{', '.join(manifest.priority)}"
            )
    if differing:
        raise InputError(
            f"pairs: {'; '.join(differing)} when {folder} was prepared. Leave out what was settled then, or prepare "
            "the pairs again (lingualign data prepare)"
        )


def _read(folder: Path, shards: Sequence[File], selected: set[LanguagePair]) -> pa.Table:
    """Read the selected language pairs of shards to one table of `PAIR_SCHEMA`."""
    dash = pa.scalar("-", pa.large_string())
    taken = pa.array([name for a, b in selected for name in (f"{a}-{b}", f"{b}-{a}")], pa.large_string())
    tables = []
    for shard in shards:
        path = folder / shard.file
        try:
            with open_parquet(path) as file:
                for coded in batches(file, path, PAIR_SCHEMA.names):
                    texts = [written_out(column).cast(pa.large_string()) for column in coded.columns]
                    batch = pa.RecordBatch.from_arrays(texts, names=coded.schema.names)
                    names = pc.binary_join_element_wise(batch["lang1"], batch["lang2"], dash)
                    chosen = batch.filter(pc.is_in(names, value_set=taken))
                    tables.append(_coded(pa.Table.from_batches([chosen])))
        except (OSError, KeyError, pa.ArrowException) as error:
            raise InputError(f"{path}: no shard of prepared pairs ({error}); prepare them again") from None
    return joined(tables)


def _coded(table: pa.Table) -> pa.Table:
    columns = (
        table[field.name].dictionary_encode() if pa.types.is_dictionary(field.type) else table[field.name]
        for field in PAIR_SCHEMA
    )
    return pa.table(
        [column.cast(field.type) for column, field in zip(columns, PAIR_SCHEMA, strict=True)], PAIR_SCHEMA
    )


def _check_clean(folder: Path, pairs: pa.Table, known: Keys, suites: Sequence[str]) -> None:
    leaks = among(known, sentence_keys(pairs["sentence1"]), sentence_keys(pairs["sentence2"]))
    if leaks.any():
        raise InputError(
            f"decontaminate: {leaks.sum():,} of the pairs in {folder} have a sentence of {', '.join(suites)}; prepare "
            f"them again with --decontaminate {' '.join(suites)}"
        )


def _narrowed(count: Count, config: PairsConfig, selected: set[LanguagePair]) -> Count:
    """Count the rows of a language pair that is not selected as dropped."""
    if count.languages in selected:
        return count
    asked = asked_languages(config)
    other = asked is not None and not asked >= set(count.languages)
    rows = Tally(count.rows.read, dropped=dict(count.rows.dropped))
    left = count.rows.train + count.rows.validation
    rows.add(Tally(dropped={"other language" if other else "not selected": left} if left else {}))
    return replace(count, rows=rows)
