"""Message catalogues of gettext: PO."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.languages import language_code, looks_like_language
from lingualign.pairs.formats.compression import read_blocks
from lingualign.pairs.formats.encodings import utf8_blocks
from lingualign.pairs.table import pair_tables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polib
    import pyarrow as pa

    from lingualign.pairs.table import Row

_DECLARATION = re.compile(rb'"Content-Type:[^"]*?charset=([A-Za-z0-9._:-]+)')
_SOURCE_LANGUAGE = "en"


def stream_po(
    path: Path,
    *,
    corpus: str = "",
    languages: tuple[str, str] | None = None,
    encoding: str | None = None,
    left_out: Counter[str] | None = None,
) -> Iterator[pa.Table]:
    """Read the pairs of a PO file: each ``msgid`` with its ``msgstr``.

    Of a message with plural forms the singular goes with the form for one, and the plural with the last. The language
    of the translations is the header's ``Language``, else the name's; that of the messages the header's
    ``X-Source-Language``, else the name's, else English. Read whole, by polib: small, of no dependencies, and not
    under the GPL as the larger tools are.

    Parameters
    ----------
    path
        The file, also compressed.
    corpus
        What pairs are said to come from.
    languages
        Of messages and translations, where the header does not name them.
    encoding
        Of the text, if not the one that the header declares.
    left_out
        Counts messages that give no pair, by reason: fuzzy, obsolete, not translated.

    Returns
    -------
    iterator of pyarrow.Table
        Tables of `PAIR_SCHEMA`, at least one.

    Raises
    ------
    InputError
        If the file is not valid, is not in its encoding, or its language is not known.
    """
    return pair_tables(_pairs(path, corpus, languages, encoding, Counter() if left_out is None else left_out))


def _pairs(
    path: Path, corpus: str, named: tuple[str, str] | None, encoding: str | None, left_out: Counter[str]
) -> Iterator[Row]:
    catalogue = _parse(path, encoding)
    lang1, lang2 = _languages(catalogue, path, named)
    singular = _singular_form(catalogue)
    for entry in catalogue:
        if entry.obsolete:
            left_out["obsolete messages"] += 1
        elif entry.fuzzy:
            left_out["fuzzy messages"] += 1
        elif not entry.translated():
            left_out["messages without a translation"] += 1
        elif entry.msgid_plural:
            forms = entry.msgstr_plural
            last = max(forms)
            if singular in forms and singular != last:
                yield entry.msgid, forms[singular], lang1, lang2, corpus
            yield entry.msgid_plural, forms[last], lang1, lang2, corpus
        else:
            yield entry.msgid, entry.msgstr, lang1, lang2, corpus


class _Lines(str):
    """Text whose lines end at line breaks alone, not at U+2028 and its like, which messages may hold."""

    def splitlines(self, keepends: bool = False) -> list[str]:
        return self.split("\n")


def _parse(path: Path, encoding: str | None) -> polib.POFile:
    import polib

    content = b"".join(utf8_blocks(read_blocks(path), path, encoding, _DECLARATION)).decode("utf-8")
    try:
        # polib takes what names a file for a path: no file's name ends like this.
        return polib.pofile(_Lines(content.replace("\r\n", "\n") + "\n#\n"), encoding="utf-8")
    except (OSError, ValueError, IndexError) as error:
        line = re.search(r"line (\d+)(?:\): (.*))?", str(error))
        where = f", line {line[1]}" if line else ""
        reason = f" ({line[2]})" if line and line[2] else ""
        raise InputError(f"{path}{where}: not a valid PO file{reason}") from None


def _languages(catalogue: polib.POFile, path: Path, named: tuple[str, str] | None) -> tuple[str, str]:
    source, target = (_header(catalogue, key).partition("@")[0] for key in ("X-Source-Language", "Language"))
    from_name = named[1] if named else _language_of_name(path)
    if not target and not from_name:
        raise InputError(
            f"{path}: the language is not known; write it into the header (Language: fr), or name the file as in fr.po"
        )
    try:
        return (
            language_code(source) if source else named[0] if named else _SOURCE_LANGUAGE,
            language_code(target) if target else from_name or "",
        )
    except InputError as error:
        raise InputError(f"{path}: the header's language: {error}") from None


def _header(catalogue: polib.POFile, key: str) -> str:
    return str(catalogue.metadata.get(key) or "").strip()


def _language_of_name(path: Path) -> str | None:
    """Give the language of ``fr.po``, ``django.fr.po`` and ``fr/LC_MESSAGES/django.po``."""
    name = path.name.lower().partition(".po")[0].rpartition(".")[2]
    candidates = [path.parent.parent.name, name] if path.parent.name == "LC_MESSAGES" else [name]
    return next((language_code(tag) for tag in candidates if looks_like_language(tag)), None)


def _singular_form(catalogue: polib.POFile) -> int:
    """Which plural form the header has for one thing; mostly the first, but not in Arabic."""
    from gettext import c2py

    formula = re.search(r"plural\s*=\s*([^;]+)", _header(catalogue, "Plural-Forms"))
    try:
        return int(c2py(formula[1])(1)) if formula else 0
    except (ValueError, ZeroDivisionError, RecursionError, OverflowError):
        return 0
