"""The paper's suites: copied from a hub of this machine, kept, and read again without it."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub_server import serving
from lingualign.errors import InputError
from lingualign.evaluation import in_languages, load_suites
from lingualign.evaluation.paper import PAPER_SUITES, fetch_suites, has_paper_suites
from lingualign.evaluation.suites import name_languages

FLORES = ("eng_Latn", "fra_Latn", "jpn_Jpan", "kor_Hang", "rus_Cyrl", "deu_Latn")


def parquet(**columns) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def content(suite) -> bytes:
    """A few rows in the form that the suite has on the hub."""
    two = {"sentence1": [f"{suite.name} {row}" for row in range(3)], "sentence2": ["x", "y", "z"]}
    if suite.kind == "bucc":
        return parquet(
            sentence1=[["s1", "s2", "s3", "s4"]], sentence2=[["t1", "t2", "t3"]], gold=[[[3, 1], [1, 3]]]
        )
    if suite.kind == "nway":
        return parquet(**{code: [f"{code} {row}" for row in range(3)] for code in FLORES})
    return parquet(**two, **({"score": [0.0, 2.5, 5.0]} if suite.kind == "sts" else {}))


@pytest.fixture(scope="module")
def hub_data():
    """Every repository, with a card that names its configurations as the hub's do."""
    repositories: dict[str, dict[str, bytes]] = {}
    cards: dict[str, list[str]] = {}
    for suite in PAPER_SUITES:
        place = f"{suite.config or 'data'}/{suite.split}.parquet"
        repositories.setdefault(suite.repository, {})[place] = content(suite)
        cards.setdefault(suite.repository, []).append(
            f"- config_name: {suite.config or 'default'}\n  data_files:\n  - split: {suite.split}\n    path: {place}\n"
        )
    for name, entries in cards.items():
        repositories[name]["README.md"] = f"---\nconfigs:\n{''.join(entries)}---\n".encode()
    return repositories


def run(code, tmp_path, endpoint):
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "hf")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.fixture(scope="module")
def copy(hub_data, tmp_path_factory):
    """A copy that the command made, and the server's account of it."""
    tmp_path = tmp_path_factory.mktemp("paper")
    code = f"""
import sys
from lingualign.cli import main
status = main(["data", "fetch-suites", {str(tmp_path / "suites")!r}])
status = status or main(["data", "fetch-suites", {str(tmp_path / "suites")!r}])
sys.exit(status)
"""
    with serving(hub_data) as hub:
        ran = run(code, tmp_path, hub.address)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count(f"{len(PAPER_SUITES)} suites in") == 2
    assert ran.stderr.count("fetching ") == len(PAPER_SUITES), "the second time nothing is fetched"
    return tmp_path / "suites"


def test_the_copy_holds_every_suite_in_the_form_that_is_evaluated(copy, caplog) -> None:
    suites = {suite.name: suite for suite in load_suites(copy)}
    assert set(suites) == {suite.name for suite in PAPER_SUITES}
    assert not caplog.text
    assert {suite.group for suite in suites.values()} == {
        "tatoeba", "bucc", "flores", "sts-en", "sts-ko", "sts-fr", "sts-ru", "sts-en-fr",
    }  # fmt: skip
    bucc = suites["bucc/fr-en"]
    assert (bucc.kind, bucc.rows) == ("mining", 2)
    assert bucc.sentences == {"sentence1": ["s3", "s1", "s2", "s4"], "sentence2": ["t1", "t3", "t2"]}
    assert tuple(suites["flores/flores200"].sentences) == FLORES[:5]
    assert list(suites["sts-fr/STS22"].gold) == [0, 2.5, 5]
    assert has_paper_suites(copy)


def test_the_manifest_names_the_commit_of_each_repository(copy, hub_data) -> None:
    manifest = json.loads((copy / ".manifest.json").read_text())
    assert set(manifest["revisions"]) == set(hub_data)
    assert {entry["rows"] for entry in manifest["files"].values()} == {3, 5}


def test_suites_come_from_the_commits_of_mteb(copy) -> None:
    import mteb

    revisions = json.loads((copy / ".manifest.json").read_text())["revisions"]
    tasks = ("Tatoeba", "BUCC", "FloresBitextMining", "STS17", "STS22", "STSBenchmark")
    for name in (*tasks, *(f"STS{year}" for year in range(12, 17))):
        taken = mteb.get_task(name).metadata.dataset
        assert revisions.pop(taken["path"]) == taken["revision"], name
    assert not revisions


