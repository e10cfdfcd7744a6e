"""Configurations that are made to explode, or to be read as something else, are one line that names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fuzz_configurations import fuzz
from lingualign.cli import COMMANDS, main
from lingualign.cli.arguments import parse

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("? [a, b]\n: c\n", "line 1: a list or a section as a key"),
        ("output: x\n? {a: b}\n: c\n", "line 2: a list or a section as a key"),
        ("output: x\npairs: &p {sources: *p}\n", "line 2: nested too deeply"),
        ("output: x\nevaluate: &e [a, *e]\n", "line 2: nested too deeply"),
        ("output: x\nevaluate: " + "[" * 20_000, "nested too deeply"),
        ("output: " + "{a: " * 50 + "b" + "}" * 50, "nested too deeply"),
        ("a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30)), "more than"),
        ("output: x\npairs:\n\tsources: [a]\n", "line 3: not YAML: found character '\\t' that cannot start any token"),
        ("output: x\n# " + "x" * (1 << 20), "larger than 1 MiB"),
        ("output: \x1b[2J\n", "not YAML: unacceptable character #x001b"),
        ('output: x\n"a\\e[2J": 1\n', "a\\x1b[2J"),
        ("output: x\nseed: " + "9" * 5000, "Exceeds the limit (4300 digits)"),
        ("output: !!python/object:os.system x\n", "could not determine a constructor"),
    ],
)  # fmt: skip
def test_a_configuration_that_harms_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(content, encoding="utf-8")
    assert main(["train", "--config", str(path)]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line
    assert len(line) < 1_000 + len(str(path))
    assert line.isprintable()


def test_aliases_are_what_they_stand_for(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("output: x\npairs: {sources: &s [a.tsv]}\nevaluate: *s\ndecontaminate: *s\n")
    run = parse("train", COMMANDS["train"], ["--config", str(path)])["run"]
    assert run.evaluate == run.decontaminate == run.pairs.sources == ["a.tsv"]


def test_nothing_but_an_explanation_comes_out_of_a_broken_configuration() -> None:
    assert fuzz(3) >= 50
