"""Sanity checks: a perfect score, or a score of chance, that says nothing about translation."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.evaluation.sts import constant
from lingualign.neighbours import cosines, unit_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    from lingualign.evaluation.suites import Suite

SAME_DIRECTION = 0.9999
"""Cosine from which on two vectors count as the same: bf16 noise lies above, translations well below."""
UNKNOWN_RATE = 0.1
"""Share of unknown tokens from which on a language counts as one that the model cannot read."""

_SAMPLE = 200


def warnings(suite: Suite, vectors: dict[str, npt.NDArray[np.float32]]) -> list[str]:
    """Say in words what makes a suite's score doubtful.

    Parameters
    ----------
    suite
        The suite.
    vectors
        Its sentences' vectors by column, (rows, d) each.

    Returns
    -------
    list of str
        Empty if nothing is wrong. Reported are: blank sentences; zero vectors; a collapsed encoder, which
        gives every sentence the same vector; two languages' sides that are mostly the same text, or different
        texts with mostly the same vectors; cosines that are all equal, whose correlation is undefined.
    """
    texts = [text for column in suite.sentences.values() for text in column]
    rows = np.concatenate(list(vectors.values()))
    found = []
    if blank := sum(not text.strip() for text in texts):
        found.append(f"{blank} of {len(texts)} sentences are blank")
    if zero := int(np.sum(~rows.any(axis=1))):
        found.append(f"{zero} of {len(texts)} sentences have a zero vector, which is near nothing")
    if len(set(texts)) > 1 and _collapsed(rows):
        found.append("every sentence has the same vector: the encoder has collapsed and the score is chance")
    elif suite.kind != "sts":
        for one, two in combinations(suite.sentences, 2):
            found += _same_sides(suite, vectors, one, two)
    if suite.kind == "sts" and constant(cosines(vectors["sentence1"], vectors["sentence2"])):
        found.append("the cosine is the same in every row: its correlation with the scores is undefined")
    return found


def unknown_tokens(suite: Suite, tokenizer: Any | None) -> list[str]:
    """Say in which columns a model's tokenizer turns much of the text into unknown tokens.

    Of up to 200 rows of each column, evenly spread. A tokenizer without an unknown token has nothing to say.
    """
    unknown = None if tokenizer is None else _unknown_token(tokenizer)
    if unknown is None:
        return []
    found = []
    for column, texts in suite.sentences.items():
        sample = texts[:: -(-len(texts) // _SAMPLE)]
        tokens = np.concatenate([np.asarray(ids, np.int64) for ids in _token_ids(tokenizer, sample)])
        rate = float(np.mean(tokens == unknown)) if len(tokens) else 0.0
        if rate >= UNKNOWN_RATE:
            found.append(
                f"{rate:.0%} of the tokens of {column} are unknown to the model's tokenizer: it cannot read much of "
                "this text"
            )
    return found


def _unknown_token(tokenizer: Any) -> int | None:
    """Find the id of the unknown token of a tokenizer of transformers or of tokenizers."""
    if callable(tokenizer):
        return getattr(tokenizer, "unk_token_id", None)
    # A unigram model keeps the id itself, the others the token's text.
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
