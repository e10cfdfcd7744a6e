"""What sentences have in common when they are nearly the same: shingles, short runs of their normalised characters.

A shingle is six characters, or three where it begins with a wide one (an ideograph, a kana, a Hangul syllable), after
`normalise`: case, punctuation and white space do not count.
"""

from __future__ import annotations

import numpy as np

from lingualign.pairs.characters import WIDE, Characters, Numbers, kinds
from lingualign.pairs.normalisation import Keys, character_values, mix

_NARROW, _WIDE = 6, 3
_MULTIPLIERS = mix(np.arange(1, 5, dtype=np.uint64)) | np.uint64(1)


def shingles(characters: Characters) -> tuple[Keys, Numbers]:
    """Give the shingles of sentences, one for each place that a whole one begins at.

    Returns
    -------
    ndarray of uint64, shape (shingles,)
        A 64-bit hash of each, sentence after sentence, in the order of the text.
    ndarray of int64, shape (shingles,)
        The sentence that each belongs to.
    """
    values = character_values(characters.points)
    kept = values != 0
    lengths = characters.count(kept)
    wide = (kinds(characters.points)[kept] & WIDE) > 0
    values = values[kept]
    count = len(values)
    padded = np.concatenate([values, np.zeros(_NARROW, np.uint64)])
    first, second, third, fourth = _MULTIPLIERS
    three = padded[:-2] * first + padded[1:-1] * second + padded[2:] * third
    six = three[:count] * fourth + three[_WIDE : count + _WIDE]
    hashes = mix(np.where(wide, three[:count], six))
    rows = np.repeat(np.arange(len(lengths)), lengths)
    whole = np.arange(count) + np.where(wide, _WIDE, _NARROW) <= np.cumsum(lengths)[rows]
    return hashes[whole], rows[whole]


def distinct(hashes: Keys, rows: Numbers) -> tuple[Keys, Numbers]:
    """Leave one of each sentence's equal shingles, sorted by sentence, then by hash."""
    # One key sorts several times faster than two; 40 bits of a hash tell the shingles of a sentence apart.
    order = np.argsort((rows.astype(np.uint64) << np.uint64(40)) | (hashes >> np.uint64(24)))
    hashes, rows = hashes[order], rows[order]
    first = np.ones(len(hashes), np.bool_)
    first[1:] = (hashes[1:] != hashes[:-1]) | (rows[1:] != rows[:-1])
    return hashes[first], rows[first]
