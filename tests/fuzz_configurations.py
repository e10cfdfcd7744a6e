"""Throw mutated YAML at ``--config``: a configuration or an `InputError` is all that may come out.

As a script: ``python tests/fuzz_configurations.py [CPU_SECONDS [SEED]]``, two minutes by default.
"""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

from fuzzing import fuzz_for, mutated
from lingualign.cli import COMMANDS
from lingualign.cli.arguments import parse
from lingualign.errors import InputError
from lingualign.training.config import RunConfig

VALID = b"""output: runs/x  # where to
pairs: {sources: [a.tsv, &b b], languages: [en, fr], select: en-xx, validation: 0.01}
student:
  kind: static
  vocabulary: 600
loss: {kind: soft, temperature: 0.1, tcm: false, cross_weight: 1e-1}
training:
  epochs: 3
  batch_size: 128
  early_stopping: {metric: validation, patience: null}
evaluate: [*b]
"""

TOKENS = [
    b"\0", b"\xff", b"\xed\xa0\x80", b"\xff\xfe", b"\n", b"\t", b"\r", b'"', b"'", b"\\x", b"\\ud800", b": ",
    b"? ", b"- ", b"&a ", b"*a", b"*b", b"<<: *b", b"<<: ", b"!!python/object:os.system ", b"!!binary ",
    b"!!set ", b"!!int x", b"!!float ", b"!!timestamp ", b"2020-99-99", b"2020-01-01", b"[", b"]", b"{", b"}",
    b"{[a]: b}", b"? [a, b]\n: c", b"| ", b">-\n", b"%YAML 9.9\n---\n", b"---\n", b"...", b"#", b"1e999",
    b".inf", b".nan", b"-0", b"0b_", b"0x", b"0o8", b"1:2:3", b"9" * 5000, b"1" + b"0" * 400, b"~", b"null",
    b"true", b"no", b"=", b"\xe2\x80\xa8", b"\x1b[2J", b"[" * 3000, b"{a: " * 800, b"- " * 2000,
    b"  " * 600 + b"a:", b"&a [*a, *a]", b"&x {k: *x}", b"student.kind: static", b"training: ", b"A" * 3000,
]  # fmt: skip


def check(path: Path, content: bytes) -> None:
    """Parse one; raises whatever is no `InputError` of one line about it."""
    path.write_bytes(content)
    try:
        run = parse("train", COMMANDS["train"], ["--config", str(path)])["run"]
    except InputError as error:
        if "\n" in str(error) or "\x1b" in str(error):
            raise AssertionError(f"more than a line of text: {error}") from error
        return
    assert isinstance(run, RunConfig)


def fuzz(seconds: float, first_seed: int = 0) -> int:
    """Fuzz for that much processor time; gives the number of configurations parsed."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "c.yaml"
        return fuzz_for(seconds, first_seed, 50, partial(check, path), mutated(VALID, TOKENS))


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    first_seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    print(f"{fuzz(seconds, first_seed):,} configurations parsed in {seconds:.0f} CPU seconds")
