"""Text in any encoding, given on as UTF-8; an error names the line, and the encoding that the text may be in."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from lingualign.errors import InputError

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
_SAMPLE_BYTES = 16_384
_NEVER_IN_ASCII = re.compile(r"(utf|ucs)[-_]?(16|32|2|4)", re.IGNORECASE)


def check_encoding(encoding: str | None) -> None:
    """Refuse the name of an encoding that text cannot be read in.

    Raises
    ------
    InputError
        With the parameter and the name.
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
        The content of the file, cut anywhere.
    path
        Its name, for messages.
    encoding
        What the user says it is in. A byte order mark has precedence, as it leaves no doubt.
    declaration
        Matches the file's own word on its encoding, group 1, within its first bytes; looked at if the user gives none.
        Without any of these a file is UTF-8.

    Raises
    ------
    InputError
        If the content is not in that encoding, which names the line, and the encoding that it looks like.
    """
    head, rest = _head(iter(blocks))
    name = _encoding(head, path, encoding, declaration)
    decoder = codecs.getincrementaldecoder(name)()
    lines = 0
    for block in _each(head, rest):
        try:
            text = decoder.decode(block, final=not block)
            decoded = text.encode("utf-8")
        except UnicodeError as error:
            raise InputError(_explanation(path, name, lines, error)) from None
        yield decoded
        lines += decoded.count(b"\n")


def _head(blocks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    head = b""
    for block in blocks:
        head += block
        if len(head) >= _HEAD_BYTES:
            break
    return head, blocks


def _each(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Give the blocks, and an empty one only at the end."""
    if head:
        yield head
    yield from filter(None, rest)
    yield b""


def _encoding(head: bytes, path: Path, encoding: str | None, declaration: re.Pattern[bytes] | None) -> str:
    marked = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if marked or encoding:
        return marked or encoding or ""
    wide = _looks_wide(head[:_HEAD_BYTES])
    if wide:
        raise InputError(
            f"{path}: not UTF-8, every other byte is zero; the file seems to be in {wide}: convert it to "
            "UTF-8, for example with iconv, or give that as encoding where one can be given"
        )
    found = declaration.search(head[:_HEAD_BYTES]) if declaration else None
    declared = found[1].decode("ascii", "replace") if found else "utf-8"
    # What can be read as ASCII is not in UTF-16, whatever it says: such files were converted by other tools.
    if _NEVER_IN_ASCII.match(declared):
        return "utf-8"
    try:
        check_encoding(declared)
    except InputError as error:
        raise InputError(f"{path} declares its {error}") from None
    return declared


def _looks_wide(head: bytes) -> str | None:
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = head[first::2].count(0)
        if zeros and zeros * 4 > len(head) and not head[1 - first :: 2].count(0):
            return name
    return None


def _explanation(path: Path, name: str, lines: int, error: UnicodeError) -> str:
    plain = "UTF-8" if name in ("utf-8", "utf-8-sig") else name
    if not isinstance(error, UnicodeDecodeError):
        return (
            f"{path}, line {lines + 1} or later: not valid {plain} ({error}); give the encoding that it is in"
        )
    content, start = error.object, error.start
    line = lines + 1 + content[:start].decode(name, "replace").count("\n")
    wrong = f"{path}, line {line}: not valid {plain} (byte 0x{content[start]:02x})"
    guess = _guess(content, start) if plain == "UTF-8" else None
    if guess:
        return (
            f"{wrong}; the file seems to be in {guess}: convert it to UTF-8, for example with iconv, or give that "
            "as encoding where one can be given"
        )
    cure = (
        "convert the file to UTF-8, for example with iconv" if plain == "UTF-8" else "give another encoding"
    )
    return f"{wrong}; {cure}"


def _guess(content: bytes, start: int) -> str | None:
    from charset_normalizer import from_bytes  # only where something is wrong

    begin = content.rfind(b"\n", 0, max(start - _SAMPLE_BYTES // 4, 0)) + 1
    best = from_bytes(content[begin : begin + _SAMPLE_BYTES]).best()
    return best.encoding if best and not best.encoding.startswith("utf_8") else None
