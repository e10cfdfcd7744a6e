"""Outcomes on disk: one parquet file, a row for each sentence (of an n-way set for each sentence and language pair).

- ``suite``, ``pair`` (the two columns, ``eng_Latn-fra_Latn``), ``row`` (from 0), and ``sentence``, an id of the row's
  text alone;
- the retrieved row, right if it equals ``row``, and -1 (in a mining suite) for a sentence without a pair: ``forward``
  and ``backward`` by cosine, ``forward_distance``, ``backward_distance``, ``forward_ratio`` and ``backward_ratio`` by
  margin (null for sts);
- lists of sentences' numbers for intervals: ``forward_nearest`` and ``backward_nearest``, the two nearest by cosine;
  ``forward_distance_turned`` and so on, the sentences each of which, left out, turns the outcome by margin. A
  sentence's number is its row; those without a pair have the next numbers, ``sentence2``'s first;
- ``predicted``, the cosine, and ``gold``, people's score (only for sts, else null);
- for a mining suite, ``mined``, the position of the mined target sentence (-1 for none), ``mined_right``, and
  ``wanted``, its number of pairs (0 for a sentence's second copy). The rows of the pairs are followed by the other
  mined source sentences: their ``row`` is their position, and all columns but those of mining are null.

The file's metadata have, under ``lingualign``, the model and the fields of each suite that are not in its rows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from lingualign.errors import InputError
from lingualign.evaluation.outcomes import Mined, Outcomes, Retrieved, SuiteOutcomes, Way
from lingualign.evaluation.suites import Kind
from lingualign.neighbours import Margin
from lingualign.store import read_json, write_atomically, writing_result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt
    import pyarrow as pa

OUTCOMES_FILE = "outcomes.parquet"

_METADATA = b"lingualign"
_CHECKSUM = b"lingualign.sha256"
_DIRECTIONS = ("forward", "backward")
_OVER_NEIGHBOURS: tuple[Margin, ...] = ("distance", "ratio")
_OF_MINING = ("threshold", "threshold_from")


def save_outcomes(outcomes: Outcomes, path: str | Path) -> Path:
    """Write outcomes; an existing file is replaced whole or not at all.

    Parameters
    ----------
    outcomes
        Outcomes, as `measure` returns them.
    path
        File ``.parquet``, or a folder for ``outcomes.parquet``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = outcomes_file(path)
    described = {
        "model": outcomes.model,
        "version": outcomes.version,
        "suites": {
            name: {key: getattr(suite, key) for key in ("group", "kind", "space", "warnings")}
            | {key: getattr(suite.mined, key) for key in _OF_MINING if suite.mined}
            for name, suite in outcomes.suites.items()
        },
    }
    text = json.dumps(described, ensure_ascii=False).encode()
    schema = _schema().with_metadata({_METADATA: text, _CHECKSUM: sha256(text).hexdigest()})
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    for suite in outcomes.suites.values():
        for pair, figures in _columns(suite):
            numbers = range(suite.rows) if suite.mined is None else suite.mined.source
            same = {"suite": [suite.name] * len(numbers), "pair": [pair] * len(numbers), "row": numbers}
            for name, values in {**same, "sentence": suite.sentences, **figures}.items():
                columns[name].extend(values)
                columns[name].extend([None] * (len(numbers) - len(values)))
    table = pa.table({field.name: pa.array(columns[field.name], field.type) for field in schema}, schema)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    with writing_result("outcomes", path):
        write_atomically(path, memoryview(sink.getvalue()))
    return path


def outcomes_file(path: str | Path) -> Path:
    """Return the file of outcomes at a path, which is the file itself or its folder."""
    path = Path(path)
    return path if path.suffix == ".parquet" and not path.is_dir() else path / OUTCOMES_FILE


