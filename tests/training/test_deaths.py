"""Of real processes one really dies: the others end, and say which one it was."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from tiny_runs import leftovers, tiny_run

from lingualign.store import folder_damage
from lingualign.training.checkpoints import checkpoints


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _member(rank: int, count: int, port: int, told: Path, work, *arguments) -> None:
    """Be one process of a run, with nobody who watches over it; what it tells goes into a file."""
    import torch

    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT), 2)
    work(*arguments)


def _start(processes, count: int, folder: Path, work, *arguments):
    port = _free_port()
    running = [
        processes.Process(
            target=_member, args=(rank, count, port, folder / f"{rank}.txt", work, *arguments), daemon=True
        )
        for rank in range(count)
    ]
    for process in running:
        process.start()
    return running


def _command(file: str) -> None:
    from lingualign.cli import main

    sys.exit(main(["train", "--config", file]))


@pytest.mark.parametrize("victim", [0, 1])
def test_where_one_dies_the_other_ends_within_a_minute_and_names_it(
    victim, models, tmp_path, processes
) -> None:
    config = tiny_run(tmp_path, models, max_steps=1_000_000, evaluate_every=20)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(asdict(config)))
    running = _start(processes, 2, tmp_path, _command, str(tmp_path / "run.yaml"))
    folder = Path(config.output) / "checkpoints"
    try:
        while not checkpoints(folder):
            assert all(process.is_alive() for process in running)
            time.sleep(0.01)
        running[victim].kill()
        running[1 - victim].join(60)
    finally:
        for process in running:
            process.kill()
    told = (tmp_path / f"{1 - victim}.txt").read_text()
    assert running[1 - victim].exitcode == 2, told
    assert f"lingualign: error: process {victim} of this run (counted from 0) has died" in told
    assert "--resume" in told
    assert "Traceback" not in told
    for checkpoint in checkpoints(folder):
        assert folder_damage(checkpoint) is None
    assert not leftovers(tmp_path) or victim == 0


def _wait(victim: int, how: str, released) -> None:
    """Wait for what never comes, but for one process, which ends."""
    from lingualign.training import lifelines
    from lingualign.training.distributed import process_group, process_rank

    lifelines._GRACE = 0.3
    with process_group():
        if process_rank() != victim:
            released.wait(60)
        elif how == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        elif how == "fails":
            raise ValueError("no such luck")


@pytest.mark.parametrize(
    ("victim", "how", "told"),
    [(0, "dies", "has died"), (2, "dies", "has died"), (1, "fails", "failed: no such luck")],
)
def test_processes_that_wait_for_one_that_is_gone_end_and_name_it(
    victim, how, told, tmp_path, processes
) -> None:
    never = processes.Event()
    running = _start(processes, 3, tmp_path, _wait, victim, how, never)
    for rank, process in enumerate(running):
        process.join(60)
        if rank != victim:
            assert process.exitcode == 1
            message = (tmp_path / f"{rank}.txt").read_text()
            assert f"process {victim} of this run (counted from 0) {told}" in message


def test_a_process_that_ends_well_ends_no_other(tmp_path, processes) -> None:
    released = processes.Event()
    running = _start(processes, 3, tmp_path, _wait, 1, "ends", released)
    running[1].join(60)
    time.sleep(1)
    assert [process.exitcode for process in running] == [None, 0, None]
    released.set()
    for process in running:
        process.join(60)
    assert [process.exitcode for process in running] == [0, 0, 0]
