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
from lingualign.languages import language_code
from lingualign.pairs import PAIR_SCHEMA, cleaning_filters, read_source
from lingualign.pairs.characters import columns, each_run, words
from lingualign.pairs.cleaning import Language, Mojibake, NearDuplicates, Repetition, Reported, Script
from lingualign.pairs.cleaning.near_duplicates import minhash
from lingualign.pairs.cleaning.script import scripts_of, unicode_scripts
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
def test_mojibake_is_what_ftfy_calls_bad_where_it_is_misread_utf_8(data: Path) -> None:
    from ftfy.badness import is_bad

    read, _ = read_source(data / "train" / "korean-news")
    sentences = [text for name in ("sentence1", "sentence2") for text in read[0].table[name].to_pylist()]
    read, _ = read_source(data / "train" / "cocoa-mt")
    sentences += [text for each in read for text in each.table["sentence2"].to_pylist()]
    for code in ("cp1252", "cp1251", "cp1250", "cp1254", "latin-1", "cp437", "mac-roman"):
        broken = [s.encode().decode(code, "ignore") for s in sentences[::7]]
        found = Mojibake()(table(*((sentence, "") for sentence in broken)))
        bad = np.array([is_bad(sentence) or "\ufffd" in sentence for sentence in broken])
        assert not found[~bad].any()
        assert bad.any()
        assert found[bad].mean() > 0.98, code
    assert not Mojibake()(table(*((sentence, "") for sentence in sentences if not is_bad(sentence)))).any()


@pytest.mark.parametrize(
    "sentence",
    [
        "»Šel bom jutri,« je rekel.",
        "»Če boš prišel, pridi zgodaj.«",
        "”Ääni kuului kaukaa”, hän sanoi.",
        "”Även jag”, sa han.",
        "«Žena» – “Änderung”, „Öl“ »Ärger«",
        "Ƒãnye ƒãa la ɖeka ƒã, eye wòƒo nu.",
        "ƒã",
    ],
)
def test_quotes_before_capitals_and_rare_letters_are_no_mojibake(sentence: str) -> None:
    for each in (sentence, sentence.upper(), f"“{sentence}”"):
        assert not Mojibake()(table((each, ""))).any()


@pytest.mark.parametrize("code", ["cp1252", "latin-1", "cp1254", "cp437", "mac-roman", "cp850"])
@pytest.mark.parametrize(
    "sentence", ["Le café est fermé depuis l’été.", "»Šola« je zaprta.", "Où est la clé ?"]
)
def test_mojibake_of_a_sentence_is_found(code: str, sentence: str) -> None:
    assert Mojibake()(table((sentence.encode().decode(code, "ignore"), ""))).all()


def test_closely_related_languages_and_unknown_ones_are_tolerated() -> None:
    galician = "O meu irmán máis vello vive nunha casa preto do mar dende hai moitos anos."
    assert not Language(0.5)(table(("", galician), languages=("en", "pt"))).any()
    assert not Language(0.5)(table(("", galician), languages=("en", "tlh"))).any()
    assert Language(0.5)(table(("", galician), languages=("en", "de"))).all()


# In letters in which lid.176 has seen other languages alone, or other languages more often.
MISTAKEN = {
    "az": "Бу ил пајызда кәндимизә чохлу гонаг ҝәлди, һамысы да бизим евдә галды.",
    "kk": "Bul jyly auylymyzǵa kóp qonaq keldi, bári de bizdiń úıde túnep qaldy.",
    "tt": "Bıyıl köz köne awılıbızğa küp qunaq kilde, barısı da bezdä qaldı.",
    "uz": "Бу йил кузда қишлоғимизга кўп меҳмон келди ва ҳаммаси бизникида қолди.",
    "ky": "Bıyıl küzündö aylıbızga köp konok keldi, baarı bizdin üydö kaldı.",
    "be": "Siolieta ŭvosień u našu viosku pryjechali hości, i ŭsie zastalisia ŭ nas.",
    "sd": "هن سال اسان جي ڳوٺ ۾ گهڻا مهمان آيا ۽ سڀ اسان جي گهر رهيا.",
    "pa": "ایس سال ساڈے پنڈ وچ بہت سارے پروہنے آئے تے سارے ساڈے گھر رہے۔",
    "ms": "تاهون اين راماي تتامو داتڠ ک کامڤوڠ کامي دان سموا تيڠݢل دروماه کامي.",
    "yo": "Ó pè wá sí ilé rẹ̀, a sì jẹun pọ̀ pẹ̀lú gbogbo àwọn ọ̀rẹ́ wa.",
    "zh": "学校将于明年春季开放新的体育馆和图书馆。",
    "yue": "呢間學校聽年春天會開放新嘅體育館同圖書館。",
    "ps": "سږ کال ډېر مېلمانه زموږ کلي ته راغلل او ټول زموږ په کور کې پاتې شول.",
    "ku": "Îsal di payîzê de gelek mêvan hatin gundê me û hemû li mala me man.",
}


@pytest.mark.parametrize("language", MISTAKEN)
@pytest.mark.parametrize("sure", [0.2, 0.5, 0.8])
def test_a_language_that_the_identification_does_not_know_in_these_letters_is_tolerated(
    language: str, sure: float
) -> None:
    pairs = table(("Many guests came this autumn.", MISTAKEN[language]), languages=("en", language))
    assert not Language(sure)(pairs).any()
    assert not Script(0.2)(pairs).any()


