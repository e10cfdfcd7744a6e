"""The paper's suites (Tables 2 and 3, Appendix A): their places on the hub, and a copy of them on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from lingualign.errors import InputError, first_line
from lingualign.languages import language_code
from lingualign.store import cache_folder, read_json, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

logger = logging.getLogger(__name__)

PAPER = "paper"
MANIFEST = ".manifest.json"
LANGUAGES = ("en", "fr", "ja", "ko", "ru")

_ROWS = 4_096


@dataclass(frozen=True, slots=True)
class HubSuite:
    """A suite on the hub.

    Attributes
    ----------
    name
        Name of the suite and of its file; the part before the slash is the group of its means.
    kind
        Form of its rows; ``bucc`` has two texts and the numbers, from 1, of the pairs among them.
    repository, config, split
        Arguments of `datasets.load_dataset`.
    languages
        Its languages.
    """

    name: str
    kind: Literal["bitext", "sts", "nway", "bucc"]
    repository: str
    config: str | None
    split: str
    languages: tuple[str, ...]


def _sts(column: str, languages: tuple[str, ...], name: str, config: str | None = None) -> HubSuite:
    repository = {
        "STS17": "mteb/sts17-crosslingual-sts",
        "STS22": "mteb/sts22-crosslingual-sts",
        "STSBenchmark": "mteb/stsbenchmark-sts",
    }.get(name, f"mteb/{name.lower()}-sts")
    return HubSuite(f"sts-{column}/{name}", "sts", repository, config, "test", languages)


PAPER_SUITES = (
    *(
        HubSuite(
            f"tatoeba/{code}-eng",
            "bitext",
            "mteb/tatoeba-bitext-mining",
            f"{code}-eng",
            "test",
            (language_code(code), "en"),
        )
        for code in ("fra", "jpn", "kor", "rus")
    ),
    *(
        HubSuite(f"bucc/{code}-en", "bucc", "mteb/BUCC", f"{code}-en", "test", (code, "en"))
        for code in ("fr", "ru")
    ),
    HubSuite("flores/flores200", "nway", "mteb/FloresBitextMining", None, "devtest", LANGUAGES),
    *(_sts("en", ("en",), f"STS{year}") for year in range(12, 17)),
    _sts("en", ("en",), "STS17", "en-en"),
    _sts("en", ("en",), "STS22", "en"),
    _sts("en", ("en",), "STSBenchmark"),
    _sts("ko", ("ko",), "STS17", "ko-ko"),
    _sts("fr", ("fr",), "STS22", "fr"),
    _sts("ru", ("ru",), "STS22", "ru"),
    _sts("en-fr", ("fr", "en"), "STS17", "fr-en"),
)
"""Tatoeba, BUCC, FLORES-200 and the STS columns en, ko, fr, ru and en-fr, as in MTEB."""

_REVISIONS = {
    "mteb/tatoeba-bitext-mining": "69e8f12da6e31d59addadda9a9c8a2e601a0e282",
    "mteb/BUCC": "414572247440f0ccacf7eb0bb70a31533a0e5443",
    "mteb/FloresBitextMining": "2144d16cc15edd22d4a9237d12bff5f31f5c07fc",
    "mteb/sts12-sts": "a0d554a64d88156834ff5ae9920b964011b16384",
    "mteb/sts13-sts": "7e90230a92c190f1bf69ae9002b8cea547a64cca",
    "mteb/sts14-sts": "6031580fec1f6af667f0bd2da0a551cf4f0b2375",
    "mteb/sts15-sts": "ae752c7c21bf194d8b67fd573edf7ae58183cbe3",
    "mteb/sts16-sts": "4d8694f8f0e0100860b497b999b3dbed754a0513",
    "mteb/sts17-crosslingual-sts": "faeb762787bd10488a50c8b5be4a3b82e411949c",
    "mteb/sts22-crosslingual-sts": "de9d86b3b84231dc21f76c7b7af1f28e2f57f6e3",
    "mteb/stsbenchmark-sts": "b0fddb56ed78048fa8b90373c8a3cfc37b684831",
}
"""The commits that MTEB uses; for STS22 the first version, that of the paper's figures."""

_FLORES = {"en": "eng_Latn", "fr": "fra_Latn", "ja": "jpn_Jpan", "ko": "kor_Hang", "ru": "rus_Cyrl"}


def paper_folder() -> Path:
    """Return the folder of the copy that ``--suite paper`` uses."""
    return cache_folder("suites") / PAPER


def fetch_suites(folder: str | Path, languages: Sequence[str] | None = None) -> list[Path]:
    """Copy the paper's suites from the hub into a folder, as files that `load_suites` reads.

    Each comes from the commit that MTEB uses, unless ``.manifest.json`` names another one for its repository. An
    existing file in the manifest is not fetched again.

    Parameters
    ----------
    folder
        Folder of the copy; made if it is missing.
    languages
        Language codes, by default all five. Suites whose languages are all among them are fetched.

    Returns
    -------
    list of Path
        All files, old and new.

    Raises
    ------
    InputError
        If a language is not one of the paper's, the hub cannot be reached, or a suite there has another form. Files
        fetched before stay.
    """
    folder = Path(folder)
    wanted = _wanted(languages)
    manifest = _read_manifest(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_fetch(suite, folder, manifest) for suite in wanted]
    except OSError as error:
        raise InputError(f"{folder}: suites cannot be kept there: {error.strerror or error}") from error


