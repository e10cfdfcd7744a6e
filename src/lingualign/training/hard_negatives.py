"""Hard negatives for translation ranking: sentences that look like a translation to the teacher and are not one.

The teacher reads the anchor side alone: what looks most like a sentence x among the other anchors has translations that
look like those of x, in whatever language.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lingualign.neighbours import cosines, nearest_neighbours, unit_rows
from lingualign.progress import progress_bar
from lingualign.training.data import numbered

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from numpy.typing import NDArray
    from rich.console import Console

    from lingualign.neighbours import Rows
    from lingualign.teacher import TeacherStore
    from lingualign.training.config import RunConfig
    from lingualign.training.data import Columns

SAME_MEANING = 0.8
"""Where between unrelated (0) and equal (1) a similarity begins to say that two sentences mean the same.

With MiniLM on STS benchmark (`benchmarks/hard_negatives.py`) this is a cosine of 0.8. Above it lie 83% of the pairs
that people call equivalent (scores from 4.5), 30% of those that differ in details (3 to 4), and 9% of those that share
some (2 to 3). The next neighbour is nearly as hard a negative, while a translation among them teaches what is wrong.
"""
NEAR, FURTHER = 3, 20
"""Other sentences looked at for each negative: for every anchor, and for those that these do not suffice."""
PART = 131_072
"""Anchors among which neighbours are sought. The time grows with their square; in such parts, with the pairs."""
_BLOCK = 8_192
_MISSING = 3


@dataclass(frozen=True)
class SomeRows:
    """Some rows of a table of vectors, read as they are needed."""

    vectors: Rows
    chosen: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and width, (n, d)."""
        return len(self.chosen), self.vectors.shape[1]

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[Any]:
        """Read some of the rows."""
        return self.vectors[self.chosen[rows]]


