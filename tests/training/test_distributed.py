"""Two real processes, as torchrun starts them, come to the end of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file
from tiny_runs import leftovers, run, tiny_run, weights

from lingualign.store import folder_damage
from lingualign.training import StudentConfig
from lingualign.training.checkpoints import checkpoints

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
HERE = Path(__file__).parent


def _start(*arguments: str) -> subprocess.Popen[str]:
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONPATH": ":".join(paths),
    }
    return subprocess.Popen(
        [*TORCHRUN, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def _write(config, folder: Path) -> str:
    folder.mkdir(exist_ok=True, parents=True)
    (folder / "run.yaml").write_text(yaml.safe_dump(asdict(config)))
    return str(folder / "run.yaml")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, models):
    """The folder of all runs, what came of them in each process, and what was printed."""
    folder = tmp_path_factory.mktemp("distributed")
    running = _start(str(HERE / "distributed_runs.py"), str(models), str(folder))
    try:
        printed, _ = running.communicate(timeout=120)
    finally:
        running.terminate()
    assert running.returncode == 0, printed
    return folder, [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)], printed


@pytest.mark.parametrize("kind", ["static", "encoder", "mini-batches", "ranking"])
def test_two_processes_end_where_one_ends(runs, models, tmp_path, processes, kind) -> None:
    folder, (first, second), _ = runs
    config = tiny_run(tmp_path, models)
    if kind != "static":
        config = replace(config, student=StudentConfig(kind="encoder", model=str(models / "teacher")))
    if kind == "ranking":
        config = replace(config, loss=replace(config.loss, kind="ranking"))
    process = processes.Process(target=run, args=(config,))
    process.start()
    process.join(60)
    assert process.exitcode == 0

    together = folder / {"mini-batches": "mini"}.get(kind, kind) / "run"
    for name in weights(tmp_path / "run"):
        alone, shared = load_file(tmp_path / "run" / name), load_file(together / name)
        # As a whole, since Adam makes whole steps of gradients that are rounding errors, those of a key's bias
        # above all. Half the batch would end 0.4 away and more, a learning rate 3% higher 0.006.
        apart = sum((value - shared[key]).square().sum() for key, value in alone.items())
        assert apart.sqrt() < 5e-3 * sum(value.square().sum() for value in alone.values()).sqrt()
    log = json.loads((tmp_path / "run" / "training_log.json").read_text())
    logged = json.loads((together / "training_log.json").read_text())
    metric = "eval_validation_accuracy"
    alone, shared = ([row[metric] for row in rows if metric in row] for rows in (log, logged))
    # One of the 40 held-out pairs may be a near tie.
    assert shared == pytest.approx(alone, abs=1 / 40)
    assert first[kind] == second[kind]
    assert first[kind]["accuracies"]["validation_accuracy"] == pytest.approx(max(alone), abs=1 / 40)


def test_a_signal_to_one_process_stops_all_at_one_step_and_the_run_resumes(runs) -> None:
    folder, told, _ = runs
    for process in told:
        assert process["signalled"]["error"] == "KeyboardInterrupt"
    assert told[0]["resumed"] == told[1]["resumed"]
    assert told[0]["resumed"]["steps"] == 24
    # Dropout as in the undisturbed run: each process has gone on with its own random state.
    undisturbed, resumed = folder / "undisturbed" / "run", folder / "disturbed" / "run"
    assert weights(resumed) == weights(undisturbed)
    for checkpoint in checkpoints(resumed / "checkpoints"):
        assert folder_damage(checkpoint) is None
        assert {path.name for path in checkpoint.glob("rng_state*")} == {"rng_state_0.pth", "rng_state_1.pth"}
    assert not leftovers(folder)


def test_early_stopping_stops_all_at_one_step(runs) -> None:
    _, (first, second), _ = runs
    assert first["stopped early"] == second["stopped early"]
    assert first["stopped early"]["steps"] < 24


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "batch size",
            "training.batch_size is 7, the pairs of a batch over all devices, but there are 2 processes",
        ),
        (
            "configuration",
            "processes 0 and 1 of this run differ in the configuration: training.learning_rate.",
        ),
        ("another run", "holds this run, finished; give another folder, or --overwrite to train it again"),
        ("rows", "processes 0 and 1 of this run differ in the data report: "),
        ("words", "processes 0 and 1 of this run differ in their pairs, though not in number: training. "),
    ],
)
def test_all_processes_raise_the_same_error_and_the_first_tells_it(runs, name, message) -> None:
    folder, (first, second), _ = runs
    assert message in first[name]["message"]
    assert second[name]["message"] == first[name]["message"]
    assert (first[name]["error"], second[name]["error"]) == ("InputError", "SharedInputError")
    if name != "another run":
        assert not (folder / name.partition(" ")[0] / "run").exists()


def test_the_first_process_alone_prints(runs) -> None:
    printed = runs[2]
    # Of the runs that got so far.
    assert printed.count("validation accuracy before training") == 8


def test_an_error_of_the_command_is_told_once(models, tmp_path) -> None:
    config = tiny_run(tmp_path, models, batch_size=7)
    running = _start("-m", "lingualign", "train", "--config", _write(config, tmp_path))
    printed, _ = running.communicate(timeout=60)
    assert running.returncode == 1
    assert printed.count("lingualign: error: training.batch_size is 7") == 1
    assert "most recent call last" not in printed.partition("ChildFailedError")[0].partition("E1")[0]
