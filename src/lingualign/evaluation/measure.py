"""From a model and suites to the outcome of every sentence: the one place where evaluation encodes.

Sanity checks warn of scores that say nothing about translation, such as a perfect one or one of chance.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign._version import __version__
from lingualign.errors import InputError
from lingualign.evaluation.left_out import SEARCHED, find_retrieval, neighbourhood
from lingualign.evaluation.outcomes import Mined, Outcomes, SuiteOutcomes, sentence_ids
from lingualign.evaluation.space import describe_space, estimate_hubness, with_intervals
from lingualign.evaluation.sts import constant
from lingualign.neighbours import (
    NEIGHBOURHOOD,
    cosines,
    judge,
    nearest_neighbours,
    retrieve,
    thresholds,
    unit_rows,
)
from lingualign.progress import progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.encoders import SentenceEncoder
    from lingualign.embedding.options import Pooling
    from lingualign.evaluation.outcomes import Retrieved
    from lingualign.evaluation.suites import Suite
    from lingualign.neighbours import Neighbours, Pairs

SAME_DIRECTION = 0.9999
"""Least cosine of two equal vectors: bf16 noise lies above, translations well below."""

UNKNOWN_RATE = 0.1
"""Least share of unknown tokens of a language that the model cannot read."""

_SAMPLE = 200


def measure(
    model: str | SentenceTransformer | SentenceEncoder,
    suites: Sequence[Suite],
    *,
    prompt: str | None = None,
    pooling: Pooling | None = None,
    device: str | None = None,
    kept: Path | None = None,
    progress: bool = False,
) -> Outcomes:
    """Encode each distinct sentence of all suites once, and find the outcome of every row.

    Parameters and errors are those of `evaluate`, whose figures `score` computes from the outcomes.
    """
    _check(suites)
    from lingualign.embedding.encoders import encode_kept, open_encoder

    # Always in single precision, so that every machine computes the same figures.
    encoder = open_encoder(model, prompt=prompt, pooling=pooling, device=device, precision="fp32")
    place: dict[str, int] = {}
    columns = [_places(suite, place) for suite in suites]
    training = [_places(suite.training, place) if suite.training else None for suite in suites]
    vectors = encode_kept(encoder, list(place), kept, progress=progress)
    outcomes = {}
    with progress_bar("Measuring", sum(map(_comparisons, suites)), enabled=progress) as advance:
        for suite, suite_rows, training_rows in zip(suites, columns, training, strict=True):
            outcomes[suite.name] = measure_suite(
                suite,
                {column: vectors[rows] for column, rows in suite_rows.items()},
                None
                if training_rows is None
                else {column: vectors[rows] for column, rows in training_rows.items()},
                advance,
            )
            outcomes[suite.name].warnings.extend(unknown_tokens(suite, encoder.tokenizer))
    described = {
        "name": encoder.name,
        "fingerprint": encoder.fingerprint,
        "dimensions": vectors.shape[1],
        "prompt": encoder.prompt,
        **encoder.describe(),
    }
    return Outcomes(described, __version__, outcomes)


def _places(suite: Suite, place: dict[str, int]) -> dict[str, npt.NDArray[np.int64]]:
    """Return the position of each sentence among all distinct ones, adding new ones to ``place``."""
    return {
        column: np.array([place.setdefault(text, len(place)) for text in texts], np.int64)
        for column, texts in suite.sentences.items()
    }


def _comparisons(suite: Suite) -> int:
    return len(suite.sentences) * (len(suite.sentences) - 1) // 2


def measure_suite(
    suite: Suite,
    vectors: dict[str, npt.NDArray[np.float32]],
    training: dict[str, npt.NDArray[np.float32]] | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> SuiteOutcomes:
    """Find the outcome of every row of one suite.

    Parameters
    ----------
    suite
        The suite.
    vectors
        Its sentences' vectors by column, (rows, d) each.
    training
        Vectors of `Suite.training`.
    advance
        Progress callback, called with numbers of comparisons of two columns.
    """
    ids = sentence_ids({column: texts[: suite.rows] for column, texts in suite.sentences.items()})
    messages = warnings(suite, vectors)
    if suite.kind == "mining":
        retrieval, mined, search, doubts = measure_mining(suite, vectors, training)
        advance(1)
        pairs = {column: table[: suite.rows] for column, table in vectors.items()}
        return SuiteOutcomes(
            suite.name,
            suite.group,
            suite.kind,
            ids,
            {"sentence1-sentence2": retrieval},
            mined=mined,
            space=describe_space(pairs) | with_intervals(hubness=estimate_hubness([search], aligned=False)),
            warnings=[*messages, *doubts],
        )
    if suite.kind == "sts":
        predicted = cosines(vectors["sentence1"], vectors["sentence2"])
        advance(1)
        return SuiteOutcomes(
            suite.name, suite.group, suite.kind, ids, predicted=predicted, gold=suite.gold, warnings=messages
        )
    by_pair, searches = {}, []
    for one, two in combinations(suite.sentences, 2):
        there, back = nearest_neighbours(vectors[one], vectors[two], SEARCHED)
        by_pair[f"{one}-{two}"] = find_retrieval(there, back, suite.rows)
        searches.append((there, back))
        advance(1)
    space = describe_space(vectors) | with_intervals(hubness=estimate_hubness(searches))
    return SuiteOutcomes(suite.name, suite.group, suite.kind, ids, by_pair, space=space, warnings=messages)


def _check(suites: Sequence[Suite]) -> None:
    """Raise InputError for suites that cannot be scored, before a model is loaded."""
    if not suites:
        raise InputError("no suite to evaluate on: give at least one")
    if repeated := [name for name, count in Counter(suite.name for suite in suites).items() if count > 1]:
        raise InputError(f"several suites have the name {repeated[0]!r}: the names must differ")
    for suite in suites:
        lengths = {column: len(texts) for column, texts in suite.sentences.items()}
        if suite.gold is not None:
            lengths["gold"] = len(suite.gold)
        if len(set(lengths.values())) > 1 and suite.kind != "mining":
            listed = ", ".join(f"{column} {length}" for column, length in lengths.items())
            raise InputError(
                f"suite {suite.name!r} has columns of different length ({listed}): row i of each must belong together"
            )
        if suite.rows < 2:
            raise InputError(
                f"suite {suite.name!r} has {suite.rows} rows: expected at least 2 to choose from"
            )


def measure_mining(
    suite: Suite,
    vectors: dict[str, npt.NDArray[np.float32]],
    training: dict[str, npt.NDArray[np.float32]] | None,
) -> tuple[Retrieved, Mined, tuple[Neighbours, Neighbours], list[str]]:
    """Retrieve the translations of the pairs' sentences among all sentences, and mine pairs from all.

    Parameters
    ----------
    suite
        Suite of kind ``mining``.
    vectors
        Its sentences' vectors by column, those of the pairs first, row by row.
    training
        Vectors of `Suite.training`, on which the threshold is chosen; None if there are none.

    Returns
    -------
    retrieval : Retrieved
        Retrieval of the pairs' sentences among all of the other side, as in MTEB's first BUCC; -1 where a sentence
        without a pair is retrieved.
    mined : Mined
        Pairs whose ratio margin is at least the threshold, with each sentence at most once.
    search : pair of Neighbours
        Neighbours of all sentences, in both directions.
    doubts : list of str
        Reasons to doubt the figures.

    References
    ----------
    Zweigenbaum, Sharoff and Rapp (2018), "Overview of the Third BUCC Shared Task". Mining and threshold are those of
    Artetxe and Schwenk (2019).
    """
    search = nearest_neighbours(vectors["sentence1"], vectors["sentence2"], SEARCHED)
    retrieval = find_retrieval(*search, suite.rows)
    forward, backward = map(neighbourhood, search)
    pairs = retrieve(forward, backward, margin="ratio", retrieval="max")
    gold = _gold(suite)
    doubts = []
    if training is None or suite.training is None:
        threshold = _threshold(pairs, gold)
        doubts.append(
            "the threshold was chosen on the very pairs it is judged by, as there is no split 'train': F1 is an upper "
            "bound"
        )
    else:
        training_search = nearest_neighbours(training["sentence1"], training["sentence2"], NEIGHBOURHOOD)
        threshold = _threshold(
            retrieve(*training_search, margin="ratio", retrieval="max"), _gold(suite.training)
        )
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
    """Return the threshold of the best F1; None if no pair was mined."""
    if not len(pairs):
        return None
    tuned = thresholds(pairs, *gold)
    return float(tuned.threshold[tuned.best])


def _gold(suite: Suite) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the positions of the pairs' sentences; of equal sentences the first, since only that is mined."""
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
    """Return the mined pairs by source sentence, those of the pairs first."""
    rows = len(gold[0])
    source = np.union1d(np.arange(rows), pairs.source)
    place = np.searchsorted(source, pairs.source)
    target = np.full(len(source), -1, np.int64)
    target[place] = pairs.target
    right = np.zeros(len(source), bool)
    right[place] = judge(pairs, *gold)[0]
    wanted = np.bincount(np.unique(np.stack(gold, axis=1), axis=0)[:, 0], minlength=len(source))
    return Mined(source, target, right, wanted, threshold, threshold_from)


