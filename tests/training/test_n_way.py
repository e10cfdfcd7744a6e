"""Pairs joined over several languages: nothing is lost, nothing is there twice."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingualign.errors import InputError
from lingualign.training.data import join_translations

LANGUAGES = ("en", "fr", "ja", "ko")


@st.composite
def bitexts(draw):
    """Pairs of any two languages, a language's sentences numbered from a hundred of its own."""
    pairs = {}
    for a, b in combinations(range(len(LANGUAGES)), 2):
        rows = draw(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12))
        if rows:
            one, other = np.array(rows).T
            pairs[f"{LANGUAGES[a]}-{LANGUAGES[b]}"] = (one + 100 * a, other + 100 * b)
    return pairs


def language(sentence: int) -> str:
    return LANGUAGES[sentence // 100]


@settings(max_examples=200, deadline=None)
@given(pairs=bitexts(), least=st.integers(1, 4))
def test_every_pair_is_joined_or_left_in_a_batch_that_teaches(pairs, least):
    found = join_translations(pairs, least)
    given_pairs = {pair for columns in pairs.values() for pair in zip(*map(list, columns), strict=True)}
    joined, left = set(), []
    for name, columns in found.items():
        languages = name.split("-")
        assert all(
            language(s) == code for code, column in zip(languages, columns, strict=True) for s in column
        )
        rows = list(zip(*map(list, columns), strict=True))
        if len(languages) == 2:
            left += rows
            assert set(rows) <= given_pairs
            assert len(rows) >= min(least, len(pairs[name][0]) - _copies(pairs[name], rows))
            continue
        assert len(rows) >= least
        for row in rows:
            # The anchor is a given pair with each of the others, so that all are translations of it.
            assert {(row[0], other) for other in row[1:]} <= given_pairs
            joined |= {pair for a, b in combinations(row, 2) for pair in ((a, b), (b, a))}
    assert given_pairs <= joined | set(left)
    # What is joined stands among the pairs only to fill a batch.
    for columns in found.values():
        rows = list(zip(*map(list, columns), strict=True))
        if len(columns) == 2 and joined & set(rows):
            assert len(rows) <= least
    # Pairs that occur twice stay so, unless they are joined.
    before = [pair for columns in pairs.values() for pair in zip(*map(list, columns), strict=True)]
    assert sorted(pair for pair in before if pair not in joined) == sorted(
        pair for pair in left if pair not in joined
    )


def _copies(columns, rows) -> int:
    """Further copies of pairs that are there already: to fill a batch with them would teach nothing."""
    every = list(zip(*map(list, columns), strict=True))
    return sum(every.count(pair) - 1 for pair in set(rows))


def test_content_in_the_same_languages_is_joined_and_the_rest_stays():
    found = join_translations(
        {
            "en-fr": (np.array([0, 1, 2, 3]), np.array([100, 101, 102, 103])),
            "en-ja": (np.array([1, 2, 4]), np.array([201, 202, 204])),
            "fr-ja": (np.array([102, 103]), np.array([202, 203])),
        },
        least=2,
    )
    assert {name: [column.tolist() for column in columns] for name, columns in found.items()} == {
        "en-fr-ja": [[1, 2], [101, 102], [201, 202]],
        "en-fr": [[0, 3], [100, 103]],
        "en-ja": [[4, 1], [204, 201]],
        "fr-ja": [[103, 102], [203, 202]],
    }


def test_more_languages_than_a_set_can_hold_are_refused():
    pairs = {f"en-x{place}": (np.array([0]), np.array([place + 1])) for place in range(63)}
    with pytest.raises(InputError, match="en is paired with 63 languages; at most 62"):
        join_translations(pairs, least=1)
