"""Corpora from OPUS, from a server of this machine that behaves well, slowly, wrongly, or not at all."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opus_server import OpusServer, moses_zip, serving

from lingualign.cli import main
from lingualign.errors import InputError
from lingualign.pairs import prepare_pairs, read_source
from lingualign.pairs.config import PairsConfig
from lingualign.pairs.opus import catalogue
from lingualign.pairs.opus import downloads as archives
from lingualign.pairs.opus.downloads import sample
from lingualign.pairs.opus.fetch import fetch, plan_fetch
from lingualign.pairs.sources import find_pairs
from lingualign.store import taking_turns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def opus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpusServer]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(catalogue, "PAUSES", (0.01, 0.01, 0.01))
    with serving() as server:
        monkeypatch.setenv("LINGUALIGN_OPUS", server.address)
        yield server


def lines_of(pair: str, count: int) -> list[tuple[str, str]]:
    """Distinct lines that pack badly, with the characters that other formats trip over."""
    first, second = pair.split("-")
    draw = random.Random(pair)
    return [
        (f"{first}\t{n} {draw.random()}", f'{second} "{n}"\x85\u2028 {draw.random()}') for n in range(count)
    ]


def add(opus: OpusServer, corpus: str, pair: str, count: int = 300, **changed: object) -> str:
    return opus.add(corpus, pair, moses_zip(corpus, pair, lines_of(pair, count)), **changed)


def rows(folder: Path) -> dict[tuple[str, str, str], list[tuple[str, str]]]:
    found: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for file in read_source(folder)[0]:
        for row in file.table.to_pylist():
            key = row["corpus"], row["lang1"], row["lang2"]
            found.setdefault(key, []).append((row["sentence1"], row["sentence2"]))
    return found


def fetched(output: Path, languages: str = "en fr", corpora: str = "Tatoeba", **options: object) -> object:
    return fetch(plan_fetch(languages.split(), corpora.split(), output, **options))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["data", "fetch", *arguments]) == 2
    *_, line = capsys.readouterr().err.splitlines()  # where bars were shown, they are above
    return line.removeprefix("lingualign: error: ")


# --- the way it goes ---


def test_a_fetch_lists_sizes_downloads_samples_and_does_nothing_the_second_time(
    opus: OpusServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for pair in ("en-fr", "en-ko", "fr-ko"):
        add(opus, "Tatoeba", pair, 300)
    add(opus, "News-Commentary", "en-fr", 20)
    add(opus, "Tatoeba", "de-en", 20)  # in none of the languages wanted
    add(opus, "Tatoeba", "zh-zh_tw", 20)  # two sides of one language
    output = tmp_path / "pairs"
    arguments = ["data", "fetch", "--languages", "en", "fr", "kor", "--corpora", "Tatoeba", "NewsCommentary"]
    arguments += ["--per-corpus", "50", "--output", str(output)]

    assert main([*arguments, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert all(word in told for word in ("Tatoeba", "News-Commentary", "fr-ko", "KiB", "to download: "))
    assert "not in News-Commentary: en-ko, fr-ko" in told
    assert opus.downloads() == []
    assert not output.exists()

    assert main(arguments) == 0
    assert "170 pairs of 920" in capsys.readouterr().out
    assert len(opus.downloads()) == 4
    found = rows(output)
    assert {key: len(pairs) for key, pairs in found.items()} == {
        ("Tatoeba", "en", "fr"): 50,
        ("Tatoeba", "en", "ko"): 50,
        ("Tatoeba", "fr", "ko"): 50,
        ("News-Commentary", "en", "fr"): 20,
    }
    everything = lines_of("en-fr", 300)
    places = [everything.index(pair) for pair in found["Tatoeba", "en", "fr"]]
    assert places == sorted(places)
    manifest = json.loads((output / "manifest.json").read_text())["files"]["Tatoeba/en-fr.parquet"]
    assert (manifest["corpus"], manifest["version"], manifest["lines"], manifest["kept"]) == (
        "Tatoeba", "v1", 300, 50,
    )  # fmt: skip
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in output.rglob("*.*")}
    opus.asked.clear()
    assert main(arguments) == 0
    assert "4 of them there before" in capsys.readouterr().out
    assert opus.downloads() == []
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in output.rglob("*.*")} == before


def test_the_same_seed_gives_the_same_bytes_and_a_larger_sample_contains_the_smaller(
    opus: OpusServer, tmp_path: Path
) -> None:
    add(opus, "Tatoeba", "en-fr", 500)
    for name, count, seed in (
        ("a", 40, 1),
        ("b", 40, 1),
        ("more", 90, 1),
        ("other", 40, 2),
        ("all", None, 1),
    ):
        fetched(tmp_path / name, per_corpus=count, seed=seed)
    file = "Tatoeba/en-fr.parquet"
    assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    drawn = {
        name: set(rows(tmp_path / name)["Tatoeba", "en", "fr"]) for name in ("a", "more", "other", "all")
    }
    assert drawn["a"] < drawn["more"] < drawn["all"] == set(lines_of("en-fr", 500))
    assert drawn["a"] != drawn["other"]
    assert len(opus.downloads()) == 1  # of all five, as the archive is in the cache
    fetched(tmp_path / "a", per_corpus=41, seed=1)  # another sample replaces what is there
    assert len(rows(tmp_path / "a")["Tatoeba", "en", "fr"]) == 41


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(1, 70), st.integers(0, 5))
def test_a_sample_is_distinct_in_order_and_full(total: int, size: int, seed: int) -> None:
    lines = [(b"%d" % n, b"") for n in range(total)]
    drawn, counted = sample(iter(lines), size, str(seed))
    assert counted == total
    assert len(drawn) == min(size, total)
    assert drawn == [line for line in lines if line in set(drawn)]


def test_every_line_is_drawn_equally_often() -> None:
    lines = [(b"%d" % n, b"") for n in range(20)]
    drawn = Counter(line for seed in range(4000) for line in sample(lines, 5, str(seed))[0])
    # A binomial of 4000 draws at 1/4: its standard deviation is 27.
    assert all(abs(drawn[line] - 1000) < 6 * 27 for line in lines)


def test_variants_of_a_language_are_files_of_their_own_under_one_code(
    opus: OpusServer, tmp_path: Path
) -> None:
    for pair in ("en-zh", "en-zh_cn", "zh_tw-en"):
        add(opus, "TED2020", pair, 10)
    add(opus, "TED2020", "en-zh_tw", 10)  # listed both ways
    fetched(tmp_path / "out", "en zh", "TED2020")
    assert sorted(path.name for path in (tmp_path / "out" / "TED2020").iterdir()) == [
        "en-zh.parquet", "en-zh_cn.parquet", "en-zh_tw.parquet",
    ]  # fmt: skip
    assert {key: len(pairs) for key, pairs in rows(tmp_path / "out").items()} == {("TED2020", "en", "zh"): 30}


def test_a_version_is_taken_by_its_name(opus: OpusServer, tmp_path: Path) -> None:
    add(opus, "Books", "en-fr", 10, version="v1")
    opus.entries[0]["latest"] = "False"
    add(opus, "Books", "en-fr", 20, version="v2")
    fetched(tmp_path / "new", corpora="Books")
    fetched(tmp_path / "old", corpora="Books/v1")
    assert len(rows(tmp_path / "new")["Books", "en", "fr"]) == 20
    assert len(rows(tmp_path / "old")["Books", "en", "fr"]) == 10
    with pytest.raises(InputError, match="Books is given in two versions"):
        fetched(tmp_path / "both", corpora="Books Books/v1")
    with pytest.raises(InputError, match=r"OPUS has Books, but nothing in its version 'v3'"):
        fetched(tmp_path / "none", corpora="Books/v3")


def test_text_that_is_no_utf8_is_left_out_and_counted(
    opus: OpusServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [("one", "un"), ("tw\udcffo", "deux"), ("three\r", "\ufefftrois"), ("four", "qua\x00tre")]
    opus.add("Tatoeba", "en-fr", moses_zip("Tatoeba", "en-fr", lines))
    arguments = ["--languages", "en", "fr", "--corpora", "Tatoeba", "--output", str(tmp_path / "out")]
    assert main(["data", "fetch", *arguments]) == 0
    assert "Tatoeba/en-fr.parquet: 2 pairs left out: not UTF-8, with a NUL" in capsys.readouterr().out
    expected = [("one", "un"), ("three", "\ufefftrois")]
    assert rows(tmp_path / "out")["Tatoeba", "en", "fr"] == expected
    read = [tuple(row.values())[:2] for row in read_source("opus:Tatoeba:en-fr")[0][0].table.to_pylist()]
    assert read == [expected[0], ("", ""), expected[1], ("", "")]


# --- as a source ---


def test_a_corpus_is_a_source_of_the_languages_wanted_and_of_nothing_else(
    opus: OpusServer, tmp_path: Path
) -> None:
    paths = {pair: add(opus, "Tatoeba", pair, 40) for pair in ("en-fr", "en-ko", "fr-ko", "de-en")}
    prepared = prepare_pairs(
        "opus:Tatoeba", languages=["en", "fr", "ko"], select="en-xx", validation=0, per_corpus=30
    )
    assert {path for path, _ in opus.downloads()} == {paths["en-fr"], paths["en-ko"]}
    assert prepared.report.files["opus:Tatoeba/v1:en-fr"].read == 40
    assert prepared.train.num_rows == 60
    again = prepare_pairs(
        ["opus:Tatoeba/v1:fr-en", "opus:Tatoeba:ko-en"], validation=0, per_corpus=30
    )  # the same
    assert again.train.equals(prepared.train)
    assert len(opus.downloads()) == 2


@pytest.mark.parametrize(
    ("source", "languages", "message"),
    [
        (
            "opus:Tatoeba",
            None,
            r"name the languages \(pairs.languages\), or the pair as in opus:Tatoeba:en-fr",
        ),
        ("opus:Tatoeba", ["en", "ru"], r"no pair of en, ru that is selected; it has en-fr, en-ko, fr-ko$"),
        ("opus:Tatoeba:en-xq", None, r"'opus:Tatoeba:en-xq': languages: unknown language code 'xq'"),
        ("opus:Tatoba:en-fr", None, r"OPUS has no corpus 'Tatoba'; did you mean Tatoeba\?"),
        ("opus:", ["en", "ru"], r"expected opus:CORPUS, opus:CORPUS/VERSION or opus:CORPUS:en-fr"),
        ("opus:../../etc:en-fr", None, r"is no name of a corpus"),
    ],
)
def test_a_source_that_cannot_be_had_is_explained(
    opus: OpusServer, source: str, languages: list[str] | None, message: str
) -> None:
    for pair in ("en-fr", "en-ko", "fr-ko"):
        add(opus, "Tatoeba", pair, 5)
    with pytest.raises(InputError, match=message):
        find_pairs(source, PairsConfig([], languages=languages))


# --- servers that do not behave ---


@pytest.mark.parametrize(
    ("moods", "requests"),
    [
        (["cut"], 2),
        (["cut", "cut", "cut"], 4),
        (["500", "503", "429"], 4),
        (["slow"], 1),
        (["no length"], 1),
        (["cut", "no ranges"], 2),
    ],
)
def test_what_passes_is_waited_for_and_gone_on_with(
    opus: OpusServer, tmp_path: Path, moods: list[str], requests: int
) -> None:
    path = add(opus, "Tatoeba", "en-fr", 3000)
    opus.moods[path] = list(moods)
    fetched(tmp_path / "out")
    assert rows(tmp_path / "out")["Tatoeba", "en", "fr"] == lines_of("en-fr", 3000)
    assert len(opus.downloads()) == requests
    if set(moods) == {"cut"}:  # each byte came once
        assert opus.given[path] == len(opus.archives[path])
        assert all(span for _, span in opus.downloads()[1:])


def test_a_server_that_falls_silent_is_left_and_asked_again(
    opus: OpusServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "SILENT_SECONDS", 0.2)
    path = add(opus, "Tatoeba", "en-fr", 3000)
    opus.moods[path] = ["silent"]
    fetched(tmp_path / "out")
    assert len(rows(tmp_path / "out")["Tatoeba", "en", "fr"]) == 3000
    opus.moods[path] = ["silent"] * 4
    fetched_again = path.replace("v1", "v2")
    opus.entries[0].update(version="v2", url=opus.entries[0]["url"].replace("v1", "v2"))
    opus.archives[fetched_again] = opus.archives[path]
    opus.moods[fetched_again] = ["silent"] * 4
    with pytest.raises(
        InputError, match=r"sent nothing for 0.2 seconds, 4 times in a row; what has arrived is kept"
    ):
        fetched(tmp_path / "out")


@pytest.mark.parametrize(
    ("mood", "message"),
    [
        (
            "404",
            r"en-fr.txt.zip: the server answered 404 Not Found. Leave Tatoeba out, or name another version",
        ),
        ("500", r"en-fr.txt.zip: the server answered 500 .*, 4 times in a row; what has arrived is kept"),
    ],
)
def test_what_does_not_pass_is_one_error_that_leaves_nothing(
    opus: OpusServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], mood: str, message: str
) -> None:
    import re

    path = add(opus, "Tatoeba", "en-fr")
    opus.moods[path] = [mood] * 4
    line = refused(
        capsys, "--languages", "en", "fr", "--corpora", "Tatoeba", "--output", str(tmp_path / "out")
    )
    assert re.search(message, line), line
    opus.moods.clear()
    assert [file for file in (tmp_path / "out").rglob("*") if not file.name.startswith(".")] == []
    fetched(tmp_path / "out")
    assert len(rows(tmp_path / "out")["Tatoeba", "en", "fr"]) == 300


@pytest.mark.parametrize("mood", ["well", "no length"])
@pytest.mark.parametrize("factor", [3, 1 / 3])
def test_an_archive_of_another_size_than_announced_is_refused(
    opus: OpusServer, tmp_path: Path, factor: float, mood: str
) -> None:
    path = add(opus, "Tatoeba", "en-fr", 3000)
    opus.entries[0]["size"] = int(opus.entries[0]["size"] * factor)
    opus.moods[path] = [mood]
    with pytest.raises(InputError, match=r"bytes, but the catalogue announces about [\d,]+ KiB"):
        fetched(tmp_path / "out")
    assert [file for file in (tmp_path / "cache").rglob("*.zip*") if not file.name.startswith(".")] == []


def test_without_a_network_one_error_names_the_ways_without_it(
    opus: OpusServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add(opus, "Tatoeba", "en-fr", 30)
    fetched(tmp_path / "first")
    monkeypatch.setenv("LINGUALIGN_OPUS", "http://127.0.0.1:9/opusapi/")
    arguments = ["--languages", "en", "fr", "--corpora", "Books", "--output", str(tmp_path / "out")]
    line = refused(capsys, *arguments)
    assert line.startswith("http://127.0.0.1:9/opusapi/ cannot be reached (")
    assert "give folders or files of pairs as sources; or fetch on another machine and copy" in line
    assert not (tmp_path / "out").exists()
    # What an earlier run has asked and downloaded serves.
    assert prepare_pairs("opus:Tatoeba:en-fr", validation=0).train.num_rows == 30
    fetched(tmp_path / "second")
    assert len(rows(tmp_path / "second")["Tatoeba", "en", "fr"]) == 30


def test_a_catalogue_that_is_none_is_told(
    opus: OpusServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opus.moods["/opusapi/"] = ["page"]
    with pytest.raises(InputError, match="it answers, but not as the catalogue of OPUS does: b'<html>'"):
        fetched(tmp_path / "out")
    monkeypatch.setenv("LINGUALIGN_OPUS", "ftp://nowhere/")
    with pytest.raises(InputError, match="ftp://nowhere/: no address of a server"):
        fetched(tmp_path / "out")


@pytest.mark.parametrize(
    "changed",
    [
        {"version": "../../v1"},
        {"corpus": "..", "latest": "True"},
        {"url": "file:///etc/passwd"},
        {"size": "1 GB"},
    ],
)
def test_a_catalogue_that_points_outside_is_refused(
    opus: OpusServer, tmp_path: Path, changed: dict[str, str]
) -> None:
    add(opus, "Tatoeba", "en-fr", 5)
    add(opus, "Tatoeba", "en-ko", 5)
    opus.answer = lambda _: {"corpora": [opus.entries[0], opus.entries[1] | changed]}  # type: ignore[method-assign]
    with pytest.raises(InputError, match="an entry of the catalogue cannot be trusted"):
        fetched(tmp_path / "out")


# --- archives that do not behave ---


def crafted(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return buffer.getvalue()


SIDES = {"T.en-fr.en": b"one\n", "T.en-fr.fr": b"un\n"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            crafted(**SIDES, **{"../../etc/passwd": b"x"}),
            r"'../../etc/passwd', a path that leaves the folder",
        ),
        (crafted(**SIDES, **{"/etc/passwd": b"x"}), r"'/etc/passwd', a path that leaves the folder"),
        (crafted(**SIDES, **{"C:\\x": b"x"}), r"a path that leaves the folder"),
        (
            crafted(**{"T.en-fr.en": b"\n" * (8 << 20), "T.en-fr.fr": b"\n" * (8 << 20)}),
            r"would unpack to 16,777,216, more than 100 times as many",
        ),
        (crafted(**{"T.en-fr.en": b"one\ntwo\n", "T.en-fr.fr": b"un\n"}), r"\.fr ends before line 2"),
        (crafted(**{"T.en-fr.en": b"one\n", "T.en-fr.fr": b"un\ndeux"}), r"\.en ends before line 2"),
        (crafted(**{"T.en-fr.en": b"one\n"}), r"no files in the archive end in '.en-fr.fr', one should"),
        (b"<html>not here</html>", r"a damaged archive \(File is not a zip file\); it was removed"),
    ],
)
def test_an_archive_that_is_hostile_or_damaged_is_refused_and_leaves_nothing(
    opus: OpusServer, tmp_path: Path, content: bytes, message: str
) -> None:
    opus.add("T", "en-fr", content)
    for per_corpus in (None, 5):
        with pytest.raises(InputError, match=message):
            fetched(tmp_path / "out", corpora="T", per_corpus=per_corpus)
    assert {file.name for file in (tmp_path / "out").rglob("*")} <= {".lock", "T"}


def test_a_damaged_archive_is_fetched_anew(opus: OpusServer, tmp_path: Path) -> None:
    path = add(opus, "Tatoeba", "en-fr", 3000)
    good = opus.archives[path]
    opus.archives[path] = good[:20000] + bytes(100) + good[20100:]
    with pytest.raises(
        InputError, match=r"a damaged archive .* removed from the cache, run the same command again"
    ):
        fetched(tmp_path / "out")
    opus.archives[path] = good
    fetched(tmp_path / "out")
    assert rows(tmp_path / "out")["Tatoeba", "en", "fr"] == lines_of("en-fr", 3000)


def test_a_line_without_end_is_refused(
    opus: OpusServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LONGEST_LINE", 3 << 20)
    text = random.Random(1).randbytes(4 << 20).replace(b"\n", b"").hex().encode()
    opus.add("T", "en-fr", crafted(**{"T.en-fr.en": text, "T.en-fr.fr": b"un\n"}))
    with pytest.raises(InputError, match="a line in the archive is longer than 3 MiB"):
        fetched(tmp_path / "out", corpora="T")


# --- folders and disks ---


def test_a_folder_that_holds_something_else_is_left_alone(opus: OpusServer, tmp_path: Path) -> None:
    add(opus, "Tatoeba", "en-fr", 5)
    own = tmp_path / "out" / "Tatoeba" / "en-fr.parquet"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"years")
    with pytest.raises(InputError, match="it was not fetched, and is not overwritten"):
        fetched(tmp_path / "out")
    assert own.read_bytes() == b"years"
    own.unlink()
    fetched(tmp_path / "out")
    own.write_bytes(b"damaged")  # what was fetched and is damaged is made again
    fetched(tmp_path / "out")
    assert len(rows(tmp_path / "out")["Tatoeba", "en", "fr"]) == 5
    (tmp_path / "out" / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"manifest\.json is not the manifest of a fetch"):
        fetched(tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"languages": "en klingonish"}, "languages: unknown language code 'klingonish'"),
        ({"languages": "en eng"}, "languages: en, eng given; a pair takes two"),
        ({"languages": "en ru"}, "none of the corpora has a pair of en, ru: Tatoeba has en-fr, ko-ru, de-it"),
        ({"languages": "en fr ko ru", "corpora": "Tatoeba Books", "select": "en-fr"}, "Books has none of the pairs"),
        ({"select": "en-de"}, r"'en-de' selects nothing; the language pairs there are: en-fr \(10\)"),
        ({"per_corpus": 0}, "per_corpus: 0 is not a number of pairs"),
        ({"corpora": "Tatoebas"}, r"OPUS has no corpus 'Tatoebas'; did you mean Tatoeba\? \(it has 2, listed on"),
    ],
)  # fmt: skip
def test_what_cannot_be_fetched_is_told_before_anything_is(
    opus: OpusServer, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    for corpus, pair in (
        ("Tatoeba", "en-fr"),
        ("Tatoeba", "de-it"),
        ("Tatoeba", "ko-ru"),
        ("Books", "ko-ru"),
    ):
        add(opus, corpus, pair, 5)
    with pytest.raises(InputError, match=message):
        fetched(tmp_path / "out", **options)
    assert opus.downloads() == []
    assert not (tmp_path / "out").exists()


def test_an_archive_larger_than_the_disk_is_refused_before_it_is_asked_for(
    opus: OpusServer, tmp_path: Path
) -> None:
    add(opus, "Tatoeba", "en-fr", 5, size=10**15)
    with pytest.raises(
        InputError, match=r"the archives take [\d,.]+ GiB, and [\d,.]+ GiB are free; make room"
    ):
        fetched(tmp_path / "out")
    assert opus.downloads() == []


def command(opus: OpusServer, tmp_path: Path) -> list[str]:
    arguments = ["data", "fetch", "--languages", "en", "fr", "--corpora", "Tatoeba"]
    return [sys.executable, "-m", "lingualign", *arguments, "--output", str(tmp_path / "out")]


def test_a_full_disk_is_one_error_and_room_lets_it_go_on(opus: OpusServer, tmp_path: Path) -> None:
    path = add(opus, "Tatoeba", "en-fr", 9000)
    limit = len(opus.archives[path]) // 2
    ran = subprocess.run(
        command(opus, tmp_path),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1].endswith(f"en-fr.txt.zip.part: {os.strerror(errno.EFBIG)}; make room")
    assert "Traceback" not in ran.stderr
    assert list((tmp_path / "out").rglob("*.parquet")) == []
    fetched(tmp_path / "out")
    assert opus.downloads()[-1][1] == f"bytes={limit}-"
    assert len(rows(tmp_path / "out")["Tatoeba", "en", "fr"]) == 9000


def test_ctrl_c_stops_at_once_and_the_next_run_goes_on(opus: OpusServer, tmp_path: Path) -> None:
    path = add(opus, "Tatoeba", "en-fr", 9000)
    opus.moods[path] = ["silent"]
    run = subprocess.Popen(command(opus, tmp_path), stderr=subprocess.PIPE, text=True)
    part = tmp_path / "cache" / "lingualign" / "opus" / "Tatoeba" / "v1" / "en-fr.txt.zip.part"
    deadline = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size > 100_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)  # while the server is silent, which it would be for a minute
    _, told = run.communicate(timeout=60)
    assert run.returncode == 130
    assert told.splitlines()[-1] == (
        "lingualign: interrupted; what was downloaded is kept, the same command goes on from there"
    )
    assert "Traceback" not in told
    there = part.stat().st_size
    assert list((tmp_path / "out").rglob("*.parquet")) == []

    assert subprocess.run(command(opus, tmp_path), check=False, capture_output=True).returncode == 0
    assert opus.downloads()[-1] == (path, f"bytes={there}-")
    assert rows(tmp_path / "out")["Tatoeba", "en", "fr"] == lines_of("en-fr", 9000)
    assert not part.exists()


def test_two_runs_share_one_download(opus: OpusServer, tmp_path: Path) -> None:
    path = add(opus, "Tatoeba", "en-fr", 9000)
    opus.moods[path] = ["slow"]
    runs = []
    for name in ("one", "two"):
        arguments = [*command(opus, tmp_path)[:-1], str(tmp_path / name)]
        runs.append(subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    assert [run.wait(60) for run in runs] == [0, 0]
    assert opus.downloads() == [(path, None)]
    assert (tmp_path / "one/Tatoeba/en-fr.parquet").read_bytes() == (
        tmp_path / "two/Tatoeba/en-fr.parquet"
    ).read_bytes()


def test_several_archives_come_at_a_time(opus: OpusServer, tmp_path: Path) -> None:
    """Each of three is held back until all three have been asked for."""
    paths = [add(opus, "Tatoeba", pair, 3000) for pair in ("en-fr", "en-ko", "fr-ko")]
    for path in paths:
        opus.moods[path] = ["silent"]

    def release() -> None:
        deadline = time.monotonic() + 30
        while len(opus.downloads()) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        opus.released.set()

    import threading

    threading.Thread(target=release, daemon=True).start()
    plan = plan_fetch(["en", "fr", "ko"], ["Tatoeba"], tmp_path / "out")
    assert {file.kept for file in fetch(plan).values()} == {3000}
    assert {path for path, _ in opus.downloads()[:3]} == set(paths)


def test_a_turn_in_the_output_folder_is_waited_for(
    opus: OpusServer, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    monkeypatch.setattr("lingualign.store.locks._SILENT_SECONDS", 0.1)
    add(opus, "Tatoeba", "en-fr", 5)
    plan = plan_fetch(["en", "fr"], ["Tatoeba"], tmp_path / "out")
    plan.output.mkdir()
    other = threading.Thread(target=fetch, args=(plan,))
    with taking_turns(plan.output / ".lock", ""):
        other.start()
        other.join(0.5)
        assert not list(plan.output.rglob("*.parquet"))
    other.join(30)
    assert f"waiting for another run that fetches to {plan.output}" in caplog.text
    assert len(rows(plan.output)["Tatoeba", "en", "fr"]) == 5
