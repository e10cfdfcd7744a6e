"""The command line as people meet it: help, one line for a mistake, and nothing left behind."""

from __future__ import annotations

import dataclasses
import gzip
import json
import subprocess
import sys
import typing
from pathlib import Path

import pytest
import yaml

from lingualign.cli import COMMANDS, main
from lingualign.cli.arguments import parse
from lingualign.cli.options import CONFIGURATIONS, fields_of, options_of
from lingualign.samples import EVERYDAY
from lingualign.training.config import RunConfig

SAMPLE = str(EVERYDAY / "train.tsv")


def _configuration(folder: Path, **changed) -> str:
    # A teacher that cannot be loaded: an error about anything else has come before it.
    teacher = folder / "teacher"
    teacher.mkdir(exist_ok=True)
    (teacher / "config.json").write_text("{}")
    path = folder / "c.yaml"
    given = {
        "output": str(folder / "out"),
        "pairs": {"sources": [SAMPLE]},
        "teacher": {"model": str(teacher)},
    }
    path.write_text(yaml.safe_dump({**given, **changed}))
    return str(path)


def _refused(capsys, *arguments: str) -> str:
    """The one line on standard error of a command that exits with 2."""
    assert main(list(arguments)) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("lingualign: error: ")
    return line.removeprefix("lingualign: error: ")


def test_help_lists_the_commands(capsys) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(f"\n  {command}" in told for command in COMMANDS)
    assert main([]) == 0
    assert capsys.readouterr().out == told


@pytest.mark.parametrize("columns", ["80", "120"])
def test_help_of_train_has_every_option_of_the_configuration_with_its_text(
    capsys, monkeypatch, columns
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--help"])
    assert stopped.value.code == 0
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= int(columns)
    options = told[told.index("options:") :]
    for key in (option.key for option in fields_of(RunConfig)):
        section = dataclasses.is_dataclass(_type(key))
        assert (f"  --{key} " in options) != section, key
    flat = " ".join(options.split())
    assert "Hub id, folder, minilm or me5. (default: minilm)" in flat
    assert "tau of the student's softmax. (default: 0.1)" in flat
    for noise in ("``", "Literal", "Optional", "null |", "type:", "CONFIG", "shtab"):
        assert noise not in told, noise


def _type(key: str):
    import typing

    of = RunConfig
    for part in key.split("."):
        of = typing.get_type_hints(of)[part]
    return of


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "train"])
def test_help_of_each_command_describes_each_of_its_parameters(capsys, command) -> None:
    import inspect

    with pytest.raises(SystemExit):
        main([command, "--help"])
    told = capsys.readouterr().out
    hints = typing.get_type_hints(COMMANDS[command])
    for name in inspect.signature(COMMANDS[command]).parameters:
        configured = hints[name] in CONFIGURATIONS
        together = dataclasses.is_dataclass(hints[name]) and not configured
        for each in (field.name for field in dataclasses.fields(hints[name])) if together else [name]:
            shown = "--config" if configured else f"--{each.replace('_', '-')}"
            assert shown in told or each.upper() in told


