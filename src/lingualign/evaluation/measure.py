"""From a model and suites to the outcome of every sentence: the one place where evaluation meets vectors."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from lingualign._version import __version__
from lingualign.embedding.progress import progress_bar
from lingualign.errors import InputError
from lingualign.evaluation.checks import unknown_tokens, warnings
from lingualign.evaluation.left_out import SEARCHED, find_retrieval
from lingualign.evaluation.mined import measure_mining
from lingualign.evaluation.outcomes import Outcomes, SuiteOutcomes, sentence_ids
from lingualign.evaluation.space_estimates import describe_space, estimate_hubness, with_intervals
from lingualign.neighbours import cosines, nearest_neighbours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.encoders import SentenceEncoder
    from lingualign.embedding.options import Pooling
    from lingualign.evaluation.suites import Suite


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

    # In single precision whatever the processor offers, so that every machine gives the same figures.
    encoder = open_encoder(model, prompt=prompt, pooling=pooling, device=device, precision="fp32")
    place: dict[str, int] = {}
    columns = [_places(suite, place) for suite in suites]
    training = [_places(suite.training, place) if suite.training else None for suite in suites]
    vectors = encode_kept(encoder, list(place), kept, progress=progress)
    outcomes = {}
    with progress_bar("Measuring", sum(map(_comparisons, suites)), enabled=progress) as advance:
        for suite, of_suite, of_training in zip(suites, columns, training, strict=True):
            outcomes[suite.name] = measure_suite(
                suite,
                {column: vectors[rows] for column, rows in of_suite.items()},
                None
                if of_training is None
                else {column: vectors[rows] for column, rows in of_training.items()},
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
    """Give each sentence its place among all distinct ones, which grow."""
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
        Those of `Suite.training`.
    advance
        Told of each comparison of two columns.
    """
    ids = sentence_ids({column: texts[: suite.rows] for column, texts in suite.sentences.items()})
    found = warnings(suite, vectors)
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
            warnings=[*found, *doubts],
        )
    if suite.kind == "sts":
        predicted = cosines(vectors["sentence1"], vectors["sentence2"])
        advance(1)
        return SuiteOutcomes(
            suite.name, suite.group, suite.kind, ids, predicted=predicted, gold=suite.gold, warnings=found
        )
    by_pair, searches = {}, []
    for one, two in combinations(suite.sentences, 2):
        there, back = nearest_neighbours(vectors[one], vectors[two], SEARCHED)
        by_pair[f"{one}-{two}"] = find_retrieval(there, back, suite.rows)
        searches.append((there, back))
        advance(1)
    space = describe_space(vectors) | with_intervals(hubness=estimate_hubness(searches))
    return SuiteOutcomes(suite.name, suite.group, suite.kind, ids, by_pair, space=space, warnings=found)


def _check(suites: Sequence[Suite]) -> None:
    """Refuse suites that cannot be scored, before a model is loaded."""
    if not suites:
        raise InputError("no suite to evaluate on: give at least one")
    if repeated := [name for name, count in Counter(suite.name for suite in suites).items() if count > 1]:
        raise InputError(f"several suites have the name {repeated[0]!r}: the names must differ")
    for suite in suites:
        lengths = {column: len(texts) for column, texts in suite.sentences.items()}
        if suite.gold is not None:
            lengths["gold"] = len(suite.gold)
        if len(set(lengths.values())) > 1 and suite.kind != "mining":
            told = ", ".join(f"{column} {length}" for column, length in lengths.items())
            raise InputError(
                f"suite {suite.name!r} has columns of different length ({told}): row i of each must belong together"
            )
        if suite.rows < 2:
            raise InputError(
                f"suite {suite.name!r} has {suite.rows} rows: expected at least 2 to choose from"
            )
