"""Outputs of mining: a kill at any moment of their writing, and rivals for one file."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

import pytest

from kill_steps import killed_before_each_step
from lingualign.errors import InputError
from lingualign.mining import align_documents, encode_text, filter_pairs, mine_pairs
from lingualign.mining.encoded_text import remove_text

LINES = [f"sentence number {number} of a text" for number in range(40)]


@pytest.fixture(scope="module")
def place(static, tmp_path_factory) -> Path:
    """A model, a text in two orders, and pairs."""
    folder = tmp_path_factory.mktemp("kills")
    static.save_pretrained(str(folder / "model"), create_model_card=False)
    mixed = random.Random(1).sample(LINES, len(LINES))
    (folder / "one").write_text("\n".join(LINES))
    (folder / "two").write_text("\n".join(mixed))
    (folder / "pairs.en-fr.tsv").write_text(
        "sentence1\tsentence2\n" + "".join(f"{one}\t{two}\n" for one, two in zip(LINES, mixed, strict=True))
    )
    return folder


def _make(place: Path, output: Path, **options) -> None:
    model, one, two = (str(place / name) for name in ("model", "one", "two"))
    if output.suffix == ".jsonl":
        align_documents(model, one, two, output, **options)
    elif output.suffix == ".parquet":
        filter_pairs(model, str(place / "pairs.en-fr.tsv"), output, by="margin", **options)
    else:
        mine_pairs(model, one, two, output, **options)


def _killed(place: Path, output: Path, moment: int) -> None:
    """Kill this process at one of its steps from the first file that takes its place on."""
    steps = 0

    def counted(step):
        def counting(path, *arguments, **options):
            nonlocal steps
            if step is not replace or (path.parent.name == "output" and path.suffix != ".tmp"):
                steps += 1
                if steps > moment:
                    os.kill(os.getpid(), signal.SIGKILL)
            return step(path, *arguments, **options)

        return counting

    replace, parts = Path.replace, __import__("lingualign.mining.parts", fromlist=["discard"])
    Path.replace = counted(replace)
    discard = parts.discard
    parts.discard = lambda path: (counted_discard if steps else discard)(path)
    counted_discard = counted(discard)
    _make(place, output)


def _files(output: Path) -> dict[str, bytes]:
    return {
        path.name.replace(output.name, ""): path.read_bytes()
        for path in output.parent.glob(f"{output.name}*")
    }


@pytest.mark.parametrize(
    ("name", "moments"), [("mined.en-fr", (1, 2, 4)), ("aligned.jsonl", (1,)), ("kept.parquet", (1,))]
)
def test_a_call_that_is_killed_while_it_writes_ends_when_it_is_run_again(
    place, tmp_path, processes, name, moments
):
    (tmp_path / "whole").mkdir()
    _make(place, tmp_path / "whole" / name)
    for moment in moments:
        folder = tmp_path / str(moment)
        folder.mkdir()
        process = processes.Process(target=_killed, args=(place, folder / name, moment))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert (folder / f"{name}.parts").is_dir()
        _make(place, folder / name)
        assert _files(folder / name) == _files(tmp_path / "whole" / name)


def test_an_output_that_was_changed_since_the_kill_is_not_replaced(place, tmp_path, processes):
    output = tmp_path / "mined.en-fr"
    process = processes.Process(target=_killed, args=(place, output, 2))
    process.start()
    process.join()
    changed = tmp_path / "mined.en-fr.en"
    changed.write_text(changed.read_text() + "a line of my own\n")
    with pytest.raises(InputError, match="exists; give another name, or --overwrite it"):
        _make(place, output)
    assert changed.read_text().endswith("a line of my own\n")


@pytest.mark.parametrize("file", ["source/thesis.tex", "tiles/thesis.tex", "thesis/search", "planted-x"])
def test_what_no_call_has_written_is_not_removed_as_its_parts(place, tmp_path, file):
    mine = tmp_path / "out.tsv.parts" / file
    mine.parent.mkdir(parents=True)
    mine.write_text("years")
    with pytest.raises(InputError, match="is in the way"):
        _make(place, tmp_path / "out.tsv")
    assert mine.read_text() == "years"


def _encode(place: Path, text: Path, output: Path) -> None:
    encode_text(str(place / "model"), str(text), output, overwrite=True)


@pytest.mark.parametrize("ending", ["npy", "parquet"])
def test_rivals_for_one_file_leave_a_whole_one(place, tmp_path, processes, ending):
    output = tmp_path / f"vectors.{ending}"
    expected = []
    for name, lines in (("short", LINES * 30), ("long", LINES * 400)):
        (tmp_path / name).write_text("\n".join(lines))
        _encode(place, tmp_path / name, output)
        expected.append(output.read_bytes())
    rivals = [
        processes.Process(target=_encode, args=(place, tmp_path / name, output))
        for name in ("short", "long") * 2
    ]
    for rival in rivals:
        rival.start()
    for rival in rivals:
        rival.join()
        assert rival.exitcode == 0
        assert output.read_bytes() in expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long", "short", output.name]


def test_encode_overwrite_removes_shards_and_nothing_beside_them(place, tmp_path):
    folder = tmp_path / "encoded"
    encode_text(str(place / "model"), str(place / "one"), folder)
    kept = folder / "shard-000000.notes.txt"
    kept.write_text("years")
    encode_text(str(place / "model"), str(place / "two"), folder, overwrite=True)
    assert kept.read_text() == "years"


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


@pytest.mark.parametrize("overwrite", [True, False])
def test_an_encoded_text_that_is_killed_while_it_is_removed_gives_way_to_the_next(
    place, tmp_path, processes, overwrite
):
    folder, old, expected = (tmp_path / name for name in ("encoded", "old", "expected"))
    _encode(place, place / "one", old)
    _encode(place, place / "two", expected)
    shutil.copytree(old, folder)
    for _ in killed_before_each_step(processes, remove_text, folder):
        # It is the text that was there, or does not pass for one.
        whole = _contents(folder) == _contents(old)
        assert whole or not (folder / "manifest.json").exists()
        encode_text(str(place / "model"), str(place / "two"), folder, overwrite=overwrite or whole)
        assert _contents(folder) == _contents(expected)
        shutil.rmtree(folder)
        shutil.copytree(old, folder)
