"""Engines: the same bytes from each of them, workers that are killed, and what is refused."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingualign.cli import main
from lingualign.embedding import ModelOptions
from lingualign.errors import InputError
from lingualign.mining import EncodeReport, encode_folder, encode_text, mine, mine_pairs, sentences
from lingualign.mining.encode_folder import Chunk
from lingualign.mining.encoded_text import Record
from lingualign.mining.engines import Here, open_engine
from lingualign.mining.engines import ray as ray_engine
from lingualign.mining.engines.engine import MOST_DEATHS, Part, parse_part
from lingualign.mining.mine import plan_mining
from lingualign.mining.tiled_search import TileJob, search_part
from lingualign.neighbours import SearchOptions, nearest_neighbours
from lingualign.neighbours.search import BestSoFar, block_rows, blocks

LINES = [f"sentence number {number} of {number % 7} or {number % 11}" for number in range(90)]


@pytest.fixture(scope="module")
def ray_here():
    """One small Ray for all tests."""
    import ray

    # Its workers find the deadly tasks of this module.
    path = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    ray.init(
        num_cpus=2, include_dashboard=False, object_store_memory=80 << 20, log_to_driver=False,
        runtime_env={"env_vars": path},
    )  # fmt: skip
    yield ray
    ray.shutdown()


@pytest.fixture(params=["processes", "ray"])
def two_workers(request):
    if request.param == "ray":
        request.getfixturevalue("ray_here")
    return open_engine(request.param, 2)


@pytest.fixture(scope="module")
def texts(static, tmp_path_factory):
    """A model, two texts, and what one process makes of them."""
    folder = tmp_path_factory.mktemp("engines")
    static.save(str(folder / "model"))
    (folder / "one").write_text("\n".join([*LINES, "", LINES[3]]))
    (folder / "two").write_text("\n".join([*reversed(LINES[10:]), "something else"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentences, "CHUNK_ROWS", 8)
        encode_text(str(folder / "model"), str(folder / "one"), folder / "encoded")
    mine_pairs(*_sides(folder), folder / "mined.tsv", margin="distance")
    return folder


def _sides(folder):
    return [str(folder / name) for name in ("model", "one", "two")]


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(sentences, "CHUNK_ROWS", 8)


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def _note(folder, task):
    """Keep on the disk that a task was begun; gives how often it was."""
    with (folder.parent / "begun").open("a") as file:
        file.write(f"{task}\n")
    return _begun(folder).count(task)


def _begun(folder):
    return (folder.parent / "begun").read_text().splitlines()


@dataclass(frozen=True)
class DeadlyChunk(Chunk):
    """The first process that encodes shard 2 is killed once its files are there and before they count."""

    def run(self, encoder, advance):
        again = _note(self.folder, str(self.number)) > 1
        shard = super().run(encoder, advance)
        if self.number == 2 and not again:
            Record.remove(self.folder, 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return shard


@dataclass(frozen=True)
class SlowChunk(Chunk):
    """A shard that takes its time."""

    def run(self, encoder, advance):
        time.sleep(0.3)
        return super().run(encoder, advance)


@dataclass(frozen=True)
class DeadlyTiles(TileJob):
    """The first process that searches tile 3 is killed once its file is there, before anybody hears of it."""

    def work(self, opened, tile, advance):
        again = _note(self.folder.parent, str(tile.number)) > 1
        super().work(opened, tile, advance)
        if tile.number == 3 and not again:
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_killed_while_it_encodes_loses_no_shard_and_repeats_none(
    texts, tmp_path, monkeypatch, small_chunks, two_workers
):
    monkeypatch.setattr(encode_folder, "Chunk", DeadlyChunk)
    source = str(texts / "one")
    report = encode_text(str(texts / "model"), source, tmp_path / "out", engine=two_workers)
    assert report == EncodeReport(rows=92, kept=0)
    assert _contents(tmp_path / "out") == _contents(texts / "encoded")
    assert sorted(_begun(tmp_path / "out"), key=int) == sorted([*map(str, range(12)), "2"], key=int)


def test_a_worker_killed_while_it_searches_changes_no_byte(texts, tmp_path, monkeypatch, two_workers):
    monkeypatch.setattr(mine, "TileJob", DeadlyTiles)
    mine_pairs(*_sides(texts), tmp_path / "out.tsv", margin="distance", engine=two_workers)
    assert (tmp_path / "out.tsv").read_bytes() == (texts / "mined.tsv").read_bytes()
    assert not (tmp_path / "out.tsv.parts").exists()
    begun = _begun(tmp_path / "out.tsv")
    assert len(set(begun)) == len(begun) - 1 >= 4
    assert begun.count("3") == 2


def test_a_killed_driver_takes_its_workers_along_and_any_engine_goes_on(texts, tmp_path, small_chunks):
    code = f"""
