"""Text in any encoding, turned into UTF-8; an error names the line, and the likely encoding."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from lingualign.errors import InputError
from lingualign.pairs.formats.legacy import ESCAPED, candidates, languages_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

# UTF-32 first: its mark in little-endian order begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
_HEAD_BYTES = 4096
_GUESSED_BYTES = 1 << 18
_PLAIN = ("utf-8", "utf-8-sig")
_BESIDE_ASCII = re.compile("[^\\x00-\\x7f\\udc80-\\udcff]+")
_NOT_UTF8 = re.compile("[\\udc80-\\udcff]+")
_ESCAPES = "escapes"
_NEVER_IN_ASCII = re.compile(r"(utf|ucs)[-_]?(16|32|2|4)", re.IGNORECASE)


def check_encoding(encoding: str | None) -> None:
    """Check that text can be read in an encoding.

    Raises
    ------
    InputError
        If not; the message has the parameter and the name.
    """
    if encoding is None:
        return
    try:
        b"text".decode(encoding)
        codecs.getincrementaldecoder(encoding)
    except UnicodeError:  # an encoding, in which these four bytes mean nothing
        return
    except (LookupError, ValueError):
        raise InputError(
            f"encoding: {encoding!r} is no encoding of text; give a name that Python knows, such as 'cp1252', "
            "'utf-16-le', 'euc-kr' or 'shift_jis'"
        ) from None


def utf8_blocks(
    blocks: Iterable[bytes],
    path: Path,
    encoding: str | None = None,
    declaration: re.Pattern[bytes] | None = None,
) -> Iterator[bytes]:
    r"""Turn the bytes of a text file into valid UTF-8 without a byte order mark, block by block.

    Parameters
    ----------
    blocks
        Content of the file, cut anywhere.
    path
        Path of the file, for messages and for the languages in its name.
    encoding
        Encoding of content that has no byte order mark and declares none; UTF-8 by default. Content that passes
        `is_utf8` needs none.
    declaration
        Pattern whose group 1 is the declared encoding, within the first bytes.

    Raises
    ------
    InputError
        If the content is not in that encoding. The message names the line, and shows it in the likely encodings.
    """
    head, rest = _head(iter(blocks))
    name, source = _encoding(head, path, encoding, declaration)
    decoder = codecs.getincrementaldecoder(name)()
    lines = valid = 0
    for block in _each(head, rest):
        try:
            if name in _PLAIN and (escape := ESCAPED.search(block)):
                raise UnicodeDecodeError(name, block, *escape.span(), _ESCAPES)
            text = decoder.decode(block, final=not block)
            decoded = text.encode("utf-8")
        except UnicodeError as error:
            raise InputError(_explanation(path, name, source, lines, valid, error)) from None
        yield decoded
        lines += decoded.count(b"\n")
        valid += 0 if text.isascii() else sum(map(len, _BESIDE_ASCII.findall(text)))


def is_utf8(blocks: Iterable[bytes], declaration: re.Pattern[bytes] | None = None) -> bool:
    """Return whether the content of a file declares its encoding or is UTF-8, also with a few damaged lines.

    Parameters
    ----------
    blocks, declaration
        See `utf8_blocks`.
    """
    head, rest = _head(iter(blocks))
    if _marked(head) or _declared(head, declaration):
        return True
    if _looks_wide(head[:_HEAD_BYTES]):
        return False
    decoder = codecs.getincrementaldecoder("utf-8")()
    valid = 0
    for block in _each(head, rest):
        try:
            if ESCAPED.search(block):
                return False
            text = decoder.decode(block, final=not block)
            valid += 0 if text.isascii() else sum(map(len, _BESIDE_ASCII.findall(text)))
        except UnicodeDecodeError as error:
            return _mostly_utf8(error.object, valid)
    return True


def _head(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    head = b""
    for block in blocks:
        head += block
        if len(head) >= _HEAD_BYTES:
            break
    return head, blocks


def _each(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the blocks, and an empty one only at the end."""
    if head:
        yield head
    yield from filter(None, rest)
    yield b""


