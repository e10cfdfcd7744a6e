"""Commands that are killed, stopped and interrupted, and what comes of them.

Each trial starts a real command, sends a real signal to it, to one of its workers, or to what its workers hang on, at
a random moment, and runs the command again until it ends. ``right`` is the result of a command that nobody has
disturbed, byte for byte, with nothing left beside it; anything else is ``wrong``, and what was printed is shown.

    python benchmarks/kills.py                         # 5 trials of each: an hour on two processors
    python benchmarks/kills.py --trials 2 --only "mine, SIGKILL" "train static, SIGTERM"
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from machine import RESULTS, command_line, save_result

TESTS = Path(__file__).parents[1] / "tests"
sys.path += [str(TESTS / "training"), str(TESTS / "pairs")]
MOST_RUNS = 12
PATIENCE = 300.0
"""Seconds until a command counts as hanging."""
LINES = 6_000
TRACEBACK = re.compile(r"Traceback \(most recent call last\):\n(?:[ ].*\n)*")
LAUNCHER = "torch/distributed/run.py"
"""In the traceback that torchrun itself ends with when a rank has died or it was interrupted."""


@dataclass
class Command:
    """A command, what it leaves, and how it is run again."""

    arguments: list[str]
    results: list[str]
    """Files and folders whose content counts."""
    folder: str | None = None
    """Of a run, which is resumed."""
    begins: str = "*"
    """What is there once the command has begun its work."""
    launcher: list[str] = field(default_factory=list)
    seconds: float = 0
    expected: str = ""

    def start(self, place: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
        """Start it in a folder."""
        launcher = self.launcher or [sys.executable]
        resume = ["--resume"] if self.folder and (place / self.folder / "lingualign.yaml").is_file() else []
        overwrite = ["--overwrite"] if "prepare" in self.arguments else []
        return subprocess.Popen(
            [*launcher, "-m", "lingualign", *self.arguments, *resume, *overwrite],
            cwd=place,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def digest(self, place: Path) -> str:
        """Digest what it has left."""
        found = hashlib.sha256()
        for result in self.results:
            for path in sorted(place.glob(result)):
                if path.is_file() and not path.name.endswith("lock"):
                    found.update(f"{path.relative_to(place)}\n".encode() + path.read_bytes())
        return found.hexdigest()


def descendants(process: int, name: str = "") -> list[int]:
    """List the processes below one, whose command line holds a name."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, below = [], [process]
    while below:
        below = [child for child, parent in parents.items() if parent in below]
        found += below
    return [child for child in found if name in _command_of(child)]


def _command_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def disturb(process: subprocess.Popen[str], how: str, chance: random.Random) -> str | None:
    """Do to a running command what is to be tried; returns what it may print and end with, None for anything."""
    if how == "SIGKILL":
        process.kill()
    elif how in ("SIGTERM", "SIGINT"):
        number = getattr(signal, how)
        process.send_signal(number)
        return f"130 {-number}"  # by the signal itself while Python begins or ends
    elif how == "SIGINT twice":
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        return "-2 130"
    elif how == "SIGSTOP":
        os.kill(process.pid, signal.SIGSTOP)
        time.sleep(2)
        os.kill(process.pid, signal.SIGCONT)
        return "0"
    else:  # the death of another process
        name = {"worker": "spawn_main", "rank": "lingualign", "actor": "ray::_Actor", "head": "gcs_server"}[
            how
        ]
        deadline = time.monotonic() + 30
        while not (there := descendants(process.pid, name)) and process.poll() is None:
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        if there:
            os.kill(chance.choice(there), signal.SIGKILL)
        return "0" if how in ("worker", "actor") else None
    return None