import test_engines
from lingualign.mining import encode_folder, encode_text, sentences
from lingualign.mining.engines import open_engine
sentences.CHUNK_ROWS = 8
encode_folder.Chunk = test_engines.SlowChunk
if __name__ == "__main__":
    model, text = {str(texts / "model")!r}, {str(texts / "one")!r}
    encode_text(model, text, {str(tmp_path / "out")!r}, engine=open_engine("processes", 2))
"""
    (tmp_path / "driver.py").write_text(code)
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    driver = subprocess.Popen(
        [sys.executable, tmp_path / "driver.py"], env={**os.environ, "PYTHONPATH": path}
    )
    while len(records := list((tmp_path / "out").glob("shard-*.json"))) < 2:
        assert driver.poll() is None
        time.sleep(0.05)
    workers = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()
    driver.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive
    records = list((tmp_path / "out").glob("shard-*.json"))
    before = {
        path: path.stat().st_mtime_ns
        for record in records
        for path in (tmp_path / "out").glob(f"{record.stem}.[sv]*")
    }
    assert 4 <= len(before) < 24
    report = encode_text(str(texts / "model"), str(texts / "one"), tmp_path / "out")
    assert report == EncodeReport(rows=92, kept=8 * len(records))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert _contents(tmp_path / "out") == _contents(texts / "encoded")


def test_parts_that_know_nothing_of_each_other_make_the_same_text(static, texts, tmp_path, small_chunks):
    source, out = str(texts / "one"), tmp_path / "out"
    assert encode_text(static, source, out, part=Part(2, 2)).rows == 44
    assert encode_text(static, source, out, part=Part(2, 2)).kept == 44
    assert encode_text(static, source, out, part=Part(1, 3)) == EncodeReport(rows=32, kept=2 * 8)
    (out / "shard-000005.json").write_text("{")
    assert encode_text(str(texts / "model"), source, out) == EncodeReport(rows=92, kept=44 - 8 + 2 * 8)
    assert _contents(out) == _contents(texts / "encoded")
    encode_text(static, source, tmp_path / "other", prompt="query: ", part=Part(1, 2))
    with pytest.raises(InputError, match="begun with another encoder: the prompt differ"):
        encode_text(static, source, tmp_path / "other")


SBATCH = """#!/bin/bash
# Runs the job that Slurm would run, the tasks of an array side by side.
for option in "$@"; do echo "$option" >>"$JOBS/options"; done
job=$(mktemp "$JOBS/job.XXXXXX")
cat >"$job"
array=$(sed -n 's/^#SBATCH --array=1-//p' "$job")
running=()
for task in $(seq "${array:-1}"); do
  SLURM_ARRAY_TASK_ID=${array:+$task} bash "$job" >>"$job.log" 2>&1 & running+=($!)
