"""Files as text: decompression, and errors that name the place where text is not in its encoding.

A zip archive is a folder that is read and never unpacked: a member has the path ``ARCHIVE.zip/NAME``.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import struct
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lingualign.errors import InputError
from lingualign.pairs.formats.encodings import is_utf8, utf8_blocks
from lingualign.store import check_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

ARCHIVE = ".zip"
_DAMAGED = (
    zipfile.BadZipFile,
    EOFError,
    IndexError,
    OverflowError,
    RuntimeError,  # also for a compression method that zipfile does not know
    ValueError,
    struct.error,
)
_LEAVES_THE_FOLDER = re.compile(r"/|[A-Za-z]:|.*\\|(.*/)?\.\.(/|$)", re.DOTALL)


def leaves_the_folder(name: str) -> bool:
    """Return whether a member's name leads out of the folder of unpacking, on any system."""
    return _LEAVES_THE_FOLDER.match(name) is not None


def archive_of(path: Path) -> Path | None:
    """Return the archive that a path leads into, or is; None for other paths."""
    if path.suffix.lower() == ARCHIVE and path.is_file():
        return path
    return next(
        (parent for parent in path.parents if parent.suffix.lower() == ARCHIVE and parent.is_file()), None
    )


def members(archive: Path) -> list[Path]:
    """List the files in an archive, sorted, hidden ones left out.

    Raises
    ------
    InputError
        If it is damaged or encrypted, or names a file twice or one outside of the folder of unpacking.
    """
    with _opened(archive) as opened:
        return [archive / name for name in _names(archive, opened)]


@contextmanager
def open_member(path: Path) -> Iterator[IO[bytes]]:
    """Open a file in an archive; a path to the archive itself means its only file.

    Raises
    ------
    InputError
        As in `members`; or if an archive that stands for a file does not hold exactly one.
    """
    archive = archive_of(path)
    if archive is None:
        raise InputError(f"{path}: no such file")
    with _opened(archive) as opened:
        names = _names(archive, opened)
        if path == archive and len(names) != 1:
            found = ", ".join(names[:5]) or "nothing"
            raise InputError(
                f"{path}: as the name of a compressed file it must hold one file, and holds {len(names)} ({found}); "
                "unpack it"
            )
        name = names[0] if path == archive else path.relative_to(archive).as_posix()
        if name not in names:
            raise InputError(f"{path}: there is no such file in the archive")
        with opened.open(name) as file:
            yield file


@contextmanager
def _opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(archive) as opened:
            yield opened
    except InputError:
        raise
    except _DAMAGED as error:
        raise InputError(
            f"{archive}: damaged or cut off .zip file ({error}); fetch or pack it again"
        ) from None


def _names(archive: Path, opened: zipfile.ZipFile) -> list[str]:
    infos = [info for info in opened.infolist() if not info.is_dir()]
    names = [info.filename for info in infos]
    for info in infos:
        if leaves_the_folder(info.filename):
            raise InputError(
                f"{archive}: holds a file named {info.filename!r}, which would leave the folder that it is unpacked "
                "in; nothing of such an archive is read"
            )
        if info.flag_bits & 1:
            raise InputError(f"{archive}: {info.filename!r} is encrypted; unpack it and give the folder")
    if len(set(names)) < len(names):
        raise InputError(f"{archive}: holds two files of one name; nothing of such an archive is read")
    return sorted(name for name in names if not re.search(r"(^|/)(\.|__MACOSX/)", name))


_BLOCK_BYTES = 1 << 20
_TEXT_BYTES = 4 << 20
_LONGEST_LINE_BYTES = 1 << 26
_SLICE_BYTES = 1 << 12  # small, since content may be compressed a thousandfold
_LARGEST_WINDOW_BYTES = 1 << 28

EXPANSION = 200
"""Maximum factor by which text is compressed; a larger one is made to fill a machine."""
FREE_EXPANSION_BYTES = 1 << 28


@dataclass(frozen=True)
class Compression:
    """A row of `COMPRESSIONS`.

    Parameters
    ----------
    compress
        Function from content and its uncompressed name to bytes that do not depend on the time.
    new_frame
        Maker of the decompressor of one frame; None for an archive, whose members are read.
    """

    compress: Callable[[bytes, str], bytes]
    new_frame: Callable[[], Any] | None


def _new_zst_frame() -> Any:
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW_BYTES).decompressobj()


def _to_zst(content: bytes, _: str) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(content)


def _to_zip(content: bytes, name: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


COMPRESSIONS = {
    ".gz": Compression(
        lambda content, _: gzip.compress(content, mtime=0), lambda: zlib.decompressobj(zlib.MAX_WBITS | 16)
    ),
    ".zst": Compression(_to_zst, _new_zst_frame),
    ".xz": Compression(
        lambda content, _: lzma.compress(content),
        lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LARGEST_WINDOW_BYTES),
    ),
    ".bz2": Compression(lambda content, _: bz2.compress(content), bz2.BZ2Decompressor),
    ARCHIVE: Compression(_to_zip, None),
}
"""Compressions of text by the ending of a file's name."""


def compressed(content: bytes, output: Path) -> bytes:
    """Compress by the ending of a file's name, independent of the time; other endings change nothing."""
    ending = output.suffix.lower()
    return (
        COMPRESSIONS[ending].compress(content, without_compression(output.name))
        if ending in COMPRESSIONS
        else content
    )


def without_compression(name: str) -> str:
    """Return ``x.en-fr.tsv`` for ``x.en-fr.tsv.gz``; other names unchanged."""
    ending = next((ending for ending in COMPRESSIONS if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)]


