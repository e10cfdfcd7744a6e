"""Files of pairs on the disk: the content of a folder, the reader of each file, and skipped files with the reason."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from lingualign.errors import InputError
from lingualign.languages import are_languages, is_language, language_code
from lingualign.pairs.columns import has_header, pairs_of_columns
from lingualign.pairs.formats.compression import (
    ARCHIVE,
    COMPRESSIONS,
    archive_of,
    members,
    text_blocks,
    without_compression,
)
from lingualign.pairs.formats.readers import READERS, is_tabular, is_unit_file, stream_table, stream_units
from lingualign.pairs.formats.saved import is_saved_dataset, stream_saved
from lingualign.pairs.formats.tabular import DAMAGED, text_lines
from lingualign.pairs.table import PAIR_SCHEMA, SHARD_SCHEMA, check_sentences, constant
from lingualign.store import check_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lingualign.pairs.config import PairsConfig

MANIFEST = "manifest.json"
PREPARED = "lingualign prepared pairs, 1"
"""Name of the format in the manifest of prepared pairs."""
_SPLITS = ("train", "validation")


@dataclass(frozen=True)
class Skipped:
    """A file of a source that was not read, or a part of one."""

    file: str
    reason: str


class PairFile(Protocol):
    """An entry of a `Listing`: a file or the like with pairs."""

    @property
    def name(self) -> str:
        """Name in the report and in messages."""

    @property
    def identity(self) -> object:
        """Value that is equal for two names of the same content."""

    @property
    def paths(self) -> list[Path]:
        """Files on the disk; empty for other places."""

    def stream(self, asked: PairsConfig, left_out: list[Skipped]) -> Iterator[pa.Table]:
        """Yield the pairs as tables of `PAIR_SCHEMA` of some megabytes, at least one.

        Memory does not grow with the file. The cuts between tables depend on the file alone.

        Parameters
        ----------
        asked
            Request, whose ``columns`` and ``encoding`` apply.
        left_out
            List that gets the content that is not a pair, such as units in one language, at the end of the file.

        Raises
        ------
        InputError
            As in `lingualign.pairs.read_source`, when the reader comes to the fault.
        """


@dataclass
class Listing:
    """The content of one or more sources."""

    files: list[PairFile] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


@dataclass(frozen=True)
class TableFile:
    """A file with columns."""

    name: str
    path: Path

    @property
    def identity(self) -> object:
        """What is equal where the same content is reached by two ways."""
        return os.path.realpath(self.path)

    @property
    def paths(self) -> list[Path]:
        """Name the file."""
        return [self.path]

    def stream(self, asked: PairsConfig, left_out: list[Skipped]) -> Iterator[pa.Table]:
        """Read its pairs."""
        named = language_pair(self.path.name)
        stem = named[0] if named else Path(without_compression(self.path.name)).stem
        corpus = stem or Path(os.path.realpath(self.path)).parent.name
        columns = asked.columns or {}
        read = partial(stream_table, self.path, encoding=asked.encoding, header=has_header(columns))
        return pairs_of_columns(read, self.name, columns, corpus, named[1:] if named else None)


@dataclass(frozen=True)
class UnitFile(TableFile):
    """A file of translation units: TMX, XLIFF or PO."""

    def stream(self, asked: PairsConfig, left_out: list[Skipped]) -> Iterator[pa.Table]:
        """Read its pairs; counts units that give none."""
        counts: Counter[str] = Counter()
        named = language_pair(self.path.name)
        yield from stream_units(self.path, named, encoding=asked.encoding, left_out=counts)
        left_out += [Skipped(self.name, f"{reason}: {count:,}") for reason, count in counts.items()]


@dataclass(frozen=True)
class SavedDataset(TableFile):
    """A folder that the library `datasets` has saved."""

    @property
    def paths(self) -> list[Path]:
        """Name all of its files."""
        return sorted(path for path in self.path.rglob("*") if path.is_file())

    def stream(self, asked: PairsConfig, left_out: list[Skipped]) -> Iterator[pa.Table]:
        """Read its pairs."""
        named = language_pair(f"{self.path.name}.saved")
        corpus = (named[0] if named else self.path.name) or Path(os.path.realpath(self.path)).parent.name
        languages = named[1:] if named else None
        return pairs_of_columns(
            partial(stream_saved, self.path), self.name, asked.columns or {}, corpus, languages
        )


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

    @property
    def paths(self) -> list[Path]:
        """Name both files."""
        return [self.path1, self.path2]

    def stream(self, asked: PairsConfig, left_out: list[Skipped]) -> Iterator[pa.Table]:
        """Read its pairs, line by line."""
        sides = [map(text_lines, text_blocks(path, asked.encoding)) for path in self.paths]
        none = text_lines(b"")
        held = [next(side, none) for side in sides]
        read = 0
        while (rows := min(map(len, held))) or not read:
            for path, lines in zip(self.paths, held, strict=True):
                check_sentences(lines.slice(0, rows), "the line", path, read)
            labels = (constant(value, rows) for value in (self.lang1, self.lang2, self.corpus))
            yield pa.table([*(lines.slice(0, rows) for lines in held), *labels], schema=PAIR_SCHEMA)
            read += rows
            if not rows:
                break
            held = [
                lines.slice(rows) if len(lines) > rows else next(side, none)
                for lines, side in zip(held, sides, strict=True)
            ]
        count1, count2 = (
            read + len(lines) + sum(map(len, side)) for lines, side in zip(held, sides, strict=True)
        )
        if count1 != count2:
            raise InputError(
                f"{self.path1} has {count1:,} lines, {self.path2} has {count2:,}: line i of one must "
                "translate line i of the other; fetch both again, or align them"
            )


def kinds_of_files() -> str:
    """Return the kinds of files and folders that hold pairs, for messages."""
    return (
        f"{', '.join(READERS)}, Moses pairs NAME.en-fr.en + NAME.en-fr.fr (text also {', '.join(COMPRESSIONS)}), or a "
        "folder that save_to_disk of datasets has written"
    )


def tabular_files(folder: Path) -> tuple[list[Path], list[Skipped]]:
    """Return the files with columns below a folder, sorted, and the others."""
    paths, skipped = _walk(folder)
    others = [
        Skipped(str(path), "not a parquet, CSV, TSV or JSONL file") for path in paths if not is_tabular(path)
    ]
    return [path for path in paths if is_tabular(path)], skipped + others


def language_pair(name: str) -> tuple[str, str, str] | None:
    """Split a file name into the text before the language pair, and its two codes.

    ``TED.en-fr.tsv.gz`` gives ``("TED", "en", "fr")``, ``en-fr.parquet`` gives ``("", "en", "fr")``. Returns None if
    the last part of the name is not a language pair (`are_languages`): ``dev-set.csv``, ``TED.old-new.tsv``.
    """
    stem, _, pair = Path(without_compression(name)).stem.rpartition(".")
    languages = pair.split("-")
    if len(languages) != 2 or not are_languages(languages):
        return None
    return stem, language_code(languages[0]), language_code(languages[1])


def looks_like_file(path: Path) -> bool:
    """Return whether a name is that of a file of pairs, existing or not."""
    return (
        is_tabular(path)
        or is_unit_file(path)
        or path.suffix.lower() in COMPRESSIONS
        or _moses_parts(path) is not None
    )


def find_in_folder(folder: Path) -> Listing:
    """List the content of a folder, searched recursively in sorted order.

    Hidden files and folders are ignored.
    """
    if is_saved_dataset(folder):
        return Listing(files=[SavedDataset(str(folder), folder)])
    paths, skipped = _walk(folder)
    listing = _sorted_out(paths)
    listing.skipped = skipped + listing.skipped
    if not listing.files:
        found = ", ".join(sorted(Path(file.file).name for file in listing.skipped)[:5])
        raise InputError(
            f"source {str(folder)!r}: no file of pairs in this folder (found: {found or 'nothing'}); "
            f"known are {kinds_of_files()}"
        )
    return listing


def _sorted_out(paths: Sequence[Path]) -> Listing:
    """Separate files of pairs from others, and join the two of a Moses pair."""
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
    # Parquet is read from both ends, and archives within archives could nest without end.
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


def find_file(path: Path) -> Listing:
    """List a file; either file of a Moses pair may be named.

    A zip archive that is not a compressed file (``en-fr.txt.zip``) is a folder with one file of pairs, or the two of a
    Moses pair.
    """
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
                f"known are {kinds_of_files()}"
            )
        return listing
    if moses is None:
        raise InputError(
            f"source {str(path)!r}: not a kind of file that holds pairs; known are {kinds_of_files()}"
        )
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


def _moses_parts(path: Path) -> tuple[str, str, str, str] | None:
    """Return name, both languages and the side of ``NAME.en-fr.fr``, as written; None for other names."""
    rest, _, side = without_compression(path.name).rpartition(".")
    name, _, pair = rest.rpartition(".")
    for lang1, lang2 in ((side, pair.removeprefix(f"{side}-")), (pair.removesuffix(f"-{side}"), side)):
        both = lang1, lang2
        # Three places agree: one code that is not a word is enough, as in `wikimedia.en-new.new`.
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
    """Return the files below a folder in sorted order, and the linked folders, which are not followed."""

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
    """Raise InputError for prepared pairs without a manifest: as plain pairs, held-out ones would be trained on."""
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