def load_outcomes(path: str | Path) -> Outcomes:
    """Read what `save_outcomes` wrote.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another kind, or an earlier version wrote it without the columns for the
        intervals of retrieval.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = outcomes_file(path)
    if not file.is_file():
        raise InputError(
            f"{path}: no outcomes here; `lingualign evaluate MODEL --outcomes {path}` makes them"
        )
    try:
        table = pq.read_table(file, page_checksum_verification=True)
        text, checksum = (table.schema.metadata.get(key) for key in (_METADATA, _CHECKSUM))
        # Outcomes of earlier versions have no checksums.
        if checksum is not None and checksum.decode() != sha256(text).hexdigest():
            raise ValueError("its checksum does not match")
        described = read_json(text)
        table = _with_intervals(table, described, file)
        table = table.select(_schema().names).cast(_schema())
        suites = {name: _suite(name, about, table) for name, about in described["suites"].items()}
        model = dict(described["model"])
        if missing := {"name", "fingerprint", "dimensions", "prompt"} - set(model):
            raise ValueError(f"the model's {min(missing)} is missing")
        return Outcomes(model, str(described["version"]), suites)
    except InputError:
        raise
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"{file} holds no outcomes of a model, or is damaged ({reason}): make it again with "
            "`lingualign evaluate MODEL --outcomes`"
        ) from error


def _with_intervals(table: pa.Table, described: dict[str, Any], file: Path) -> pa.Table:
    """Add the missing columns to outcomes of an earlier version.

    Raises
    ------
    InputError
        If the outcomes have retrieval, whose intervals need these columns.
    """
    import pyarrow as pa

    columns = [_beside(way, margin) for way in _DIRECTIONS for margin in (None, *_OVER_NEIGHBOURS)]
    if any(column in table.schema.names for column in columns):
        return table
    kinds = {name: about["kind"] for name, about in described["suites"].items()}
    if retrieval := [name for name, kind in kinds.items() if kind != "sts"]:
        raise InputError(
            f"{file} was written by lingualign {described['version']}, without the second-nearest sentences that the "
            f"intervals of {retrieval[0]!r} are computed from; make it again with `lingualign evaluate MODEL "
            "--outcomes`"
        )
    for column in columns:
        table = table.append_column(column, pa.nulls(len(table), pa.list_(pa.int64())))
    return table


def _schema() -> pa.Schema:
    import pyarrow as pa

    named = pa.dictionary(pa.int32(), pa.string())
    types = {
        "float64": pa.float64(),
        "int64": pa.int64(),
        "bool": pa.bool_(),
        "numbers": pa.list_(pa.int64()),
    }
    return pa.schema(
        [
            ("suite", named),
            ("pair", named),
            ("row", pa.int64()),
            ("sentence", pa.string()),
            *((name, types[kind]) for part in PARTS for name, kind in part.columns.items()),
        ]
    )


def _column(direction: str, margin: str) -> str:
    return direction if margin == "absolute" else f"{direction}_{margin}"


def _beside(direction: str, margin: str | None) -> str:
    """Return the column for intervals: the nearest sentences or, by margin, those that turn an outcome."""
    return f"{direction}_{margin}_turned" if margin else f"{direction}_nearest"


def _columns(suite: SuiteOutcomes) -> list[tuple[str, dict[str, Any]]]:
    """Return a suite's outcomes by language pair and column, null where there are none."""
    nothing = dict.fromkeys(_schema().names[4:], [None] * suite.rows)
    parts = [part for part in PARTS if suite.kind in part.kinds]
    by_pair = []
    for pair in suite.retrieval or ["sentence1-sentence2"]:
        columns = dict(nothing)
        for part in parts:
            columns |= part.write(suite, pair)
        by_pair.append((pair, columns))
    return by_pair


def _write_retrieval(suite: SuiteOutcomes, pair: str) -> dict[str, Any]:
    retrieved = suite.retrieval[pair]
    return _way("forward", retrieved.forward) | _way("backward", retrieved.backward)


def _write_similarity(suite: SuiteOutcomes, pair: str) -> dict[str, Any]:
    return {"predicted": suite.predicted, "gold": suite.gold}


def _write_mined(suite: SuiteOutcomes, pair: str) -> dict[str, Any]:
    assert suite.mined is not None
    return {"mined": suite.mined.target, "mined_right": suite.mined.right, "wanted": suite.mined.wanted}


def _way(direction: str, way: Way) -> dict[str, Any]:
    columns: dict[str, Any] = {_column(direction, margin): rows for margin, rows in way.retrieved.items()}
    columns[_beside(direction, None)] = list(way.nearest)
    for margin, turned in way.turned.items():
        edges = np.searchsorted(turned[:, 0], np.arange(1, len(way.nearest)))
        columns[_beside(direction, margin)] = np.split(turned[:, 1], edges)
    return columns


def _suite(name: str, about: dict[str, Any], table: pa.Table) -> SuiteOutcomes:
    """Read one suite from the table; raise ValueError for invalid outcomes."""
    import pyarrow.compute as pc

    if about["kind"] not in get_args(Kind):
        raise ValueError(f"{name} is of the unknown kind {about['kind']!r}")
    table = table.filter(pc.equal(pc.cast(table["suite"], "string"), name))
    pairs = table["pair"].to_pylist()
    parts = {
        pair: table.filter(pc.equal(pc.cast(table["pair"], "string"), pair)) for pair in dict.fromkeys(pairs)
    }
    if not parts:
        raise ValueError(f"{name} has no rows")
    sentences = next(iter(parts.values()))["sentence"].drop_null().to_pylist()
    rows = len(sentences)
    # Only a mining suite has further rows, for sentences without a pair.
    beyond = about["kind"] == "mining"
    for pair, part in parts.items():
        scored = part.slice(0, rows) if beyond else part
        if scored["sentence"].to_pylist() != sentences or scored["row"].to_pylist() != list(range(rows)):
            raise ValueError(f"the rows of {name}, {pair}, are incomplete or out of order")
    fields: dict[str, Any] = {"space": dict(about["space"]), "warnings": list(about["warnings"])}
    for each in PARTS:
        if about["kind"] in each.kinds:
            fields |= each.read(name, about, parts, rows)
    return SuiteOutcomes(name, str(about["group"]), about["kind"], sentences, **fields)


