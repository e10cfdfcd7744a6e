"""Files are there whole or not at all."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from lingualign.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def test_parts_are_written_in_order_and_replace_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("an older and longer one")
    expected = "é\n".encode() + b"\x00ab" + b"cd"
    size, digest = write_atomically(path, "é\n", b"\x00ab", memoryview(b"cd"))
    assert path.read_bytes() == expected
    assert (size, digest) == (len(expected), hashlib.sha256(expected).hexdigest())
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new", "\ud800")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "folder", "new")
    assert path.read_text() == "old"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]