class Translations:
    """Which sentences translate which, in all language pairs together.

    Parameters
    ----------
    source, target
        ``(n,)``: sentence numbers of both sides, below 2**31.
    """

    def __init__(self, source: NDArray[np.int64], target: NDArray[np.int64]) -> None:
        self._pairs = np.unique(np.concatenate([source << 32 | target, target << 32 | source]))
        sentences = int(self._pairs[-1] >> 32) + 1
        self._starts = np.searchsorted(self._pairs, np.arange(sentences + 1) << 32)

    def share(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each of ``(n,)`` pairs of sentences whether they have a translation in common."""
        counts = np.diff(self._starts)
        # From the sentence with fewer translations: "Yes." may have thousands.
        swap = counts[one] > counts[other]
        few, many = np.where(swap, other, one), np.where(swap, one, other)
        begin, count = self._starts[few], counts[few]
        pair = np.repeat(np.arange(len(few)), count)
        within = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
        translation = self._pairs[begin[pair] + within] & 0xFFFFFFFF
        wanted = many[pair] << 32 | translation
        place = np.minimum(np.searchsorted(self._pairs, wanted), len(self._pairs) - 1)
        shared = np.zeros(len(few), np.bool_)
        shared[pair[self._pairs[place] == wanted]] = True
        return shared


@dataclass(frozen=True)
class HardNegatives:
    """The hard negatives of a language pair.

    Where fewer are left than asked for, a pair's own translation stands in their place, which the loss does not count.
    """

    sentences: NDArray[np.int64]
    """``(n, count)``: sentence numbers, the most similar first."""
    limit: float
    """The teacher's cosine above which a sentence is not a negative."""
    near: int
    """How many were found among the ``NEAR * count`` neighbours,"""
    further: int
    """among the ``FURTHER * count``,"""
    random: int
    """at random,"""
    missing: int
    """and not at all."""


def mine_negatives(
    config: RunConfig, pairs: pa.Table, store: TeacherStore, console: Console
) -> dict[str, NDArray[np.int64]]:
    """Mine the hard negatives of each language pair, sentence numbers as `numbered` gives them."""
    sentences, groups = numbered(pairs)
    translations = Translations(*(np.concatenate(side) for side in zip(*groups.values(), strict=True)))
    negatives = {}
    for name, columns in groups.items():
        anchors = [sentences[number] for number in np.unique(columns[0])]
        mined = mine_hard_negatives(
            columns,
            SomeRows(store, store.rows(anchors)),
            translations,
            count=config.loss.hard_negatives,
            seed=config.training.seed,
            progress=not console.quiet,
            name=name,
        )
        console.print(
            f"hard negatives of {name}: {mined.near:,} among the nearest sentences below a similarity of "
            f"{mined.limit:.2f}, {mined.further:,} further off, {mined.random:,} at random, {mined.missing:,} missing"
        )
        negatives[name] = mined.sentences
    return negatives


def mine_hard_negatives(
    columns: Columns,
    vectors: Rows,
    translations: Translations,
    *,
    count: int,
    seed: int,
    progress: bool = False,
    name: str = "",
) -> HardNegatives:
    """Find translations of the sentences that look most like each anchor and mean something else.

    Each anchor sentence x' offers its first translation y'. That is no negative for x where

    - x' is x, or the two have a translation in common, in this language pair or another;
    - x and y' have a translation in common, which makes y' one of x;
    - the teacher's cosine of x and x' is above `similarity_limit`;
    - a nearer x' offers the same.

    The nearest that are left are taken. Where they are fewer than ``count``, further neighbours are looked at, and then
    sentences drawn at random, by the same rules. All pairs of one anchor sentence have the same negatives.

    Parameters
    ----------
    columns
        ``(n,)`` sentence numbers of both sides, the anchor first.
    vectors
        ``(a, D)``: the teacher's vectors of the distinct anchors, in ascending order of their numbers.
    translations
        Translations in all language pairs, in the same numbers.
    count
        Number of negatives of each pair.
    seed
        Seed of what is drawn. All else follows from the vectors, on any machine and any number of threads.
    progress, name
        Progress bar: whether to show one, and the language pair that it names.

    References
    ----------
    Yang et al. (2019), "Multilingual Universal Sentence Encoder for Semantic Retrieval", who mine with a model that
    reads the other language.
    """
    anchors, first, place = np.unique(columns[0], return_index=True, return_inverse=True)
    offered = columns[1][first]
    limit = similarity_limit(vectors)
    choose = partial(_choose, anchors, offered, translations, limit, count)
    chosen, found_by = np.empty((2, len(anchors), count), np.int64)
    stride = -(-len(anchors) // PART)
    # Every so-many-th, so that each part has sentences of all corpora.
    parts = [np.arange(number, len(anchors), stride) for number in range(stride)]
    products = sum(len(part) ** 2 for part in parts)
    with progress_bar(f"Hard negatives {name}", products, enabled=progress) as advance:
        for number, part in enumerate(parts):
            generator = np.random.default_rng([seed, number])
            chosen[part], found_by[part] = _mine_part(part, vectors, count, choose, generator, advance)
    chosen, found_by = chosen[place], found_by[place]
    return HardNegatives(
        np.where(chosen < 0, columns[1][:, None], offered[chosen]),
        limit,
        *np.bincount(found_by.ravel(), minlength=_MISSING + 1).tolist(),
    )


def similarity_limit(vectors: Rows) -> float:
    """Return the cosine above which two different sentences are taken to mean the same.

    It lies at `SAME_MEANING` of the way from the mean cosine of all pairs of these sentences to 1, since teachers
    differ: unrelated sentences have cosines of about 0 with MiniLM and of about 0.7 with E5.
    """
    count, width = vectors.shape
    total, squares = np.zeros(width), 0.0
    for start in range(0, count, _BLOCK):
        block = unit_rows(vectors[start : start + _BLOCK]).astype(np.float64)
        total += block.sum(axis=0)
        squares += float(np.square(block).sum())
    unrelated = (float(total @ total) - squares) / max(count * (count - 1), 1)
    return unrelated + SAME_MEANING * (1 - unrelated)


def _mine_part(
    part: NDArray[np.int64],
    vectors: Rows,
    count: int,
    choose: Callable[..., tuple[NDArray[np.int64], NDArray[np.int64]]],
    generator: np.random.Generator,
    advance: Callable[[int], None],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose for each anchor of a part, looking further where the nearest do not suffice."""
    own = SomeRows(vectors, part)
    near, _ = nearest_neighbours(own, own, 1 + NEAR * count, advance=advance)
    chosen, found_by = choose(part, part[near.index], near.cosine)
    short = np.flatnonzero(chosen[:, -1] < 0)
    if not len(short) or near.index.shape[1] == len(part):
        return chosen, found_by
    more, _ = nearest_neighbours(SomeRows(own, short), own, 1 + FURTHER * count)
    chosen[short], found_by[short] = choose(part[short], part[more.index], more.cosine)
    left = np.flatnonzero(chosen[short, -1] < 0)
    if not len(left) or more.index.shape[1] == len(part):
        return chosen, found_by
    short = short[left]
    drawn = generator.integers(len(part), size=(len(short), FURTHER * count))
    similar = [
        cosines(own[np.full(len(some), one)], own[some]) for one, some in zip(short, drawn, strict=True)
    ]
    index = np.concatenate([more.index[left], drawn], axis=1)
    cosine = np.concatenate([more.cosine[left], np.array(similar, np.float32)], axis=1)
    chosen[short], found_by[short] = choose(part[short], part[index], cosine)
    return chosen, found_by


def _choose(
    anchors: NDArray[np.int64],
    offered: NDArray[np.int64],
    translations: Translations,
    limit: float,
    count: int,
    queries: NDArray[np.int64],
    index: NDArray[np.int64],
    cosine: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Take the first ``count`` of each query's candidates that are negatives.

    Parameters
    ----------
    anchors, offered
        ``(a,)``: their sentence numbers, and those of the translations that they offer.
    translations, limit, count
        What decides.
    queries
        ``(q,)`` positions among the anchors.
    index, cosine
        ``(q, k)`` candidates, positions among the anchors, and the teacher's similarity to them; the best first.

    Returns
    -------
    chosen, found_by : ndarray of int64, shape (q, count)
        Positions among the anchors, -1 where there are too few; and how they were found, as `HardNegatives` counts it.
    """
    taken = np.full((len(queries), count), -1)
    for start in range(0, len(queries), _BLOCK):
        block = slice(start, start + _BLOCK)
        candidates = index[block]
        row, column = np.nonzero((candidates != queries[block, None]) & (cosine[block] <= limit))
        x, candidate = anchors[queries[block]][row], candidates[row, column]
        known = translations.share(x, anchors[candidate]) | translations.share(x, offered[candidate])
        row, column, candidate = row[~known], column[~known], candidate[~known]
        _, nearest = np.unique(row << 32 | offered[candidate], return_index=True)
        nearest.sort()
        row, column = row[nearest], column[nearest]
        rank = np.arange(len(row)) - np.searchsorted(row, row)
        kept = rank < count
        taken[start + row[kept], rank[kept]] = column[kept]
    chosen = np.where(taken < 0, -1, np.take_along_axis(index, np.maximum(taken, 0), axis=1))
    return chosen, np.where(taken < 0, _MISSING, np.digitize(taken, (1 + NEAR * count, 1 + FURTHER * count)))
