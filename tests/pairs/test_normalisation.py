"""The fast keys agree with the plain definition."""

from __future__ import annotations

import sys
import unicodedata
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingualign.pairs import normalise, sentence_keys

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

# Combining marks, jamo, sigmas, dotted I, ligatures, full width, quotes, spaces of all kinds
awkward = st.sampled_from(
    list("aeΣσςİıſßẞﬁ½㎏！？Ｈ　\u00a0\u200b\u2028\x85\x1c\t\n.,-_«»“´¨\u0301\u0323\u0327ᄀ가ᅡᆨㅣ각ｶﾞが𝚺²Å😀")
)
texts = st.lists(
    st.text(st.one_of(awkward, st.characters(exclude_categories=["Cs"])), max_size=12), max_size=40
)


def assert_same_classes(sentences: list[str], keys: np.ndarray) -> None:
    by_text: dict[str, int] = {}
    for sentence, key in zip(sentences, keys.tolist(), strict=True):
        assert by_text.setdefault(normalise(sentence), key) == key, sentence
    assert len(set(by_text.values())) == len(by_text)


@settings(deadline=None)
@given(texts, st.data())
def test_keys_are_equal_exactly_where_normalised_texts_are(sentences: list[str], data: st.DataObject) -> None:
    disguised = [
        data.draw(
            st.sampled_from([s, s.upper(), unicodedata.normalize("NFD", s), f" “{s}”!", "".join(reversed(s))])
        )
        for s in sentences
    ]
    both = sentences + disguised
    assert_same_classes(both, sentence_keys(pa.array(both, pa.string())))


def test_every_character_alone_and_after_a_letter() -> None:
    points = [
        chr(p) for p in range(sys.maxunicode + 1) if not 0xD800 <= p < 0xE000 and unicodedata.name(chr(p), "")
    ]
    points = [p for p in points if not "\u4e00" <= p <= "\u9fff" and not "\U00017000" <= p <= "\U0003ffff"]
    sentences = points + [f"o{point}" for point in points]
    assert_same_classes(sentences, sentence_keys(pa.array(sentences)))


def test_keys_do_not_depend_on_what_else_is_in_the_array() -> None:
    sentences = ["one", "", "Two!", "ΟΔΟΣ", "e\u0301", "가 나", "x" * 3000, "..."] * 3
    whole = sentence_keys(pa.array(sentences))
    alone = [int(sentence_keys(pa.array([s]))[0]) for s in sentences]
    chunked = sentence_keys(pa.chunked_array([sentences[:5], [], sentences[5:]]).slice(2))
    assert whole.tolist() == alone
    assert chunked.tolist() == alone[2:]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello, world!", "hello world"),
        ("Ｅｎｄ。", "end"),
        ("ΟΔΟΣ", "οδος"),
        ("C’est-à-dire", "cest à dire"),
        ("が", "か\u3099"),
    ],
)
def test_normalisation_joins_what_a_reader_would(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(("one", "other"), [("a < b", "a > b"), ("$5", "5"), ("10", "1 1"), ("a+b", "ab")])
def test_normalisation_keeps_symbols_and_digits(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@pytest.mark.data
def test_keys_on_real_sentences(data: Path) -> None:
    sentences = []
    for path in sorted((data / "train" / "storybooks").glob("*.parquet")):
        table = pq.read_table(path)
        sentences += table["sentence1"].to_pylist() + table["sentence2"].to_pylist()
    assert_same_classes(sentences, sentence_keys(pa.array(sentences)))
