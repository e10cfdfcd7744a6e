"""Folders that are written whole or not at all, and known for damaged where a disk has failed them."""

from __future__ import annotations

import json
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from lingualign.store.files import discard, file_damage, sha256_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

UNFINISHED = ".unfinished-"
"""How the names of folders begin that are being written or removed."""
_MANIFEST = "manifest.json"


def folder_damage(folder: Path) -> str | None:
    """Compare a folder with its manifest; returns what is wrong, None if nothing is."""
    try:
        files = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))["files"]
        written = [(str(name), int(entry["size"]), str(entry["sha256"])) for name, entry in files.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"no readable {_MANIFEST}"
    for name, size, sha256 in written:
        if damage := file_damage(folder / name, size, sha256):
            return damage
    return None


def _unfinished_name(folder: Path) -> Path:
    """Name the folder in which a folder is written, and in which it is removed."""
    return folder.with_name(f"{UNFINISHED}{folder.name}")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a hidden folder to write into; it takes its name when the block ends well, by one rename.

    A manifest beside its files has their sizes and checksums: see `folder_damage`.
    """
    unfinished = _unfinished_name(folder)
    _clear(unfinished)
    unfinished.mkdir(parents=True)
    try:
        yield unfinished
        files = {
            path.relative_to(unfinished).as_posix(): {"size": path.stat().st_size, "sha256": sha256_of(path)}
            for path in sorted(unfinished.rglob("*"))
            if path.is_file()
        }
        (unfinished / _MANIFEST).write_text(json.dumps({"files": files}, indent=2), encoding="utf-8")
        follow_umask(unfinished)
        unfinished.rename(folder)
    except BaseException:
        _clear(unfinished)
        raise


def remove_folder(folder: Path) -> None:
    """Remove a folder, out of its name first: half of a removed one must not look like a whole one."""
    unfinished = _unfinished_name(folder)
    _clear(unfinished)
    folder.rename(unfinished)
    _clear(unfinished)


def _clear(unfinished: Path) -> None:
    with suppress(OSError):
        discard(unfinished)


@contextmanager
def replaced_folder(place: Path, check: Callable[[], None]) -> Iterator[Path]:
    """Yield an empty folder that takes a place once it is filled; nothing is left of it if that fails.

    What was in the place stays until then, also where the process is killed between the two renames: the next one puts
    it back first.

    Parameters
    ----------
    place
        The folder; its parent exists, and no other process replaces it meanwhile.
    check
        Raises an error if what is in the place must not be replaced.
    """
    unfinished, replaced = (place.with_name(f".{place.name}.{what}") for what in ("unfinished", "replaced"))
    try:
        if replaced.exists() and not place.exists():  # by a process that was killed
            replaced.rename(place)
        check()
        for left in (unfinished, replaced):
            discard(left)
        unfinished.mkdir()
        yield unfinished
        try:
            if place.exists():
                place.rename(replaced)
            unfinished.rename(place)
        except BaseException:
            if replaced.exists() and not place.exists():
                replaced.rename(place)
            raise
    finally:
        with suppress(OSError):
            discard(unfinished)
            if place.exists():
                discard(replaced)


def follow_umask(folder: Path) -> None:
    """Give all files in a folder the permissions of a file made there now: safetensors keeps its own to their owner."""
    probe = folder / ".permissions"
    probe.touch()
    permissions = stat.S_IMODE(probe.stat().st_mode)
    probe.unlink()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(permissions)
