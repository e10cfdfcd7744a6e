"""Runs that survive: real processes, really killed, end as those that were never disturbed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tiny_runs import SAMPLE, leftovers, run, tiny_run, weights

from lingualign.store import folder_damage
from lingualign.training import EarlyStoppingConfig
from lingualign.training.checkpoints import checkpoints


def _finish(processes, config, resume=False) -> float:
    began = time.monotonic()
    process = processes.Process(target=run, args=(config, resume))
    process.start()
    process.join(120)
    assert process.exitcode == 0
    return time.monotonic() - began


@pytest.fixture(scope="module", params=["static", "encoder"])
def undisturbed(request, tmp_path_factory, models, processes):
    """A run that nobody has disturbed, its configuration and its seconds."""
    folder = tmp_path_factory.mktemp(request.param)
    config = tiny_run(folder, models, request.param)
    _finish(processes, config)
    shutil.rmtree(config.output)
    seconds = _finish(processes, config)
    return config, seconds


def log(folder: Path) -> list[dict[str, Any]]:
    """The log of a run; each step has its entries once."""
    entries: list[dict[str, Any]] = json.loads((folder / "training_log.json").read_text())
    return entries


def _elsewhere(config, folder: Path):
    return replace(config, output=str(folder / "run"))


def test_a_run_killed_at_random_moments_ends_with_the_same_weights(undisturbed, tmp_path, processes) -> None:
    config, seconds = undisturbed
    disturbed = _elsewhere(config, tmp_path)
    folder = tmp_path / "run" / "checkpoints"
    generator = random.Random(11)
    kills = 0
    deadline = time.monotonic() + 60
    while kills < 3 and time.monotonic() < deadline:
        process = processes.Process(target=run, args=(disturbed, (tmp_path / "run").exists()))
        process.start()
        if kills % 2:
            time.sleep(generator.uniform(0.3, 1) * seconds)
        else:
            # In the middle of a checkpoint, or of removing an old one.
            while process.is_alive() and not list(folder.glob(".unfinished-*")):
                time.sleep(0.0005)
            time.sleep(generator.uniform(0, 0.02))
        process.kill()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        kills += 1
        for checkpoint in checkpoints(folder):
            assert folder_damage(checkpoint) is None
    assert kills >= 1
    if process.exitcode != 0:
        _finish(processes, disturbed, resume=(tmp_path / "run").exists())
    assert weights(tmp_path / "run") == weights(Path(config.output))
    assert log(tmp_path / "run") == log(Path(config.output))
    assert not leftovers(tmp_path / "run")


def test_a_killed_run_has_its_log_whole(undisturbed, tmp_path, processes) -> None:
    config, _ = undisturbed
    disturbed = _elsewhere(config, tmp_path)
    _kill_after(processes, disturbed, 8)
    entries = log(tmp_path / "run")
    assert [entry["step"] for entry in entries][:2] == [4, 8]
    assert entries == log(Path(config.output))[: len(entries)]


def test_a_run_stopped_between_two_entries_of_the_log_has_the_same_log_in_the_end(
    undisturbed, tmp_path, processes
) -> None:
    config, _ = undisturbed
    disturbed = _elsewhere(config, tmp_path)
    process = processes.Process(target=run, args=(disturbed,))
    process.start()
    while process.is_alive() and not checkpoints(tmp_path / "run" / "checkpoints"):
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGTERM)
    process.join(60)
    assert process.exitcode != 0
    _finish(processes, disturbed, resume=True)
    assert log(tmp_path / "run") == log(Path(config.output))


def test_a_run_killed_after_its_last_step_takes_no_other(models, tmp_path, processes) -> None:
    config = tiny_run(tmp_path, models)
    _finish(processes, config)
    trained, logged = weights(tmp_path / "run"), log(tmp_path / "run")
    (tmp_path / "run" / "modules.json").unlink()
    _finish(processes, config, resume=True)
    assert weights(tmp_path / "run") == trained
    assert log(tmp_path / "run") == logged


KILLS = 20


def _train_under_fire(config, killed: Path) -> None:
    """Prepare a run once; kill its training many times, each time going on from the last checkpoint."""
    from lingualign.training import fit as recipe
    from lingualign.training import train

    torch.set_num_threads(1)
    fit: Any = recipe.fit
    folder = Path(config.output) / "checkpoints"
    generator = random.Random(5)

    def fit_under_fire(config, student, batches, evaluator, run_folder, _, progress):
        seconds = 0.5
        for kill in range(KILLS + 1):
            began, before = time.monotonic(), checkpoints(folder)[-1:]
            process = os.fork()
            if process == 0:
                return fit(
                    config, student, batches, evaluator, run_folder, run_folder.last_checkpoint(), progress
                )
            if kill < KILLS:
                moment = began + generator.uniform(0, 1) * seconds
                while checkpoints(folder)[-1:] == before and (kill % 2 or time.monotonic() < moment):
                    # In the middle of a checkpoint, or of removing an old one; or at any other moment before.
                    if kill % 2 and list(folder.glob(".unfinished-*")):
                        time.sleep(generator.uniform(0, 0.02))
                        break
                    time.sleep(0.0005)
                if kill % 2:
                    seconds = time.monotonic() - began
                os.kill(process, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            if kill == KILLS:
                os._exit(status)
            assert status == -signal.SIGKILL
            assert all(folder_damage(checkpoint) is None for checkpoint in checkpoints(folder))
            with killed.open("a") as file:
                file.write(f"{status}\n")
        raise AssertionError

    recipe.fit = fit_under_fire
    train(config, progress=False)
    os._exit(0)


@pytest.mark.parametrize("kind", ["static", "encoder"])
def test_training_killed_at_many_moments_ends_with_the_same_weights(
    kind, models, tmp_path, processes
) -> None:
    config = tiny_run(tmp_path, models, kind, max_steps=128)
    _finish(processes, config)
    disturbed = _elsewhere(config, tmp_path / "disturbed")
    process = processes.Process(target=_train_under_fire, args=(disturbed, tmp_path / "killed"))
    process.start()
    process.join(240)
    assert process.exitcode == 0
    assert len((tmp_path / "killed").read_text().splitlines()) == KILLS >= 20
    assert weights(tmp_path / "disturbed" / "run") == weights(tmp_path / "run")
    logs = [tmp_path / folder / "run" / "training_log.json" for folder in (".", "disturbed")]
    assert logs[0].read_bytes() == logs[1].read_bytes()
    assert not leftovers(tmp_path)


def test_the_best_state_and_not_the_last_is_what_stays(undisturbed) -> None:
    folder = Path(undisturbed[0].output)
    scores = {
        row["step"]: row["eval_validation_accuracy"]
        for row in log(folder)
        if "eval_validation_accuracy" in row
    }
    assert list(scores) == [4, 8, 12, 16, 20, 24]
    best = max(scores, key=scores.get)
    kept = folder / "checkpoints" / f"checkpoint-{best}"
    found = dict(weights(kept).items())
    assert found == weights(folder)


def test_the_last_two_checkpoints_and_the_best_are_kept(undisturbed) -> None:
    kept = {path.name for path in checkpoints(Path(undisturbed[0].output) / "checkpoints")}
    assert {"checkpoint-20", "checkpoint-24"} <= kept
    assert len(kept) <= 3


def _as_if_killed_before_its_end(config, folder: Path):
    disturbed = _elsewhere(config, folder)
    shutil.copytree(config.output, disturbed.output)
    for path in Path(disturbed.output).iterdir():
        if path.name not in ("lingualign.yaml", "data_report.json", "checkpoints", ".lingualign-files"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return disturbed


def test_a_damaged_checkpoint_is_replaced_by_the_one_before(undisturbed, tmp_path, caplog) -> None:
    config, _ = undisturbed
    disturbed = _as_if_killed_before_its_end(config, tmp_path)
    [broken] = (tmp_path / "run" / "checkpoints").glob("checkpoint-24/optimizer.pt")
    with broken.open("r+b") as file:
        file.truncate(broken.stat().st_size // 2)
    threads = torch.get_num_threads()
    run(disturbed, resume=True)
    torch.set_num_threads(threads)
    assert "checkpoint-24 is damaged (" in caplog.text
    assert f"{broken} has " in caplog.text
    assert weights(tmp_path / "run") == weights(Path(config.output))


def test_a_moved_run_still_finds_its_best_checkpoint(undisturbed, tmp_path, processes) -> None:
    config, _ = undisturbed
    disturbed = _as_if_killed_before_its_end(config, tmp_path)
    _finish(processes, disturbed, resume=True)
    assert weights(tmp_path / "run") == weights(Path(config.output))


def test_a_run_that_had_stopped_early_takes_no_further_step(models, tmp_path, processes) -> None:
    # At this rate nothing is learnt after the first evaluation, so patience is at its end soon.
    config = tiny_run(
        tmp_path / "one",
        models,
        learning_rate=1e-9,
        early_stopping=EarlyStoppingConfig("validation", patience=2),
    )
    (tmp_path / "one").mkdir()
    _finish(processes, config)
    last = checkpoints(Path(config.output) / "checkpoints")[-1]
    assert int(last.name.partition("-")[2]) < 24
    again = _as_if_killed_before_its_end(config, tmp_path / "two")
    _finish(processes, again, resume=True)
    assert checkpoints(tmp_path / "two" / "run" / "checkpoints")[-1].name == last.name
    assert weights(tmp_path / "two" / "run") == weights(Path(config.output))


def test_other_pairs_or_another_configuration_are_no_resumption(undisturbed, tmp_path) -> None:
    from lingualign.errors import InputError
    from lingualign.training import train

    config, _ = undisturbed
    disturbed = _as_if_killed_before_its_end(config, tmp_path)
    changed = replace(disturbed, training=replace(disturbed.training, learning_rate=1.0))
    with pytest.raises(InputError, match=r"differs in training\.learning_rate"):
        train(changed, resume=True, progress=False)
    report = tmp_path / "run" / "data_report.json"
    report.write_text(report.read_text().replace("320", "319"))
    with pytest.raises(InputError, match="not those that the run"):
        train(disturbed, resume=True, progress=False)


def test_an_extended_student_goes_on_from_the_start_that_was_kept(
    models, tmp_path, processes, capsys
) -> None:
    from lingualign.training import train

    config = tiny_run(tmp_path, models, "extended")
    _finish(processes, config)
    # Killed among the first steps, in which the embeddings learn alone, and after them; before any checkpoint, with the
    # start damaged.
    for last, whole in ((4, True), (12, True), (0, False)):
        disturbed = _as_if_killed_before_its_end(config, tmp_path / f"{last}-{whole}")
        again = replace(config, output=str(tmp_path / f"{last}-again"))
        if last:
            _kill_after(processes, again, last)
            shutil.rmtree(disturbed.output)
            shutil.move(again.output, disturbed.output)
        else:
            for checkpoint in checkpoints(Path(disturbed.output) / "checkpoints"):
                shutil.rmtree(checkpoint)
        if not whole:
            with (Path(disturbed.output) / "checkpoints" / "start" / "model.safetensors").open("r+b") as file:
                file.truncate(100)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        train(disturbed, resume=True)
        torch.set_num_threads(threads)
        assert ("static steps" in capsys.readouterr().out) == (not whole)
        assert weights(Path(disturbed.output)) == weights(Path(config.output))


def _kill_after(processes, config, step: int) -> None:
    """Kill a run once it has written the checkpoint of a step."""
    process = processes.Process(target=run, args=(config,))
    process.start()
    while process.is_alive() and not (Path(config.output) / "checkpoints" / f"checkpoint-{step}").is_dir():
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_other_words_in_as_many_pairs_are_no_resumption(models, tmp_path) -> None:
    from lingualign.errors import InputError
    from lingualign.training import train

    pairs = tmp_path / "pairs.tsv"
    rows = Path(SAMPLE).read_text(encoding="utf-8")
    pairs.write_text(rows, encoding="utf-8")
    config = tiny_run(tmp_path, models, max_steps=1)
    config = replace(config, pairs=replace(config.pairs, sources=[str(pairs)]))
    train(config, progress=False)
    (tmp_path / "run" / "modules.json").unlink()
    pairs.write_text(rows.replace(".", "!", 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"not those that the run .* began with; .* differs in sentences\."):
        train(config, resume=True, progress=False)


COMMAND = [sys.executable, "-m", "lingualign"]


def _command(config, folder: Path, *arguments: str, **options) -> subprocess.Popen[str]:
    from dataclasses import asdict

    (folder / "c.yaml").write_text(yaml.safe_dump(asdict(config)))
    return subprocess.Popen(
        [*COMMAND, "train", "--config", str(folder / "c.yaml"), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        **options,
    )


def test_ctrl_c_leaves_a_checkpoint_and_status_130(models, tmp_path, processes) -> None:
    config = tiny_run(tmp_path, models, "encoder", max_steps=100_000, evaluate_every=20)
    running = _command(config, tmp_path)
    folder = tmp_path / "run" / "checkpoints"
    try:
        while running.poll() is None and not checkpoints(folder):
            time.sleep(0.01)
        before = {path.name for path in checkpoints(folder)}
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 130, told
    assert told.rstrip().endswith("lingualign: interrupted; go on with --resume"), told
    assert "Traceback" not in told
    after = checkpoints(folder)
    assert after[-1].name not in before
    assert folder_damage(after[-1]) is None
    assert not (tmp_path / "run" / "modules.json").exists()


def test_a_full_disk_is_one_clear_error_and_the_last_checkpoint_stays_whole(models, tmp_path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system can be mounted by root only")
    try:
        config = tiny_run(tmp_path, models, "encoder")
        running = _command(replace(config, output=str(disk / "run")), tmp_path)
        _, told = running.communicate(timeout=60)
        last = checkpoints(disk / "run" / "checkpoints")
        print(told)
        assert running.returncode == 2, told
        assert "Traceback" not in told
        assert "o space left on device" in told
        for checkpoint in last:
            assert folder_damage(checkpoint) is None
            assert str(last[-1]) in told
        assert not leftovers(disk)
    finally:
        subprocess.run(["umount", str(disk)], check=False)
