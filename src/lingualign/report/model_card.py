"""The model card: what the model is, how it was trained, and how well it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from lingualign._version import __version__
from lingualign.report.templates import fill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def model_card(
    configuration: Mapping[str, Any],
    pairs: Mapping[str, int],
    languages: Sequence[str],
    validation: Mapping[str, float],
    scores: Mapping[str, Any] | None,
    method: str = "",
) -> str:
    """Return a model card in the hub's format: Markdown after a YAML header.

    Parameters
    ----------
    configuration
        The run's resolved configuration, as plain values.
    pairs
        Number of training pairs by language pair.
    languages
        Language codes, the highest priority first.
    validation
        Validation accuracies by name, in [0, 1].
    scores
        Scores, as `lingualign.evaluation.evaluate` returns them, if the model was scored.
    method
        Sentence about student, teacher and loss; left out if empty.
    """
    header = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "language": sorted(languages),
        "tags": ["sentence-transformers", "sentence-similarity", "feature-extraction", "lingualign"],
    }
    return fill(
        "model_card.md",
        header=yaml.safe_dump(header, sort_keys=False),
        version=__version__,
        total=f"{sum(pairs.values()):,}",
        count=str(len(languages)),
        languages=", ".join(languages),
        method=f"{method}\n\n" if method else "",
        pairs=_table(("language pair", "training pairs"), _counts(pairs)),
        configuration=yaml.safe_dump(dict(configuration), sort_keys=False),
        validation=_table(
            ("validation", "accuracy"), [(name, f"{value:.3f}") for name, value in validation.items()]
        ),
        scores="" if scores is None else _scores(scores),
    )


def _scores(scores: Mapping[str, Any]) -> str:
    rows = [
        (group, metric, "undefined" if value is None else f"{value:.3f}")
        for group, metrics in scores["means"].items()
        for metric, value in metrics.items()
        if metric != "ci95"
    ]
    text = (
        "Means over evaluation suites, none of whose sentences was trained on where `decontaminate` named them "
        f"(`scores.json` has each suite with its interval):\n\n{_table(('suites', 'metric', 'mean'), rows)}\n\n"
    )
    if untrained := [
        f"`{name}` ({', '.join(entry['untrained'])})"
        for name, entry in scores["suites"].items()
        if "untrained" in entry
    ]:
        text += f"Among them are suites in languages that no training pair has: {', '.join(untrained)}.\n\n"
    return text


def _counts(pairs: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(name, f"{count:,}") for name, count in sorted(pairs.items(), key=lambda item: -item[1])]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
