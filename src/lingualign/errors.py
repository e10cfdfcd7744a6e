"""The one exception that a user is meant to read, and other failures put into words that a user understands."""

from __future__ import annotations

import errno
import os
import re


class InputError(ValueError):
    r"""Something the user gave cannot be used.

    The message is complete by itself: it names the parameter or the file and row, the value got, what is
    allowed, and the cure. The command line prints it as one line and exits with status 2; a library caller
    catches it as a ``ValueError``. A message may quote a file's name or content: control characters in it are
    written out, as ``\x1b``.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(str(message)))


class SharedInputError(InputError):
    """An input error that several processes of a run have raised together, and that another of them tells."""


_SEQUENCE = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|[\\]PX^_].*?(?:\x07|\x1b\\\\|$)|[ -/]*[0-~])", re.DOTALL)
"""What a terminal obeys (ECMA-48): control sequences, strings such as a window's title, and two-character ones."""

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line separators, marks that turn the direction of what follows, and halves of surrogate pairs
(bytes of a file's name that are not UTF-8)."""


def printable(text: str) -> str:
    r"""Write out what a terminal would obey or cannot show: ESC as ``\x1b``, a byte that is not UTF-8 as ``\xe9``."""
    return _UNPRINTABLE.sub(_written_out, text)


def quoted(text: str, longest: int = 200) -> str:
    """Prepare a stranger's words for a message: one line of at most ``longest`` characters, no terminal sequences."""
    line = printable(" ".join(_SEQUENCE.sub("", text).split()))
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def first_line(error: BaseException) -> str:
    """Give the first line of what an error of another library says; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


_FULL = "make room"
_FORBIDDEN = "allow it, or give another place"
_CURES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EROFS: "give a place that can be written to",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ELOOP: "the link leads back to itself; give the file or folder that it was to lead to",
    errno.EMFILE: "raise the limit (ulimit -n)",
    errno.ENFILE: "close other programs",
    errno.ENOMEM: "close other programs, or raise the limit (ulimit -v)",
    errno.EAGAIN: "close other programs, or raise the limit of processes (ulimit -u)",
    errno.EIO: "the disk fails; give a place on another one",
    errno.ENOENT: "look whether it was moved or removed",
}
_MEMORY_SIGNS = ("can't allocate memory", "bad_alloc", "out of memory", "could not create a primitive")
_MAP_SIGN = "failed to map segment from shared object"  # an ImportError, from the dynamic linker
_THREAD_SIGN = "can't start new thread"
_LOOP_SIGN = "Symlink loop from "  # of pathlib, a RuntimeError before Python 3.13


def is_out_of_memory(error: BaseException) -> bool:
    """Tell the errors of Python, of CUDA, and of torch and oneDNN on the CPU, which have no kind of their own."""
    if isinstance(error, MemoryError) or (isinstance(error, ImportError) and _MAP_SIGN in str(error)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _MEMORY_SIGNS)


def is_panic(error: BaseException) -> bool:
    """Tell what a library in Rust raises at its own assertions; for Python it is not an `Exception`."""
    return type(error).__name__ == "PanicException"


def environment_failure(error: BaseException) -> str | None:
    """Explain what the machine would not do: one line with the file and the cure; None for a defect of the program.

    Disks that are full or read-only, names that no file can have, memory, threads, text that is not Unicode. Libraries
    that know no kinds of errors are told by the system's words, which they pass on.
    """
    if is_out_of_memory(error):
        return (
            f"out of memory ({quoted(first_line(error))}); close other programs, give a smaller --memory or batch "
            "where there is one, or raise the limit (ulimit -v)"
        )
    if isinstance(error, RecursionError):
        return (
            "something that was read is nested too deeply; no file of this kind needs that, give another one"
        )
    if is_panic(error):
        return f"a library broke off ({quoted(first_line(error))}); the tokenizer or weights of the model are damaged"
    if isinstance(error, UnicodeError):
        return _not_unicode(error)
    if isinstance(error, OSError) and error.errno is not None:
        name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else "output"
        said = first_line(error) if error.strerror is None else error.strerror
        cure = f"; {_CURES[error.errno]}" if error.errno in _CURES else ""
        return printable(f"{name}: {said}{cure}")
    code = _code_in_words(str(error))
    if code is not None:
        return f"{quoted(first_line(error))}; {_CURES[code]}"
    return quoted(first_line(error)) if isinstance(error, OSError) else None


def _code_in_words(text: str) -> int | None:
    """Find the system's error that a library's text passes on, as C or Rust words it."""
    if _THREAD_SIGN in text:
        return errno.EAGAIN
    if text.startswith(_LOOP_SIGN):
        return errno.ELOOP
    number = re.search(r"\(os error (\d+)\)", text)
    if number is not None and int(number[1]) in _CURES:
        return int(number[1])
    return next((code for code in _CURES if code != errno.ENOENT and os.strerror(code) in text), None)


def _not_unicode(error: UnicodeError) -> str:
    if isinstance(error, UnicodeEncodeError):
        around = quoted(error.object[max(0, error.start - 60) : error.end + 60])
        return f"'{around}' cannot be written as {error.encoding}: {error.reason}; rename or convert it"
    if isinstance(error, UnicodeDecodeError):
        around = quoted(error.object[max(0, error.start - 60) : error.end + 60].decode("latin-1"))
        return f"'{around}' is not {error.encoding}: {error.reason}; convert it to UTF-8"
    return f"text that is not Unicode ({quoted(first_line(error))}); convert it to UTF-8"


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return found[0].encode("unicode_escape").decode()