def test_an_options_object_stands_for_its_fields_where_the_docstring_names_them() -> None:
    @dataclasses.dataclass(frozen=True)
    class Lens:
        """How to look.

        Parameters
        ----------
        width
            Of the glass.
        tint
            Colour of the glass.
        """

        width: int = 3
        tint: str | None = None

    def look(thing: str, lens: Lens, far: bool = False) -> None:
        """Look.

        Parameters
        ----------
        thing
            What to look at.
        lens
            How.
        far
            From far.
        width
            Of this glass.
        """

    look.__annotations__["lens"] = Lens
    assert [(option.flag, option.help) for option in options_of(look)][1:] == [
        ("--tint", "Colour of the glass."),
        ("--far", "From far."),
        ("--width", "Of this glass."),
    ]
    assert parse("look", look, ["moon", "--width", "4"]) == {"thing": "moon", "lens": Lens(4), "far": False}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "unknown command 'trian' (did you mean 'train'?); there are quickstart, train, evaluate"),
        (["quickstart", "--ouput", "x"], "quickstart: unknown option 'ouput' (did you mean 'output'?)"),
        (["quickstart", "--out", "x"], "quickstart: unknown option 'out' (did you mean 'output'?)"),
        (["quickstart", "x"], "quickstart: 'x' belongs to no option"),
        (["evaluate"], "evaluate: MODEL, --suite PATH is missing"),
        (["evaluate", "minilm"], "evaluate: --suite PATH is missing"),
        (["evaluate", "minilm", "--suite", "/none"], "no such suite: /none"),
        (
            ["evaluate", "/none", "--suite", "/none", "--suite", SAMPLE, "--output", "/tmp"],
            "--output '/tmp': a folder; give a file, such as /tmp/scores.json",
        ),
        (
            ["evaluate", "/none", "--suite", SAMPLE, "--output", "/proc/scores.json"],
            "--output '/proc/scores.json': its folder cannot be written to: ",
        ),
        (
            ["evaluate", "minilm", "--suite", SAMPLE, "--output", "/no/where.json"],
            "its folder does not exist",
        ),
        (
            ["evaluate", "/none", "--suite", SAMPLE, "--outcomes", SAMPLE],
            "train.tsv': a file; give a folder, or a file ending in .parquet",
        ),
        (
            ["evaluate", "/none", "--suite", SAMPLE, "--outcomes", "/proc/x"],
            "its folder cannot be written to",
        ),
        (["compare"], "compare: MODEL is missing"),
        (["compare", "minilm"], "compare takes two models or more"),
        (["compare", "minilm", "minilm"], "two models are called 'minilm': give one another name"),
        (["compare", "a=minilm,minilm", "x"], "'a=minilm,minilm' gives a model twice: seeds must differ"),
        (["compare", "a=x,", "b=y"], "'a=x,' names no model: expected MODEL, NAME=MODEL or"),
        (["compare", "a", "b"], "--suite PATH is missing: 'a' holds no outcomes kept by evaluate"),
        (["compare", "a.parquet", "b"], "a.parquet: no outcomes here; `lingualign evaluate MODEL --outcomes"),
        (["compare", "a.json", "b"], "'a.json' holds scores, which do not say which sentences were right"),
        (
            ["compare", "a", "b", "--output", "c.pdf"],
            "--output 'c.pdf': expected a file ending in .json, .md, .tex, .html",
        ),
        (["encode", "minilm"], "encode: INPUT, OUTPUT is missing"),
        (
            ["mine", "minilm", "a", "b", "c.tsv", "--margin", "rato"],
            "margin is 'rato'; it must be one of ratio, ",
        ),
        (["mine", "minilm", "a", "b", "c.tsv", "--k", "four"], "k is 'four'; it must be a whole number"),
        (["mine", "minilm", "a", "b", "c.tsv", "--memory", "much"], "memory is 'much'; it must be an amount"),
        (["mine", "minilm", "a", "/none", "c.tsv"], "'a': no such file or folder; give a text"),
        (["filter", "minilm", "/none", "c.tsv"], "source '/none': no such file or folder"),
        (["filter", "minilm", "/none", "c.tsv", "--best", "0"], "best is 0; it must be a number of pairs"),
        (["train"], "output and pairs.sources must be given, in the file of --config or as options"),
        (["train", "--config", "/none.yaml"], "--config '/none.yaml': no such file; configs/static.yaml"),
        (["train", "--batch_size", "3"], "unknown option 'batch_size' (did you mean 'training.batch_size'?)"),
        (["train", "--training.epoch", "3"], "'training.epoch' (did you mean 'training.epochs'?)"),
        (["train", "--trainig.epochs", "3"], "unknown section 'trainig' (did you mean 'training'?)"),
        (["train", "--training.epochs"], "--training.epochs needs a value: a number"),
        (["train", "--loss.tcm", "perhaps"], "loss.tcm is 'perhaps'; it must be true or false"),
        (
            ["train", "--training.max_steps", "1e3"],
            "training.max_steps is 1e3; it must be a whole number or null",
        ),
        (
            ["train", "--training.early.patience", "3"],
            "unknown section 'training.early' (did you mean 'training.",
        ),
        (
            ["train", "--evaluate", "a", "--studnt.prompt=query: "],
            "unknown section 'studnt' (did you mean 'student'",
        ),
        (
            ["evaluate", "minilm", "--suite", "a", "--promt=query: "],
            "unknown option 'promt' (did you mean 'prompt'",
        ),
        (
            ["evaluate", "minilm", "--pooling", "1e-3"],
            "pooling is 1e-3; it must be one of mean, cls, last or null",
        ),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(capsys, arguments, message) -> None:
    assert message in _refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"los": {"kind": "soft"}}, "unknown section 'los' (did you mean 'loss'?)"),
        ({"otput": "x"}, "unknown option 'otput' (did you mean 'output'?)"),
        (
            {"loss": {"kid": "soft"}},
            "'loss.kid' (did you mean 'loss.kind'?); loss has anchor_weight, cross_weight,",
        ),
        (
            {"training": {"early_stopping": {"patiens": 3}}},
            "(did you mean 'training.early_stopping.patience'?)",
        ),
        ({"loss": {"kind": "sof"}}, "loss.kind is 'sof'; it must be one of soft, hard, mse, ranking"),
        ({"loss": "soft"}, "loss is 'soft'; it must be a section with kind, label,"),
        ({"loss": None}, "loss is null; it must be a section with kind, label,"),
        (
            {"training": {"early_stopping": 3}},
            "early_stopping is 3; it must be a section with metric, patience",
        ),
        ({"training": {1: 3}}, "unknown option 'training.1'"),
        ({"pairs": {"sources": ""}}, "pairs.sources is ''; it must be a list, such as [a, b]"),
        ({"pairs": {"sources": [SAMPLE, 1]}}, "pairs.sources is 1; it must be a list, such as [a, b]"),
        ({"resume": "maybe"}, "resume is 'maybe'; it must be true or false"),
        ({"training": {"batch_size": 1.5}}, "training.batch_size is 1.5; it must be a whole number"),
        ({"training": {"batch_size": 1}}, "training.batch_size is 1; it must be at least 2"),
        (
            {"training": {"batch_size": 10**9}},
            "training.batch_size is 1000000000; it must be 10,000,000 at most",
        ),
        (
            {"training": {"epochs": 1e40}},
            "training.epochs is 1e+40; it must be above 0, and 10,000,000 at most",
        ),
        ({"training": {"max_steps": 10**30}}, "it must be at least 1, and 1,000,000,000 at most"),
        (
            {"student": {"vocabulary": 10**9}},
            "student.vocabulary is 1000000000; it must be 10,000,000 at most",
        ),
        ({"training": {"learning_rate": -1}}, "training.learning_rate is -1.0; it must be above 0"),
        ({"training": {"warmup": 1.0}}, "training.warmup is 1.0; it must be a share, from 0 to below 1"),
        ({"training": {"early_stopping": {"patience": 0}}}, "patience is 0; it must be at least 1, or null"),
        ({"training": {"report_to": ["tensorbord"]}}, "must be one of tensorboard, wandb, trackio"),
        ({"loss": {"temperature": float("nan")}}, "loss.temperature is nan; it must be above 0"),
        ({"loss": {"temperature": 0}}, "loss.temperature is 0.0; it must be above 0"),
        ({"loss": {"hard_negatives": -1}}, "loss.hard_negatives is -1; it must be 0 or more"),
        ({"loss": {"label": "average"}}, "loss.label: average (Eq. 5)"),
        ({"student": {"kind": "encoder"}}, "student.kind encoder needs the encoder's hub id or folder"),
        ({"student": {"model": "minilm"}}, "student.model is 'minilm', but student.kind is static"),
        ({"pairs": {"sources": []}}, "pairs.sources is empty"),
        ({"pairs": {"sources": ["/none"]}}, "source '/none': no such file or folder"),
        ({"pairs": {"sources": [SAMPLE], "validation": "/none.tsv"}}, "'/none.tsv': no such file or folder"),
        ({"decontaminate": ["/none"]}, "decontaminate: '/none' is neither a folder nor a file"),
        ({"evaluate": ["/none"]}, "evaluate: '/none' is neither a folder nor a file"),
        ({"pairs": {"sources": [SAMPLE], "select": "en-de"}}, "en-de"),
        ({"pairs": {"sources": [SAMPLE], "languages": ["en", "klingonish"]}}, "klingonish"),
        ({"pairs": {"sources": [SAMPLE], "validation": 0}}, "pairs.validation is 0"),
        ({}, "understands 'en'"),
        ({"teacher": {"model": "/no/such/teacher"}}, "model '/no/such/teacher': no such file or folder"),
        (
            {"student": {"kind": "encoder", "model": "/none/x"}},
            "model '/none/x': no such file or folder",
        ),
    ],
)
def test_a_mistake_in_the_configuration_is_told_before_models_load_and_leaves_nothing(
    capsys, tmp_path, changed, message
) -> None:
    assert message in _refused(capsys, "train", "--config", _configuration(tmp_path, **changed))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--output", "OUT", "--pairs.select", "en-x"], "--pairs.select: 'en-x'"),
        (
            ["data", "prepare", "OUT", "--pairs.columns", "{nonsense: 1}"],
            "--pairs.columns: 'nonsense' is not",
        ),
        (
            ["data", "prepare", "OUT", "--pairs.per_corpus", "0"],
            "--pairs.per_corpus: 0 is not a number of pairs",
        ),
        (
            ["data", "fetch", "--languages", "en", "--corpora", "Books"],
            "--languages: en given; a pair takes two",
        ),
        (["data", "fetch-suites", "OUT", "--languages", "de"], "--languages: 'de' is none of the paper's"),
    ],
)
def test_an_error_of_a_function_names_the_option_of_the_command(capsys, tmp_path, arguments, message) -> None:
    given = [str(tmp_path / "out") if argument == "OUT" else argument for argument in arguments]
    sources = ["--pairs.sources", SAMPLE] if any("pairs." in argument for argument in given) else []
    assert _refused(capsys, *given, *sources).startswith(message)


