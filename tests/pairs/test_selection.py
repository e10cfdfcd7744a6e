"""Which pairs are chosen, who is the anchor, what is held out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingualign.errors import InputError
from lingualign.pairs import PAIR_SCHEMA, sentence_keys
from lingualign.pairs.selection import (
    held_out,
    orient,
    pair_keys,
    parse_patterns,
    repeats,
    resolve_priority,
    seeded_ranks,
    select_language_pairs,
)

COUNTS = Counter({("en", "fr"): 30, ("en", "ko"): 20, ("fr", "ko"): 10, ("ja", "ru"): 1})
LANGUAGES = ["en", "fr", "ja", "ko", "ru"]

pair_rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "A", ""]),
        st.sampled_from(["a", "x"]),
        *[st.sampled_from(LANGUAGES)] * 2,
        st.just("c"),
    ),
    max_size=40,
)


def table_of(rows: list[tuple[str, ...]]) -> pa.Table:
    return pa.Table.from_pylist(
        [dict(zip(PAIR_SCHEMA.names, row, strict=True)) for row in rows], schema=PAIR_SCHEMA
    )


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("all", {"en-fr", "en-ko", "fr-ko", "ja-ru"}),
        ("en-xx", {"en-fr", "en-ko"}),
        ("xx-en", {"en-fr", "en-ko"}),
        ("en-xx,fr-xx", {"en-fr", "en-ko", "fr-ko"}),
        (["ko-en", "rus_Cyrl-xx"], {"en-ko", "ja-ru"}),
    ],
)
def test_patterns_choose_language_pairs(select: str | list[str], expected: set[str]) -> None:
    assert {"-".join(pair) for pair in select_language_pairs(COUNTS, select)} == expected


@pytest.mark.parametrize(
    ("select", "message"),
    [
        (
            "en-ru",
            r"'en-ru' selects nothing; .* there are: en-fr \(30\), en-ko \(20\), fr-ko \(10\)",
        ),
        ("en-xx,de-xx", r"'de-xx' selects nothing"),
        ("english", r"'english' is no language-pair pattern; expected 'all', 'en-xx'"),
        ("en-klingon", r"'en-klingon': unknown language code 'klingon'"),
        ("en-eng", r"names one language twice"),
        ([], r"no pattern given"),
    ],
)
def test_bad_patterns_are_explained(select: str | list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        select_language_pairs(COUNTS, select)


def test_volume_orders_languages_by_sentences() -> None:
    assert resolve_priority(COUNTS, "volume") == ["en", "fr", "ko", "ja", "ru"]  # 50, 40, 30, 1, 1


def test_equal_volumes_go_by_preference_and_then_by_alphabet() -> None:
    single = Counter({("de", "en"): 7})
    assert resolve_priority(single, "volume") == ["de", "en"]
    assert resolve_priority(single, "volume", ["fr", "eng_Latn"]) == ["en", "de"]
    assert resolve_priority(COUNTS, "volume", ["ru", "ko"]) == ["en", "fr", "ko", "ru", "ja"]
    assert resolve_priority(single, ["de", "en"], ["en"]) == ["de", "en"]


@pytest.mark.parametrize(
    ("priority", "message"),
    [
        (["en", "fr"], r"priority: ja, ko, ru not in the list \(en, fr\)"),
        (["en", "eng", "fr"], r"priority: en named more than once"),
        (["en", "klingon"], r"priority: unknown language code 'klingon'.* or 'volume'"),
        ("volme", r"priority: unknown language code 'volme'"),
    ],
)
def test_bad_priorities_are_explained(priority: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve_priority(COUNTS, priority)


def test_single_pattern_needs_no_list() -> None:
    assert parse_patterns("en-xx") == parse_patterns(["en-xx"]) == [("en", "xx")]


@settings(deadline=None)
@given(pair_rows, st.permutations(LANGUAGES))
def test_orientation_swaps_texts_with_languages(rows: list[tuple[str, ...]], priority: list[str]) -> None:
    expected = [
        (b, a, right, left, corpus)
        if priority.index(left) > priority.index(right)
        else (a, b, left, right, corpus)
        for a, b, left, right, corpus in rows
    ]
    oriented = orient(table_of(rows), priority)
    assert oriented.schema.equals(PAIR_SCHEMA)
    assert [tuple(row.values()) for row in oriented.to_pylist()] == expected


@settings(deadline=None)
@given(pair_rows)
def test_duplicates_are_all_but_the_first(rows: list[tuple[str, ...]]) -> None:
    seen: set[tuple[str, ...]] = set()
    expected = []
    for row in rows:
        expected.append(row[:4] in seen)
        seen.add(row[:4])
    assert repeats(pair_keys(table_of(rows))).tolist() == expected


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 9)), max_size=60, unique=True),
    st.integers(-5, 2**70),
    st.integers(0, 8),
    st.randoms(use_true_random=False),
)
def test_ranks_and_hold_out(
    rows: list[tuple[int, int, int]], seed: int, validation: int, random: object
) -> None:
    def ranks_of(ordered: list[tuple[int, int, int]]) -> dict[tuple[int, int, int], tuple[int, bool]]:
        groups = np.array([row[0] for row in ordered], np.int64)
        sides = [sentence_keys(pa.array([str(row[i]) for row in ordered], pa.string())) for i in (1, 2)]
        ranks = seeded_ranks(groups, *sides, seed=seed)
        held = held_out(groups, ranks, validation, np.bincount(groups))
        return dict(zip(ordered, zip(ranks.tolist(), held.tolist(), strict=True), strict=True))

    ranked = ranks_of(rows)
    for group in range(4):
        places = [value for row, value in ranked.items() if row[0] == group]
        assert sorted(rank for rank, _ in places) == list(range(len(places)))
        assert sum(held for _, held in places) == min(validation, len(places) // 5)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert ranks_of(shuffled) == ranked