def warnings(suite: Suite, vectors: dict[str, npt.NDArray[np.float32]]) -> list[str]:
    """List the reasons to doubt a suite's score.

    Parameters
    ----------
    suite
        The suite.
    vectors
        Its sentences' vectors by column, (rows, d) each.

    Returns
    -------
    list of str
        Warnings, empty if there are none, about blank sentences; zero vectors; a collapsed encoder, with the same
        vector for every sentence; two sides with mostly the same text, or different texts with mostly the same
        vectors; cosines that are all equal, whose correlation is undefined.
    """
    texts = [text for column in suite.sentences.values() for text in column]
    rows = np.concatenate(list(vectors.values()))
    messages = []
    if blank := sum(not text.strip() for text in texts):
        messages.append(f"{blank} of {len(texts)} sentences are blank")
    if zero := int(np.sum(~rows.any(axis=1))):
        messages.append(f"{zero} of {len(texts)} sentences have a zero vector, which is near nothing")
    if len(set(texts)) > 1 and _collapsed(rows):
        messages.append(
            "every sentence has the same vector: the encoder has collapsed and the score is chance"
        )
    elif suite.kind != "sts":
        for one, two in combinations(suite.sentences, 2):
            messages += _same_sides(suite, vectors, one, two)
    if suite.kind == "sts" and constant(cosines(vectors["sentence1"], vectors["sentence2"])):
        messages.append("the cosine is the same in every row: its correlation with the scores is undefined")
    return messages