def test_an_interrupted_encode_says_that_it_goes_on_where_shards_are_kept(
    capsys, tmp_path, monkeypatch
) -> None:
    def interrupted(model: str, source: str, output: str, **_) -> None:
        if "." not in output:
            Path(output).mkdir()
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lingualign.mining.encode_text", interrupted)
    for output, kept in (("out", True), ("out.npy", False), ("out.parquet", False), ("out.faiss", False)):
        assert main(["encode", "minilm", "in.txt", output]) == 130
        assert ("what is done is kept" in capsys.readouterr().err) == kept, output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected keys with values"),
        (b"- a\n", "expected keys with values"),
        (b"output: [1\n", "line 2: not YAML"),
        (b"output: x\nloss: \xff\n", "line 2: not UTF-8 text"),
        (
            b"loss: {kind: soft}\npairs: {}\nloss: {kind: hard}\n",
            "line 3: the key 'loss' is there a second time",
        ),
    ],
)
def test_a_file_that_is_no_configuration(capsys, tmp_path, content, message) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    assert message in _refused(capsys, "train", "--config", str(path))


def _pairs_file(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("files", "parts"),
    [
        ({"x.en-fr.tsv": b"a\tb\n1\t2\n"}, ["x.en-fr.tsv", "found 'a', 'b'"]),
        ({"x.en-fr.en": b"one\ntwo\n", "x.en-fr.fr": b"un\n"}, ["2", "1"]),
        ({"x.en-fr.en": b"one\ntwo\xff\n", "x.en-fr.fr": b"un\ndeux\n"}, ["x.en-fr.en", "line 2"]),
        ({"x.en-fr.en.gz": gzip.compress(b"one\n")[:-4], "x.en-fr.fr": b"un\n"}, ["x.en-fr.en.gz"]),
        ({"x.parquet": b"no parquet"}, ["x.parquet"]),
        ({"notes.md": b"hello"}, ["no file of pairs", "notes.md"]),
    ],
)
def test_files_that_cannot_be_read_are_named(capsys, tmp_path, files, parts) -> None:
    folder = tmp_path / "pairs"
    folder.mkdir()
    for name, content in files.items():
        _pairs_file(folder, name, content)
    line = _refused(capsys, "train", "--config", _configuration(tmp_path, pairs={"sources": [str(folder)]}))
    assert all(part in line for part in parts), line
    assert not (tmp_path / "out").exists()


