"""What a source is made of: the files that hold pairs, and those that are passed over with the reason."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from lingualign.errors import InputError
from lingualign.files import check_name
from lingualign.hub import nearest_path
from lingualign.languages import are_languages, is_language, language_code
from lingualign.pairs.formats.archives import ARCHIVE, archive_of, members
from lingualign.pairs.formats.compression import COMPRESSIONS, without_compression
from lingualign.pairs.formats.saved import is_saved_dataset
from lingualign.pairs.formats.tabular import DAMAGED, is_tabular
from lingualign.pairs.formats.units import is_unit_file
from lingualign.pairs.opus.catalogue import Bitext
from lingualign.pairs.table import SHARD_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from lingualign.pairs.config import PairsConfig

KINDS = (
    ".parquet, .csv, .tsv, .jsonl, .tmx, .xlf, .xliff, .po, Moses pairs NAME.en-fr.en + NAME.en-fr.fr (text also "
    ".gz, .zst, .xz, .bz2, .zip), or a folder that save_to_disk of datasets has written"
)
MANIFEST = "manifest.json"
PREPARED = "lingualign prepared pairs, 1"
"""What the manifest of prepared pairs calls itself."""
_SPLITS = ("train", "validation")
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+(:[\w./-]+)?")


@dataclass(frozen=True)
class Skipped:
    """A file that lies in a source and was not read, or a part of one."""

    file: str
    reason: str


@dataclass(frozen=True)
class TableFile:
    """A file with columns."""

    name: str
    path: Path

    @property
    def identity(self) -> object:
        """What is equal where the same content is reached by two ways."""
        return os.path.realpath(self.path)


@dataclass(frozen=True)
class UnitFile(TableFile):
    """A file of translation units: TMX, XLIFF or PO."""


@dataclass(frozen=True)
class SavedDataset(TableFile):
    """A folder that the library `datasets` has saved."""


@dataclass(frozen=True)
class MosesFiles:
    """Two text files whose lines translate each other."""

    name: str
    path1: Path
    path2: Path
    lang1: str
    lang2: str
    corpus: str

    @property
    def identity(self) -> object:
        """What is equal where the same content is reached by two ways."""
        return frozenset({os.path.realpath(self.path1), os.path.realpath(self.path2)})


@dataclass(frozen=True)
class HubDataset:
    """A data set of the Hugging Face hub, with the one of its configurations or folders that is wanted."""

    name: str
    id: str
    config: str | None

    @property
    def identity(self) -> object:
        """What is equal where the same content is reached by two ways."""
        return self.id, self.config


PairFile = TableFile | UnitFile | SavedDataset | MosesFiles | HubDataset | Bitext


@dataclass
class Listing:
    """The content of one or more sources."""

    files: list[PairFile] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def find_pairs(source: str | os.PathLike[str], asked: PairsConfig) -> Listing:
    """List what a source holds, without reading it.

    Parameters
    ----------
    source
        A folder (searched recursively in sorted order; hidden files and folders are ignored), a folder that `datasets`
        has saved, a file, the id of a hub data set, ``owner/name``, ``owner/name:configuration`` or
        ``owner/name:folder``, or ``opus:CORPUS``: see `find_bitexts`. What exists on the disk is never taken for a hub
        id. Of a Moses pair either file may be named. A zip archive that is no compressed file (``en-fr.txt.zip``) is a
        folder that holds one file of pairs, or the two of a Moses pair.
    asked
        Its ``languages`` and ``select`` name the language pairs wanted, so that of a corpus of OPUS, or a hub data set
        with a configuration or folder for each pair, nothing else is downloaded. Files and folders are listed whole.

    Raises
    ------
    InputError
        If there is no such file, it is of no known kind, or a folder holds no file with pairs; or a corpus of OPUS
        cannot be had.
    """
    path = Path(source)
    check_name(path)
    if path.is_dir():
        return _find_in_folder(path)
    if path.exists():
        return _find_file(path)
    text = os.fspath(source)
    if text.startswith("opus:"):
        from lingualign.pairs.opus.source import find_bitexts

        return Listing(files=[*find_bitexts(text, asked)])
    if isinstance(source, str) and (dataset := hub_dataset(source)) is not None:
        if dataset.config or asked.languages is None:
            return Listing(files=[dataset])
        return _find_in_hub(dataset.id, asked.languages, asked.select)
    raise InputError(
        f"source {text!r}: no such file or folder{nearest_path(text)}; give a folder, a file ({KINDS}), a hub data set "
        "id, or opus:CORPUS"
    )


def hub_dataset(source: str) -> HubDataset | None:
    """Take a source that is not on the disk for the id of a hub data set; None if it cannot be one."""
    path = Path(source)
    if path.exists() or not _HUB_ID.fullmatch(source) or _looks_like_file(path):
        return None
    hub_id, _, config = source.partition(":")
    return HubDataset(source, hub_id, config or None)


def tabular_files(folder: Path) -> tuple[list[Path], list[Skipped]]:
    """All files below a folder that have columns, sorted, and the others."""
    paths, skipped = _walk(folder)
    others = [
        Skipped(str(path), "not a parquet, CSV, TSV or JSONL file") for path in paths if not is_tabular(path)
    ]
    return [path for path in paths if is_tabular(path)], skipped + others


def language_pair(name: str) -> tuple[str, str, str] | None:
    """Split a file name into what stands before the language pair and its two codes.

    ``TED.en-fr.tsv.gz`` gives ``("TED", "en", "fr")``, ``en-fr.parquet`` gives ``("", "en", "fr")``; None
    where the last part of the name is no language pair (`are_languages`): ``dev-set.csv``, ``TED.old-new.tsv``.
    """
    stem, _, pair = Path(without_compression(name)).stem.rpartition(".")
    languages = pair.split("-")
    if len(languages) != 2 or not are_languages(languages):
        return None
    return stem, language_code(languages[0]), language_code(languages[1])


def _looks_like_file(path: Path) -> bool:
    return (
        is_tabular(path)
        or is_unit_file(path)
        or path.suffix.lower() in COMPRESSIONS
        or _moses_parts(path) is not None
    )


def _find_in_folder(folder: Path) -> Listing:
    if is_saved_dataset(folder):
        return Listing(files=[SavedDataset(str(folder), folder)])
    paths, skipped = _walk(folder)
    listing = _sorted_out(paths)
    listing.skipped = skipped + listing.skipped
    if not listing.files:
        found = ", ".join(sorted(Path(file.file).name for file in listing.skipped)[:5])
        raise InputError(
            f"source {str(folder)!r}: no file of pairs in this folder (found: {found or 'nothing'}); "
            f"known are {KINDS}"
        )
    return listing


def _sorted_out(paths: Sequence[Path]) -> Listing:
    """Tell files of pairs from others, and join the two of a Moses pair."""
    listing = Listing()
    halves: dict[tuple[Path, str, str, str], dict[str, Path]] = {}
    for path in paths:
        file = _single_file(path)
        moses = _moses_parts(path)
        if file:
            listing.files.append(file)
        elif moses:
            name, lang1, lang2, side = moses
            sides = halves.setdefault((path.parent, name, lang1, lang2), {})
            if side in sides:
                listing.skipped.append(
                    Skipped(str(path), f"the same text as {sides[side].name}, which is read")
                )
            else:
                sides[side] = path
        elif _is_archive(path):
            inside = _find_in_archive(path)
            listing.files += inside.files
            listing.skipped += inside.skipped
        else:
            listing.skipped.append(Skipped(str(path), "not a kind of file that holds pairs"))
    for (_, name, lang1, lang2), sides in halves.items():
        if len(sides) == 2:
            listing.files.append(_moses_files(name, lang1, lang2, sides))
        else:
            [path] = sides.values()
            missing = lang2 if lang1 in sides else lang1
            listing.skipped.append(Skipped(str(path), f"its other side, ending in .{missing}, is missing"))
    listing.files.sort(key=lambda file: file.name)
    return listing


def _single_file(path: Path) -> PairFile | None:
    if is_tabular(path):
        return TableFile(str(path), path)
    if is_unit_file(path):
        return UnitFile(str(path), path)
    return SavedDataset(str(path), path) if path.is_dir() else None


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ARCHIVE and archive_of(path) == path


def _find_in_archive(archive: Path) -> Listing:
    # Its own files alone: parquet is read from both ends, and an archive in an archive could go on for ever.
    inside = members(archive)
    closed = [path for path in inside if path.suffix.lower() in (".parquet", ARCHIVE)]
    listing = _sorted_out([path for path in inside if path not in closed])
    listing.skipped += [
        Skipped(str(path), "within an archive, of which it must be taken out") for path in closed
    ]
    if len(listing.files) > 1:
        names = ", ".join(Path(file.name).name for file in listing.files[:5])
        raise InputError(
            f"{archive}: holds {len(listing.files)} files of pairs ({names}), which may overlap; unpack it and give "
            "the folder, or the files wanted"
        )
    return listing


def _find_file(path: Path) -> Listing:
    file = _single_file(path)
    if file:
        return Listing(files=[file])
    moses = _moses_parts(path)
    if moses is None and _is_archive(path):
        listing = _find_in_archive(path)
        if not listing.files:
            found = ", ".join(sorted(Path(file.file).name for file in listing.skipped)[:5])
            raise InputError(
                f"source {str(path)!r}: no file of pairs in this archive (found: {found or 'nothing'}); "
                f"known are {KINDS}"
            )
        return listing
    if moses is None:
        raise InputError(f"source {str(path)!r}: not a kind of file that holds pairs; known are {KINDS}")
    name, lang1, lang2, side = moses
    other = lang2 if side == lang1 else lang1
    base = Path(without_compression(str(path)))
    candidates = [
        base.with_name(f"{base.stem}.{other}{ending}") for ending in (path.suffix, "", *COMPRESSIONS)
    ]
    partner = next((candidate for candidate in candidates if candidate.is_file()), None)
    if partner is None:
        raise InputError(
            f"source {str(path)!r}: its other side {base.stem}.{other} is not beside it (nor compressed)"
        )
    return Listing(files=[_moses_files(name, lang1, lang2, {side: path, other: partner})])


def _find_in_hub(hub_id: str, languages: Collection[str], select: str) -> Listing:
    """Of a data set with a configuration or a folder for each language pair, list those that are wanted."""
    from lingualign.pairs.hub import hub_parts, part_pair
    from lingualign.pairs.selection import matches, parse_patterns

    patterns, wanted = parse_patterns(select), {language_code(tag) for tag in languages}
    parts = {part: pair[1:] for part in hub_parts(hub_id) if (pair := part_pair(part))}
    if not parts:
        return Listing(files=[HubDataset(hub_id, hub_id, None)])
    found = [
        part
        for part, pair in parts.items()
        if wanted.issuperset(pair) and any(matches(pair, pattern) for pattern in patterns)
    ]
    if not found:
        raise InputError(
            f"source {hub_id!r}: it has no pair of {', '.join(sorted(wanted))} that is selected; it has "
            f"{', '.join(list(parts)[:40])}"
        )
    return Listing(files=[HubDataset(f"{hub_id}:{part}", hub_id, part) for part in found])


def _moses_parts(path: Path) -> tuple[str, str, str, str] | None:
    """Name, both languages and the side of ``NAME.en-fr.fr``, as they are written; None for other names."""
    rest, _, side = without_compression(path.name).rpartition(".")
    name, _, pair = rest.rpartition(".")
    for lang1, lang2 in ((side, pair.removeprefix(f"{side}-")), (pair.removesuffix(f"-{side}"), side)):
        both = lang1, lang2
        # Three places agree, so that one code that is not a word is enough: `wikimedia.en-new.new`.
        if (
            pair == "-".join(both)
            and lang1 != lang2
            and all(map(is_language, both))
            and any(are_languages([code]) for code in both)
        ):
            return name, lang1, lang2, side
    return None


def _moses_files(name: str, lang1: str, lang2: str, sides: dict[str, Path]) -> MosesFiles:
    path1, path2 = sides[lang1], sides[lang2]
    corpus = name or Path(os.path.realpath(path1)).parent.name
    return MosesFiles(
        f"{path1} + {path2.name}", path1, path2, language_code(lang1), language_code(lang2), corpus
    )


def _walk(folder: Path) -> tuple[list[Path], list[Skipped]]:
    """Files below a folder in sorted order, and the linked folders that are not followed."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from None

    paths: list[Path] = []
    skipped: list[Skipped] = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        visible = sorted(name for name in folders if not name.startswith("."))
        if set(_SPLITS) <= set(visible):
            _refuse_lost_manifest(Path(parent))
        linked = [Path(parent, name) for name in visible if Path(parent, name).is_symlink()]
        skipped += [Skipped(str(path), "a link to a folder, which is not followed") for path in linked]
        saved = [Path(parent, name) for name in visible if is_saved_dataset(Path(parent, name))]
        paths += saved
        folders[:] = [name for name in visible if Path(parent, name) not in linked + saved]
        paths += [Path(parent, name) for name in names if not name.startswith(".")]
    for path in paths:
        check_name(path)
    return sorted(paths), skipped


