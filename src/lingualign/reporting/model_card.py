"""The model card: what the model is, how it was trained, and how well it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from lingualign._version import __version__

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
    """Write a model card as the hub reads it: Markdown after a YAML header.

    Parameters
    ----------
    configuration
        The run's resolved configuration, as plain values.
    pairs
        Training pairs by language pair.
    languages
        Language codes, the highest priority first.
    validation
        Validation accuracies by name, in [0, 1].
    scores
        What `lingualign.evaluation.evaluate` returned, if the model was scored.
    method
        Sentence about student, teacher and loss; left out where empty.
    """
    header = {
        "library_name": "sentence-transformers",
        "pipeline_tag": "sentence-similarity",
        "language": sorted(languages),
        "tags": ["sentence-transformers", "sentence-similarity", "feature-extraction", "lingualign"],
    }
    total = sum(pairs.values())
    parts = [
        f"---\n{yaml.safe_dump(header, sort_keys=False)}---",
        "# An aligned multilingual sentence-embedding model",
        f"Trained with lingualign {__version__} on {total:,} translation pairs in {len(languages)} languages "
        f"({', '.join(languages)}). Sentences that mean the same have similar vectors, whatever their language.",
        "## Use",
        "```python\nfrom sentence_transformers import SentenceTransformer\n\n"
        'model = SentenceTransformer("path/to/this/folder")\n'
        'vectors = model.encode(["Where is the station?", "Où est la gare ?"])\n'
        "print(model.similarity(vectors[0], vectors[1]))\n```",
        "## Training",
        *([method] if method else ()),
        _table(("language pair", "training pairs"), _counts(pairs)),
        f"The whole configuration:\n\n```yaml\n{yaml.safe_dump(dict(configuration), sort_keys=False)}```",
        "## Scores",
        "Two-way retrieval accuracy on held-out pairs of the training corpora:\n\n"
        + _table(("validation", "accuracy"), [(name, f"{value:.3f}") for name, value in validation.items()]),
    ]
    if scores is not None:
        rows = [
            (group, metric, "undefined" if value is None else f"{value:.3f}")
            for group, metrics in scores["means"].items()
            for metric, value in metrics.items()
            if metric != "ci95"
        ]
        parts.append(
            "Means over evaluation suites, none of whose sentences was trained on where `decontaminate` named them "
            f"(`scores.json` has each suite with its interval):\n\n{_table(('suites', 'metric', 'mean'), rows)}"
        )
        if untrained := [
            f"`{name}` ({', '.join(entry['untrained'])})"
            for name, entry in scores["suites"].items()
            if "untrained" in entry
        ]:
            parts.append(
                f"Among them are suites in languages that no training pair has: {', '.join(untrained)}."
            )
    parts += [
        "## Limits",
        "The licences of the training pairs, the teacher and the student hold for the model too: see their sources. "
        "Scores are of these languages and kinds of text; others may do worse.",
        "## Method",
        "Minsu Park, Seyeon Choi, Chanyeol Choi, Jun-Seong Kim, Jy-yong Sohn: *Improving Multi-lingual Alignment "
        "Through Soft Contrastive Learning*, 2024.",
    ]
    return "\n\n".join(parts) + "\n"


def _counts(pairs: Mapping[str, int]) -> list[tuple[str, str]]:
    return [(name, f"{count:,}") for name, count in sorted(pairs.items(), key=lambda item: -item[1])]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