def test_an_output_that_holds_something_else_is_refused_and_untouched(capsys, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years")
    for flags in ([], ["--overwrite"], ["--resume"]):
        line = _refused(capsys, "train", "--config", _configuration(tmp_path), *flags)
        assert "is not empty and holds no run" in line
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]
    (tmp_path / "file").write_text("")
    line = _refused(
        capsys, "train", "--config", _configuration(tmp_path, output=str(tmp_path / "file" / "run"))
    )
    assert "is a file; give a folder" in line
    line = _refused(
        capsys, "train", "--config", _configuration(tmp_path, output=str(tmp_path / "new")), "--resume"
    )
    assert "there is no run in" in line


def test_values_given_on_the_command_line_win_and_lists_take_several(tmp_path) -> None:
    from lingualign.cli.arguments import parse

    arguments = [
        "--config",
        _configuration(tmp_path),
        "--pairs.sources",
        "a",
        "b",
        "--loss.temperature",
        "0.05",
    ]
    run = parse("train", COMMANDS["train"], [*arguments, "--pairs.priority", "en", "fr", "--resume"])
    assert run["run"].pairs.sources == ["a", "b"]
    assert run["run"].pairs.priority == ["en", "fr"]
    assert run["run"].loss.temperature == 0.05
    assert run["run"].teacher.model == str(tmp_path / "teacher")
    assert (run["resume"], run["overwrite"]) == (True, False)
    assert parse("train", COMMANDS["train"], [*arguments, "--pairs.priority", "volume"])[
        "run"
    ].pairs.priority == ("volume")