def attempt(command: Command, how: str, template: Path, environment: dict[str, str], seed: str) -> str:
    """Disturb a command once, run it again until it ends, and compare; returns what was wrong, or nothing."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "place"
        shutil.copytree(template, place)
        environment = {**environment, "XDG_CACHE_HOME": str(place / "cache")}
        process = command.start(place, environment)
        while process.poll() is None and not list(place.glob(command.begins)):
            time.sleep(0.005)
        # From the beginning of the work on, and some of them before.
        time.sleep(chance.uniform(0, 0.6) * command.seconds)
        allowed = disturb(process, how, chance) if process.poll() is None else "0"
        sent = time.monotonic()
        for run in range(MOST_RUNS):
            try:
                printed, _ = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                return f"hangs: {process.communicate()[0][-2000:]}"
            code = process.returncode
            if any(LAUNCHER not in trace for trace in TRACEBACK.findall(printed)):
                return f"traceback: {printed[-3000:]}"
            finished = run > 0 and code != 0 and "is finished" in printed
            # A launcher has a status of its own.
            if (
                run == 0
                and allowed
                and code != 0
                and str(code) not in allowed.split()
                and not command.launcher
            ):
                return f"status {code} and not {allowed}: {printed[-2000:]}"
            interrupted = code == 130 or (how == "SIGINT" and command.launcher and code != 0)
            if run == 0 and interrupted and not re.search("again|--resume|goes on", printed):
                return f"no line on how to go on: {printed[-500:]}"
            if run == 0 and how == "SIGINT twice" and code != 0 and time.monotonic() - sent > 5:
                return f"took {time.monotonic() - sent:.1f} s to end"
            if run and code != 0 and not finished:
                return f"run again: status {code}: {printed[-2000:]}"
            if code == 0 or finished:
                break
            process = command.start(place, environment)
        if command.digest(place) != command.expected:
            return "another result"
        left = [
            path
            for path in place.rglob("*")
            if path.suffix in (".tmp", ".parts") or ".unfinished" in path.name
        ]
        return f"left: {left}" if left else ""


def commands(folder: Path) -> dict[str, Command]:
    """Make the inputs of all commands below a folder, and list these."""
    import yaml
    from tiny_runs import sample_sentences, tiny_bert, tiny_run  # type: ignore[import-not-found]

    models = folder / "models"
    tiny_bert().save_pretrained(str(models / "teacher"), create_model_card=False)
    tiny_bert(dropout=0.2, dimensions=12).save_pretrained(str(models / "student"), create_model_card=False)
    draw = random.Random(1)
    words = [f"w{number}" for number in range(3_000)]
    lines = [" ".join(draw.choices(words, k=8)) for _ in range(LINES)]
    (folder / "one").write_text("\n".join(lines))
    (folder / "two").write_text("\n".join(draw.sample(lines, len(lines))))
    english, french = sample_sentences(("en",)), sample_sentences(("fr",))
    pairs = [f"{one}\t{other}\n" for one, other in zip(english, french, strict=True)]
    for name, some in (("pairs", pairs), ("other", pairs[: len(pairs) // 2])):
        (folder / f"{name}.en-fr.tsv").write_text(f"sentence1\tsentence2\n{''.join(some)}")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "lingualign",
            "data",
            "prepare",
            "prepared",
            "--pairs.sources",
            "other.en-fr.tsv",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    found: dict[str, Command] = {}
    for kind in ("static", "encoder", "extended", "ranking"):
        config = tiny_run(
            Path(), models, "encoder" if kind == "ranking" else kind, max_steps=60, evaluate_every=12
        )
        if kind == "ranking":
            config = replace(config, loss=replace(config.loss, kind="ranking", hard_negatives=2))
        config = replace(config, output="run")
        (folder / f"{kind}.yaml").write_text(yaml.safe_dump(asdict(config)))
        found[f"train {kind}"] = Command(
            ["train", "--config", f"{kind}.yaml"],
            ["run/*.safetensors", "run/*/*.safetensors", "run/training_log.json"],
            "run",
            "run/lingualign.yaml",
        )
    found["torchrun static"] = replace(
        found["train static"],
        launcher=[sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
    )
    model = str(models / "teacher")
    found["mine"] = Command(["mine", model, "one", "two", "out.en-fr"], ["out.*"], begins="out.en-fr.parts/*")
    for engine in ("processes", "ray"):
        found[f"mine, {engine}"] = Command(
            [*found["mine"].arguments, "--engine", engine, "--workers", "2"],
            ["out.*"],
            begins="out.en-fr.parts/*",
        )
    found["encode"] = Command(["encode", model, "one", "vectors"], ["vectors/*"], begins="vectors/*")
    found["filter"] = Command(
        ["filter", model, "pairs.en-fr.tsv", "out.parquet", "--by", "margin"],
        ["out.parquet"],
        begins="out.parquet.parts/*",
    )
    found["align"] = Command(["align", model, "one", "one", "out.tsv"], ["out.tsv"], begins="out.tsv.parts/*")
    found["data prepare"] = Command(
        ["data", "prepare", "prepared", "--pairs.sources", "pairs.en-fr.tsv"],
        ["prepared/**/*"],
        begins=".prepared.*",
    )
    found["data fetch"] = Command(
        ["data", "fetch", "--languages", "en", "fr", "--corpora", "Tatoeba", "--output", "fetched"],
        ["fetched/**/*.parquet"],
        begins="cache/lingualign/opus/*/*/*",
    )
    return found


TRIALS = [
    *(
        (f"train {kind}", how)
        for kind in ("static", "encoder", "extended", "ranking")
        for how in ("SIGKILL", "SIGTERM")
    ),
    *(("train static", how) for how in ("SIGINT", "SIGINT twice", "SIGSTOP")),
    ("torchrun static", "rank"),
    ("torchrun static", "SIGINT"),
    *((name, "SIGKILL") for name in ("mine", "mine, processes", "mine, ray")),
    *(("mine", how) for how in ("SIGTERM", "SIGINT twice", "SIGSTOP")),
    ("mine, processes", "worker"),
    ("mine, ray", "actor"),
    ("mine, ray", "head"),
    *(
        (name, how)
        for name in ("encode", "filter", "align", "data prepare", "data fetch")
        for how in ("SIGKILL", "SIGTERM")
    ),
]


def main() -> None:
    from opus_server import moses_zip, serving  # type: ignore[import-not-found]
    from test_opus import lines_of  # type: ignore[import-not-found]

    parser = command_line(__doc__)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--only", nargs="+", help="rows of the table, such as 'mine, SIGKILL'")
    parser.add_argument("--seed", default="1")
    given = parser.parse_args()
    table: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder, serving() as server:
        server.add("Tatoeba", "en-fr", moses_zip("Tatoeba", "en-fr", lines_of("en-fr", 90_000)))
        environment = {
            **os.environ,
            "LINGUALIGN_OPUS": server.address,
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }
        template = Path(folder) / "template"
        template.mkdir()
        known = commands(template)
        for name, how in TRIALS:
            row = f"{name}, {how}"
            if given.only and row not in given.only:
                continue
            command = known[name]
            if not command.expected:
                _measure(command, template, environment)
            table[row] = Counter()
            for trial in range(given.trials):
                wrong = attempt(command, how, template, environment, f"{given.seed} {row} {trial}")
                table[row]["wrong" if wrong else "right"] += 1
                if wrong:
                    print(f"{row}, trial {trial}: {wrong}", flush=True)
            print(f"{row:32} {dict(table[row])}", flush=True)
            _save(row, table[row])


def _save(row: str, counts: Counter[str]) -> None:
    """Replace one row of the kept result; the others stay, so that rows can be run one by one."""
    path = RESULTS / "kills.json"
    trials = json.loads(path.read_text(encoding="utf-8"))["trials"] if path.is_file() else {}
    save_result("kills", {"trials": {**trials, row: dict(counts)}})


def _measure(command: Command, template: Path, environment: dict[str, str]) -> None:
    """Run a command that nobody disturbs: how long it works, and what it leaves."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "place"
        shutil.copytree(template, place)
        process = command.start(place, {**environment, "XDG_CACHE_HOME": str(place / "cache")})
        while process.poll() is None and not list(place.glob(command.begins)):
            time.sleep(0.005)
        begun = time.monotonic()
        printed, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(printed)
        command.seconds = time.monotonic() - begun
        command.expected = command.digest(place)


if __name__ == "__main__":
    main()