def has_paper_suites(folder: Path, languages: Sequence[str] | None = None) -> bool:
    """Return whether a folder holds all of the paper's suites in these languages."""
    files = _read_manifest(folder)["files"]
    return all(
        suite.name in files and (folder / files[suite.name]["file"]).is_file() for suite in _wanted(languages)
    )


def _wanted(languages: Sequence[str] | None) -> list[HubSuite]:
    chosen = {language_code(language) for language in languages or LANGUAGES}
    if others := sorted(chosen - set(LANGUAGES)):
        raise InputError(f"languages: {others[0]!r} is none of the paper's, which are {', '.join(LANGUAGES)}")
    # An n-way set is usable for any two of its languages.
    return [
        suite
        for suite in PAPER_SUITES
        if (len(chosen) > 1 if suite.kind == "nway" else set(suite.languages) <= chosen)
    ]


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        return {"format": 1, "revisions": {}, "files": {}}
    try:
        manifest = read_json(path.read_bytes())
        revisions, files = manifest["revisions"], manifest["files"]
        # The manifest may be a stranger's: files must be inside the folder, and revisions commits.
        plain = all(re.fullmatch(r"[\w-]+/[\w-]+\.parquet", entry["file"]) for entry in files.values())
        if (
            manifest["format"] == 1
            and plain
            and all(re.fullmatch(r"[0-9a-f]{40}", r) for r in revisions.values())
        ):
            return dict(manifest)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise InputError(
        f"{path}: no manifest of suites, or a damaged one; delete it, and fetch into an empty folder"
    )


def _fetch(suite: HubSuite, folder: Path, manifest: dict[str, Any]) -> Path:
    path = folder / f"{suite.name}.parquet"
    entry = manifest["files"].get(suite.name)
    if entry and path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]:
        return path
    revision = manifest["revisions"].get(suite.repository, _REVISIONS[suite.repository])
    logger.warning("fetching %s from %s at %s", suite.name, suite.repository, revision[:12])
    table = _ours(suite, _rows(suite, revision))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    path.parent.mkdir(parents=True, exist_ok=True)
    _, digest = write_atomically(path, memoryview(sink.getvalue()))
    manifest["revisions"][suite.repository] = revision
    manifest["files"][suite.name] = {
        "file": f"{suite.name}.parquet",
        "rows": table.num_rows,
        "sha256": digest,
        **{key: value for key, value in asdict(suite).items() if key in ("repository", "config", "split")},
    }
    write_atomically(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")
    return path


def _rows(suite: HubSuite, revision: str) -> Iterator[dict[str, Any]]:
    """Stream the rows of a suite, without a second copy in a cache."""
    try:
        import datasets

        stream = datasets.load_dataset(
            suite.repository, name=suite.config, split=suite.split, revision=revision, streaming=True
        )
        if suite.kind == "nway":
            stream = stream.select_columns(list(_FLORES.values()))
        for table in stream.with_format("arrow").iter(batch_size=_ROWS):
            yield from table.to_pylist()
    except Exception as error:
        # `datasets`, the hub's client and the readers of its files raise many kinds of errors.
        raise _unreachable(
            f"{suite.repository} ({suite.config or 'default'}, {suite.split})", error
        ) from None


def _ours(suite: HubSuite, rows: Iterator[dict[str, Any]]) -> pa.Table:
    columns = {
        "bitext": ["sentence1", "sentence2"],
        "sts": ["sentence1", "sentence2", "score"],
        "nway": list(_FLORES.values()),
        "bucc": ["sentence1", "sentence2", "gold"],
    }[suite.kind]
    taken = list(rows)
    if not taken or (missing := [name for name in columns if name not in taken[0]]):
        found = ", ".join(taken[0]) if taken else "no rows"
        raise InputError(
            f"{suite.repository}, {suite.config or 'default'}: expected the columns {', '.join(columns)}, found "
            f"{found}: its form has changed; give an older commit under revisions in {MANIFEST}"
            + (f" ({missing[0]!r} is missing)" if taken else "")
        )
    if suite.kind == "bucc":
        return _bucc(suite, taken)
    return pa.table({name: [row[name] for row in taken] for name in columns})


def _bucc(suite: HubSuite, rows: list[dict[str, Any]]) -> pa.Table:
    """Return the pairs, then the sentences without one, each in its own row."""
    if len(rows) != 1:
        raise InputError(
            f"{suite.repository}, {suite.config}: expected one row with all sentences, found {len(rows)}: its form has "
            f"changed; give an older commit under revisions in {MANIFEST}"
        )
    (whole,) = rows
    one, two, gold = whole["sentence1"], whole["sentence2"], whole["gold"]
    if not all(0 < i <= len(one) and 0 < j <= len(two) for i, j in gold):
        raise InputError(f"{suite.repository}, {suite.config}: a pair names a sentence that is not there")
    paired = {i - 1 for i, _ in gold}, {j - 1 for _, j in gold}
    alone = [
        [text for row, text in enumerate(texts) if row not in taken]
        for texts, taken in zip((one, two), paired, strict=True)
    ]
    return pa.table(
        {
            "sentence1": [one[i - 1] for i, _ in gold] + alone[0] + [None] * len(alone[1]),
            "sentence2": [two[j - 1] for _, j in gold] + [None] * len(alone[0]) + alone[1],
            "gold": [True] * len(gold) + [False] * (len(alone[0]) + len(alone[1])),
        }
    )


def _unreachable(what: str, error: Exception) -> InputError:
    reason = first_line(error)
    return InputError(
        f"{what}: the hub data set cannot be loaded ({reason}). Without a network: `lingualign data fetch-suites "
        "FOLDER` on another machine, copy FOLDER, and give it as --suite FOLDER"
    )
