"""The table of contents of a teacher store: what its vectors are, and which files hold them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.files import write_atomically
from lingualign.records import build_record

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
NAME = "manifest.json"


@dataclass(frozen=True)
class Settings:
    """What decides a teacher vector beside the sentence: the address of a store is made of these."""

    teacher: str | None = None
    """``HUB-ID@COMMIT``, or the fingerprint of the weights; ``None`` until a model is seen."""
    prompt: str = ""
    normalize: bool = True
    dimensions: int | None = None
    """Number of leading dimensions kept; ``None`` for all."""

    def address(self) -> str:
        """Name the folder of a store by its content."""
        text = json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Segment:
    """Vectors embedded and written together. Their rows keep their numbers for good."""

    number: int
    first_row: int
    rows: int
    precision: str
    vectors_bytes: int
    vectors_sha256: str
    keys_bytes: int
    keys_sha256: str

    # Made from the number and not read from the manifest, so that a manifest cannot point outside its folder.
    def vectors_file(self, folder: Path) -> Path:
        """Give the file of the vectors, float16 of shape (rows, dimensions)."""
        return folder / f"segment-{self.number:06d}.vectors.npy"

    def keys_file(self, folder: Path) -> Path:
        """Give the file of the sentences' keys, in the order of the vectors."""
        return folder / f"segment-{self.number:06d}.keys.npy"


@dataclass(frozen=True)
class Manifest:
    """The settings, the width of the vectors, and the segments in the order of their rows."""

    settings: Settings
    fingerprint: str
    width: int
    next_row: int = 0
    next_segment: int = 0
    segments: tuple[Segment, ...] = field(default=())

    @staticmethod
    def read(folder: Path) -> Manifest | None:
        """Read the manifest of a folder; ``None`` where there is none yet.

        Raises
        ------
        InputError
            If it is not a manifest of this format.
        """
        path = folder / NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            raise InputError(f"{path} cannot be read ({error}): {_anew(folder)}") from error
        try:
            if content.pop("format") != FORMAT:
                raise InputError(f"{path} is of another format than {FORMAT}: {_anew(folder)}")
            settings = build_record(Settings, content.pop("settings"))
            segments = tuple(build_record(Segment, segment) for segment in content.pop("segments"))
            manifest = build_record(Manifest, {**content, "settings": settings, "segments": segments})
            manifest.check_order()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{path} is not a teacher store's manifest ({error}): {_anew(folder)}"
            ) from error
        return manifest

    def check_order(self) -> None:
        """Raise ValueError if two segments have a number or a row in common, or the next one would."""
        row = number = 0
        for segment in self.segments:
            if segment.number < number or segment.first_row < row or not segment.rows:
                raise ValueError(f"segment {segment.number} overlaps the one before")
            number, row = segment.number + 1, segment.first_row + segment.rows
        if self.next_segment < number or self.next_row < row:
            raise ValueError("the next segment overlaps the last one")

    def write(self, folder: Path) -> None:
        """Put this manifest in the place of the last one, in one step."""
        content = json.dumps({"format": FORMAT, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"
        write_atomically(folder / NAME, content)


def _anew(folder: Path) -> str:
    return f"delete the folder {folder} and run the same command again; all its sentences are embedded anew"
