"""A run's folder: nothing outside of it is removed, and one process at a time trains into it."""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_runs import leftovers, run, tiny_run, weights

from kill_steps import killed_before_each_step
from lingualign.errors import InputError
from lingualign.training import train
from lingualign.training.run_folder import RunFolder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, models):
    config = tiny_run(tmp_path_factory.mktemp("trained"), models, max_steps=2, evaluate_every=1)
    train(config, progress=False)
    return config


@pytest.fixture
def finished(tmp_path, trained):
    """A short run that is at its end."""
    shutil.copytree(trained.output, tmp_path / "run")
    return replace(trained, output=str(tmp_path / "run"))


def _state(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "way", ["..", "nested", "absolute", "through a folder", "here", "nothing", "control"]
)
def test_a_list_that_names_what_is_elsewhere_removes_nothing(finished, tmp_path, way) -> None:
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "folder" / "file").write_text("kept")
    (Path(finished.output) / "link").symlink_to(outside)
    name = {
        "..": "../outside",
        "nested": "link/folder",
        "absolute": str(outside),
        "through a folder": "checkpoints/../../outside",
        "here": ".",
        "nothing": "..",
        "control": "a\0b",
    }[way]
    own = Path(finished.output) / ".lingualign-files"
    own.write_text(own.read_text() + f"link\n{name}\n")
    before = _state(tmp_path)
    with pytest.raises(InputError, match=r"\.lingualign-files names .* is not a name in its folder"):
        train(finished, overwrite=True, progress=False)
    assert _state(tmp_path) == before
    # What goes on with the run, or gives it up, takes no notice of such a name.
    folder = RunFolder(finished)
    folder._remove()
    assert _state(outside) == {str(outside / "folder" / "file"): b"kept"}


def test_links_in_a_run_go_and_what_they_lead_to_stays(finished, tmp_path) -> None:
    outside = tmp_path / "outside"
    own, checkpoints = Path(finished.output) / ".lingualign-files", Path(finished.output) / "checkpoints"
    checkpoints.rename(outside)
    (outside / "kept").write_text("kept")
    checkpoints.symlink_to(outside)
    (Path(finished.output) / "link").symlink_to(outside / "kept")
    own.write_text(own.read_text() + "link\n")
    before = _state(outside)
    (Path(finished.output) / "modules.json").rename(tmp_path / "modules.json")
    with pytest.raises(InputError, match=r"--resume: .*checkpoints is a link"):
        train(finished, resume=True, progress=False)
    (tmp_path / "modules.json").rename(Path(finished.output) / "modules.json")
    expected = weights(Path(finished.output))
    train(finished, overwrite=True, progress=False)
    assert _state(outside) == before
    assert weights(Path(finished.output)) == expected
    assert not checkpoints.is_symlink()
    assert not (Path(finished.output) / "link").exists()


def test_a_second_run_in_a_folder_is_refused_and_told_who_trains_there(models, tmp_path, processes) -> None:
    config = tiny_run(tmp_path, models, max_steps=400)
    first = processes.Process(target=run, args=(config,))
    first.start()
    try:
        while first.is_alive() and not list(Path(config.output).glob("checkpoints/checkpoint-*")):
            time.sleep(0.01)
        os.kill(first.pid, signal.SIGSTOP)  # one that stands still holds the folder all the same
        before = _state(tmp_path)
        for options in ({}, {"overwrite": True}, {"resume": True}):
            with pytest.raises(
                InputError, match=rf"another process trains into it;.* \(it is process {first.pid} on "
            ):
                train(config, progress=False, **options)
        assert _state(tmp_path) == before
    finally:
        first.kill()
        first.join()
    # The lock went with its process.
    short = replace(config, training=replace(config.training, max_steps=4))
    train(short, overwrite=True, progress=False)
    assert not (Path(config.output) / ".lock").exists()


def test_a_run_that_is_refused_leaves_no_folder(models, tmp_path) -> None:
    config = replace(tiny_run(tmp_path, models), output=str(tmp_path / "a" / "b"))
    with pytest.raises(InputError, match="there is no run in"):
        train(config, resume=True, progress=False)
    assert not (tmp_path / "a").exists()


def _begin(config, overwrite: bool) -> None:
    RunFolder(config).begin(resume=False, overwrite=overwrite)


def _names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_a_run_that_is_killed_while_it_is_replaced_is_replaced_by_the_same_command(
    finished, tmp_path, processes
) -> None:
    place, whole = Path(finished.output), tmp_path / "whole"
    shutil.rmtree(place / "checkpoints")
    (place / "checkpoints" / "checkpoint-2").mkdir(parents=True)
    (place / "checkpoints" / "checkpoint-2" / "manifest.json").touch()
    shutil.copytree(place, whole)
    steps = 0
    for _ in killed_before_each_step(processes, _begin, finished, True):
        steps += 1
        # It is the run that was there, or does not pass for one.
        assert _names(place) >= _names(whole) or not (place / "modules.json").exists()
        _begin(finished, True)
        assert _names(place) == {"lingualign.yaml", "checkpoints", ".lingualign-files"}
        shutil.rmtree(place)
        shutil.copytree(whole, place)
    assert steps > 10


def test_a_run_that_is_to_replace_another_is_not_resumed_before_it_has_begun(finished) -> None:
    folder = RunFolder(finished)
    folder.check(resume=False, overwrite=True)
    assert "run the same command again" in folder.how_to_go_on()
    folder.begin(resume=False, overwrite=True)
    (folder.checkpoints / "checkpoint-1").mkdir()
    assert folder.how_to_go_on() == "go on with --resume"


def test_a_run_that_is_killed_while_it_begins_is_in_nobodys_way(finished, tmp_path, processes) -> None:
    config = replace(finished, output=str(tmp_path / "new"))
    for _ in killed_before_each_step(processes, _begin, config, False):
        folder = RunFolder(config)
        folder.begin(resume=folder.config_file.is_file(), overwrite=False)
        assert _names(folder.path) == {"lingualign.yaml", "checkpoints", ".lingualign-files"}
        shutil.rmtree(folder.path)


def _save(config) -> None:
    from sentence_transformers import SentenceTransformer

    RunFolder(config).save_model(
        SentenceTransformer(str(Path(config.output) / "checkpoints" / "checkpoint-2"))
    )


def test_a_model_that_is_killed_while_it_is_saved_is_whole_or_not_finished(
    finished, tmp_path, processes
) -> None:
    place = Path(finished.output)
    _save(finished)
    whole, begun = _state(place), tmp_path / "begun"
    shutil.copytree(place, begun)
    (begun / "modules.json").unlink()
    for name in (*weights(place), "config_sentence_transformers.json"):
        (begun / name).unlink()
    shutil.rmtree(place)
    shutil.copytree(begun, place)
    for _ in killed_before_each_step(processes, _save, finished):
        if not (place / "modules.json").exists():
            RunFolder(finished).check(resume=True, overwrite=False)
            _save(finished)
        assert _state(place) == whole
        assert not leftovers(place)
        shutil.rmtree(place)
        shutil.copytree(begun, place)
