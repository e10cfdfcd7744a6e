"""Data sets of the Hugging Face hub, streamed: only what is read is downloaded."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lingualign.errors import InputError, first_line
from lingualign.hub import is_on_hub
from lingualign.languages import are_languages, language_code
from lingualign.pairs.columns import pairs_of_columns
from lingualign.pairs.discovery import Listing, Skipped, looks_like_file
from lingualign.pairs.formats.tabular import Choice, flat_columns, text_columns
from lingualign.pairs.selection import matches, parse_patterns

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator

    from lingualign.pairs.config import PairsConfig

_BATCH = 1 << 14
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+(:[\w./-]+)?")
_PAIR = re.compile(r"((?P<corpus>.*)[/._-])?(?P<lang1>[A-Za-z]{2,3})-(?P<lang2>[A-Za-z]{2,3}(_[A-Za-z]+)?)")


@dataclass(frozen=True)
class HubDataset:
    """A data set of the Hugging Face hub, or one of its configurations or folders."""

    name: str
    id: str
    config: str | None

    @property
    def identity(self) -> object:
        """Value that is equal for two names of the same content."""
        return self.id, self.config

    @property
    def paths(self) -> list[Path]:
        """No files: the data set is not on the disk."""
        return []

    def stream(self, asked: PairsConfig, left_out: list[Skipped]) -> Iterator[pa.Table]:
        """Read its pairs."""
        named = part_pair(self.config) if self.config else None
        corpus = (named[0] if named else "") or self.id.rpartition("/")[2]
        languages = named[1:] if named else None
        return pairs_of_columns(partial(stream_hub, self), self.name, asked.columns or {}, corpus, languages)


def hub_dataset(source: str) -> HubDataset | None:
    """Return the hub data set that a source names; None for a path on the disk and for other names."""
    path = Path(source)
    if path.exists() or not _HUB_ID.fullmatch(source) or looks_like_file(path):
        return None
    hub_id, _, config = source.partition(":")
    return HubDataset(source, hub_id, config or None)


def find_in_hub(source: str | os.PathLike[str], asked: PairsConfig) -> Listing | None:
    """List the content of a data set of the hub; None for another kind of source."""
    dataset = hub_dataset(source) if isinstance(source, str) else None
    if dataset is None:
        return None
    if dataset.config or asked.languages is None:
        return Listing(files=[dataset])
    return _wanted_parts(dataset.id, asked.languages, asked.select)


def _wanted_parts(hub_id: str, languages: Collection[str], select: str) -> Listing:
    """List the wanted parts of a data set with a configuration or a folder for each language pair."""
    patterns, wanted = parse_patterns(select), {language_code(tag) for tag in languages}
    parts = {part: pair[1:] for part in hub_parts(hub_id) if (pair := part_pair(part))}
    if not parts:
        return Listing(files=[HubDataset(hub_id, hub_id, None)])
    selected = [
        part
        for part, pair in parts.items()
        if wanted.issuperset(pair) and any(matches(pair, pattern) for pattern in patterns)
    ]
    if not selected:
        raise InputError(
            f"source {hub_id!r}: it has no pair of {', '.join(sorted(wanted))} that is selected; it has "
            f"{', '.join(list(parts)[:40])}"
        )
    return Listing(files=[HubDataset(f"{hub_id}:{part}", hub_id, part) for part in selected])


def check_on_hub(dataset_id: str, name: str) -> None:
    """Raise InputError if the hub has no such data set, or cannot be reached; nothing of it is loaded."""
    where, cure = f"source {name!r}", "Give a folder or a file, or the id of a hub data set"
    is_on_hub(dataset_id, "dataset", where=where, cure=cure)


def hub_parts(dataset_id: str) -> list[str]:
    """List the parts of a data set that hold one language pair each.

    They are its configurations (``en-fr``) or, if none is named after a pair, its folders (``Tatoeba/en-fr``).

    Raises
    ------
    InputError
        If the data set cannot be reached or has no data.
    """
    check_on_hub(dataset_id, dataset_id)
    with _explaining(dataset_id):
        import datasets  # half a second that local files do not need

        configurations = datasets.get_dataset_config_names(dataset_id)
        named = [name for name in configurations if part_pair(name)]
        return named or [folder for folder in _folders(dataset_id) if part_pair(folder)]


def part_pair(part: str) -> tuple[str, str, str] | None:
    """Split a part's name into the corpus, which may be empty, and two codes; None if it names no language pair."""
    match = _PAIR.fullmatch(part)
    if match is None or not are_languages((match["lang1"], match["lang2"])):
        return None
    corpus = (match["corpus"] or "").rpartition("/")[2]
    return corpus, language_code(match["lang1"]), language_code(match["lang2"])


def stream_hub(dataset: HubDataset, choose: Choice) -> Iterator[pa.Table]:
    """Stream the chosen columns of the ``train`` split, table by table, at least one.

    The fields of a nested column are columns of their own: ``translation.en``.

    Only data files are read: `datasets` rejects a data set that needs code of its own.

    Raises
    ------
    InputError
        If the data set cannot be reached or loaded, or ``choose`` raises it.
    """
    if not Path(dataset.id).exists():
        check_on_hub(dataset.id, dataset.name)
    with _explaining(dataset.name):
        import datasets

        options: dict[str, Any] = {}
        if dataset.config:
            is_folder = dataset.config not in datasets.get_dataset_config_names(dataset.id)
            options = {"data_dir" if is_folder else "name": dataset.config}
        stream = datasets.load_dataset(dataset.id, split="train", streaming=True, **options)
        tables = iter(stream.with_format("arrow").iter(batch_size=_BATCH))
        first = next(tables, None)
    if first is None:
        schema = stream.features.arrow_schema if stream.features else pa.schema([])
        first = schema.empty_table()
    names: list[str] | None = None
    table: pa.Table | None = first
    before = 0
    while table is not None:
        flat = flat_columns(table)
        names = names or list(choose(flat.column_names))
        yield text_columns(flat.select(names), names, dataset.name, before=before)
        before += table.num_rows
        with _explaining(dataset.name):
            table = next(tables, None)


def _folders(dataset_id: str) -> list[str]:
    from huggingface_hub import HfApi

    paths = HfApi().list_repo_files(dataset_id, repo_type="dataset")
    return sorted({path.rpartition("/")[0] for path in paths if "/" in path})


@contextmanager
def _explaining(name: str) -> Iterator[None]:
    """Turn the errors of `datasets` into an InputError that names the source and the cure."""
    import datasets
    import httpx2

    try:
        yield
    except InputError:
        raise
    except (ConnectionError, httpx2.TransportError) as error:
        raise InputError(
            f"source {name!r}: no such file or folder here, and the hub data set of this name cannot "
            f"be reached ({first_line(error)}). Offline, give a folder or a file of pairs"
        ) from None
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise InputError(
            f"source {name!r}: the hub data set cannot be loaded ({first_line(error)}). "
            "A configuration or a folder is named as in owner/name:en-fr; the split read is train"
        ) from None
