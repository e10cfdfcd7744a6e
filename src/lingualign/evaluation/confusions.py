"""The errors of retrieval: confused sentences, their kinds of difference, and hubs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from lingualign.store import write_atomically, writing_result

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lingualign.evaluation.outcomes import Outcomes
    from lingualign.evaluation.suites import Suite

Difference = Literal["same text", "numbers", "negation", "names", "near-duplicate", "length", "other"]

CONFUSIONS = "confusions.tsv"
SUMMARY = "errors.json"

NEAR = 0.8
"""Least share of common characters, as `difflib` counts them, of near-duplicates."""
LONGER = 1.5
"""Least ratio of two lengths that count as different."""
HUBS = 10
"""Number of most retrieved sentences reported for each direction."""

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_NAME = re.compile(r"(?:(?<=[^\W\d_]\s)|(?<=[,;:]\s))[^\W\d_][\w'’-]*")
_NEGATIONS = re.compile(
    r"\b(?:not|no|never|nobody|nothing|none|neither|nor|without|cannot|\w+n['’]t|"
    r"ne|pas|jamais|rien|personne|aucune?|sans|не|нет|ни|никогда|ничего|никто|без)\b|\bn['’](?=\w)|"
    r"ない|なかった|ません|ぬ$|않|없|못|아니",
    re.IGNORECASE,
)


def difference(right: str, wrong: str) -> Difference:
    """Return the kind of difference between a retrieved sentence and the right one, both in one language.

    The kind is the first that applies: the same text; other numbers; only one negated; other names (words with a
    capital within the sentence, in scripts with capitals); near-duplicates; other length; none of these. A word list
    and patterns decide; single sentences may be judged wrongly, so use it for counts.
    """
    if _plain(right) == _plain(wrong):
        return "same text"
    if Counter(_NUMBER.findall(right)) != Counter(_NUMBER.findall(wrong)) and _like(right, wrong, 0.5):
        return "numbers"
    if bool(_NEGATIONS.search(right)) != bool(_NEGATIONS.search(wrong)) and _like(right, wrong, 0.5):
        return "negation"
    if _names(right) != _names(wrong) and _like(right, wrong, 0.5):
        return "names"
    if _like(right, wrong, NEAR):
        return "near-duplicate"
    lengths = sorted((len(right), len(wrong)))
    return "length" if lengths[1] >= LONGER * max(lengths[0], 1) else "other"


def confusions(outcomes: Outcomes, suites: Iterable[Suite]) -> Iterator[dict[str, Any]]:
    """Yield every sentence whose nearest neighbour by cosine is not its translation.

    Parameters
    ----------
    outcomes
        Outcomes of `measure` on the suites.
    suites
        The same suites; those of similarity are skipped.

    Yields
    ------
    dict
        ``suite``, ``pair``, ``direction``, ``row`` (from 0), ``sentence``, ``translation``, ``retrieved``,
        ``retrieved_row`` and ``difference``. The last three are None if a mining suite's sentence without a pair was
        retrieved, whose text is unknown.
    """
    for suite, pair, direction, queries, answers, retrieved in _retrievals(outcomes, suites):
        for row in np.flatnonzero(retrieved != np.arange(len(retrieved))).tolist():
            other = int(retrieved[row])
            yield {
                "suite": suite.name,
                "pair": pair,
                "direction": direction,
                "row": row,
                "sentence": queries[row],
                "translation": answers[row],
                "retrieved": answers[other] if other >= 0 else None,
                "retrieved_row": other if other >= 0 else None,
                "difference": difference(answers[row], answers[other]) if other >= 0 else None,
            }


def hubs(outcomes: Outcomes, suites: Iterable[Suite]) -> dict[str, dict[str, Any]]:
    """Count how often single sentences are the nearest of many.

    Returns
    -------
    dict
        Figures by ``SUITE PAIR DIRECTION``: ``skewness`` of the number of times each sentence is retrieved, 0 if all
        are equal; ``never``, the share never retrieved; ``most``, the sentences retrieved most, each with ``times``.

    References
    ----------
    Radovanović, Nanopoulos and Ivanović (2010), "Hubs in Space".
    """
    figures = {}
    for suite, pair, direction, _, answers, retrieved in _retrievals(outcomes, suites):
        times = np.bincount(retrieved[retrieved >= 0], minlength=suite.rows)
        spread = times.std()
        most = np.argsort(-times, kind="stable")[:HUBS]
        figures[f"{suite.name} {pair} {direction}"] = {
            "skewness": float(np.mean((times - times.mean()) ** 3) / spread**3) if spread else 0.0,
            "never": float(np.mean(times == 0)),
            "most": [{"sentence": answers[row], "times": int(times[row])} for row in most if times[row] > 1],
        }
    return figures


def save_errors(outcomes: Outcomes, suites: Iterable[Suite], folder: str | Path) -> Path:
    """Write ``confusions.tsv``, and ``errors.json`` with counts by difference, and hubs, of each direction.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If they cannot be written.
    """
    folder, suites = Path(folder), list(suites)
    rows = list(confusions(outcomes, suites))
    names = (
        "suite",
        "pair",
        "direction",
        "row",
        "sentence",
        "translation",
        "retrieved",
        "retrieved_row",
        "difference",
    )
    table = io.StringIO()
    writer = csv.writer(table, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
    writer.writerow(names)
    writer.writerows([_field(row[name]) for name in names] for row in rows)
    counted: dict[str, Counter[str]] = {}
    for row in rows:
        place = f"{row['suite']} {row['pair']} {row['direction']}"
        counted.setdefault(place, Counter())[row["difference"] or "without a pair"] += 1
    kinds = (*get_args(Difference), "without a pair")
    summary = {
        place: {
            "confused": counted.get(place, Counter()).total(),
            "differences": {kind: counted.get(place, Counter())[kind] for kind in kinds},
            **figures,
        }
        for place, figures in hubs(outcomes, suites).items()
    }
    with writing_result("errors", folder, folder=True):
        write_atomically(folder / CONFUSIONS, table.getvalue())
        write_atomically(folder / SUMMARY, json.dumps(summary, ensure_ascii=False, indent=2) + "\n")
    return folder


def _retrievals(outcomes: Outcomes, suites: Iterable[Suite]) -> Iterator[tuple[Any, ...]]:
    """Yield each direction: suite, pair, direction, its sentences, the other side's, and the retrieved rows."""
    for suite in suites:
        by_pair = outcomes.suites[suite.name].retrieval
        # Empty for similarity, else in the order of the columns.
        for (pair, retrieval), columns in zip(
            by_pair.items(), combinations(suite.sentences, 2), strict=False
        ):
            one, two = (suite.sentences[column] for column in columns)
            yield suite, pair, "forward", one, two, retrieval.forward.retrieved["absolute"]
            yield suite, pair, "backward", two, one, retrieval.backward.retrieved["absolute"]


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _names(text: str) -> set[str]:
    return {word for word in _NAME.findall(text) if word[0].isupper() and len(word) > 1}


def _like(one: str, two: str, share: float) -> bool:
    matcher = SequenceMatcher(None, one, two, autojunk=False)
    return matcher.real_quick_ratio() >= share and matcher.quick_ratio() >= share and matcher.ratio() >= share


def _field(value: Any) -> str:
    return "" if value is None else re.sub(r"[\t\r\n]", " ", str(value))
