"""Language tags of every kind meet in one code."""

from __future__ import annotations

import pytest

from lingualign.errors import InputError
from lingualign.languages import is_language, language_code


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        (("en", "eng", "EN", "en-US", "en_GB", "eng_Latn"), "en"),
        (("ko", "kor", "kor_Hang", "ko-KR"), "ko"),
        (("ja", "jpn", "jpn_Jpan"), "ja"),
        (("zh", "zho_Hans", "zh_CN"), "zh"),
        (("ceb", "ceb_Latn"), "ceb"),
    ],
)
def test_tags_of_one_language_give_one_code(tags: tuple[str, ...], code: str) -> None:
    assert {language_code(tag) for tag in tags} == {code}
    assert language_code(code) == code


@pytest.mark.parametrize("tag", ["", "xx", "e n", "english", "split", "sentence1", "en_", "und"])
def test_other_words_are_refused_with_what_is_expected(tag: str) -> None:
    assert not is_language(tag)
    with pytest.raises(InputError, match=r"unknown language code .*expected an ISO 639 code"):
        language_code(tag)
