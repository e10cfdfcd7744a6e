"""Files are there whole or not at all."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lingualign.errors import InputError
from lingualign.store import (
    alone,
    discard,
    is_plain_name,
    read_checked,
    whole_file,
    write_atomically,
    write_checked,
)

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


def test_processes_that_write_one_file_leave_one_of_theirs_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    writer = """
import sys
from pathlib import Path
from lingualign.store import write_atomically
for _ in range(60):
    write_atomically(Path(sys.argv[1]), *[sys.argv[2] * 50_000] * 8)
"""
    writers = [subprocess.Popen([sys.executable, "-c", writer, str(path), sign]) for sign in "abc"]
    contents = set()
    while any(each.poll() is None for each in writers):
        if path.exists():
            contents.add(path.read_text())
    assert [each.returncode for each in writers] == [0, 0, 0]
    assert contents <= {sign * 400_000 for sign in "abc"}
    assert list(tmp_path.iterdir()) == [path]


def test_the_name_of_a_killed_writer_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / f"{'n' * 240}.json"
    code = """
import os, sys
from pathlib import Path
from lingualign.store import whole_file
with whole_file(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -signal.SIGKILL
    [left] = tmp_path.iterdir()
    with whole_file(path) as temporary:
        assert temporary == left
        assert temporary.read_text() == ""
        with whole_file(path) as another:  # a name that is in use is not
            assert another != temporary
            another.write_text("second")
        temporary.write_text("first")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_no_changed_bit_of_a_checked_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert read_checked(path) is None
    head = {"search": "key", "done": 7, "plan": {"rows": 3}}
    write_checked(path, head, b"some", memoryview(b"\x00content"))
    whole = path.read_bytes()
    assert read_checked(path) == (head, b"some\x00content")
    for place in range(len(whole)):
        for bit in (1, 8, 128):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            with pytest.raises(ValueError, match=r"."):
                read_checked(path)
    for damage in (b"", whole[:-1], whole + b"\0", b"[" * 100_000, b"1\n", whole[::-1]):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match=r"."):
            read_checked(path)


def test_a_lock_names_its_process_and_goes_with_it(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from lingualign.store import alone
with alone(Path(sys.argv[1]), "taken"):
    print("held", flush=True)
    time.sleep(60)
"""
    lock = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(InputError, match=rf"taken \(it is process {holder.pid} on .*, since 20"),
            alone(lock, "taken"),
        ):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with alone(lock, "taken"):
        pass


def test_of_a_link_the_link_alone_is_removed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("kept")
    (tmp_path / "own").mkdir()
    for place in ("link", "own/link"):
        (tmp_path / place).symlink_to(tmp_path / "folder")
    for name in ("link", "own", "nothing"):
        discard(tmp_path / name)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "file"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "../a", "a\\b", "a\0"])
def test_a_plain_name_stays_in_its_folder(name: str) -> None:
    assert not is_plain_name(name)
    assert is_plain_name("...")
    assert is_plain_name("model.safetensors")
