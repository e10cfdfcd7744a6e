"""Each filter finds what it is for and leaves good translations alone; the fast ones agree with plain ones."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingualign.errors import InputError
from lingualign.pairs import PAIR_SCHEMA, cleaning_filters, read_source
from lingualign.pairs.characters import columns, each_run, words
from lingualign.pairs.cleaning import Language, Mojibake, NearDuplicates, Repetition, Reported, Script
from lingualign.pairs.cleaning.near_duplicates import minhash
from lingualign.pairs.config import CleaningConfig

if TYPE_CHECKING:
    from pathlib import Path


def table(*rows: tuple[str, str], languages: tuple[str, str] = ("en", "fr")) -> pa.Table:
    return pa.table(
        {
            "sentence1": pa.array([row[0] for row in rows], pa.large_string()),
            "sentence2": pa.array([row[1] for row in rows], pa.large_string()),
            "lang1": pa.array([languages[0]] * len(rows)).dictionary_encode(),
            "lang2": pa.array([languages[1]] * len(rows)).dictionary_encode(),
            "corpus": pa.array(["made"] * len(rows)).dictionary_encode(),
        }
    ).cast(PAIR_SCHEMA)


GOOD = [
    (("en", "fr"), "No.", "Certainement pas."),
    (("en", "fr"), "He paid 12.50 euros for it in 1998.", "Il l'a payé 12,50 euros en 1998."),
    (("en", "fr"), "“It’s naïve,” she said — œuvre or not.", "« C’est naïf », dit-elle — œuvre ou non."),
    (("en", "ja"), "The library closes at six today.", "図書館は今日六時に閉まります。"),
    (("en", "ko"), "The library closes at six today.", "도서관은 오늘 여섯 시에 닫습니다."),
    (("en", "ru"), "Anna said that she would be late.", "Анна сказала, что опоздает."),
    (
        ("en", "ko"),
        "Call PyObject_GetAttr with the argument name.",
        "PyObject_GetAttr을 name 인자로 호출합니다.",
    ),
    (("en", "sr"), "Where is the railway station, please?", "Молим вас, где је железничка станица?"),
]


@pytest.mark.parametrize(("languages", "first", "second"), GOOD)
def test_good_pairs_are_left_alone(languages: tuple[str, str], first: str, second: str) -> None:
    for pairs in (
        table((first, second), languages=languages),
        table((second, first), languages=languages[::-1]),
    ):
        assert not [each.reason for each in cleaning_filters(CleaningConfig()) if each(pairs).any()]


@pytest.mark.parametrize(
    ("reason", "languages", "first", "second"),
    [
        ("identical sides", ("en", "fr"), "Hotel California!", "hotel california"),
        ("length", ("en", "fr"), "A long one. " * 100, "Une longue phrase. " * 60),
        (
            "length ratio",
            ("en", "fr"),
            "Hello.",
            "Bonjour à tous ceux qui sont venus de loin pour être ici ce soir.",
        ),
        ("length ratio", ("en", "zh"), "Yes.", "他昨天晚上告诉我们他不能来参加今天的会议因为他生病了。"),
        ("few letters", ("en", "fr"), "12.05.2021 - 17:30 (4)", "12/05/2021 - 17h30 (4)"),
        (
            "repeated characters",
            ("en", "fr"),
            "Oh, hahahahahahahahaha, that is funny!",
            "Oh, que c'est drôle !",
        ),
        ("repeated characters", ("en", "fr"), "Contents ................ 7", "Sommaire et table"),
        ("script", ("en", "ja"), "The library closes at six.", "The library closes at 6 p.m."),
        ("script", ("en", "ru"), "The library closes.", "Biblioteka zakryvaetsya."),
        ("markup", ("en", "fr"), 'See <a href="x.html">the page</a>.', "Voir la page."),
        ("markup", ("en", "fr"), "Salt &amp; pepper", "Sel et poivre"),
        ("mojibake", ("en", "fr"), "The café is closed.", "Le cafÃ© est fermÃ©."),
        ("mojibake", ("en", "fr"), "The caf\ufffd is closed.", "Le café est fermé."),
        (
            "language",
            ("en", "fr"),
            "Where is the station?",
            "Wo ist bitte der nächste Bahnhof in dieser Stadt?",
        ),
    ],
)
def test_each_filter_finds_its_kind(reason: str, languages: tuple[str, str], first: str, second: str) -> None:
    filters = {each.reason: each for each in cleaning_filters(CleaningConfig())}
    for pairs in (
        table((first, second), languages=languages),
        table((second, first), languages=languages[::-1]),
    ):
        assert filters[reason](pairs).tolist() == [True]


texts = st.lists(
    st.tuples(*[st.text(st.sampled_from("ab ,éÃ©Аж漢かｶ한\u0301!7"), max_size=40)] * 2), max_size=12
)


@settings(deadline=None, max_examples=20)
@given(texts, st.integers(0, 12))
def test_a_corpus_is_judged_alike_in_whatever_chunks(rows: list[tuple[str, str]], cut: int) -> None:
    for each in cleaning_filters(CleaningConfig()):
        pairs = table(*rows)
        halves = [each(pairs.slice(0, cut)), each(pairs.slice(cut))]
        assert (
            np.concatenate(halves).tolist() == each(pairs).tolist() == [each(table(row))[0] for row in rows]
        )


def plainly_repeats(text: str, most: int) -> bool:
    for period, start in itertools.product(range(1, 9), range(len(text))):
        stretch = text[start : start + max(most, 4 * period)]
        periodic = all(stretch[i] == stretch[i - period] for i in range(period, len(stretch)))
        if len(stretch) == max(most, 4 * period) and periodic and not stretch.isspace():
            return True
    return False


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from("ab "), max_size=40), min_size=1, max_size=6))
def test_repetition_is_what_its_definition_says(sentences: list[str]) -> None:
    pairs = table(*((sentence, "") for sentence in sentences))
    assert Repetition(8)(pairs).tolist() == [plainly_repeats(sentence, 8) for sentence in sentences]


def test_lengths_count_wide_characters_twice_and_marks_not_at_all() -> None:
    sentences = pa.array(["abc", "日本", "한국", "e\u0301te\u0301", "", "a\u200bb"], pa.large_string())
    assert each_run(sentences, columns).tolist() == [3, 4, 4, 3, 0, 2]


def test_words_stand_between_spaces_or_are_ideographs() -> None:
    sentences = pa.array(["two words", "", " a  b ", "日本 go", "오늘 밤"], pa.large_string())
    assert each_run(sentences, words).tolist() == [2, 0, 2, 3, 2]


@pytest.mark.data
def test_mojibake_is_what_ftfy_calls_bad(data: Path) -> None:
    from ftfy.badness import is_bad

    read, _ = read_source(data / "train" / "korean-news")
    sentences = [text for name in ("sentence1", "sentence2") for text in read[0].table[name].to_pylist()]
    read, _ = read_source(data / "train" / "cocoa-mt")
    sentences += [text for each in read for text in each.table["sentence2"].to_pylist()]
    broken = [
        s.encode().decode(code, "ignore") for s in sentences[::7] for code in ("cp1252", "cp1251", "latin-1")
    ]
    pairs = table(*((sentence, "") for sentence in sentences + broken))
    plain = [is_bad(sentence) or "\ufffd" in sentence for sentence in sentences + broken]
    assert Mojibake()(pairs).tolist() == plain
    assert 0 < sum(plain) < len(plain)


def test_closely_related_languages_and_unknown_ones_are_tolerated() -> None:
    galician = "O meu irmán máis vello vive nunha casa preto do mar dende hai moitos anos."
    assert not Language(0.5)(table(("", galician), languages=("en", "pt"))).any()
    assert not Language(0.5)(table(("", galician), languages=("en", "tlh"))).any()
    assert Language(0.5)(table(("", galician), languages=("en", "de"))).all()


def test_a_language_may_have_several_scripts() -> None:
    for sentence in ("Где је станица", "Gde je stanica"):
        assert not Script(0.5)(table((sentence, ""), languages=("sr", "en"))).any()
    assert Script(0.5)(table(("Где је станица", ""), languages=("hr", "en"))).all()


def test_minhash_estimates_the_jaccard_similarity() -> None:
    from lingualign.pairs.characters import runs
    from lingualign.pairs.shingles import shingles

    rng = np.random.default_rng(0)
    vocabulary = ["".join(rng.choice(list("abcdefghijklmnop"), 6)) for _ in range(300)]
    base = list(rng.choice(vocabulary, 60))
    changed = []
    for count in range(0, 60, 3):
        other = list(base)
        other[:count] = rng.choice(vocabulary, count)
        changed.append(" ".join(other))
    pairs = table(*((sentence, "") for sentence in changed))
    signatures = minhash(pairs)
    sets = [set(shingles(run)[0].tolist()) for s in changed for run in runs(pa.array([s], pa.large_string()))]
    true = [len(sets[0] & other) / len(sets[0] | other) for other in sets]
    estimated = (signatures == signatures[0]).mean(axis=1)
    assert np.abs(estimated - true).max() < 4 * (0.25 / 64) ** 0.5
    assert np.corrcoef(estimated, true)[0, 1] > 0.97


def test_near_duplicates_keep_the_first_of_a_kind_over_chunks() -> None:
    first = "The committee will meet again on Thursday morning to discuss the proposal in more detail"
    other = "A completely different sentence that shares hardly anything with what was said before it"
    pairs = table((first, "un"), (other, "deux"), (first + ".", "un"), (first, "UN!"), ("", ""), ("", ""))
    assert NearDuplicates(0.8)(pairs).tolist() == [False, False, True, True, False, False]
    filter_ = NearDuplicates(0.8)
    parts = [filter_(pairs.slice(row, 1))[0] for row in range(pairs.num_rows)]
    assert parts == [False, False, True, True, False, False]


def test_a_reported_filter_counts_and_drops_nothing() -> None:
    reported = Reported(Mojibake())
    pairs = table(*[("fine", "cafÃ©")] * 7, ("fine", "café"))
    assert not reported(pairs).any()
    assert not reported(pairs).any()
    assert reported.found == 14
    # One from each table.
    assert reported.examples == [("fine", "cafÃ©")] * 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"script": 1.5}, "cleaning.script is 1.5; it must be above 0 and at most 1, or null for off"),
        ({"length_ratio": 0.5}, "cleaning.length_ratio is 0.5; it must be 1 or more, or null for off"),
        ({"repetition": 2}, "cleaning.repetition is 2; it must be 4 or more, or null for off"),
        ({"min_words": 9, "max_words": 3}, "cleaning.min_words is 9 and cleaning.max_words 3"),
        ({"cosine": 0.3}, "cleaning.cosine is given without cleaning.model"),
    ],
)
def test_values_out_of_range_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match="^" + message):
        cleaning_filters(CleaningConfig(**change))


def test_every_filter_can_be_off() -> None:
    off = CleaningConfig(
        identical_sides=False,
        min_characters=0,
        min_words=0,
        length_ratio=None,
        script=None,
        language=None,
        repetition=None,
        letters=None,
        mojibake=False,
        markup=False,
    )
    assert [each.reason for each in cleaning_filters(off)] == ["length"]


@pytest.mark.data
def test_hardly_any_curated_pair_is_dropped(data: Path) -> None:
    for corpus in ("cocoa-mt", "storybooks", "jhe"):
        read, _ = read_source(data / "train" / corpus)
        for each in cleaning_filters(CleaningConfig()):
            dropped = sum(int(each(part.table).sum()) for part in read)
            assert dropped <= 0.003 * sum(part.table.num_rows for part in read), each.reason
