"""A checkpoint is whole, or it is known not to be."""

from __future__ import annotations

import logging
import os
import shutil
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from lingualign.store import folder_damage, whole_folder
from lingualign.training.checkpoints import checkpoints, keep_only, last_whole

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = "0_Transformer/model.safetensors"


def _write(folder: Path, step: int) -> Path:
    with whole_folder(folder / f"checkpoint-{step}") as unfinished:
        assert checkpoints(folder) == [folder / f"checkpoint-{n}" for n in (5, 20) if n < step]
        (unfinished / "0_Transformer").mkdir()
        (unfinished / WEIGHTS).write_bytes(bytes([step]) * 1000)
        (unfinished / "trainer_state.json").write_text("{}")
    return folder / f"checkpoint-{step}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for step in (5, 20, 100):
        _write(tmp_path, step)
    return tmp_path


def _truncate(checkpoint: Path) -> None:
    (checkpoint / WEIGHTS).write_bytes((checkpoint / WEIGHTS).read_bytes()[:-1])


def _flip_a_bit(checkpoint: Path) -> None:
    content = bytearray((checkpoint / WEIGHTS).read_bytes())
    content[500] ^= 1
    (checkpoint / WEIGHTS).write_bytes(content)


def _lose_a_folder(checkpoint: Path) -> None:
    shutil.rmtree(checkpoint / "0_Transformer")


def _lose_the_manifest(checkpoint: Path) -> None:
    (checkpoint / "manifest.json").unlink()


def _cut_the_manifest(checkpoint: Path) -> None:
    (checkpoint / "manifest.json").write_text('{"files": {"trainer_state.json": {"si')


def _spoil_the_manifest(checkpoint: Path) -> None:
    (checkpoint / "manifest.json").write_text('{"files": [1]}')


@pytest.mark.parametrize(
    "damage",
    [_truncate, _flip_a_bit, _lose_a_folder, _lose_the_manifest, _cut_the_manifest, _spoil_the_manifest],
)
def test_a_damaged_checkpoint_is_left_out_with_a_warning(folder, damage, caplog) -> None:
    assert last_whole(folder) == folder / "checkpoint-100"
    assert not caplog.records
    damage(folder / "checkpoint-100")
    with caplog.at_level(logging.WARNING):
        assert last_whole(folder) == folder / "checkpoint-20"
    [record] = caplog.records
    assert "checkpoint-100 is damaged" in record.message
    # Out of the way: the run that goes on will write this very step again.
    assert {path.name for path in folder.iterdir()} == {"checkpoint-5", "checkpoint-20"}


def test_a_run_of_damaged_checkpoints_alone_has_none(folder) -> None:
    for checkpoint in checkpoints(folder):
        _flip_a_bit(checkpoint)
    assert last_whole(folder) is None
    assert not list(folder.iterdir())


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, RuntimeError])
def test_a_checkpoint_whose_writing_fails_leaves_nothing(folder, error) -> None:
    def fail() -> None:
        with whole_folder(folder / "checkpoint-200") as unfinished:
            (unfinished / "half").write_bytes(b"x")
            raise error

    with pytest.raises(error):
        fail()
    assert len(list(folder.iterdir())) == 3


def test_what_a_killed_process_left_is_no_checkpoint_and_goes_with_the_next(folder) -> None:
    unfinished = folder / ".unfinished-checkpoint-200"
    unfinished.mkdir()
    (unfinished / "manifest.json").write_text("{}")
    assert last_whole(folder) == folder / "checkpoint-100"
    keep_only(folder, {"checkpoint-100"})
    assert [path.name for path in folder.iterdir()] == ["checkpoint-100"]
    assert folder_damage(folder / "checkpoint-100") is None


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o002])
def test_every_file_follows_the_umask_whatever_library_writes_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with whole_folder(tmp_path / "checkpoint-1") as unfinished:
            (unfinished / "0_Transformer").mkdir()
            save_file({"a": torch.zeros(3)}, unfinished / WEIGHTS)
            (unfinished / "trainer_state.json").write_text("{}")
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "checkpoint-1").rglob("*") if path.is_file()}
    assert modes == {0o666 & ~umask}
    assert not list(tmp_path.rglob(".permissions"))
