"""A run that really has too little memory says what fits, and that fits."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import sys
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from tiny_runs import tiny_bert, tiny_run

ROOM = 900 * 2**20
"""Some 400 MB of it are addresses that libraries and threads reserve in the course of a run."""


def _train(file: str, told: Path) -> None:
    import torch

    from lingualign.cli import main

    import_module("lingualign.training.trainer")  # what it imports takes addresses before they are counted
    torch.set_num_threads(1)
    os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    # The limit counts addresses and not memory: let glibc give back at once what is free (M_MMAP_THRESHOLD).
    ctypes.CDLL(None).mallopt(-3, 1 << 16)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + ROOM, now + ROOM))
    sys.exit(main(["train", "--config", file]))


def _run(processes, config, folder: Path) -> tuple[int, str]:
    (folder / "run.yaml").write_text(yaml.safe_dump(asdict(config)))
    process = processes.Process(target=_train, args=(str(folder / "run.yaml"), folder / "told.txt"))
    process.start()
    process.join(120)
    return process.exitcode, (folder / "told.txt").read_text()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
def test_out_of_memory_names_a_mini_batch_size_that_fits(models, tmp_path, processes) -> None:
    tiny_bert(dimensions=512, layers=6).save_pretrained(str(tmp_path / "wide"), create_model_card=False)
    config = tiny_run(tmp_path, models, "encoder", max_steps=1, batch_size=256)
    config = replace(config, student=replace(config.student, model=str(tmp_path / "wide")))
    status, told = _run(processes, config, tmp_path)
    assert status == 2, told
    assert "lingualign: error: out of memory at step 1, with 256 pairs a device" in told
    assert "Traceback" not in told
    assert not (tmp_path / "run").exists()
    [fits] = map(int, re.findall(r"Set loss\.mini_batch_size to (\d+), of which twice as many", told))
    assert 0 < fits < 512
    config = replace(config, loss=replace(config.loss, mini_batch_size=fits))
    status, told = _run(processes, config, tmp_path)
    assert status == 0, told


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
def test_an_optimizer_that_does_not_fit_beside_the_model_says_so(models, tmp_path, processes) -> None:
    # Weights and gradients take 480 MB; the optimizer wants as much again.
    tiny_bert(dimensions=1024, layers=7).save_pretrained(str(tmp_path / "wide"), create_model_card=False)
    config = tiny_run(tmp_path, models, "encoder", max_steps=1, batch_size=4)
    config = replace(config, student=replace(config.student, model=str(tmp_path / "wide")))
    status, told = _run(processes, config, tmp_path)
    assert status == 2, told
    assert "lingualign: error: out of memory beside the passes of step 1" in told
    assert "training.lora.rank" in told
    assert "Traceback" not in told
