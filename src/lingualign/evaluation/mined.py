"""Pairs among sentences without one, as in the BUCC shared task: retrieval of each pair, and mining of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.evaluation.left_out import SEARCHED, find_retrieval, neighbourhood
from lingualign.evaluation.outcomes import Mined
from lingualign.neighbours import NEIGHBOURHOOD, judge, nearest_neighbours, retrieve, thresholds

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.evaluation.outcomes import Retrieved
    from lingualign.evaluation.suites import Suite
    from lingualign.neighbours import Neighbours, Pairs


def measure_mining(
    suite: Suite,
    vectors: dict[str, npt.NDArray[np.float32]],
    training: dict[str, npt.NDArray[np.float32]] | None,
) -> tuple[Retrieved, Mined, tuple[Neighbours, Neighbours], list[str]]:
    """Find the translation of each pair's sentences among all, and mine pairs from all with all.

    Parameters
    ----------
    suite
        Of kind ``mining``.
    vectors
        Its sentences' vectors by column, those of the pairs first, row by row.
    training
        Those of `Suite.training`, on which the threshold is chosen; None if there are none.

    Returns
    -------
    retrieval : Retrieved
        Of the pairs' sentences among all of the other side, as MTEB's first BUCC has it; -1 where a sentence without
        a pair is retrieved.
    mined : Mined
        The pairs whose ratio margin is at least the threshold, each sentence taken once.
    search : pair of Neighbours
        What all of it was found in: the neighbours of all sentences, there and back.
    doubts : list of str
        What is to be said of the figures.

    References
    ----------
    Zweigenbaum, Sharoff and Rapp (2018), "Overview of the Third BUCC Shared Task". Mining and threshold are those of
    Artetxe and Schwenk (2019).
    """
    search = nearest_neighbours(vectors["sentence1"], vectors["sentence2"], SEARCHED)
    retrieval = find_retrieval(*search, suite.rows)
    there, back = (neighbourhood(found) for found in search)
    pairs = retrieve(there, back, margin="ratio", retrieval="max")
    gold = _gold(suite)
    doubts = []
    if training is None or suite.training is None:
        threshold = _threshold(pairs, gold)
        doubts.append(
            "the threshold was chosen on the very pairs it is judged by, as there is no split 'train': F1 is an upper "
            "bound"
        )
    else:
        known = nearest_neighbours(training["sentence1"], training["sentence2"], NEIGHBOURHOOD)
        threshold = _threshold(retrieve(*known, margin="ratio", retrieval="max"), _gold(suite.training))
    chosen_on = "test" if doubts else "training"
    if threshold is None:
        doubts.append(
            f"no pair is mined from its {chosen_on} sentences, so that there is no threshold and F1 is 0: are all "
            "vectors of one side zero?"
        )
    mined = _by_source(
        pairs[pairs.score >= (np.inf if threshold is None else threshold)], gold, threshold, chosen_on
    )
    return retrieval, mined, search, doubts


def _threshold(pairs: Pairs, gold: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]) -> float | None:
    """Choose the threshold of best F1; None where no pair was mined."""
    if not len(pairs):
        return None
    tuned = thresholds(pairs, *gold)
    return float(tuned.threshold[tuned.best])


def _gold(suite: Suite) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Give the positions of the pairs' sentences; of equal sentences the first, which is the one that is mined."""
    first: list[npt.NDArray[np.int64]] = []
    for texts in suite.sentences.values():
        seen: dict[str, int] = {}
        first.append(np.array([seen.setdefault(text, row) for row, text in enumerate(texts[: suite.rows])]))
    return first[0], first[1]


def _by_source(
    pairs: Pairs,
    gold: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    threshold: float | None,
    threshold_from: str,
) -> Mined:
    """Count by source sentences, those of the pairs first."""
    rows = len(gold[0])
    source = np.union1d(np.arange(rows), pairs.source)
    place = np.searchsorted(source, pairs.source)
    target = np.full(len(source), -1, np.int64)
    target[place] = pairs.target
    right = np.zeros(len(source), bool)
    right[place] = judge(pairs, *gold)[0]
    wanted = np.bincount(np.unique(np.stack(gold, axis=1), axis=0)[:, 0], minlength=len(source))
    return Mined(source, target, right, wanted, threshold, threshold_from)
