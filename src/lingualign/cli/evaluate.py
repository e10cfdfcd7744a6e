"""Score models, and tell them apart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lingualign.embedding.options import EncoderOptions  # noqa: TC001 - its fields are read
from lingualign.errors import InputError
from lingualign.store import cache_folder, check_writable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lingualign.embedding.encoders import SentenceEncoder
    from lingualign.evaluation import Outcomes, Suite


def evaluate(
    model: str,
    encoding: EncoderOptions,
    *,
    suite: list[str],
    languages: list[str] | None = None,
    output: str | None = None,
    outcomes: str | None = None,
    errors: str | None = None,
    teacher: str | None = None,
) -> None:
    """Score a model on bitext retrieval, n-way parallel sets and semantic similarity.

    Parameters
    ----------
    model
        Hub id, folder, minilm, me5, model2vec:FOLDER, laser:FOLDER, vectors.parquet (columns sentence, vector), or an
        OpenAI-compatible service, https://host/v1#model, its key in LINGUALIGN_API_KEY.
    suite
        Folders (read recursively) or files: parquet, TSV, CSV or JSON lines. Columns sentence1, sentence2 are
        translation pairs, with score they are graded for similarity; language columns only (en, kor_Hang) are an
        n-way parallel set. paper is Tatoeba, BUCC, FLORES-200 and STS as in the paper, fetched from the hub and kept.
    languages
        Codes of languages to narrow the suites to.
    output
        File to keep the scores in, as JSON.
    outcomes
        Folder, or file .parquet, to keep the outcome of every sentence in: what compare takes in place of a model.
    errors
        Folder for an analysis of retrieval errors: confused sentences by kind of difference, and hubs.
    teacher
        With --errors, a model whose similarities within English are drawn beside this one's across languages.
    encoding
        How the model encodes.
    """
    from lingualign.embedding.encoders import open_encoder
    from lingualign.evaluation import (
        measure,
        print_scores,
        save_outcomes,
        save_scores,
        score,
    )
    from lingualign.evaluation.confusions import save_errors
    from lingualign.report.heatmaps import check_heatmaps

    if output is not None:
        _check_output(output)
    if outcomes is not None:
        _check_outcomes(outcomes)
    if errors is not None:
        _check_outcomes(errors, option="--errors")
    elif teacher is not None:
        raise InputError("--teacher draws heatmaps into the folder of --errors: give both")
    suites = _suites(suite, languages)
    drawn_beside = None
    if teacher is not None:
        check_heatmaps()
        drawn_beside = open_encoder(teacher, device=encoding.device, precision="fp32")
    measured = measure(
        model,
        suites,
        **vars(encoding),
        kept=cache_folder("vectors"),
        progress=True,
    )
    scores = score(measured)
    # First what is to be kept: whoever reads what is printed may go away in the middle of it.
    if output is not None:
        save_scores(scores, output)
    if outcomes is not None:
        save_outcomes(measured, outcomes)
    print_scores(scores)
    if errors is not None:
        save_errors(measured, suites, errors)
    if errors is not None and drawn_beside is not None:
        student = open_encoder(model, **vars(encoding), precision="fp32")
        _draw(student, drawn_beside, suites, errors)


def compare(
    model: list[str],
    suite: list[str] | None = None,
    languages: list[str] | None = None,
    output: list[str] | None = None,
    device: str | None = None,
) -> None:
    """Compare models on the same suites: differences with intervals, tests, and verdicts in words.

    Parameters
    ----------
    model
        Two or more: what evaluate takes, or what evaluate --outcomes has kept (a folder or .parquet file).
        NAME=MODEL gives a name, NAME=MODEL,MODEL,MODEL several seeds of one way of training.
    suite
        Suites, as in evaluate; outcomes are narrowed to them. They may be absent where every model is given by its
        outcomes.
    languages
        Languages, as in evaluate, for models; outcomes stay as they were measured.
    output
        Files to keep the comparison in, by ending: .json (everything), .md, .tex (booktabs, graphicx), .html (plots).
    device
        Where the models run, such as cpu or cuda:1; the best there is by default.
    """
    from lingualign.embedding.encoders import open_encoder
    from lingualign.evaluation import compare, print_comparison
    from lingualign.report import check_comparison_file, save_comparison

    for path in output or []:
        _check_output(path)
        check_comparison_file(path)
    given = _contenders(model)
    suites = _suites(suite, languages) if suite else []
    saved = {path: _saved(path) for paths in given.values() for path in paths}
    if languages and (kept := [path for path, outcomes in saved.items() if outcomes is not None]):
        raise InputError(
            f"--languages narrows what is measured, but {kept[0]!r} holds outcomes, which stay as they are: measure it "
            "anew with evaluate --languages --outcomes, or leave out --languages"
        )
    unsaved = [path for path, outcomes in saved.items() if outcomes is None]
    if unsaved and not suites:
        raise InputError(
            f"--suite PATH is missing: {unsaved[0]!r} holds no outcomes kept by evaluate --outcomes, so it must be "
            "measured on something"
        )
    for path in unsaved[1:]:
        # A mistyped name is found now, and not when those before it were measured.
        open_encoder(path, device=device, precision="fp32")
    # What is kept first, for it may be refused. Then one model at a time: only its outcomes stay in memory.
    in_turn = sorted(saved, key=lambda path: saved[path] is None)
    measured = {path: _outcomes(path, saved[path], suites, device) for path in in_turn}
    comparison = compare({label: [measured[path] for path in paths] for label, paths in given.items()})
    for path in output or []:
        save_comparison(comparison, path)
    print_comparison(comparison)


def _draw(student: SentenceEncoder, teacher: SentenceEncoder, suites: Sequence[Suite], folder: str) -> None:
    """Draw a pair of heatmaps for each suite of translations."""
    from lingualign.report import save_heatmaps
    from lingualign.report.heatmaps import anchor_and_others, similarity_matrices

    for suite in suites:
        if suite.kind != "sts":
            sides = anchor_and_others(suite)
            matrices = similarity_matrices(student, teacher, *sides, kept=cache_folder("vectors"))
            save_heatmaps(*matrices, sides, Path(folder) / f"{suite.name}.svg")


def _suites(given: Sequence[str], languages: Sequence[str] | None) -> list[Suite]:
    """Read suites; ``paper`` stands for the paper's, fetched if they are not kept yet."""
    from lingualign.evaluation import in_languages, load_suites
    from lingualign.evaluation.paper import PAPER, fetch_suites, has_paper_suites, paper_folder

    paths = []
    for path in given:
        if path == PAPER and not Path(path).exists():
            if not has_paper_suites(folder := paper_folder(), languages):
                fetch_suites(folder, languages)
            path = str(folder)
        paths.append(path)
    suites = load_suites(paths)
    return in_languages(suites, languages) if languages else suites