@pytest.mark.parametrize("language", MISTAKEN)
def test_the_other_sides_language_is_found_in_whatever_letters(language: str) -> None:
    english = "Many guests came to our village this autumn, and all of them stayed with us."
    russian = "Этой осенью в нашу деревню приехало много гостей, и все остались у нас."
    for code, text in (("en", english), ("ru", russian)):
        pairs = table(("", text), languages=(code, language))
        assert (Language(0.8)(pairs) | Script(0.2)(pairs)).all() or (code, language) == ("ru", "be")


def test_a_language_is_not_found_in_letters_that_it_is_not_written_in() -> None:
    hiragana = "あたらしいとしょかんは、らいねんのはるにひらくそうです。"
    assert Language(0.5)(table(("", hiragana), languages=("en", "zh"))).all()
    # Cyrillic with Latin letters that look the same: no Russian has ђ, but the identification does not mind.
    mixed = "Haшa бaкa je jуче дoшлa у пoceту и дoнeлa нaм кoлaчe кoje je caмa пeклa."
    assert not Language(0.5)(table(("", mixed), languages=("en", "sr"))).any()


FLORES_200 = """
ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn als_Latn amh_Ethi apc_Arab arb_Arab arb_Latn
ars_Arab ary_Arab arz_Arab asm_Beng ast_Latn awa_Deva ayr_Latn azb_Arab azj_Latn bak_Cyrl bam_Latn ban_Latn bel_Cyrl
bem_Latn ben_Beng bho_Deva bjn_Arab bjn_Latn bod_Tibt bos_Latn bug_Latn bul_Cyrl cat_Latn ceb_Latn ces_Latn cjk_Latn
ckb_Arab crh_Latn cym_Latn dan_Latn deu_Latn dik_Latn dyu_Latn dzo_Tibt ell_Grek eng_Latn epo_Latn est_Latn eus_Latn
ewe_Latn fao_Latn fij_Latn fin_Latn fon_Latn fra_Latn fur_Latn fuv_Latn gaz_Latn gla_Latn gle_Latn glg_Latn grn_Latn
guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva hne_Deva hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn
ita_Latn jav_Latn jpn_Jpan kab_Latn kac_Latn kam_Latn kan_Knda kas_Arab kas_Deva kat_Geor kaz_Cyrl kbp_Latn kea_Latn
khk_Cyrl khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kmr_Latn knc_Arab knc_Latn kon_Latn kor_Hang lao_Laoo lij_Latn
lim_Latn lin_Latn lit_Latn lmo_Latn ltg_Latn ltz_Latn lua_Latn lug_Latn luo_Latn lus_Latn lvs_Latn mag_Deva mai_Deva
mal_Mlym mar_Deva min_Arab min_Latn mkd_Cyrl mlt_Latn mni_Beng mos_Latn mri_Latn mya_Mymr nld_Latn nno_Latn nob_Latn
npi_Deva nso_Latn nus_Latn nya_Latn oci_Latn ory_Orya pag_Latn pan_Guru pap_Latn pbt_Arab pes_Arab plt_Latn pol_Latn
por_Latn prs_Arab quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn san_Deva sat_Olck scn_Latn shn_Mymr sin_Sinh slk_Latn
slv_Latn smo_Latn sna_Latn snd_Arab som_Latn sot_Latn spa_Latn srd_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn swh_Latn
szl_Latn tam_Taml taq_Latn taq_Tfng tat_Cyrl tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tpi_Latn tsn_Latn tso_Latn
tuk_Latn tum_Latn tur_Latn twi_Latn tzm_Tfng uig_Arab ukr_Cyrl umb_Latn urd_Arab uzn_Latn vec_Latn vie_Latn war_Latn
wol_Latn xho_Latn ydd_Hebr yor_Latn yue_Hant zho_Hans zho_Hant zsm_Latn zul_Latn
"""
# Languages in a further script, as of other data sets and Wikipedias.
FURTHER = """
kaa_Latn lad_Latn lad_Hebr shi_Latn shi_Tfng shi_Arab mey_Arab xal_Cyrl crk_Latn crk_Cans iku_Latn iku_Cans nan_Latn
nan_Hant bel_Latn mni_Mtei aze_Cyrl kaz_Latn kaz_Arab kir_Latn kir_Arab tat_Latn uzb_Cyrl uzb_Arab pan_Arab snd_Deva
msa_Arab srp_Latn bos_Cyrl tgk_Latn tuk_Cyrl uig_Latn uig_Cyrl mon_Mong yid_Latn zgh_Latn hau_Arab san_Latn cdo_Latn
kok_Latn pnb_Arab apd_Arab hif_Deva hif_Latn lzz_Geor gag_Cyrl bam_Nkoo fuf_Adlm sat_Latn
"""


def test_the_names_of_flores_are_written_in_their_own_scripts() -> None:
    assert len(FLORES_200.split()) == 204
    for name in (FLORES_200 + FURTHER).split():
        known = scripts_of(language_code(name))
        assert not known or set(unicode_scripts(name.split("_")[1])) <= set(known), name


def test_a_language_may_have_several_scripts() -> None:
    for sentence in ("Где је станица", "Gde je stanica"):
        assert not Script(0.5)(table((sentence, ""), languages=("sr", "en"))).any()
    assert Script(0.5)(table(("Где је станица", ""), languages=("hr", "en"))).all()


def test_a_language_whose_scripts_are_not_known_is_not_judged_by_them() -> None:
    for code in ("acm", "azb", "mey", "pbt"):
        for sentence in ("الماي بالبير بارد", "Salam", "Где је"):
            assert not Script(1.0)(table((sentence, ""), languages=(code, "en"))).any()


def test_minhash_estimates_the_jaccard_similarity() -> None:
    from lingualign.pairs.characters import runs, shingles

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
