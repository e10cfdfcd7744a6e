"""Files as text: .gz, .zst and .xz are undone, and an error says where text is not UTF-8."""

from __future__ import annotations

import lzma
import zlib
from typing import TYPE_CHECKING, Any

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

COMPRESSIONS = (".gz", ".zst", ".xz")
_BLOCK_BYTES = 1 << 20
_TEXT_BYTES = 4 << 20


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
    return b"".join(text_blocks(path))


def text_blocks(path: Path) -> Iterator[bytes]:
    """Read what `read_text` gives in blocks of whole lines, some megabytes each; raises what it raises."""
    lines = 0
    for block in _whole_lines(read_blocks(path)):
        try:
            block.decode("utf-8")
        except UnicodeDecodeError as error:
            line = lines + block.count(b"\n", 0, error.start) + 1
            raise InputError(
                f"{path}, line {line}: not valid UTF-8 (byte 0x{block[error.start]:02x}); "
                "convert the file to UTF-8, for example with iconv"
            ) from None
        yield (block if lines else block.removeprefix(b"\xef\xbb\xbf")).replace(b"\r\n", b"\n")
        lines += block.count(b"\n")


def _whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Join blocks to some of about `_TEXT_BYTES` that end where a line does."""
    held: list[bytes] = []
    for block in blocks:
        held.append(block)
        end = block.rfind(b"\n") + 1
        if end and sum(map(len, held)) >= _TEXT_BYTES:
            yield b"".join([*held[:-1], block[:end]])
            held = [block[end:]]
    if rest := b"".join(held):
        yield rest


def read_blocks(path: Path) -> Iterator[bytes]:
    """Read a file block by block, its compression undone.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged or cut off.
    """
    ending = path.suffix.lower()
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    with file:
        try:
            blocks = iter(lambda: file.read(_BLOCK_BYTES), b"")
            yield from _decompress(blocks, ending) if ending in COMPRESSIONS else blocks
        except (EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
            raise InputError(
                f"{path}: damaged or cut off {ending} file ({error}); fetch or compress it again"
            ) from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _decompress(blocks: Iterator[bytes], ending: str) -> Iterator[bytes]:
    """Undo all frames one after another; the libraries' own readers take a frame that is cut off for a short one."""
    frame: Any = None
    empty = True
    for block in blocks:
        empty = False
        while block:
            frame = frame or _new_frame(ending)
            try:
                yield frame.decompress(block)
            except Exception as error:
                if type(error).__name__ != "ZstdError":
                    raise
                raise EOFError(str(error)) from None
            block = frame.unused_data if frame.eof else b""
            frame = None if frame.eof else frame
    if empty:
        raise EOFError("it is empty")
    if frame is not None:
        raise EOFError("its last frame does not end")


def _new_frame(ending: str) -> Any:
    if ending == ".gz":
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    if ending == ".xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ)
    import zstandard

    return zstandard.ZstdDecompressor().decompressobj()
