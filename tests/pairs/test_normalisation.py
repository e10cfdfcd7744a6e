"""The fast keys agree with the plain definition."""

from __future__ import annotations

import sys
import unicodedata
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from lingualign.pairs import normalise, sentence_keys

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

# Combining marks, jamo, sigmas, dotted I, ligatures, full width, quotes, spaces of all kinds, what is not seen, points
# of Hebrew and Arabic, hamza and its bearers, look-alikes
awkward = st.sampled_from(
    list("aeΣσςİıſßẞﬁ½㎏！？Ｈ　\u00a0\u200b\u2028\x85\x1c\t\n.,-_«»“´¨\u0301\u0323\u0327ᄀ가ᅡᆨㅣ각ｶﾞが𝚺²Å😀")
    + list(
        "\u00ad\u200c\u200d\u200e\u034f\u115f\ufe0f\U000e0100\u0640\u05b7\u05bc\u064e\u0651\u0670\u0654\u0653"
    )
    + list("اآأىيیكکهۀہئșşțț\u0326аеё\u0308оoïıʼʻ‘−～〜ൺണ്ത്ৎ")
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


def test_nothing_that_is_not_seen_is_left() -> None:
    ignorable = regex.compile(r"\p{DI}")
    unseen = [
        chr(p) for p in range(sys.maxunicode + 1) if not 0xD800 <= p < 0xE000 and ignorable.match(chr(p))
    ]
    assert len(unseen) > 4000
    sentences = pa.array([f"o{char}\u0308l{char}" for char in unseen] + ["öl"])
    assert {normalise(sentence) for sentence in sentences.to_pylist()} == {"öl"}
    assert len(set(sentence_keys(sentences).tolist())) == 1


@settings(deadline=None)
@given(texts)
def test_a_normalised_sentence_stays_as_it_is(sentences: list[str]) -> None:
    for sentence in map(normalise, sentences):
        assert normalise(sentence) == sentence


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
        ("Der Bahn\u00adhofs\u00advorsteher", "Der Bahnhofsvorsteher"),
        ("caf\u00ade\u00ad\u0301", "café"),
        ("ភាសា\u200bខ្មែរ", "ភាសាខ្មែរ"),
        ("می\u200cخواهم", "میخواهم"),
        ("می\u200cخواهم", "می خواهم"),
        ("\u2067שלום\u2069\u200f!", "שלום"),
        ("I \u2764\ufe0f it", "I \u2764 it"),
        ("العربية", "العـــربيّة"),
        ("كَتَبَ الوَلَدُ", "كتب الولد"),
        ("שָׁלוֹם עֲלֵיכֶם", "שלום עליכם"),
        ("يكي بود", "یکی بود"),
        ("على", "علی"),
        ("مدرسۀ ما", "مدرسه\u0654 ما"),
        ("۱۴۰۲", "١٤٠٢"),
        ("Această ședință și țara", "Această şedinţă şi ţara"),
        ("s\u0326i t\u0326ara", "şi ţara"),
        ("k\u0326a", "ķa"),
        ("O‘zbekiston", "Oʻzbekiston"),
        ("oʼzbek", "o`zbek"),
        ("п’ять", "пʼять"),
        ("it´s", "it's"),
        ("−5 °C", "–5 °C"),
        ("10～20", "10〜20"),
        ("Једнa кaфa", "Једна кафа"),  # Latin letters among Cyrillic ones
        ("İSTANBUL", "istanbul"),
        ("ILIK", "ılık"),
        ("അവൻ", "അവന്\u200d"),
    ],
)
def test_normalisation_joins_what_a_reader_would(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("a < b", "a > b"), ("$5", "5"), ("10", "1 1"), ("a+b", "ab"), ("I ❤ it", "I it")),
        *(
            ("o", "ö"),
            ("pe", "pé"),
            ("कि", "की"),
            ("มา", "ม้า"),
            ("е", "э"),
            ("کے", "کی"),
            ("ا", "أ"),
            ("ه", "ة"),
        ),
    ],
)
def test_normalisation_keeps_symbols_digits_and_marks_that_tell_words_apart(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@pytest.mark.data
def test_keys_on_real_sentences(data: Path) -> None:
    sentences = []
    for path in sorted((data / "train" / "storybooks").glob("*.parquet")):
        table = pq.read_table(path)
        sentences += table["sentence1"].to_pylist() + table["sentence2"].to_pylist()
    assert_same_classes(sentences, sentence_keys(pa.array(sentences)))
