"""Manifest of a folder of prepared pairs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lingualign.errors import InputError
from lingualign.pairs.cleaning.language import Swapped  # noqa: TC001 - a record is built by it
from lingualign.pairs.discovery import MANIFEST, PREPARED, Skipped
from lingualign.pairs.report import Count, DataReport, account
from lingualign.store import build_record, file_damage, sha256_of, write_atomically


@dataclass(frozen=True)
class File:
    """State of a file when the pairs were prepared."""

    file: str
    rows: int | None
    """Number of rows of a shard."""
    bytes: int
    sha256: str

    @staticmethod
    def of(path: Path, name: str, rows: int | None = None) -> File:
        """Describe an existing file."""
        return File(name, rows, path.stat().st_size, sha256_of(path))

    def damage(self, folder: Path) -> str | None:
        """Return what is wrong with the file in a folder; None if nothing is."""
        return file_damage(folder / self.file, self.bytes, self.sha256)


@dataclass(frozen=True)
class Manifest:
    """A preparation of pairs: sources, settings and result."""

    versions: dict[str, str]
    """Versions of all that the bytes of the shards depend on."""
    settings: dict[str, Any]
    """The configuration, key by key."""
    filters: list[str]
    """Reasons of the applied filters, in their order."""
    priority: list[str]
    """Languages, the highest priority first."""
    sources: list[File]
    skipped: list[Skipped]
    suites: dict[str, int]
    """Sentences that the pairs were decontaminated against, by file."""
    files: list[str]
    """Names of the files that pairs were read from, in the order of the data."""
    counts: list[Count]
    train: list[File]
    validation: list[File]
    swapped: list[Swapped] = field(default_factory=list)
    """Files with sides that look swapped; absent from the manifest if there are none."""

    def report(self) -> DataReport:
        """Return the counts of all rows, by file and by language pair."""
        return account(self.files, self.counts, self.priority, self.skipped, self.suites, self.swapped)

    def write(self, folder: Path) -> None:
        """Write the manifest to a folder."""
        content = {"format": PREPARED, **asdict(self)}
        if not self.swapped:
            del content["swapped"]
        content["sha256"] = _checksum(content)
        write_atomically(folder / MANIFEST, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    @staticmethod
    def read(folder: Path) -> Manifest | None:
        """Read the manifest of a folder; None if there is none, or one of another kind.

        Raises
        ------
        InputError
            If it is damaged.
        """
        path = folder / MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.get("format") != PREPARED:
                return None
            # Earlier versions wrote no checksum.
            if (checksum := content.pop("sha256", None)) not in (None, _checksum(content)):
                raise ValueError(f"its SHA-256 is not {str(checksum)[:12]}...")
            del content["format"]
            manifest = build_record(Manifest, content)
            for shard in (*manifest.train, *manifest.validation):
                if Path(shard.file).is_absolute() or ".." in Path(shard.file).parts:
                    raise ValueError(f"the shard {shard.file!r} lies outside the folder")
            return manifest
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise InputError(
                f"{path}: not the manifest of prepared pairs ({error}); prepare them again"
            ) from None


def _checksum(content: dict[str, Any]) -> str:
    """Return the SHA-256 of a manifest's content: its counts and settings are in no other file."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
