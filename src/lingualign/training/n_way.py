"""The same content in more than two languages, found among pairs that share a sentence.

Pairs of one English sentence with its French, its Japanese and its Korean translation are one piece of content in four
languages. A batch of such pieces holds each sentence once and is compared over all six language pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Columns = tuple["NDArray[np.int64]", ...]
"""``(n,)`` sentence numbers of each language; row i of one column translates row i of the others."""

# A set of languages is a number of 64 bits.
_MOST_LANGUAGES = 62


def join_translations(pairs: Mapping[str, Columns], least: int) -> dict[str, Columns]:
    """Join the pairs of one anchor sentence with several languages.

    Parameters
    ----------
    pairs
        By a name such as ``en-fr``, the anchor's language first: the sentence numbers of both sides.
    least
        Pieces of content with the same languages that there must be, or they stay pairs: a batch of them, usually.

    Returns
    -------
    dict
        What has been joined, by a name such as ``en-fr-ja``, and the pairs that have not. A sentence with two
        translations into one language is joined with the first. Where so few pairs of two languages have not been
        joined that they fill no batch, as many that have been stand beside them.

    Raises
    ------
    InputError
        If one language is paired with more than 62 others.
    """
    left = {name: np.stack(columns) for name, columns in pairs.items()}
    joined: dict[str, Columns] = {}
    anchored: dict[str, list[str]] = {}
    for name in pairs:
        anchored.setdefault(name.split("-")[0], []).append(name)
    # The language with the most pairs first: its sentences hold the others together.
    for anchor, names in sorted(
        anchored.items(), key=lambda entry: -sum(left[name].shape[1] for name in entry[1])
    ):
        found = _join(anchor, {name.split("-")[1]: left[name] for name in names}, least)
        for name, columns in found.items():
            joined[name] = columns
            _remove_covered(left, name.split("-"), columns)
    rest: dict[str, Columns] = {}
    for name, both in left.items():
        if both.shape[1]:
            source, target = _filled_up(both, np.stack(pairs[name]), least)
            rest[name] = (source, target)
    return {**joined, **rest}


def _filled_up(left: NDArray[np.int64], pairs: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Add to the pairs that are left others of the same languages: in a batch of a few they teach nothing."""
    wanted = min(least, pairs.shape[1]) - left.shape[1]
    if wanted <= 0:
        return left
    others = pairs[:, ~np.isin(_as_one(pairs), _as_one(left))]
    return np.concatenate([left, others[:, :wanted]], axis=1)


def _as_one(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Two numbers as one: sentence numbers are far below the square root of an int64."""
    numbers: NDArray[np.int64] = pairs[0] << 32 | pairs[1]
    return numbers


def _join(anchor: str, translations: Mapping[str, NDArray[np.int64]], least: int) -> dict[str, Columns]:
    """Join the pairs of one anchor language, by the languages in which each sentence has a translation."""
    languages = list(translations)
    if len(languages) > _MOST_LANGUAGES:
        raise InputError(
            f"training.n_way: {anchor} is paired with {len(languages)} languages; at most {_MOST_LANGUAGES} can be "
            "joined. Choose fewer with pairs.languages, or set it to false"
        )
    anchors = np.unique(np.concatenate([both[0] for both in translations.values()]))
    table = np.full((len(anchors), len(languages)), -1)
    for column, both in enumerate(translations.values()):
        sentences, first = np.unique(both[0], return_index=True)
        table[np.searchsorted(anchors, sentences), column] = both[1][first]
    sets = (table >= 0) @ (1 << np.arange(len(languages)))
    found = {}
    for languages_of_set, count in zip(*np.unique(sets, return_counts=True), strict=True):
        there = [place for place in range(len(languages)) if languages_of_set >> place & 1]
        if len(there) > 1 and count >= least:
            rows = np.flatnonzero(sets == languages_of_set)
            name = "-".join([anchor, *(languages[place] for place in there)])
            found[name] = (anchors[rows], *(table[rows, place] for place in there))
    return found


def _remove_covered(left: dict[str, NDArray[np.int64]], languages: list[str], columns: Columns) -> None:
    """Take the pairs of any two sentences that have been joined out of what is left."""
    for a, first in enumerate(languages):
        for b, second in enumerate(languages):
            name = f"{first}-{second}"
            if a != b and name in left:
                covered = _as_one(np.stack([columns[a], columns[b]]))
                left[name] = left[name][:, ~np.isin(_as_one(left[name]), covered)]
