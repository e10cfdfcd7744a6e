"""What a stranger wrote cannot reach a terminal as it is, and what the machine would not do is told with its cure."""

from __future__ import annotations

import errno
import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingualign.errors import InputError, environment_failure, printable, quoted

HOSTILE = st.text(
    st.characters(categories=["Cc", "Cs", "Zl", "Zp", "L"])
    | st.sampled_from("\x1b[]0;m\x07\u202e\u2066\udce9")
)


@given(HOSTILE)
def test_no_message_holds_what_a_terminal_obeys_or_no_file_can_hold(text: str) -> None:
    for shown in (printable(text), quoted(text), str(InputError(text))):
        assert shown.isprintable() or not set(shown) & {"\x1b", "\n", "\x07", "\x9b", "\u202e", "\u2066"}
        shown.encode()
    assert len(quoted(text)) <= 200
    assert printable(printable(text)) == printable(text)
    error = InputError(text)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@given(st.text(st.characters(categories=["L", "N", "M", "P", "S", "Zs"])))
def test_a_message_of_ordinary_text_stays_as_it_is(text: str) -> None:
    assert str(InputError(text)) == text


def test_terminal_sequences_leave_nothing_of_themselves() -> None:
    assert quoted("a\x1b[31;1mb\x1b]0;title\x07c\x1b]8;;http://x\x1b\\d\x1bce\r\nf\x9bg") == "abcde f\\x9bg"
    assert printable("caf\udce9 \x1b[2J") == "caf\\xe9 \\x1b[2J"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a.tsv"), "a.tsv: No space left on device; make room"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), b"a\xe9"), "a\\xe9: Read-only file system; give a place"),
        (OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), "a"), "give a shorter name"),
        (RuntimeError("Error in FileIOWriter: could not open x for writing: Read-only file system"), "give a pl"),
        (ValueError("I/O error: No space left on device (os error 28)"), "make room"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), "out of mem"),
        (MemoryError("Unable to allocate 8 TiB for an array"), "out of memory (Unable to allocate 8 TiB"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (RuntimeError("Symlink loop from 'x'"), "the link leads back to itself"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (UnicodeEncodeError("ascii", "Ünter", 0, 1, "ordinal not in range(128)"), "'Ünter' cannot be written as"),
        (UnicodeDecodeError("utf-8", b"caf\xe9", 3, 4, "unexpected end of data"), "'café' is not utf-8: unexp"),
    ],
)  # fmt: skip
def test_what_the_machine_would_not_do_is_one_line_with_the_cure(error: Exception, message: str) -> None:
    line = environment_failure(error)
    assert line is not None
    assert message in line
    assert line.isprintable()


@pytest.mark.parametrize("error", [KeyError("x"), ValueError("x"), RuntimeError("x"), AssertionError("x")])
def test_a_defect_is_not_explained_away(error: Exception) -> None:
    assert environment_failure(error) is None
