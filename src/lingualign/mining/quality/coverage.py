"""How evenly a translation covers its source: it hardly covers the part that it lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lingualign.neighbours import unit_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    Encode = Callable[[list[str]], npt.NDArray[np.float16]]

PARTS = 4


def cut(sentence: str, parts: int) -> list[str]:
    """Cut a sentence into parts of about equal length, at blanks where there is one near.

    A part that would be empty is the whole sentence: too short to be cut, it is covered evenly.
    """
    size = len(sentence) / parts
    places = [0]
    for number in range(1, parts):
        place = round(number * size)
        blanks = sentence.rfind(" ", 0, place + 1), sentence.find(" ", place)
        near = [blank for blank in blanks if blank >= 0 and abs(blank - place) < size / 2]
        places.append(min(near, key=lambda blank: abs(blank - place)) if near else place)
    ends = [*places[1:], len(sentence)]
    return [sentence[start:end].strip() or sentence for start, end in zip(places, ends, strict=True)]


def encode_parts(encode: Encode, sentences: Sequence[str]) -> npt.NDArray[np.float32]:
    """Encode the parts of sentences: (PARTS, sentences, d), of length 1."""
    texts = [part for sentence in sentences for part in cut(sentence, PARTS)]
    vectors = unit_rows(encode(texts))
    return vectors.reshape(len(sentences), PARTS, -1).swapaxes(0, 1)


def evenness(
    parts: npt.NDArray[np.float32], own: npt.NDArray[np.float32], other: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    r"""How evenly translations cover the parts of sentences: (sentences,), 0 for quite evenly, lower for less.

    How much of a part p of a sentence x is in its translation y is told by ``cos(p, y) - cos(p, x) cos(x, y)``: how
    much nearer p is to y than its share in x accounts for. The measure is the negative of this difference's standard
    deviation over the parts.

    Parameters
    ----------
    parts
        Vectors of the parts, (PARTS, sentences, d).
    own, other
        Vectors of the sentences and of their translations, (sentences, d). All of length 1.
    """
    alike = np.einsum("id,id->i", own, other)
    covered = np.einsum("pid,id->pi", parts, other) - np.einsum("pid,id->pi", parts, own) * alike
    spread: npt.NDArray[np.float64] = covered.std(axis=0, dtype=np.float64)
    return -spread
