"""Files of translation units: TMX, XLIFF and PO, told apart by their names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lingualign.languages import language_code, looks_like_language
from lingualign.pairs.formats.compression import without_compression

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    import pyarrow as pa

UNIT_KINDS = (".tmx", ".xlf", ".xliff", ".po")


def is_unit_file(path: Path) -> bool:
    """Whether `stream_units` knows the file by its name."""
    return _kind(path) in UNIT_KINDS


def stream_units(
    path: Path,
    named: tuple[str, str, str] | None,
    *,
    encoding: str | None = None,
    left_out: Counter[str],
) -> Iterator[pa.Table]:
    """Read the pairs of a file by its ending: see `stream_tmx`, `stream_xliff` and `stream_po`.

    Parameters
    ----------
    path
        The file.
    named
        Corpus and languages by the file's name, where it says them.
    encoding
        Of the text, if not what the file declares.
    left_out
        Counts units that give no pair, by reason.
    """
    corpus = (named[0] if named else _stem(path)) or path.absolute().parent.name
    target = _language_of_name(path)
    languages = named[1:] if named else (None, target) if target else None
    kind = _kind(path)
    if kind == ".tmx":
        from lingualign.pairs.formats.tmx import stream_tmx

        return stream_tmx(path, corpus=corpus, encoding=encoding, left_out=left_out)
    if kind == ".po":
        from lingualign.pairs.formats.po import stream_po

        return stream_po(path, corpus=corpus, languages=languages, encoding=encoding, left_out=left_out)
    from lingualign.pairs.formats.xliff import stream_xliff

    return stream_xliff(path, corpus=corpus, languages=languages, encoding=encoding, left_out=left_out)


def _kind(path: Path) -> str:
    return Path(without_compression(path.name)).suffix.lower()


def _language_of_name(path: Path) -> str | None:
    """Return the language of ``fr.po``, ``django.fr.po`` and ``fr/LC_MESSAGES/django.po``."""
    name = Path(without_compression(path.name)).stem.rpartition(".")[2]
    candidates = [path.parent.parent.name, name] if path.parent.name == "LC_MESSAGES" else [name]
    return next((language_code(tag) for tag in candidates if looks_like_language(tag)), None)


def _stem(path: Path) -> str:
    """Take the endings off a name, and the language of ``django.fr.po`` and ``fr.po``."""
    stem = Path(without_compression(path.name)).stem
    rest, _, last = stem.rpartition(".")
    return rest if looks_like_language(last) else stem