def ending_of(path: Path) -> str:
    """Return the last ending of a file's name in lower case, without that of its compression."""
    return Path(without_compression(path.name)).suffix.lower()


def read_text(path: Path, encoding: str | None = None) -> bytes:
    r"""Read a whole file: decompress it, turn it into UTF-8, remove a byte order mark.

    Parameters
    ----------
    path
        The file.
    encoding
        Encoding of a file that has no byte order mark and is not UTF-8.

    Returns
    -------
    bytes
        Valid UTF-8 with ``\n`` for ``\r\n``.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged or cut off, expands too much, or is not in its encoding (the message
        names the line, and the likely encoding).
    """
    return b"".join(text_blocks(path, encoding))


def text_blocks(
    path: Path, encoding: str | None = None, declaration: re.Pattern[bytes] | None = None
) -> Iterator[bytes]:
    """Yield the content of `read_text` in blocks of whole lines, some megabytes each; raises the same errors.

    Parameters
    ----------
    path, encoding, declaration
        See `utf8_file`.
    """
    return _whole_lines(utf8_file(path, encoding, declaration), path)


def utf8_file(
    path: Path, encoding: str | None = None, declaration: re.Pattern[bytes] | None = None
) -> Iterator[bytes]:
    """Read a text file as valid UTF-8 in blocks cut anywhere.

    The encoding is that of the byte order mark, else the declared one, else UTF-8 if all of it is valid, else the given
    one. A file with a given encoding is read twice.

    Parameters
    ----------
    path
        The file, compressed or not.
    encoding
        Encoding of a file that declares none and is not UTF-8.
    declaration
        See `utf8_blocks`.
    """
    if encoding is not None and is_utf8(read_blocks(path), declaration):
        encoding = None
    return utf8_blocks(read_blocks(path), path, encoding, declaration)


def whole_lines(blocks: Iterable[bytes], path: Path) -> Iterator[bytes]:
    """Yield the blocks of `text_blocks` from blocks cut anywhere; the path is for messages."""
    return _whole_lines(utf8_blocks(blocks, path), path)


def _whole_lines(decoded: Iterable[bytes], path: Path) -> Iterator[bytes]:
    lines = 0
    held: list[bytes] = []
    size = 0
    for block in decoded:
        held.append(block)
        size += len(block)
        end = block.rfind(b"\n") + 1
        if end and size >= _TEXT_BYTES:
            whole = b"".join([*held[:-1], block[:end]])
            yield whole.replace(b"\r\n", b"\n")
            lines += whole.count(b"\n")
            held, size = [block[end:]], len(block) - end
        elif size > _LONGEST_LINE_BYTES:
            raise InputError(
                f"{path}, line {lines + 1}: goes on for more than "
                f"{_LONGEST_LINE_BYTES >> 20} MiB; are the line breaks lost?"
            )
    if rest := b"".join(held):
        yield rest.replace(b"\r\n", b"\n")


def read_blocks(path: Path) -> Iterator[bytes]:
    """Read a file block by block, decompressed; the path may lead into an archive.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged or cut off, or expands more than `EXPANSION` times and to more than
        256 MiB.
    """
    ending = path.suffix.lower()
    try:
        archive = archive_of(path)
        check_regular(archive or path)
        size = (archive or path).stat().st_size
        opened: AbstractContextManager[IO[bytes]] = open_member(path) if archive else path.open("rb")
        with opened as file:
            blocks: Iterator[bytes] = iter(lambda: file.read(_BLOCK_BYTES), b"")
            if ending in COMPRESSIONS and (new_frame := COMPRESSIONS[ending].new_frame):
                blocks = _decompress(blocks, new_frame)
            yield from _bounded(blocks, path, size) if archive or ending in COMPRESSIONS else blocks
    except (EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path}: damaged or cut off {ending} file ({error}); fetch or compress it again"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _bounded(blocks: Iterable[bytes], path: Path, size: int) -> Iterator[bytes]:
    """Join small decompressed blocks to blocks of a megabyte, up to the limit."""
    limit = max(size * EXPANSION, FREE_EXPANSION_BYTES)
    given = 0
    held: list[bytes] = []
    waiting = 0
    for block in blocks:
        held.append(block)
        waiting += len(block)
        if waiting < _BLOCK_BYTES:
            continue
        given += waiting
        if given > limit:
            raise InputError(
                f"{path}: expands to more than {limit >> 20:,} MiB, over {EXPANSION} times its size, as no text does; "
                "if it is what you want, unpack it yourself"
            )
        yield b"".join(held)
        held, waiting = [], 0
    yield b"".join(held)


def _decompress(blocks: Iterator[bytes], new_frame: Callable[[], Any]) -> Iterator[bytes]:
    """Decompress all frames in turn; the libraries' own readers accept a frame that is cut off."""
    frame: Any = None
    empty = True
    for block in _slices(blocks):
        empty = False
        while block:
            frame = frame or new_frame()
            try:
                yield frame.decompress(block)
            except Exception as error:
                if type(error).__name__ != "ZstdError" and not isinstance(error, OSError | MemoryError):
                    raise
                raise EOFError(str(error)) from None
            block = frame.unused_data if frame.eof else b""
            frame = None if frame.eof else frame
    if empty:
        raise EOFError("it is empty")
    if frame is not None:
        raise EOFError("its last frame does not end")


def _slices(blocks: Iterator[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), _SLICE_BYTES):
            yield block[start : start + _SLICE_BYTES]
