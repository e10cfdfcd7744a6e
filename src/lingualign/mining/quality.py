"""Probability that a pair is a whole translation in the right languages, estimated from the corpus alone.

A pair may have three faults: its sides differ in meaning, one side lost a part, or one is in another language. The
corpus itself provides examples: copies of its pairs are damaged, and the measures of a pair are compared with those of
the corpus and of the copies. `pair_measures.py` and `lingualign.pairs.cleaning.language` hold the measures.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lingualign.mining.pair_measures import Copies, Measures, cut, encode_parts, evenness, log_probabilities
from lingualign.neighbours import cosines, margin_scores, unit_rows
from lingualign.pairs.characters import columns, each_run
from lingualign.pairs.cleaning.judging import SIDES, one_array, rows_of_languages
from lingualign.pairs.cleaning.language import language_log_odds, same_language
from lingualign.store import read_checked, write_checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from lingualign.mining.corpus import Corpus
    from lingualign.mining.pair_measures import Encode
    from lingualign.neighbours import Margin

    Numbers = npt.NDArray[np.float64]
    Places = npt.NDArray[np.int64]

logger = logging.getLogger(__name__)

FEWEST = 20
"""Least number of pairs to learn a score from; smaller language pairs are judged by all pairs together."""

_SAMPLE = 500
_BLOCK_PAIRS = 4_096


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the pairs."""

    corpus: Corpus
    identity: str
    """Differs for other sentences or vectors: `lingualign.mining.encoded_text.EncodedText.identity`"""
    place: Places
    """Position of each pair's sentence in the corpus, (pairs,)"""
    neighbours: Numbers
    """Mean cosine of its nearest neighbours on the other side, (pairs,)"""

    def vectors(self, rows: Places | slice) -> npt.NDArray[np.float32]:
        """Return the vectors of some pairs' sentences, of length 1."""
        return unit_rows(self.corpus.vectors[self.place[rows]])


@dataclass(frozen=True, slots=True)
class PairScores:
    """Probabilities, (pairs,) each, with equal priors of good and damaged."""

    meaning: Numbers
    """Probability that both sides mean the same, and are not a random pair"""
    whole: Numbers
    """Probability that neither side lost a part"""
    language: Numbers
    """Probability that both sides are in their languages"""

    @property
    def score(self) -> Numbers:
        """Probability that no fault is present: the product of all three."""
        return self.meaning * self.whole * self.language


def score_pairs(
    encode: Encode,
    table: pa.Table,
    sides: Sequence[Side],
    margins: Numbers,
    margin: Margin,
    folder: Path,
    advance: Callable[[int], None] = lambda _: None,
) -> PairScores:
    """Score pairs by comparison with all pairs of their languages, most of which are assumed to be good.

    Parameters
    ----------
    encode
        Function that encodes texts, with the encoder of the sentences.
    table
        The pairs, of `lingualign.pairs.table.PAIR_SCHEMA`, at least `FEWEST`, without blank sides.
    sides
        Their sentences.
    margins, margin
        Margins of the pairs, and their kind.
    folder
        Folder for the measures of blocks of pairs, from which a later call resumes.
    advance
        Progress callback, called with numbers of measured pairs.
    """
    texts = [one_array(table[sentences]) for sentences, _ in SIDES]
    lengths = [np.asarray(each_run(text, columns), np.float64) for text in texts]
    rows = np.arange(table.num_rows)
    measures = Measures(
        margins,
        _log_ratio(*lengths),
        _evenness(encode, texts, sides, folder, advance),
        _language_odds(table, rows),
    )
    logs = np.empty((3, table.num_rows))
    for judged, reference in _groups(table):
        copies = _damaged(encode, table, sides, reference, margin)
        typical = float(np.median(np.concatenate([length[reference] for length in lengths])))
        usual = measures.of(reference)
        for side, odds in zip(SIDES, usual.language, strict=True):
            _warn_of_language(table, side, reference, odds)
        logs[:, judged] = log_probabilities(measures.of(judged), usual, copies, typical)
    return PairScores(*np.exp(logs))


def _groups(table: pa.Table) -> Iterator[tuple[Places, Places]]:
    """Yield the pairs of each two languages, and the pairs that they are judged by."""
    everything = np.arange(table.num_rows)
    few = []
    for one, first in rows_of_languages(table["lang1"]):
        for two, second in rows_of_languages(table["lang2"]):
            rows = np.intersect1d(first, second, assume_unique=True)
            if len(rows) >= FEWEST:
                yield rows, rows
            elif len(rows):
                few.append(rows)
                logger.warning(
                    "%s-%s has %d pairs, too few to learn from: judged by all pairs together",
                    one,
                    two,
                    len(rows),
                )
    if few:
        yield np.concatenate(few), everything