def unknown_tokens(suite: Suite, tokenizer: Any | None) -> list[str]:
    """List the columns in which a model's tokenizer turns much of the text into unknown tokens.

    Up to 200 rows of each column are read, evenly spread. The list is empty for a tokenizer without an unknown token.
    """
    unknown = None if tokenizer is None else _unknown_token(tokenizer)
    if unknown is None:
        return []
    messages = []
    for column, texts in suite.sentences.items():
        sample = texts[:: -(-len(texts) // _SAMPLE)]
        tokens = np.concatenate([np.asarray(ids, np.int64) for ids in _token_ids(tokenizer, sample)])
        rate = float(np.mean(tokens == unknown)) if len(tokens) else 0.0
        if rate >= UNKNOWN_RATE:
            messages.append(
                f"{rate:.0%} of the tokens of {column} are unknown to the model's tokenizer: it cannot read much of "
                "this text"
            )
    return messages


def _unknown_token(tokenizer: Any) -> int | None:
    if callable(tokenizer):
        return getattr(tokenizer, "unk_token_id", None)
    # A unigram model has the id itself, the others the token's text.
    core = getattr(tokenizer, "model", None)
    if (token := getattr(core, "unk_token", None)) is not None:
        place: int | None = tokenizer.token_to_id(token)
        return place
    return getattr(core, "unk_id", None)


def _token_ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    if callable(tokenizer):
        ids: list[list[int]] = tokenizer(texts, add_special_tokens=False, truncation=True)["input_ids"]
        return ids
    return [
        [token for token, real in zip(encoded.ids, encoded.attention_mask, strict=True) if real]
        for encoded in tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    ]


def _collapsed(rows: npt.NDArray[np.float32]) -> bool:
    if not rows.any():
        return True
    unit = unit_rows(rows)
    return bool(np.all(unit @ unit[0] >= SAME_DIRECTION))


def _same_sides(suite: Suite, vectors: dict[str, npt.NDArray[np.float32]], one: str, two: str) -> list[str]:
    texts = (suite.sentences[column][: suite.rows] for column in (one, two))
    texts_differ = np.array([a != b for a, b in zip(*texts, strict=True)])
    different = int(texts_differ.sum())
    if different <= suite.rows / 2:
        return [
            f"{one} and {two} are the same text in {suite.rows - different} of {suite.rows} rows: "
            "these are found without translating"
        ]
    alike = cosines(vectors[one][: suite.rows], vectors[two][: suite.rows]) >= SAME_DIRECTION
    if (same := int((texts_differ & alike).sum())) >= different / 2:
        return [
            f"{one} and {two} have the same vectors in {same} of the {different} rows whose texts differ: "
            "the encoder saw one side twice, or was given the answers; the score says nothing"
        ]
    return []
