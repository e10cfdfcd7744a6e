"""Language tags of every kind meet in one code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lingualign.languages
from lingualign.errors import InputError
from lingualign.languages import is_language, language_code, language_columns


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        (("en", "eng", "EN", "en-US", "en_GB", "eng_Latn"), "en"),
        (("ko", "kor", "kor_Hang", "ko-KR"), "ko"),
        (("ja", "jpn", "jpn_Jpan"), "ja"),
        (("zh", "zho_Hans", "zh_CN", "cmn", "cmn_Hant"), "zh"),
        (("ar", "ara", "arb", "arb_Arab"), "ar"),
        (("no", "nor", "nb", "nob_Latn"), "no"),
        (("fa", "pes_Arab"), "fa"),
        (("id", "ind"), "id"),
        (("ceb", "ceb_Latn"), "ceb"),
    ],
)
def test_tags_of_one_language_give_one_code(tags: tuple[str, ...], code: str) -> None:
    assert {language_code(tag) for tag in tags} == {code}
    assert language_code(code) == code


@pytest.mark.parametrize(
    ("code", "tags"),
    [
        ("et", "ET-01 et_EE.UTF-8 est-XX"),
        ("sr", "sr-SP-Latn sr-SP-Cyrl sr@latin sr_RS@latin sr-Latn-CS sh sh-YU"),
        ("es", "es-ES_tradnl es-LATAM es-419 es-ES_modern"),
        ("az", "az-AZ-Cyrl az-AZ-Latn"),
        ("uz", "uz-UZ-Cyrl uz-Cyrl-UZ"),
        ("no", "no-NO-NY nb-NO"),
        ("nn", "no-nyn nn-NO"),
        ("zh", "zh-CHS zh-CHT zh_Hant_TW zh_TW.Big5 zh-cmn-Hans ZH-HANS-XX"),
        ("yue", "yue-Hant-XX zh-yue zh-yue-QQ1"),
        ("en", "en-US-POSIX en_EN en-UK eng-USA en-x-private en-029 EN-01"),
        ("de", "de_DE@euro de-DE_phoneb de_DE.ISO-8859-15@euro"),
        ("pt", "pt-BRA pt_BR.utf8"),
        ("ca", "ca_ES.UTF-8@valencia ca@valencia"),
        ("he", "iw iw-IL"),
        ("id", "in in_ID"),
        ("ro", "mo mo-MD"),
        ("yi", "ji"),
        ("tlh", "i-klingon tlh-Latn-XX"),
    ],
)
def test_a_tag_that_is_not_valid_is_the_language_that_it_begins_with(code: str, tags: str) -> None:
    assert {tag: language_code(tag) for tag in tags.split()} == dict.fromkeys(tags.split(), code)


@pytest.mark.parametrize("name", ["to_train", "is_correct", "en_score", "it-1a", "ET-01"])
def test_names_are_languages_only_if_they_are_valid_tags(name: str) -> None:
    assert not is_language(name)


@pytest.mark.parametrize("code", ["yue", "nn", "arz", "hr", "sr"])
def test_a_language_with_a_written_form_of_its_own_is_not_folded_into_a_wider_one(code: str) -> None:
    assert language_code(code) == code


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "xx",
        "e n",
        "english",
        "split",
        "sentence1",
        "en_",
        "en--US",
        "en-US-1",
        "C",
        "xx-US",
        "en,fr",
        "fr;q=1",
        "e" * 4000,
        "en-a" * 4000,
    ],
)
def test_other_words_are_refused_with_what_is_expected(tag: str) -> None:
    assert not is_language(tag)
    with pytest.raises(InputError, match=r"unknown language code .*expected an ISO 639 code"):
        language_code(tag)


@pytest.mark.parametrize(
    "tag",
    [
        *(
            "und",
            "und-Latn",
            "mul",
            "zxx",
            "mis",
            "art",
            "qaa",
            "qtz_Latn",
            "MUL",
            "x-none",
            "x-default",
            "X-en",
        ),
        *("und-01", "mul-XX-01", "qaa-x-none", "i-enochian", "art-x-a"),
    ],
)
def test_special_codes_name_no_language(tag: str) -> None:
    assert not is_language(tag)
    with pytest.raises(InputError, match="unknown language code"):
        language_code(tag)


def test_a_name_that_may_be_an_identifier_never_counts_as_a_language() -> None:
    assert language_columns(["ind", "nor_Latn", "split", "en"], "x.tsv") == ["ind", "nor_Latn", "en"]
    assert language_columns(["id", "src", "tgt", "score"], "x.tsv") == []
    for name, full in (
        ("id", "ind_Latn"),
        ("ID", "ind_Latn"),
        ("no", "nor_Latn"),
        ("key", "key_"),
        ("src", "src_"),
    ):
        with pytest.raises(
            InputError, match=rf"x\.tsv: the column '{name}' beside 'en' .* name it '{full}"
        ) as told:
            language_columns([name, "en", "fr"], "x.tsv")
        cure = str(told.value).split("name it '")[1].split("'")[0]
        assert language_columns([cure, "en"], "x.tsv") == [cure, "en"]
        assert language_code(cure) == language_code(name)


@pytest.mark.parametrize(("name", "hint"), [("French", "French is 'fr'"), ("korian", "Korean is 'ko'")])
def test_the_name_of_a_language_leads_to_its_code(name, hint) -> None:
    with pytest.raises(InputError, match=re.escape(f"unknown language code {name!r} ({hint})")):
        language_code(name)
    with pytest.raises(InputError, match="unknown language code 'xyzzyx': expected"):
        language_code("xyzzyx")


def test_every_named_language_has_the_code_that_we_use() -> None:
    lines = Path(lingualign.languages.__file__).with_name("language_names.tsv").read_text().splitlines()
    codes = [line.split("\t")[1] for line in lines]
    assert [language_code(code) for code in codes] == codes
