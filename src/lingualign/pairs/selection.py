"""Selection of language pairs, choice of the anchor, sampling and the validation split."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lingualign.errors import InputError
from lingualign.languages import language_code
from lingualign.pairs.normalisation import Keys, mix
from lingualign.pairs.table import PAIR_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Sequence

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]
LanguagePair = tuple[str, str]
PairKeys = npt.NDArray[np.void]

PAIR_KEY = np.dtype([("head", "<u8"), ("tail", "<u8")])

_ANY = "xx"


def parse_patterns(select: str | Sequence[str]) -> list[LanguagePair]:
    """Read language-pair patterns.

    Parameters
    ----------
    select
        ``all``, or patterns such as ``en-xx``, ``en-ko``, separated by commas or in a list. ``xx`` is any
        language; the order of the two does not matter.

    Returns
    -------
    list of tuple
        Both sides of each pattern; ``("xx", "xx")`` for ``all``.

    Raises
    ------
    InputError
        If a pattern has another form.
    """
    texts = (
        select.split(",")
        if isinstance(select, str)
        else [part for text in select for part in text.split(",")]
    )
    patterns = []
    for text in map(str.strip, texts):
        sides = [_ANY, _ANY] if text == "all" else text.split("-")
        if len(sides) != 2:
            raise InputError(
                f"select: {text!r} is no language-pair pattern; expected 'all', 'en-xx', 'en-ko', or "
                "several with commas"
            )
        try:
            first, second = (side if side == _ANY else language_code(side) for side in sides)
        except InputError as error:
            raise InputError(f"select: {text!r}: {error}") from None
        if first == second != _ANY:
            raise InputError(f"select: {text!r} names one language twice; a pair has two languages")
        patterns.append((first, second))
    if not patterns:
        raise InputError("select: no pattern given; expected 'all', 'en-xx', 'en-ko', or several with commas")
    return patterns


def select_language_pairs(counts: Counter[LanguagePair], select: str | Sequence[str]) -> set[LanguagePair]:
    """Return the language pairs that match the patterns.

    Parameters
    ----------
    counts
        Number of pairs of each existing language pair, codes in alphabetical order.
    select
        See `parse_patterns`.

    Raises
    ------
    InputError
        If a pattern is malformed or matches no language pair; the message lists the existing ones.
    """
    selected: set[LanguagePair] = set()
    for pattern in parse_patterns(select):
        matching = {pair for pair in counts if matches(pair, pattern)}
        if not matching:
            text = "all" if pattern == (_ANY, _ANY) else "-".join(pattern)
            existing = ", ".join(f"{a}-{b} ({counts[a, b]:,})" for a, b in sorted(counts)) or "none"
            raise InputError(f"select: {text!r} selects nothing; the language pairs there are: {existing}")
        selected |= matching
    return selected


def matches(pair: LanguagePair, pattern: LanguagePair) -> bool:
    """Return whether a language pair matches a pattern of `parse_patterns`, in either order."""
    return any(
        all(want in (_ANY, have) for want, have in zip(pattern, sides, strict=True))
        for sides in (pair, pair[::-1])
    )


def resolve_priority(
    counts: Counter[LanguagePair], priority: str | Sequence[str], prefer: Sequence[str] = ()
) -> list[str]:
    """Order languages so that the first of a pair's two is the anchor.

    Parameters
    ----------
    counts
        Number of selected pairs of each language pair.
    priority
        Codes, the highest first, or ``volume``: the languages by their number of sentences in the selected
        pairs, the largest first.
    prefer
        Codes of the languages that the teacher understands best, the best first. They come first among languages of
        equal volume; the others follow alphabetically. A single language pair is always such a tie.

    Raises
    ------
    InputError
        If a code is unknown, or the list names a language twice or lacks one that is needed.
    """
    preferred = _codes("prefer", prefer)
    if priority == "volume":
        volume: Counter[str] = Counter()
        for pair, count in counts.items():
            volume.update(dict.fromkeys(pair, count))
        best = {code: place for place, code in enumerate(preferred)}
        return sorted(volume, key=lambda code: (-volume[code], best.get(code, len(best)), code))
    try:
        codes = _codes("priority", priority.split(",") if isinstance(priority, str) else priority)
    except InputError as error:
        raise InputError(f"{error}; or 'volume'") from None
    twice = [code for code, times in Counter(codes).items() if times > 1]
    if twice:
        raise InputError(f"priority: {', '.join(twice)} named more than once")
    missing = sorted({language for pair in counts for language in pair} - set(codes))
    if missing:
        raise InputError(
            f"priority: {', '.join(missing)} not in the list ({', '.join(codes)}); add every language of the "
            "selected pairs, or use 'volume'"
        )
    return codes


def _codes(parameter: str, given: Sequence[str]) -> list[str]:
    try:
        return [language_code(code.strip()) for code in given]
    except InputError as error:
        raise InputError(f"{parameter}: {error}") from None


def orient(table: pa.Table, priority: Sequence[str]) -> pa.Table:
    """Swap sides where needed, so that ``sentence1`` is in the language of higher priority: the anchor.

    Parameters
    ----------
    table
        Table of `PAIR_SCHEMA`.
    priority
        Codes, the highest first; every language of the table is among them.
    """
    place1, place2 = (
        pc.index_in(table[lang].cast(pa.string()), value_set=pa.array(priority, pa.string()))
        for lang in ("lang1", "lang2")
    )
    swap = pc.greater(place1, place2)
    if not pc.any(swap).as_py():
        return table
    table = table.unify_dictionaries()
    columns = {name: table[name] for name in table.column_names}
    for first, second in (("sentence1", "sentence2"), ("lang1", "lang2")):
        kind = PAIR_SCHEMA.field(first).type
        a, b = (
            table[name].cast(kind.value_type if pa.types.is_dictionary(kind) else kind)
            for name in (first, second)
        )
        columns[first] = _as_type(pc.if_else(swap, b, a), kind)
        columns[second] = _as_type(pc.if_else(swap, a, b), kind)
    return pa.table(columns, schema=table.schema)


def _as_type(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    return column.dictionary_encode() if pa.types.is_dictionary(kind) else column


def pair_keys(table: pa.Table) -> PairKeys:
    """Return a 16-byte BLAKE2b digest of each pair's languages and sentences, letter for letter.

    The chance that two of 100 million different pairs share a digest is 2**-75.
    """
    parts = (table[name].cast(pa.large_string()) for name in ("lang1", "lang2", "sentence1", "sentence2"))
    separator = pa.scalar(b"\xff", pa.large_binary())  # never in UTF-8
    joined = pc.binary_join_element_wise(*(part.cast(pa.large_binary()) for part in parts), separator)
    digests = b"".join(blake2b(pair, digest_size=16).digest() for pair in joined.to_pylist())
    return np.frombuffer(digests, PAIR_KEY)


def repeats(keys: PairKeys) -> Mask:
    """Return the mask of keys that occur earlier already."""
    order = np.lexsort((keys["tail"], keys["head"]))  # stable: of equal keys the first stays first
    same = (np.diff(keys["head"][order]) == 0) & (np.diff(keys["tail"][order]) == 0)
    repeated = np.zeros(len(keys), np.bool_)
    repeated[order[1:]] = same
    return repeated


def group_numbers(table: pa.Table, columns: Sequence[str]) -> Numbers:
    """Return a number for each row, equal for rows that agree in all the (dictionary-coded) columns."""
    numbers = np.zeros(table.num_rows, np.int64)
    for name in columns:
        column = table[name].combine_chunks()
        encoded = column if isinstance(column, pa.DictionaryArray) else column.chunk(0)
        numbers = numbers * len(encoded.dictionary) + encoded.indices.to_numpy(zero_copy_only=False)
    return numbers


def seeded_ranks(groups: Numbers, anchors: Keys, others: Keys, *, seed: int) -> Numbers:
    """Return the place of every pair, from 0, in a seeded shuffle of its group.

    The shuffle orders by a hash of the anchor sentence and the seed alone. Neither the order of files nor the machine
    matters, and groups that share anchors (n-way corpora) have the same order. The first n pairs of a group are its
    sample, and the first few of those its validation pairs: a larger sample contains a smaller one and holds out the
    same pairs.

    Parameters
    ----------
    groups
        Group of each pair: see `group_numbers`.
    anchors, others
        `sentence_keys` of both sides.
    seed
        Any integer.
    """
    order = np.lexsort((shuffled(others, seed), shuffled(anchors, seed), groups))
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    ranks = np.empty(len(groups), np.int64)
    ranks[order] = np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))
    return ranks


def shuffled(keys: Keys, seed: int) -> Keys:
    """Return the numbers that `seeded_ranks` orders keys by."""
    return mix(keys ^ mix(np.array([seed % 2**64], np.uint64) + np.uint64(0x9E3779B97F4A7C15)))


def held_out(groups: Numbers, ranks: Numbers, validation: int, sizes: Numbers) -> Mask:
    """Return the mask of validation pairs: the first few of each group, at most a fifth of it.

    ``sizes`` holds the size of each group, by its number.
    """
    return np.asarray(ranks < np.minimum(sizes // 5, validation)[groups], np.bool_)
