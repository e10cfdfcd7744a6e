"""The examples do what they show, and the documentation's code runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

import pytest
from docstring_parser import parse

from lingualign.training.config import RunConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
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
    return re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.M | re.S)


def test_the_library_page_begins_with_the_training_script() -> None:
    assert python_blocks("library.md")[0] == SCRIPT.read_text(encoding="utf-8")


def test_the_code_of_the_guides_runs(folder: Path) -> None:
    # One process for all pages, since most of the time goes into imports; a page's names are its own.
    pages = ["library.md", "pairs.md", "losses.md", "evaluation.md", "mining.md"]
    codes = ["\n".join(python_blocks(page)[page == "library.md" :]) for page in pages]
    printed = run(
        "-c", f"for code in {codes!r}:\n    exec(code, {{}})\n    print('end of page')", folder=folder
    )
    of_page = dict(zip(pages, printed.split("end of page\n"), strict=False))
    assert textwrap.indent(of_page["losses.md"], "    ") in (DOCS / "losses.md").read_text(encoding="utf-8")


def test_every_relative_link_leads_somewhere() -> None:
    for page in (*DOCS.glob("*.md"), *ROOT.glob("*.md"), ROOT / "benchmarks" / "README.md"):
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), f"{page.name} links to {link}, which is not there"


def configuration_table() -> str:
    """Write every key of a configuration, its default and its help as Markdown."""
    return "\n".join(["| key | default | what |", "|---|---|---|", *key_rows(RunConfig, "")])


def key_rows(section: type, prefix: str) -> Iterator[str]:
    told = {
        parameter.arg_name: parameter.description or "" for parameter in parse(section.__doc__ or "").params
    }
    hints = get_type_hints(section)
    for key in fields(section):
        if is_dataclass(hints[key.name]):
            yield from key_rows(hints[key.name], f"{prefix}{key.name}.")
            continue
        default = key.default_factory() if key.default_factory is not MISSING else key.default
        shown = "required" if default is MISSING else f"`{json.dumps(default)}`"
        meaning = " ".join(told[key.name].split()).replace("``", "`").replace("|", "\\|")
        yield f"| `{prefix}{key.name}` | {shown} | {meaning} |"


def test_the_training_page_tells_every_key_as_the_code_does() -> None:
    assert configuration_table() in (DOCS / "training.md").read_text(encoding="utf-8"), (
        "docs/training.md is not what training/config.py says: python tests/test_examples.py writes it anew"
    )


if __name__ == "__main__":
    page = (DOCS / "training.md").read_text(encoding="utf-8")
    marks = r"(<!-- From the docstrings[^\n]*-->\n).*?(\n<!-- until here -->)"
    written = re.sub(marks, lambda mark: mark[1] + configuration_table() + mark[2], page, flags=re.S)
    (DOCS / "training.md").write_text(written, encoding="utf-8")
