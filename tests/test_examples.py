"""The examples do what they show, and the documentation's code runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "examples" / "own_training_script.py"


def run(*command: str, folder: Path) -> str:
    """Run Python in a folder without a network; returns what it printed."""
    offline = {"HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(folder / "cache")}
    ran = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, **offline},
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all runs, so that the teacher embeds its sentences once."""
    return tmp_path_factory.mktemp("examples")


def test_a_training_script_of_ones_own_becomes_cross_lingual(folder: Path) -> None:
    printed = run(str(SCRIPT), folder=folder)
    before, after = map(float, re.findall(r"accuracy \w+: (\S+)", printed))
    assert after > 5 * before


def test_the_training_script_is_short() -> None:
    assert len(SCRIPT.read_text(encoding="utf-8").splitlines()) < 40


def python_blocks(page: str) -> list[str]:
    """Take the Python code of a page of the documentation, block by block."""
    return re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.M | re.S
    )


def test_the_library_page_begins_with_the_training_script() -> None:
    assert python_blocks("library.md")[0] == SCRIPT.read_text(encoding="utf-8")


def test_the_code_of_the_library_page_runs(folder: Path) -> None:
    _, *blocks = python_blocks("library.md")
    run("-c", "\n".join(blocks), folder=folder)