def _damaged(encode: Encode, table: pa.Table, sides: Sequence[Side], rows: Places, margin: Margin) -> Copies:
    """Damage a sample of some pairs, with a fixed seed, and measure the copies."""
    rows = np.random.default_rng(0).permutation(rows)[:_SAMPLE]
    partner = np.roll(rows, 1)
    source, target = sides
    margins = margin_scores(
        cosines(source.vectors(rows), target.vectors(partner)),
        source.neighbours[rows],
        target.neighbours[partner],
        margin,
    )
    texts = [table[sentences].take(pa.array(rows)).to_pylist() for sentences, _ in SIDES]
    halves = []
    for whole, other, side, sign in ((0, 1, source, 1), (1, 0, target, -1)):
        # Every second sentence keeps its first half, the others their second half.
        half = [cut(text, 2)[number % 2] for number, text in enumerate(texts[other])]
        even = np.concatenate(
            [
                evenness(
                    encode_parts(encode, texts[whole][some]),
                    side.vectors(rows[some]),
                    unit_rows(encode(half[some])),
                )
                for some in _blocks(len(rows))
            ]
        )
        ratio = _log_ratio(*(_columns(each) for each in (texts[whole], half)))
        halves.append((sign * ratio, even))
    return Copies(margins, halves[0], halves[1], _language_odds(table, rows, exchanged=True))


def _evenness(
    encode: Encode,
    texts: list[pa.Array],
    sides: Sequence[Side],
    folder: Path,
    advance: Callable[[int], None],
) -> tuple[Numbers, Numbers]:
    """Measure block by block; each block is cached in the folder."""
    folder.mkdir(exist_ok=True)
    measured = []
    for some in _blocks(len(texts[0])):
        key = hashlib.sha256()
        for side in sides:
            key.update(side.identity.encode())
            key.update(side.place[some].tobytes())
        path = folder / f"{some.start:010}-{key.hexdigest()[:32]}"
        block = _read(path, len(texts[0][some]))
        if block is None:
            vectors = [side.vectors(some) for side in sides]
            parts = [encode_parts(encode, text[some].to_pylist()) for text in texts]
            block = np.array(
                [evenness(parts[0], vectors[0], vectors[1]), evenness(parts[1], vectors[1], vectors[0])]
            )
            write_checked(path, {"measured": path.stem}, block.tobytes())
        measured.append(block)
        advance(block.shape[1])
    both = np.concatenate(measured, axis=1)
    return both[0], both[1]


def _read(path: Path, pairs: int) -> Numbers | None:
    try:
        kept = read_checked(path)
    except ValueError as error:
        logger.warning("%s is damaged (%s): measured anew.", path, error)
        return None
    if kept is None or kept[0] != {"measured": path.stem} or len(kept[1]) != 2 * pairs * 8:
        return None
    return np.frombuffer(kept[1], np.float64).reshape(2, pairs)


def _language_odds(table: pa.Table, rows: Places, *, exchanged: bool = False) -> tuple[Numbers, Numbers]:
    """Return the log odds that each side of some pairs is in its language, or, exchanged, that the other side is.

    They are NaN where both languages cannot be distinguished.
    """
    some = table.take(pa.array(rows))
    odds = []
    for (sentences, language), (others, other) in zip(SIDES, reversed(SIDES), strict=True):
        text = one_array(some[others if exchanged else sentences])
        side_odds = np.full(len(rows), np.nan)
        for code, coded in rows_of_languages(some[language]):
            side_odds[coded] = language_log_odds(text.take(pa.array(coded)), code)
            for second, other_coded in rows_of_languages(some[other]):
                if same_language(code, second):
                    side_odds[np.intersect1d(coded, other_coded)] = np.nan
        odds.append(side_odds)
    return odds[0], odds[1]


def _warn_of_language(table: pa.Table, side: tuple[str, str], rows: Places, odds: Numbers) -> None:
    odds = odds[~np.isnan(odds)]
    if len(odds) and np.median(odds) < 0:
        codes = "/".join(sorted(pc.unique(table[side[1]].take(pa.array(rows)).cast(pa.string())).to_pylist()))
        logger.warning(
            "%s: most of it is identified as another language than %s; the scores say little of its language",
            side[0],
            codes,
        )


def _log_ratio(one: Numbers, two: Numbers) -> Numbers:
    ratio: Numbers = np.log((two + 1) / (one + 1))
    return ratio


def _columns(sentences: list[str]) -> Numbers:
    return np.asarray(each_run(pa.array(sentences, pa.large_string()), columns), np.float64)


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _BLOCK_PAIRS, count)) for start in range(0, count, _BLOCK_PAIRS))
