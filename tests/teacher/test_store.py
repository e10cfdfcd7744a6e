from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingualign.embedding import encode
from lingualign.errors import InputError
from lingualign.teacher import AddReport, TeacherStore
from lingualign.vectors import KEY, KeyIndex, VectorManifest

if TYPE_CHECKING:
    from pathlib import Path

SENTENCES = [f"sentence number {number} " + "again " * (number % 7) for number in range(50)]

ADD = """
import sys, torch
torch.set_num_threads(1)
from lingualign.embedding import load_model
from lingualign.teacher import TeacherStore
root, folder, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
model = load_model(folder, device="cpu")
sentences = [f"sentence number {number}" for number in range(first, last)]
print("ready", flush=True)
sys.stdin.readline()
report = TeacherStore.for_model(root, model).add(sentences, segment_rows=50)
print(report.new, report.known)
"""


def adding(*arguments: object) -> subprocess.Popen[str]:
    """Another process that adds sentences once it reads a line."""
    command = [sys.executable, "-c", ADD, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()


def test_holds_the_vectors_of_the_teacher(tiny, tmp_path):
    store = TeacherStore.for_model(tmp_path, tiny, prompt="query: ")
    assert len(store) == 0
    assert store.add(iter(SENTENCES), segment_rows=20) == AddReport(new=50, known=0)
    assert (len(store), store.dimensions) == (50, 16)
    expected = tiny.encode(SENTENCES, prompt="query: ", normalize_embeddings=True)
    vectors = store[store.rows(SENTENCES[::-1])]
    assert vectors.dtype == np.float16
    np.testing.assert_allclose(vectors[::-1], expected, atol=2e-3)
    store.verify()


@pytest.mark.parametrize(("normalize", "dimensions"), [(True, 5), (False, None)])
def test_settings_decide_the_vectors(tiny, tmp_path, normalize, dimensions):
    store = TeacherStore.for_model(tmp_path, tiny, normalize=normalize, dimensions=dimensions)
    store.add(SENTENCES)
    with tiny.truncate_embeddings(dimensions):
        expected = encode(tiny, SENTENCES, normalize=normalize)
    np.testing.assert_allclose(store[store.rows(SENTENCES)], expected, rtol=1e-3, atol=1e-3)


def test_address_follows_content_and_settings(tiny, minilm, tmp_path):
    def folder(model, **settings):
        return TeacherStore.for_model(tmp_path, model, **settings).folder

    assert folder(tiny) == folder(str(tiny.folder))
    others = [
        folder(tiny),
        folder(minilm),
        folder(tiny, prompt="query: "),
        folder(tiny, normalize=False),
        folder(tiny, dimensions=8),
        # A commit is a name, and the prompt is given: the model is not loaded.
        folder("some/model", revision="a" * 40, prompt=""),
        folder("some/model", revision="b" * 40, prompt=""),
    ]
    assert len(set(others)) == len(others)


def test_only_new_sentences_reach_the_teacher(tiny, reached, tmp_path):
    store = TeacherStore.for_model(tmp_path, tiny)
    store.add([*SENTENCES[:30], *SENTENCES[:5]], segment_rows=8)
    assert reached() == 30
    rows = store.rows(SENTENCES[:30])
    assert TeacherStore.for_model(tmp_path, tiny).add(SENTENCES, segment_rows=8) == AddReport(
        new=20, known=30
    )
    assert reached() == 50
    np.testing.assert_array_equal(store.rows(SENTENCES[:30]), rows)
    assert len(store.rows(SENTENCES)) == 50  # seen without opening the store anew


def test_kill_loses_at_most_the_segment_in_work(tiny, reached, tmp_path):
    process = adding(tmp_path, tiny.folder, 0, 100_000)
    try:
        begin(process)
        store = TeacherStore.for_model(tmp_path, tiny)
        deadline = time.monotonic() + 60
        while ((manifest := VectorManifest.read(store.folder)) is None or len(manifest.segments) < 3) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    kept = len(store)
    assert kept >= 150
    assert kept % 50 == 0
    store.verify()
    sentences = [f"sentence number {number}" for number in range(kept + 70)]
    assert store.add(sentences, segment_rows=50) == AddReport(new=70, known=kept)
    assert reached() == 70
    store.verify()
    np.testing.assert_allclose(store[store.rows(sentences)], encode(tiny, sentences), atol=2e-3)
    assert not list(store.folder.glob("*.tmp"))


def test_two_processes_share_the_work(tiny, tmp_path):
    first, second = adding(tmp_path, tiny.folder, 0, 600), adding(tmp_path, tiny.folder, 300, 900)
    begin(first)
    begin(second)
    reports = [process.communicate(timeout=120)[0].split() for process in (first, second)]
    assert first.returncode == second.returncode == 0
    assert sum(int(new) for new, _ in reports) == 900
    store = TeacherStore.for_model(tmp_path, tiny)
    assert len(store) == 900
    store.verify()
    sentences = [f"sentence number {number}" for number in range(900)]
    np.testing.assert_allclose(store[store.rows(sentences)], encode(tiny, sentences), atol=2e-3)


@pytest.mark.parametrize("kind", ["vectors", "keys"])
def test_damaged_or_exchanged_files_are_noticed_by_those_who_use_them(tiny, tmp_path, kind):
    store = TeacherStore.for_model(tmp_path, tiny)
    store.add(SENTENCES[:40], segment_rows=20)
    one, two = sorted(store.folder.glob(f"*.{kind}.npy"))
    whole = one.read_bytes(), two.read_bytes()
    flipped = bytearray(whole[1])
    flipped[-100] ^= 4
    for contents in ((whole[1], whole[0]), (whole[0], bytes(flipped))):
        for path, content in zip((one, two), contents, strict=True):
            path.write_bytes(content)
        for use in (lambda each: each.add(SENTENCES), lambda each: each.rows(SENTENCES[:40])):
            with pytest.raises(
                InputError, match=r"\.npy was altered.*delete segment-00000\d\.\* in .*run the same"
            ):
                use(TeacherStore.for_model(tmp_path, tiny))
    # The cure that is named.
    one.write_bytes(whole[0])
    for left in store.folder.glob("segment-000001.*"):
        left.unlink()
    again = TeacherStore.for_model(tmp_path, tiny)
    assert again.add(SENTENCES[:40]) == AddReport(new=20, known=20)
    np.testing.assert_allclose(again[again.rows(SENTENCES[:40])], encode(tiny, SENTENCES[:40]), atol=2e-3)


def test_pickles_as_a_path(tiny, tmp_path):
    store = TeacherStore.for_model(tmp_path, tiny)
    store.add(SENTENCES)
    rows = store.rows(SENTENCES)
    travelled = pickle.dumps(store)
    assert len(travelled) < 2_000
    np.testing.assert_array_equal(pickle.loads(travelled)[rows], store[rows])


def damaged(store: TeacherStore, pattern: str) -> Path:
    return sorted(store.folder.glob(pattern))[1]


@pytest.mark.parametrize("pattern", ["*.vectors.npy", "*.keys.npy"])
def test_damage_is_recognised_and_only_that_segment_embedded_anew(tiny, reached, tmp_path, pattern):
    store = TeacherStore.for_model(tmp_path, tiny)
    store.add(SENTENCES, segment_rows=20)
    rows = store.rows(SENTENCES[40:])
    file = damaged(store, pattern)
    content = file.read_bytes()

    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match=rf"{file.name} was altered.*delete segment-000001\.\* in"):
        store.verify()

    file.write_bytes(content[:-10])
    for use in (len, TeacherStore.verify, lambda each: each.add(SENTENCES)):
        with pytest.raises(InputError, match=rf"{file.name} has .* bytes.*delete segment-000001\.\* in"):
            use(TeacherStore(store.folder))

    file.unlink()
    with pytest.raises(InputError, match=rf"{file.name} is missing"):
        len(TeacherStore(store.folder))

    for left in store.folder.glob("segment-000001.*"):
        left.unlink()
    before = reached()
    assert TeacherStore.for_model(tmp_path, tiny).add(SENTENCES) == AddReport(new=20, known=30)
    assert reached() - before == 20
    repaired = TeacherStore(store.folder)
    repaired.verify()
    np.testing.assert_array_equal(repaired.rows(SENTENCES[40:]), rows)  # rows keep their numbers
    with pytest.raises(InputError, match="row 25 is not in the teacher store"):
        repaired[[25]]
    np.testing.assert_allclose(repaired[repaired.rows(SENTENCES)], encode(tiny, SENTENCES), atol=2e-3)


