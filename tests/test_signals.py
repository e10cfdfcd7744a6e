"""Ctrl-C and SIGTERM end a command tidily, with a line on how to go on; a second one ends it at once."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WORKING = """
import sys, time
from lingualign import cli
def work():
    for _ in range(600):  # a signal that comes just before a sleep begins waits for its end
        time.sleep(0.1)
def mine():
    try:
        print("working", flush=True)
        work()
    finally:
        print("tidying", flush=True)
        if "slow" in sys.argv:
            work()
cli.COMMANDS["mine"] = mine
sys.exit(cli.main(["mine"]))
"""


def _start(*arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKING, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_tidily(number: signal.Signals) -> None:
    process = _start()
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == "tidying\n"
    assert err == "lingualign: interrupted; what is done is kept, run the same command again to go on\n"


def test_a_second_one_ends_it_at_once() -> None:
    process = _start("slow")
    assert process.stdout is not None
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "tidying\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    assert out == err == ""


def test_the_status_is_the_same_where_the_signal_comes_inside_an_import(tmp_path) -> None:
    # Imports exec() texts; of an interrupt in one Python remembers that it must end by SIGINT, where run by -m.
    (tmp_path / "working.py").write_text(
        WORKING.replace("        work()\n    finally", '        exec("work()")\n    finally')
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "working"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 130