def test_every_configuration_of_the_project_is_one(tmp_path) -> None:
    from lingualign.cli.arguments import parse

    configurations = sorted((Path(__file__).parents[1] / "configs").glob("*.yaml"))
    assert configurations
    for path in configurations:
        run = parse("train", COMMANDS["train"], ["--config", str(path)])["run"]
        assert isinstance(run, RunConfig)


def test_the_installed_command_says_the_same_without_a_traceback() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "lingualign", "train", "--loss.kind", "sof"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr == (
        "lingualign: error: train: loss.kind is 'sof'; it must be one of soft, hard, mse, ranking\n"
    )


def test_an_option_given_twice_adds_to_its_list() -> None:
    given = parse("evaluate", COMMANDS["evaluate"], ["minilm", "--suite", "a", "b", "--suite", "c"])
    assert given["suite"] == ["a", "b", "c"]


def test_models_and_what_was_kept_of_them_are_compared_alike(capsys, tmp_path, monkeypatch) -> None:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    test = str(EVERYDAY / "test.tsv")
    words = sorted(set((EVERYDAY / "test.tsv").read_text(encoding="utf-8").split()))
    tokenizer = Tokenizer(
        models.WordLevel({word: row for row, word in enumerate(["[UNK]", *words])}, "[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    for seed in (1, 2):
        torch.manual_seed(seed)
        student = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=16)], device="cpu")
        student.save_pretrained(str(tmp_path / f"m{seed}"))
    kept = str(tmp_path / "kept")
    assert main(["evaluate", str(tmp_path / "m1"), "--suite", test, "--outcomes", kept]) == 0
    told = []
    for first in (str(tmp_path / "m1"), kept):
        files = [str(tmp_path / f"c.{kind}") for kind in ("json", "md", "tex", "html")]
        given = [f"one={first}", f"two={tmp_path / 'm2'}", "--suite", test, "--output", *files]
        assert main(["compare", *given]) == 0
        told.append([Path(file).read_text(encoding="utf-8") for file in files])
        assert "cannot be told apart" in capsys.readouterr().out
    assert told[0] == told[1]
    other = str(EVERYDAY / "validation.tsv")
    line = _refused(capsys, "compare", kept, str(tmp_path / "m2"), "--suite", other)
    assert "has no outcomes on 'validation', only on test" in line
    line = _refused(capsys, "compare", kept, str(tmp_path / "m2"), "--suite", test, "--languages", "en", "fr")
    assert f"{kept!r} holds outcomes, which stay as they are" in line
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "mistyped").mkdir()
    line = _refused(capsys, "compare", str(tmp_path / "m1"), str(tmp_path / "mistyped"), "--suite", test)
    assert "is a folder, but not a model's" in line
    assert not (tmp_path / "cache").exists(), "a model was encoded with before the other was looked for"
    scores = tmp_path / "scores.json"
    command = [sys.executable, "-m", "lingualign", "evaluate", str(tmp_path / "m1"), "--suite", test]
    running = subprocess.Popen(
        [*command, "--output", str(scores)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert running.stdout is not None
    running.stdout.close()  # as a pipe into head is
    running.wait(120)
    assert json.loads(scores.read_text(encoding="utf-8"))["suites"]
