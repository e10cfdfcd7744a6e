"""The command on a machine that does not do what it should: real streams, disks, names and limits."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lingualign.cli import main
from lingualign.samples import EVERYDAY

if TYPE_CHECKING:
    from pathlib import Path

SAMPLE = str(EVERYDAY / "test.tsv")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="made with a POSIX shell")


def shell(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a script in which ``$L`` is the command and ``$S`` a file of pairs."""
    given = {**os.environ, "L": f"{sys.executable} -m lingualign", "S": SAMPLE, **environment}
    return subprocess.run(["bash", "-c", script], cwd=folder, env=given, capture_output=True, check=False)


@pytest.mark.parametrize(
    ("script", "status", "message"),
    [
        ("$L data counts $S <&-", 0, ""),
        ("$L data counts $S >&-", 0, ""),
        ("$L data counts /none 2>&-", 2, ""),
        ("$L data counts $S <&- >&- 2>&-", 0, ""),
        ("$L data counts $S >/dev/full", 2, "output: No space left on device; make room"),
        ("$L --help >/dev/full", 2, "output: No space left on device; make room"),
        ("(sleep 0.5; $L data counts $S; echo $? >status) | true; exit $(cat status)", 1, ""),
        ("ulimit -f 4; $L data inspect --pairs.sources $S --output p.html", 2, "p.html: File too large; make room"),
    ],
)  # fmt: skip
def test_streams_and_disks(tmp_path: Path, script: str, status: int, message: str) -> None:
    ran = shell(script, tmp_path)
    assert (ran.returncode, ran.stderr.count(b"Traceback")) == (status, 0), ran.stderr.decode()
    errors = [line for line in ran.stderr.decode().splitlines() if "error" in line.lower()]
    assert len(errors) == bool(message)
    assert not message or errors[0].endswith(message)
    assert not list(tmp_path.glob("*.html")) + list(tmp_path.glob(".*"))


def test_what_a_terminal_cannot_show_is_written_out(tmp_path: Path) -> None:
    (tmp_path / "été.en-fr.tsv").write_text("sentence1\tsentence2\na\té\n", encoding="utf-8")
    ran = shell("$L data counts *.tsv", tmp_path, PYTHONIOENCODING="ascii")
    assert ran.returncode == 0, ran.stderr
    assert b"\\xe9t\\xe9" in ran.stdout


def test_names_that_no_file_should_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content = b"sentence1\tsentence2\na\tb\n"
    os.symlink("round", "round")
    loop, latin, hostile = tmp_path / "loop", tmp_path / "latin", tmp_path / "hostile"
    for folder in (loop, latin, hostile):
        folder.mkdir()
    os.symlink("x.en-fr.tsv", loop / "x.en-fr.tsv")
    with open(os.fsencode(latin) + b"/caf\xe9.en-fr.tsv", "wb") as file:
        file.write(content)
    (hostile / "\x1b[31mred.md").write_text("")
    (hostile / "x.en-fr.tsv").write_bytes(content)
    for arguments, message in [
        (["data", "counts", "n" * 500], "File name too long; give a shorter name"),
        (["data", "counts", "n" * 250], "no such file or folder"),
        (["data", "counts", "round"], "no such file or folder"),
        (["data", "counts", "loop"], "x.en-fr.tsv: cannot be read (Too many levels of symbolic links)"),
        (["data", "inspect", "--pairs.sources", SAMPLE, "--output", "round/p.html"], "its folder does not exist"),
        (["data", "counts", "latin"], "caf\\xe9.en-fr.tsv: the name is not UTF-8; rename it"),
        (["evaluate", "minilm", "--suite", "latin"], "the name is not UTF-8; rename it"),
        (["data", "counts", "caf\udce9.tsv"], "the name is not UTF-8; rename it"),
        (["data", "inspect", "--pairs.sources", "caf\udce9.tsv"], "an option's value is not UTF-8 text; rename"),
    ]:  # fmt: skip
        assert main(arguments) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert message in line
    (hostile / "x.en-fr.tsv").unlink()
    assert main(["data", "counts", "hostile"]) == 2
    assert "\\x1b[31mred.md" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_only_looks_like_a_file_is_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    def put(path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")

    names = (
        "x.en-fr.tsv",
        "en-fr.parquet",
        "y.tmx",
        "z.en-fr.en",
        "fr.po",
        "s.en-fr.tsv.gz",
        "s.zip.en-fr.csv",
    )
    for name in names:
        put(tmp_path / name)
    (tmp_path / "z.en-fr.fr").write_text("a\n")
    put(tmp_path / "config.yaml")
    put(tmp_path / "model" / "model.safetensors")
    (tmp_path / "model" / "modules.json").write_text("[]")
    put(tmp_path / "other" / "modules.json")
    commands = [["data", "counts", str(tmp_path / name)] for name in names]
    commands += [["evaluate", str(tmp_path / name), "--suite", SAMPLE] for name in ("model", "other")]
    commands += [["train", "--config", str(tmp_path / "config.yaml")]]
    for arguments in commands:
        assert main(arguments) == 2, arguments
        assert f"a {kind}, not a file" in capsys.readouterr().err.splitlines()[-1], arguments