def test_what_cannot_be_done_is_said(tiny, minilm, tmp_path):
    store = TeacherStore(tmp_path / "store")
    with pytest.raises(InputError, match="holds no teacher store yet"):
        store.rows(["a"])
    with pytest.raises(InputError, match="give model="):
        store.add(["a"])
    store.add(["a"], model=tiny)
    with pytest.raises(InputError, match="no vector for 2 of 3 sentences, first 'b'"):
        store.rows(["a", "b", "c"])
    with pytest.raises(InputError, match="is for another teacher"):
        store.add(["a"], model=minilm)
    with pytest.raises(InputError, match="row 1 is not in"):
        store[[1]]
    with pytest.raises(InputError, match="single text"):
        store.add("text", model=tiny)
    with pytest.raises(InputError, match="dimensions is 99, but the teacher's vectors have 16"):
        TeacherStore.for_model(tmp_path, tiny, dimensions=99).add(["a"])
    manifest = store.folder / "manifest.json"
    content = json.loads(manifest.read_text())
    for broken in ("{", "[]", json.dumps(content | {"format": 9}), json.dumps(content | {"width": "16"})):
        manifest.write_text(broken)
        with pytest.raises(InputError, match=r"manifest\.json .* delete the folder"):
            TeacherStore(store.folder).add(["a"], model=tiny)


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=8, unique=True), max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=20),
)
def test_index_agrees_with_a_dict_even_where_halves_collide(parts, queries):
    distinct = list(dict.fromkeys(key for part in parts for key in part))
    keys = np.array(distinct, dtype=KEY)
    index = KeyIndex(lambda rows: keys["tail"][rows])
    for start in range(0, len(distinct), 3):
        index.extend(keys[start : start + 3], start)
    rows = {key: row for row, key in enumerate(distinct)}
    found = index.rows(np.array(queries, dtype=KEY))
    assert found.tolist() == [rows.get(query, -1) for query in queries]


def test_a_folder_that_cannot_be_written_to_is_named(tiny, tmp_path):
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "file" / "store", tmp_path / "file"):
        with pytest.raises(
            InputError, match=rf"the teacher store {folder}.* cannot be written to: .*another folder"
        ):
            TeacherStore.for_model(folder, tiny).add(SENTENCES)
    assert (tmp_path / "file").read_text() == "no folder"


def test_a_segment_that_cannot_be_written_leaves_the_store_as_it_was(tiny, tmp_path):
    store = TeacherStore.for_model(tmp_path, tiny)
    store.add(SENTENCES[:10])
    segment = VectorManifest.read(store.folder).segments[0]
    number = VectorManifest.read(store.folder).next_segment
    blocked = type(segment)(**{**vars(segment), "number": number}).keys_file(store.folder)
    blocked.mkdir()  # the place of the next segment's keys is taken
    with pytest.raises(
        InputError, match=rf"the teacher store {store.folder} cannot be written to: Is a directory"
    ):
        store.add(SENTENCES)
    assert len(store) == 10
    blocked.rmdir()
    assert store.add(SENTENCES) == AddReport(new=40, known=10)
    store.verify()