done
for task in "${running[@]}"; do wait "$task" || exit 1; done
basename "$job"
"""


def test_the_script_for_slurm_mines_the_same_bytes(texts, tmp_path, capsys):
    (tmp_path / "sbatch").write_text(SBATCH)
    (tmp_path / "sbatch").chmod(0o755)
    out = tmp_path / "it's mined.tsv"
    arguments = [str(texts / "model"), str(texts / "encoded"), str(texts / "two"), str(out)]
    assert main(["mine", *arguments, "--margin=distance", "--engine=slurm", "--workers=2"]) == 0
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "JOBS": str(tmp_path)}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    script = capsys.readouterr().out
    ran = subprocess.run(
        ["bash", "-s", "--", "--partition=long"], input=script, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    logs = "".join(path.read_text() for path in tmp_path.glob("*.log"))
    assert ran.returncode == 0, ran.stderr + logs
    assert out.read_bytes() == (texts / "mined.tsv").read_bytes()
    assert logs.count("tiles of part") == 2
    options = (tmp_path / "options").read_text().splitlines()
    assert options.count("--partition=long") == 4
    assert sum(option.startswith("--dependency=afterok:job.") for option in options) == 3


def test_another_calibration_plans_another_search(texts, tmp_path):
    out, plans = tmp_path / "out.tsv", []
    for known in ("one", "two", "one"):
        (tmp_path / "known.en-fr.tsv").write_text(f"sentence1\tsentence2\n{known}\t{known}\n")
        plan_mining(
            *_sides(texts),
            out,
            ModelOptions(),
            SearchOptions(),
            workers=1,
            calibrate_on=str(tmp_path / "known.en-fr.tsv"),
        )
        plans.append((tmp_path / "out.tsv.parts" / "tiles" / "plan.json").read_text())
    assert plans[0] == plans[2] != plans[1]
    mine_pairs(*_sides(texts), out, margin="distance")
    assert out.read_bytes() == (texts / "mined.tsv").read_bytes()


def test_another_amount_of_memory_is_taken_by_a_search_that_is_planned(texts, tmp_path):
    engine, out = open_engine("processes", 1), tmp_path / "out.tsv"
    with pytest.raises(InputError, match=r"memory is 1 MiB, .*give at least"):
        mine_pairs(*_sides(texts), out, margin="distance", engine=engine, memory=1 << 20)
    mine_pairs(*_sides(texts), out, margin="distance", engine=engine)
    assert out.read_bytes() == (texts / "mined.tsv").read_bytes()


def test_tiles_that_are_there_are_kept_and_damaged_ones_made_anew(texts, tmp_path):
    out = tmp_path / "out.tsv"
    with pytest.raises(InputError, match="no search is planned for it; run mine with --part plan before"):
        search_part(out, Part(1, 2))
    tiles = plan_mining(*_sides(texts), out, ModelOptions(), SearchOptions(), workers=1)
    assert search_part(out, Part(1, 2)) + search_part(out, Part(2, 2)) == tiles > 4
    folder = tmp_path / "out.tsv.parts" / "tiles"
    before = {path: path.stat().st_mtime_ns for path in folder.glob("tile-*")}
    whole = sorted(before)
    altered = bytearray(whole[0].read_bytes())
    altered[-1] ^= 1
    whole[0].write_bytes(altered)
    whole[1].write_bytes(whole[1].read_bytes()[:-4])
    whole[2].write_bytes(whole[3].read_bytes())  # whole, but another one's
    search_part(out, Part(1, 1))
    kept = {path for path in before if path.stat().st_mtime_ns == before[path]}
    assert kept == set(whole[3:])
    mine_pairs(*_sides(texts), out, margin="distance")
    assert out.read_bytes() == (texts / "mined.tsv").read_bytes()


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 30), st.integers(1, 30), st.integers(1, 6), st.integers(4, 12), st.integers(0, 2**32 - 1)
)
def test_neighbours_merged_from_blocks_are_those_of_the_whole(sources, targets, k, edge, seed):
    random = np.random.default_rng(seed)
    # Few values, so that many cosines are equal, and some vectors zero.
    source, target = (
        random.integers(-1, 2, size=(rows, 3)).astype(np.float32) for rows in (sources, targets)
    )
    forward, backward = BestSoFar(sources, targets, k), BestSoFar(targets, sources, k)
    for top, bottom in blocks(sources, edge):
        for left, right in blocks(targets, edge):
            found = nearest_neighbours(source[top:bottom], target[left:right], k)
            forward.add(top, found[0], left)
            backward.add(left, found[1], top)
    for merged, whole in zip((forward, backward), nearest_neighbours(source, target, k), strict=True):
        np.testing.assert_array_equal(merged.neighbours.cosine, whole.cosine)
        np.testing.assert_array_equal(merged.neighbours.index, whole.index)


@given(st.integers(10**4, 10**9), st.integers(10**4, 10**9), st.integers(1, 1000))
def test_there_are_tiles_for_all_workers(sources, targets, workers):
    edge = block_rows(sources, targets, workers)
    assert len(blocks(sources, edge)) * len(blocks(targets, edge)) >= workers
    assert edge <= 2048 or edge % 2048 == 0


@dataclass(frozen=True)
class Deadly:
    """A task that kills whoever runs it."""

    size = 1
    holds = None

    def __str__(self):
        return "the deadly task"


@dataclass(frozen=True)
class DeadlyJob:
    """Its job."""

    gpu = False

    def open(self, _):
        return True

    def work(self, _, task, advance):
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class GreedyJob(DeadlyJob):
    """A job that asks for more memory than there is."""

    def work(self, _, task, advance):
        np.empty(1 << 60, np.uint8)


def test_a_task_that_kills_every_worker_is_given_up_and_named():
    message = (
        rf"the deadly task: {MOST_DEATHS} processes .* have died, the last one killed by SIGKILL; if memory"
    )
    with open_engine("processes", 1).start(DeadlyJob()) as workers, pytest.raises(InputError, match=message):
        list(workers.run([Deadly()], lambda _: None))


def test_a_task_for_which_memory_never_suffices_is_given_up_and_named(two_workers):
    message = (
        rf"the deadly task: {MOST_DEATHS} processes .* have died, the last one out of memory \(Unable to"
    )
    with two_workers.start(GreedyJob()) as workers, pytest.raises(InputError, match=message):
        list(workers.run([Deadly()], lambda _: None))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers=-3"], "workers is -3; it must be a number of processes"),
        (["--threshold=1.05", "--calibrate=known"], "threshold and calibrate are both given"),
        (["--calibrate=/none"], "source '/none': no such file or folder"),
        (["--memory=much"], "memory"),
        (["--k=0"], "k = 0 is not a number of neighbours"),
        (["--part=1/2"], "part is '1/2', but engine 'slurm' prints a script that has its own"),
        (["--address=a:1"], "address is 'a:1', but engine 'slurm' prints"),
    ],
)
def test_what_a_job_would_refuse_is_refused_before_the_script_is_written(
    texts, tmp_path, capsys, options, message
):
    arguments = ["mine", *_sides(texts), str(tmp_path / "out.tsv"), "--engine=slurm"]
    assert main([*arguments, *options]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert not printed.out


def test_a_plan_of_no_amount_of_memory_is_refused_before_anything_is_encoded(texts, tmp_path):
    with pytest.raises(InputError, match="memory is 'much'"):
        plan_mining(
            *_sides(texts), tmp_path / "out.tsv", ModelOptions(), SearchOptions(memory="much"), workers=1
        )
    assert not (tmp_path / "out.tsv.parts").exists()


def test_what_a_worker_refuses_is_said_here_as_it_is_said_there(texts, tmp_path):
    (tmp_path / "model").mkdir()
    engine = open_engine("processes", 1)
    with pytest.raises(InputError, match="is a folder, but not a model's: it holds neither"):
        encode_text(str(tmp_path / "model"), str(texts / "one"), tmp_path / "out", engine=engine)


class _Web(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_an_address_where_no_ray_answers_is_one_error(ray_here, monkeypatch):
    monkeypatch.setattr(ray_engine, "_PATIENCE", 0.5)
    ray_engine.check_address(ray_here.get_runtime_context().gcs_address)
    for address in ("nowhere", "host:", "http://a:1", "auto"):
        with pytest.raises(InputError, match="it must be such as head:6379 or ray://head:10001"):
            ray_engine.check_address(address)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(InputError, match=rf"address '127.0.0.1:{port}': nothing answers \(timed out\)"):
            ray_engine.check_address(f"127.0.0.1:{port}")
    with pytest.raises(
        InputError, match=rf"address 'ray://127.0.0.1:{port}': nothing answers \(.*refused\); is"
    ):
        ray_engine.check_address(f"ray://127.0.0.1:{port}")
    server = http.server.HTTPServer(("127.0.0.1", 0), _Web)
    threading.Thread(target=server.handle_request, daemon=True).start()
    with pytest.raises(InputError, match="what answers is not Ray"):
        ray_engine.check_address(f"127.0.0.1:{server.server_port}")
    server.server_close()


def test_a_dead_address_is_refused_before_anything_is_written(texts, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as once:
        port = once.getsockname()[1]
    arguments = [str(texts / "model"), str(texts / "one"), str(texts / "two"), str(tmp_path / "out.tsv")]
    assert main(["mine", *arguments, "--engine=ray", f"--address=127.0.0.1:{port}"]) == 2
    assert "nothing answers" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@given(st.lists(st.integers(0, 40), max_size=5), st.integers(1, 12))
def test_threads_are_the_most_with_which_all_workers_fit(processors, workers):
    fitting = [t for t in range(1, 41) if sum(each // t for each in processors) >= workers]
    assert ray_engine.threads_each(processors, workers) == max(fitting, default=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "processes", "workers": 0}, "workers is 0; it must be a number of processes, at least 1"),
        ({"name": "here", "workers": 2}, "engine 'here' is this one process; give --engine processes"),
        ({"name": "processes", "address": "a:1"}, "address is 'a:1', but engine 'processes' has none"),
        ({"name": "spark"}, "engine 'spark' is unknown: expected one of here, processes, ray"),
    ],
)
def test_an_engine_that_is_none_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        open_engine(**options)


@pytest.mark.parametrize("part", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/2/3"])
def test_a_part_that_is_none_is_refused(part):
    with pytest.raises(InputError, match="it must be such as 3/8, the third of eight"):
        parse_part(part)


@pytest.mark.parametrize(
    ("output", "options", "message"),
    [
        ("out.npy", {"engine": open_engine("processes", 2)}, "is one file, which one process writes"),
        ("out.parquet", {"part": Part(1, 2)}, "is one file, which one process writes"),
        ("out", {"part": Part(1, 2), "overwrite": True}, "overwrite would remove what the other calls write"),
        ("out", {"engine": open_engine("processes", 2)}, "needs a model that its workers can load: give its"),
    ],
)
def test_what_several_processes_cannot_share_is_refused(static, texts, tmp_path, output, options, message):
    model = static if "model" in message else str(texts / "model")
    with pytest.raises(InputError, match=message):
        encode_text(model, str(texts / "one"), tmp_path / output, **options)
    with pytest.raises(InputError, match="standard input cannot be read by several calls; give a file"):
        encode_text(static, "-", tmp_path / "out", engine=Here(), part=Part(1, 2))
    assert not list(tmp_path.iterdir())
