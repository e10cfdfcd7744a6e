"""Whole files as text: .gz, .zst and .xz are undone, and an error says where text is not UTF-8."""

from __future__ import annotations

import gzip
import lzma
import zlib
from typing import TYPE_CHECKING

from lingualign.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

COMPRESSIONS = (".gz", ".zst", ".xz")


def without_compression(name: str) -> str:
    """``x.en-fr.tsv.gz`` to ``x.en-fr.tsv``; other names unchanged."""
    ending = next((ending for ending in COMPRESSIONS if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)]


def read_text(path: Path) -> bytes:
    r"""Read a file whole: undo its compression, check that it is UTF-8, take off a byte order mark.

    Returns
    -------
    bytes
        Valid UTF-8 with ``\n`` for ``\r\n``.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged or cut off, or is not UTF-8 (names the line).
    """
    content = _decompressed(path)
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: not valid UTF-8 (byte 0x{content[error.start]:02x}); "
            "convert the file to UTF-8, for example with iconv"
        ) from None
    return content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")


def _decompressed(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    ending = path.suffix.lower()
    if ending not in COMPRESSIONS:
        return raw
    try:
        if not raw:
            raise EOFError("it is empty")
        return {".gz": gzip.decompress, ".zst": _zstd, ".xz": _xz}[ending](raw)
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise InputError(
            f"{path}: damaged or cut off {ending} file ({error}); fetch or compress it again"
        ) from None


def _xz(raw: bytes) -> bytes:
    return lzma.decompress(raw, format=lzma.FORMAT_XZ)


def _zstd(raw: bytes) -> bytes:
    """Undo all frames; zstandard's own readers take a frame that is cut off for a short one."""
    import zstandard

    frames = []
    while raw:
        frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            frames.append(frame.decompress(raw))
        except zstandard.ZstdError as error:
            raise EOFError(str(error)) from None
        if not frame.eof:
            raise EOFError("its last frame does not end")
        raw = frame.unused_data
    return b"".join(frames)