def _contenders(given: Sequence[str]) -> dict[str, list[str]]:
    """Take labels and seeds apart: ``NAME=MODEL,MODEL``, or a model, which is its own label."""
    contenders: dict[str, list[str]] = {}
    for each in given:
        label, sign, models = each.partition("=")
        named = bool(sign) and not Path(each).exists()
        label, paths = (label, models.split(",")) if named else (each, [each])
        if not label or not all(paths):
            raise InputError(f"{each!r} names no model: expected MODEL, NAME=MODEL or NAME=MODEL,MODEL,...")
        if len(set(paths)) < len(paths):
            raise InputError(f"{each!r} gives a model twice: seeds must differ")
        if label in contenders:
            raise InputError(f"two models are called {label!r}: give one another name, NAME=MODEL")
        contenders[label] = paths
    if len(contenders) < 2:
        raise InputError("compare takes two models or more")
    return contenders


def _saved(path: str) -> Outcomes | None:
    """Read outcomes kept earlier; None for a model."""
    from lingualign.embedding.encoders.vector_file import is_vector_file
    from lingualign.evaluation import load_outcomes
    from lingualign.evaluation.outcomes_file import OUTCOMES_FILE

    if is_vector_file(path):
        return None
    place = Path(path)
    model = (place / "modules.json").is_file() or (place / "config.json").is_file()
    if place.suffix == ".parquet" or (not model and (place / OUTCOMES_FILE).is_file()):
        return load_outcomes(place)
    if place.suffix == ".json" or (place.is_dir() and not model and (place / "scores.json").is_file()):
        raise InputError(
            f"{path!r} holds scores, which do not say which sentences were right: keep those with "
            "`lingualign evaluate MODEL --outcomes`, or give the model"
        )
    return None


def _outcomes(path: str, saved: Outcomes | None, suites: Sequence[Suite], device: str | None) -> Outcomes:
    """Measure a model, or narrow its outcomes to the suites that are asked for."""
    from dataclasses import replace

    from lingualign.evaluation import measure

    if saved is None:
        return measure(path, suites, device=device, kept=cache_folder("vectors"), progress=True)
    if missing := [suite.name for suite in suites if suite.name not in saved.suites]:
        raise InputError(
            f"{path!r} has no outcomes on {missing[0]!r}, only on {', '.join(saved.suites)}: measure it anew with "
            "evaluate --outcomes"
        )
    names = [suite.name for suite in suites] or list(saved.suites)
    return replace(saved, suites={name: saved.suites[name] for name in names})


def _check_outcomes(outcomes: str, option: str = "--outcomes") -> None:
    """Refuse a place where outcomes could not be kept; a folder need not exist yet."""
    if outcomes.endswith(".parquet") and option == "--outcomes":
        _check_output(outcomes, option=option)
        return
    if os.path.exists(outcomes) and not os.path.isdir(outcomes):
        also = ", or a file ending in .parquet" if option == "--outcomes" else ""
        raise InputError(f"{option} {outcomes!r}: a file; give a folder{also}")
    folder = Path(outcomes).absolute()
    while not folder.exists():
        folder = folder.parent
    _check_output(str(folder / "outcomes.parquet"), option=option)


def _check_output(output: str, option: str = "--output") -> None:
    """Refuse a file that could not be written, before the scores are computed."""
    folder = os.path.dirname(os.path.abspath(output))
    if os.path.isdir(output) or output.endswith(os.sep):
        raise InputError(
            f"{option} {output!r}: a folder; give a file, such as {os.path.join(output, 'scores.json')}"
        )
    if not os.path.isdir(folder):
        raise InputError(f"{option} {output!r}: its folder does not exist")
    check_writable(Path(output).absolute(), f"{option} {output!r}")