def _read_similarity(
    name: str, about: dict[str, Any], parts: dict[str, pa.Table], rows: int
) -> dict[str, npt.NDArray[np.float64]]:
    (part,) = parts.values()
    values_by_column = {
        column: part[column].to_numpy().astype(np.float64) for column in ("predicted", "gold")
    }
    for column, values in values_by_column.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: {column!r} is not a number in every row")
    return values_by_column


def _read_mined(name: str, about: dict[str, Any], parts: dict[str, pa.Table], rows: int) -> dict[str, Mined]:
    (part,) = parts.values()
    columns = [part[column] for column in ("row", "mined", "mined_right", "wanted")]
    if any(column.null_count for column in columns):
        raise ValueError(f"{name}: what was mined for some sentence is missing")
    source, target, right, wanted = (column.to_numpy() for column in columns)
    if (np.diff(source) <= 0).any() or target.min() < -1 or wanted.min() < 0 or not wanted.any():
        raise ValueError(f"{name}: its sentences are out of order, or none has a pair")
    threshold = about["threshold"]
    return {
        "mined": Mined(
            source,
            target,
            right.astype(bool),
            wanted,
            None if threshold is None else float(threshold),
            str(about["threshold_from"]),
        )
    }


def _read_retrieval(
    name: str, about: dict[str, Any], parts: dict[str, pa.Table], rows: int
) -> dict[str, dict[str, Retrieved]]:
    least = -1 if about["kind"] == "mining" else 0
    return {
        "retrieval": {
            pair: Retrieved(*(_read_way(name, part.slice(0, rows), way, rows, least) for way in _DIRECTIONS))
            for pair, part in parts.items()
        }
    }


def _read_way(name: str, part: pa.Table, direction: str, rows: int, least: int) -> Way:
    retrieved: dict[Margin, npt.NDArray[np.int64]] = {}
    for margin in get_args(Margin):
        column = part[_column(direction, margin)]
        numbers = column.to_numpy() if not column.null_count else np.array([-2])
        if numbers.min() < least or numbers.max() >= rows:
            raise ValueError(f"{name}: {_column(direction, margin)!r} names rows that are not there")
        retrieved[margin] = numbers
    # A suite without sentences beside its pairs has no numbers beyond its rows.
    most = None if least < 0 else rows
    row, number = _read_numbers(name, part, _beside(direction, None), most)
    if len(number) != 2 * rows or (row != np.repeat(np.arange(rows), 2)).any():
        raise ValueError(f"{name}: {_beside(direction, None)!r} has not two numbers in every row")
    nearest = number.reshape(rows, 2)
    if (np.where(nearest[:, 0] < rows, nearest[:, 0], -1) != retrieved["absolute"]).any():
        raise ValueError(f"{name}: {_beside(direction, None)!r} is not what was retrieved")
    turned = {
        margin: np.stack(_read_numbers(name, part, _beside(direction, margin), most), axis=1)
        for margin in _OVER_NEIGHBOURS
    }
    return Way(retrieved, nearest, turned)


def _read_numbers(
    name: str, part: pa.Table, column: str, most: int | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Read lists of sentences' numbers; return the row of each, (m,), and the numbers, (m,)."""
    import pyarrow.compute as pc

    lists = part[column].combine_chunks()
    numbers = lists.flatten()
    if lists.null_count or numbers.null_count:
        raise ValueError(f"{name}: {column!r} is missing in some row")
    values = numbers.to_numpy()
    if len(values) and (values.min() < 0 or (most is not None and values.max() >= most)):
        raise ValueError(f"{name}: {column!r} names sentences that are not there")
    return pc.list_parent_indices(lists).to_numpy().astype(np.int64), values


@dataclass(frozen=True, slots=True)
class OutcomePart:
    """A row of `PARTS`.

    Attributes
    ----------
    kinds
        Kinds of suites that have the part.
    columns
        Columns in the file, with their types: ``float64``, ``int64``, ``bool``, or ``numbers``, a list of them.
    write
        Function that returns the columns' values for a language pair of a suite.
    read
        Function that returns the fields of `SuiteOutcomes` from the suite's name, its metadata, its rows by language
        pair, and the number of scored rows; it raises ValueError for invalid outcomes.
    """

    kinds: tuple[Kind, ...]
    columns: dict[str, str]
    write: Callable[[SuiteOutcomes, str], dict[str, Any]]
    read: Callable[[str, dict[str, Any], dict[str, pa.Table], int], Mapping[str, Any]]


PARTS = (
    OutcomePart(
        ("bitext", "nway", "mining"),
        {_column(way, margin): "int64" for way in _DIRECTIONS for margin in get_args(Margin)}
        | {_beside(way, None): "numbers" for way in _DIRECTIONS}
        | {_beside(way, margin): "numbers" for way in _DIRECTIONS for margin in _OVER_NEIGHBOURS},
        _write_retrieval,
        _read_retrieval,
    ),
    OutcomePart(("sts",), {"predicted": "float64", "gold": "float64"}, _write_similarity, _read_similarity),
    OutcomePart(
        ("mining",), {"mined": "int64", "mined_right": "bool", "wanted": "int64"}, _write_mined, _read_mined
    ),
)
"""Parts of the outcomes of a sentence, in the order of the columns; a metric that needs more adds a row."""