def _encoding(
    head: bytes, path: Path, encoding: str | None, declaration: re.Pattern[bytes] | None
) -> tuple[str, str]:
    """Return the encoding of content and its source: ``mark``, ``file``, ``user`` or none."""
    if marked := _marked(head):
        return marked, "mark"
    if declared := _declared(head, declaration):
        # Readable as ASCII, so not UTF-16 as declared: another tool has converted the file.
        if _NEVER_IN_ASCII.match(declared):
            return "utf-8", "file"
        try:
            check_encoding(declared)
        except InputError as error:
            raise InputError(f"{path} declares its {error}") from None
        return codecs.lookup(declared).name, "file"
    if encoding:
        return codecs.lookup(encoding).name, "user"
    if wide := _looks_wide(head[:_HEAD_BYTES]):
        raise InputError(
            f"{path}: not UTF-8, every other byte is zero; the file seems to be in {wide}: convert it to "
            "UTF-8, for example with iconv, or give that as encoding where one can be given"
        )
    return "utf-8", ""


def _marked(head: bytes) -> str | None:
    return next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)


def _declared(head: bytes, declaration: re.Pattern[bytes] | None) -> str | None:
    found = declaration.search(head[:_HEAD_BYTES]) if declaration else None
    return found[1].decode("ascii", "replace") if found else None


def _looks_wide(head: bytes) -> str | None:
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = head[first::2].count(0)
        if zeros and zeros * 4 > len(head) and not head[1 - first :: 2].count(0):
            return name
    return None


def _explanation(path: Path, name: str, source: str, lines: int, valid: int, error: UnicodeError) -> str:
    plain = "UTF-8" if name in _PLAIN else name
    if not isinstance(error, UnicodeDecodeError):
        return (
            f"{path}, line {lines + 1} or later: not valid {plain} ({error}); give the encoding that it is in"
        )
    content, start = error.object, error.start
    line = lines + 1 + content[:start].decode(name, "replace").count("\n")
    what = "escape sequences of ISO 2022" if error.reason == _ESCAPES else f"byte 0x{content[start]:02x}"
    wrong = f"{path}, line {line}: not valid {plain} ({what})"
    if plain != "UTF-8":
        cure = "mend the declaration" if source == "file" else "give another encoding"
        return f"{wrong}{', which the file declares' if source == 'file' else ''}; {cure}"
    if error.reason != _ESCAPES and _mostly_utf8(content, valid):
        return f"{wrong}, though the rest of the file is; mend the line"
    readings = candidates(_lines_around(content, start), languages_of(path, content))
    if not readings:
        return f"{wrong}; convert the file to UTF-8, for example with iconv"
    convert = "convert it to UTF-8, for example with iconv"
    many = len(readings) > 1
    cure = {
        "file": f"{convert}, or mend its declaration",
        "mark": f"{convert}, or take its byte order mark off",
    }.get(
        source, f"{convert}, or give {'the right one' if many else 'that'} as encoding where one can be given"
    )
    if not many:
        return (
            f"{wrong}; the file seems to be in {readings[0].encoding}: {cure}. It reads: {readings[0].line}"
        )
    shown = "; ".join(f"{each.encoding} ({each.line})" for each in readings)
    return f"{wrong}; which encoding it is in is not certain, the likeliest first: {shown}: {cure}"


def _mostly_utf8(content: bytes, valid: int) -> bool:
    """Return whether more characters beyond ASCII are valid UTF-8 (``valid`` before the content) than bytes are not."""
    text = content.decode("utf-8", "surrogateescape")
    wrong = sum(map(len, _NOT_UTF8.findall(text)))
    return valid + sum(map(len, _BESIDE_ASCII.findall(text))) > 2 * wrong


def _lines_around(content: bytes, start: int) -> bytes:
    """Return whole lines from the first wrong byte's line on."""
    begin = content.rfind(b"\n", 0, start) + 1
    limit = max(begin, start) + _GUESSED_BYTES
    return content[begin : content.rfind(b"\n", start, limit) + 1 or limit]