def _refuse_lost_manifest(folder: Path) -> None:
    """Refuse prepared pairs without their manifest: read as plain pairs, those held out would be trained on."""
    try:
        if PREPARED in (folder / MANIFEST).read_text(encoding="utf-8", errors="replace"):
            return
    except OSError:
        pass
    for split in _SPLITS:
        first = min((folder / split).glob("[0-9]*.parquet"), default=None)
        try:
            if first is None or not pq.read_schema(first).equals(SHARD_SCHEMA):
                return
        except (OSError, *DAMAGED):
            return  # the reader says what is wrong
    raise InputError(
        f"{folder}: prepared pairs whose {MANIFEST} is lost, so that those held out cannot be told from the others; "
        f"prepare the pairs again, or fetch the folder again. To read some of them as plain pairs, give "
        f"{str(folder / _SPLITS[0])!r}"
    )


def check_columns(columns: Mapping[str, str | int] | None) -> None:
    """Raise `InputError` for a column mapping that names no column of a pair table, or mixes names and positions."""
    allowed = ("sentence1", "sentence2", "lang1", "lang2", "corpus")
    columns = columns or {}
    unknown = [name for name in columns if name not in allowed]
    if unknown:
        raise InputError(
            f"columns: {unknown[0]!r} is not a column of a pair table; allowed are {', '.join(allowed)}"
        )
    positions = [value for value in columns.values() if isinstance(value, int)]
    if positions and (len(positions) < len(columns) or min(positions) < 1):
        raise InputError(
            "columns: give names, or for files without a header line positions from 1 for all, such as "
            "{sentence1: 1, sentence2: 2}"
        )
