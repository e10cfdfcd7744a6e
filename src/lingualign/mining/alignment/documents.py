"""Pairs of documents, from two files or two folders, and the runs of sentences in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.mining.sentences import STANDARD_INPUT, read_sentences
from lingualign.mining.shards import MANIFEST
from lingualign.pairs.formats.compression import without_compression

if TYPE_CHECKING:
    from collections.abc import Sequence

# Between two characters of Chinese or Japanese there is no blank.
_JOINT = re.compile(
    r"(?<=[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef])\n(?=[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef])"
)


class Document:
    """The sentences of a document, with the line that each stands on; blank lines hold none.

    Parameters
    ----------
    name
        For messages.
    lines
        All lines.

    Raises
    ------
    InputError
        If all lines are blank.
    """

    def __init__(self, name: str, lines: Sequence[str]) -> None:
        self.lines = len(lines)
        self.sentences = [line for line in lines if line.strip()]
        self.numbers = [number for number, line in enumerate(lines, start=1) if line.strip()]
        if not self.sentences:
            raise InputError(f"{name}: there is nothing to align in it, for all of its lines are blank")

    def runs(self, sentences: int) -> list[str]:
        """Join every so many sentences in a row; a document that is shorter has no such run."""
        starts = range(len(self.sentences) - sentences + 1)
        return [joined(self.sentences[start : start + sentences]) for start in starts]


@dataclass(frozen=True, slots=True)
class DocumentPair:
    """Two documents that follow the same order."""

    name: str
    source: Document
    target: Document


def joined(sentences: Sequence[str]) -> str:
    """Make one text of sentences, with a blank between them where the script has blanks."""
    if len(sentences) == 1:
        return sentences[0]
    return _JOINT.sub("", "\n".join(sentence.replace("\n", " ") for sentence in sentences)).replace("\n", " ")


def read_documents(source: str, target: str, column: str | None = None) -> list[DocumentPair]:
    """Read two files, or the files of two folders that bear the same name, at any depth.

    Parameters
    ----------
    source, target
        Files as `lingualign.mining.sentences.read_sentences` takes them, or folders of such. Names are compared
        without ``.gz``, ``.xz`` and ``.zst``; hidden files are ignored.
    column
        Of files with columns, the one to take.

    Raises
    ------
    InputError
        If a file cannot be read, holds no sentence, or has no partner.
    """
    folders = [side != STANDARD_INPUT and Path(side).is_dir() for side in (source, target)]
    if not any(folders):
        if source == target == STANDARD_INPUT:
            raise InputError(
                "source and target are both -, but only one of them can come from standard input"
            )
        return [DocumentPair("", *(_document(side, column) for side in (source, target)))]
    if not all(folders):
        folder, file = (source, target) if folders[0] else (target, source)
        raise InputError(f"{folder!r} is a folder and {file!r} is none; give two files or two folders")
    ours, theirs = (_files(side) for side in (source, target))
    for folder, alone in ((source, ours.keys() - theirs.keys()), (target, theirs.keys() - ours.keys())):
        if alone:
            other = target if folder == source else source
            raise InputError(
                f"{folder!r}: {min(alone)!r} is not in {other!r}, nor are {len(alone) - 1} more; "
                "each document needs its partner of the same name"
            )
    return [
        DocumentPair(name, _document(str(ours[name]), column), _document(str(theirs[name]), column))
        for name in ours
    ]


def _files(folder: str) -> dict[str, Path]:
    root = Path(folder)
    if (root / MANIFEST).is_file():
        raise InputError(
            f"{folder!r} is an encoded text, but alignment encodes joined sentences too: give the text itself"
        )
    files: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        within = path.relative_to(root)
        if not path.is_file() or any(part.startswith(".") for part in within.parts):
            continue
        name = without_compression(within.as_posix())
        if name in files:
            raise InputError(f"{str(path)!r} and {str(files[name])!r} are one document by name; remove one")
        files[name] = path
    if not files:
        raise InputError(f"{folder!r}: there is no document in it")
    return files


def _document(source: str, column: str | None) -> Document:
    return Document(source, [line for chunk in read_sentences(source, column) for line in chunk])