def test_a_commit_that_a_manifest_names_is_taken(hub_data, tmp_path) -> None:
    folder = tmp_path / "suites"
    folder.mkdir()
    revisions = {"mteb/tatoeba-bitext-mining": "a" * 40}
    (folder / ".manifest.json").write_text(json.dumps({"format": 1, "revisions": revisions, "files": {}}))
    code = (
        f"from lingualign.evaluation.paper import fetch_suites; fetch_suites({str(folder)!r}, ['en', 'fr'])"
    )
    with serving(hub_data) as hub:
        ran = run(code, tmp_path, hub.address)
    assert "fetching tatoeba/fra-eng from mteb/tatoeba-bitext-mining at aaaaaaaaaaaa" in ran.stderr
    assert "fetching bucc/fr-en from mteb/BUCC at 414572247440" in ran.stderr


def test_what_is_kept_needs_no_hub(copy, hub_data, tmp_path) -> None:
    assert len(fetch_suites(copy, ["en", "ko"])) == 11
    other = tmp_path / "other"
    shutil.copytree(copy, other)
    (other / "tatoeba" / "fra-eng.parquet").write_bytes(b"damaged")
    code = f"from lingualign.evaluation.paper import fetch_suites; fetch_suites({str(other)!r})"
    with serving({}) as hub:
        ran = run(code, tmp_path, hub.address)
    assert "mteb/tatoeba-bitext-mining (fra-eng, test): the hub data set cannot be loaded" in ran.stderr
    assert (
        "data fetch-suites FOLDER` on another machine, copy FOLDER, and give it as --suite FOLDER"
        in ran.stderr
    )
    with serving(hub_data) as hub:
        assert run(code, tmp_path, hub.address).returncode == 0
    assert load_suites(other)[0].rows == load_suites(copy)[0].rows


def test_the_suite_paper_is_the_copy_in_the_cache(copy, monkeypatch, tmp_path, capsys) -> None:
    from lingualign.cli import main

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    shutil.copytree(copy, tmp_path / "lingualign" / "suites" / "paper")
    scores = tmp_path / "scores.json"
    command = ["evaluate", "minilm", "--suite", "paper", "--languages", "en", "ko", "--output", str(scores)]
    assert main([*command, "--device", "cpu"]) == 0
    capsys.readouterr()
    found = json.loads(scores.read_text())
    assert set(found["means"]) == {"tatoeba", "flores", "sts-en", "sts-ko"}
    assert list(found["suites"]["flores/flores200"]["pairs"]) == ["eng_Latn-kor_Hang"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda manifest: manifest["files"]["bucc/fr-en"].update(file="../../elsewhere.parquet"),
            "a damaged one",
        ),
        (lambda manifest: manifest["revisions"].update({"mteb/BUCC": "main"}), "a damaged one"),
        (lambda manifest: manifest.pop("files"), "a damaged one"),
    ],
)
def test_a_manifest_that_is_none_is_refused(copy, tmp_path, change, message) -> None:
    manifest = json.loads((copy / ".manifest.json").read_text())
    change(manifest)
    (tmp_path / ".manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=message):
        fetch_suites(tmp_path)


def test_languages_are_told_by_names() -> None:
    assert name_languages("tatoeba/fra-eng") == ["fr", "en"]
    assert name_languages("sts/stsb-fr") == ["fr"]
    assert name_languages("sts-en/STS12") == ["en"]
    assert name_languages("sts-en-fr/STS17") == ["en", "fr"]
    assert name_languages("ntrex/eng_Latn-kor_Hang") == ["en", "ko"]
    assert name_languages("opus/ceb-en") == ["ceb", "en"]
    assert name_languages("bible/en-fra") == name_languages("x/fr-eng")[::-1] == ["en", "fr"]
    assert name_languages("x/pt-BR-en")[::-1] == name_languages("x/en-pt-BR") == ["en", "pt"]
    assert name_languages("x/zh-Hans-en") == name_languages("x/zh_CN-en") == ["zh", "en"]
    for name in ("mine/everyday", "sts/sts12", "stsb-dev", "mine/my-set", "quora-sim"):
        assert name_languages(name) == []


def test_narrowing_says_what_it_leaves_out_and_refuses_to_leave_nothing(copy, caplog) -> None:
    suites = load_suites(copy)
    assert [suite.name for suite in in_languages(suites, ["en", "jpn"])] == [
        "flores/flores200", *(f"sts-en/{name}" for name in
        ["STS12", "STS13", "STS14", "STS15", "STS16", "STS17", "STS22", "STSBenchmark"]), "tatoeba/jpn-eng",
    ]  # fmt: skip
    assert "not in en, jpn, left out: bucc/fr-en, bucc/ru-en, sts-en-fr/STS17" in caplog.text
    with pytest.raises(InputError, match="no suite is in these languages alone; there are bucc/fr-en"):
        in_languages(suites, ["de"])
    with pytest.raises(InputError, match="'de' is none of the paper's, which are en, fr, ja, ko, ru"):
        fetch_suites(copy, ["en", "de"])
