"""Score a model on suites, in the form of ``scores.json``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign._version import __version__
from lingualign.errors import InputError
from lingualign.evaluation.scores import SuiteScores, score_suite
from lingualign.evaluation.statistics import interval, rate_interval
from lingualign.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sentence_transformers import SentenceTransformer

    from lingualign.evaluation.suites import Suite


def evaluate(
    model: str | SentenceTransformer,
    suites: Sequence[Suite],
    *,
    prompt: str | None = None,
    device: str | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Encode each distinct sentence of all suites once, and score every suite.

    Parameters
    ----------
    model
        A hub id, a folder, ``minilm``, or a loaded model.
    suites
        As `load_suites` reads them.
    prompt
        Put before every sentence, on both sides: ``"query: "`` for E5. None takes the model's own default prompt,
        which most models have not; ``""`` takes none.
    device
        Where the model runs, such as ``cpu`` or ``cuda:1``; by default where it is, or on the best there is.
    progress
        Whether to show a progress bar while encoding.

    Returns
    -------
    dict
        Ready for JSON, rates in [0, 1]:

        - ``model``: ``name``, ``fingerprint``, ``dimensions`` and ``prompt``; ``lingualign``: the version.
        - ``suites`` by name, each with ``kind``, ``rows`` and, if a sanity check finds fault, ``warnings``:

          - bitext: ``accuracy`` (the mean of both directions), ``forward`` (sentence1 to sentence2) and
            ``backward``.
          - nway: ``pairs``, one entry ``eng_Latn-fra_Latn`` for each unordered pair of languages in the
            order of the columns, with the same figures and, both directions averaged, the error rates
            ``xsim`` (absolute, 1 - accuracy) and ``xsim_margin`` (ratio, 4 neighbours); and ``mean``, over
            all pairs.
          - sts: ``spearman``.

          Their 95% intervals are ``ci95``, of ``accuracy`` or ``spearman``, ``forward_ci95`` and
          ``backward_ci95``.
        - ``means`` by group (`Suite.group`): each metric's plain mean over the group's suites that have it,
          and its interval in ``ci95`` by metric.

    Raises
    ------
    InputError
        If there are no suites or two of the same name, the model cannot be loaded, or it gives NaN or
        infinite values.
    """
    if not suites:
        raise InputError("no suite to evaluate on: give at least one")
    if repeated := [name for name, count in Counter(suite.name for suite in suites).items() if count > 1]:
        raise InputError(f"several suites have the name {repeated[0]!r}: the names must differ")

    from lingualign.embedding import encode, fingerprint, load_model

    name = model if isinstance(model, str) else model.model_card_data.model_id or type(model).__name__
    encoder = load_model(model, device=device) if isinstance(model, str) else model
    if device is not None:
        encoder = encoder.to(device)

    place: dict[str, int] = {}
    columns = [
        {
            column: np.array([place.setdefault(text, len(place)) for text in texts])
            for column, texts in suite.sentences.items()
        }
        for suite in suites
    ]
    if prompt is None:
        prompt = encoder.prompts.get(encoder.default_prompt_name or "", "")
    # In single precision whatever the processor offers, so that every machine gives the same figures.
    vectors = encode(encoder, list(place), prompt=prompt, precision="fp32", progress=progress)
    scored = {
        suite.name: score_suite(suite, {column: vectors[rows] for column, rows in of_suite.items()})
        for suite, of_suite in zip(suites, columns, strict=True)
    }
    groups: dict[str, list[SuiteScores]] = {}
    for suite in suites:
        groups.setdefault(suite.group, []).append(scored[suite.name])
    return {
        "model": {
            "name": name,
            "fingerprint": fingerprint(encoder),
            "dimensions": vectors.shape[1],
            "prompt": prompt,
        },
        "lingualign": __version__,
        "suites": {name: scores.entry for name, scores in scored.items()},
        "means": {group: _means(members) for group, members in groups.items()},
    }


def _means(members: list[SuiteScores]) -> dict[str, Any]:
    """Average each metric over the suites that have it; their resamples line up, see `statistics`."""
    means: dict[str, Any] = {}
    intervals = {}
    for metric in dict.fromkeys(metric for member in members for metric in member.metrics):
        having = [member for member in members if metric in member.metrics]
        means[metric] = float(np.mean([member.metrics[metric] for member in having]))
        replicates = np.mean([member.replicates[metric] for member in having], axis=0)
        rows = min(member.entry["rows"] for member in having)
        intervals[metric] = list(
            interval(replicates) if metric == "spearman" else rate_interval(means[metric], replicates, rows)
        )
    return {**means, "ci95": intervals}


def save_scores(scores: dict[str, Any], path: str | Path) -> None:
    """Write scores as JSON; a file that is there already is replaced whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    path = Path(path)
    text = json.dumps(scores, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise InputError(
            f"scores cannot be written to {path}: {error.strerror}; give another file"
        ) from error
