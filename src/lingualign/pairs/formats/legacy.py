"""Guess of the legacy encoding of a text: every code page reads it, and the letters of its languages decide."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from lingualign.languages import are_languages, language_code
from lingualign.pairs.characters import script_of_letter

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

# The order decides if two read alike: the most used first, those of DOS and the Macintosh last.
_ENCODINGS = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874", "cp932",
    "gb18030", "cp949", "cp950", "euc_jp", "big5hkscs", "koi8_r", "koi8_u", "iso8859_2", "iso8859_15",
    "iso8859_1", "iso8859_9", "iso8859_5", "iso8859_6", "iso8859_7", "iso8859_8", "iso8859_13", "iso8859_4",
    "iso8859_10", "iso8859_3", "iso8859_14", "iso8859_16", "kz1048", "koi8_t", "ptcp154", "mac_roman",
    "mac_latin2", "mac_cyrillic", "mac_greek", "mac_turkish", "mac_iceland", "mac_croatian", "mac_romanian",
    "cp850", "cp437", "cp852", "cp866", "cp1125", "cp855", "cp857", "cp737", "cp869", "cp775", "cp862", "cp720",
    "cp860", "cp861", "cp863", "cp865", "johab",
)  # fmt: skip
_WESTERN_ENCODINGS = ("cp1252", "iso8859_1", "iso8859_15")
_HOME = {
    "cp1250": "bs cs hr hu pl ro sk sl sq",
    "cp1251": "ba be bg kk ky mk mn ru sr tg tt uk uz",
    "cp1253": "el",
    "cp1254": "az tk tr",
    "cp1255": "he yi",
    "cp1256": "ar fa ps sd ug ur",
    "cp1257": "et lt lv",
    "cp1258": "vi",
    "cp874": "th",
    "cp932": "ja",
    "cp949": "ko",
    "gb18030": "zh yue",
    "iso8859_3": "mt eo",
    "iso8859_14": "cy",
    "kz1048": "kk",
    "koi8_t": "tg",
}
"""Usual encodings of languages."""

_WESTERN = "áàâäãåæçéèêëíìîïñóòôöõøœúùûüýÿß"
_CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
_LETTERS = {
    "af": "áéèêëíîïóôöúûü", "az": "çəğıöşü", "bs": "čćđšž", "ca": "àçéèíïóòúü·", "cs": "áčďéěíňóřšťúůýž",
    "cy": "âêîôûŵŷáéíóúàèìòùäëïöü", "da": "æøåéáü", "de": "äöüßé", "en": "é", "eo": "ĉĝĥĵŝŭ",
    "es": "áéíñóúü¿¡ºª", "et": "äöõüšž", "eu": "ñçáéíóú", "ewe": "ɖƒɣŋɔʋáéíóúãẽĩõũàèìòù", "fi": "äöåšžé",
    "fo": "áðíóúýæø", "fr": "àâæçéèêëîïôœùûü", "ga": "áéíóú", "gl": "áéíñóúü¿¡ºª", "hr": "čćđšž",
    "hu": "áéíóöőúüű", "is": "áðéíóúýþæö", "it": "àèéìíîòóùú", "kmr": "çêîşû", "ku": "çêîşû", "lb": "äëéöüèêôû",
    "lt": "ąčęėįšųūž", "lv": "āčēģīķļņšūž", "mi": "āēīōū", "mt": "ċġħżàèìòù", "nl": "éëïóöüèàêáíúâ",
    "nn": "æøåéèêòóôàü", "no": "æøåéèêòóôàü", "nso": "šêô", "pl": "ąćęłńóśźż", "pt": "áàâãçéêíóôõúüºª",
    "ro": "ăâîșțşţ", "sk": "áäčďéíĺľňóôŕšťúýž", "sl": "čšžćđ", "sm": "āēīōūʻ", "sq": "çë", "sv": "åäöéàü",
    "tk": "ažäçňöşüý", "tn": "šêô", "to": "āēīōūáéíóúʻ", "tr": "çğıöşüâîûİ", "ty": "āēīōūâêîôû", "ve": "ḓḽṋṅṱš",
    "vi": "àáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ\u0300\u0301\u0303\u0309\u0323",
    "wo": "àéëñóŋ", "yo": "ẹọṣáàéèíìóòúù\u0300\u0301",
    "ba": _CYRILLIC + "ёәғҙҡңөҫүһ", "be": "абвгдежзйклмнопрстуфхцчшыьэюяёіў", "bg": "абвгдежзийклмнопрстуфхцчшщъьюя",
    "kk": _CYRILLIC + "ёәғқңөұүһі", "ky": _CYRILLIC + "ёңөү", "mk": "абвгдежзиклмнопрстуфхцчшѓѕјљњќџѐѝ",
    "mn": _CYRILLIC + "ёөү", "ru": _CYRILLIC + "ё", "sr": "абвгдежзиклмнопрстуфхцчшђјљњћџčćđšž",
    "tg": "абвгдежзийклмнопрстуфхчшъэюяёғӣқӯҳҷ", "tt": _CYRILLIC + "ёәөүҗңһ",
    "uk": "абвгдежзийклмнопрстуфхцчшщьюяєіїґ", "el": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",
    "ar": "ءآأؤإئابةتثجحخدذرزسشصضطظعغفقكلمنهوىي،؛؟\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652",
    "fa": "ءآأؤئابپتثجچحخدذرزژسشصضطظعغفقکكگلمنوهیيى،؛؟\u200c\u064b", "he": "אבגדהוזחטיךכלםמןנסעףפץצקרשת",
    "ur": "ءآأؤئابپتٹثجچحخدڈذرڑزژسشصضطظعغفقکكگلمنںوہھیيےى،؛؟۔",
    "ko": "이다는의에을가고은를하로한기사도지인리서자대어시그년일해수과들전부나정상제것만장으라보동원했있스구"
    "주여습니까요",
    "ja": "のにるたをはしいがとてでなれかこらさもすりあっきまくどうそけせつよわめえおやんみちびだじげばょゅゃアイウエオ"
    "カキクケコサシスセソタチツテトナニノハヒフヘホマミムメモラリルレロワンッャュョーガグゲゴザジズダデドバビブベボパピプペポ"
    "日一人年大十二本中長出三時行見月後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水半男西電語"
    "、。「」・々",
    "zh": "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后"
    "小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意"
    "进把法這來國個說們為時會過對裡後麼沒於還發當開無經頭動兩長樣現將與進美新市政全第部力被最者議法比、。，：；？！（）《》「」",
    "th": "กขคฆงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหฬอฮฯะัาำิีึืุูเแโใไๅๆ็่้๊๋์ํ",
}  # fmt: skip
"""Characters of languages beyond ASCII; for Chinese, Japanese and Korean the most common ones."""

_PUNCTUATION = frozenset("“”‘’„‚«»‹›–—…\u00a0°£€")
_SIGNS = frozenset("•·©®™§½¼¾²³¹ªº´×¿¡\u2002\u2003\u2009\u202f№−′″")
_WITHIN_WORDS = frozenset("’‘·\u00ad\u200c\u200d–—…/´")
_RAISED = frozenset("¹²³½¼¾ªº")
_OPENING = frozenset("¿¡")
_SCRIPTS = {"Jpan": "HIRAGANA KATAKANA CJK", "Kore": "HANGUL CJK", "Hans": "CJK", "Hant": "CJK", "Latn": "LATIN",
            "Cyrl": "CYRILLIC", "Grek": "GREEK", "Hebr": "HEBREW", "Arab": "ARABIC", "Thai": "THAI"}  # fmt: skip
_SPACED = frozenset(("LATIN", "CYRILLIC", "GREEK", "HEBREW", "ARABIC"))
"""Scripts that do not mix with others within a word."""

_SAMPLE_BYTES = 4_096
_SHOWN = 60
_CLEAR = 0.15
_AT_MOST = 4
_RARE, _RARE_AT_MOST = 0.02, 0.4
_ISO_2022 = {b"$)C": "iso2022_kr", b"$(D": "iso2022_jp_1", b"$(C": "iso2022_jp_2", b"$A": "iso2022_jp_2"}
ESCAPED = re.compile(rb"\x1b(\$[@AB]|\$\([CD]|\$\)C|\([IJ])")
"""Escape sequences of ISO 2022 (ISO-2022-JP, ISO-2022-KR), within seven bits."""

_AROUND = re.compile(r"(?s)(?=(.)([^\x00-\x7f])(.))")
_LETTER_AFTER = re.compile(r"(?=([^\x00-\x7f])([A-Za-z]))")
_CELL = re.compile(rb'(?:^|[\t,;"])([A-Za-z]{2,3}(?:[-_][A-Za-z]{2,8})?)(?=[\t,;"\r]|$)')


@dataclass(frozen=True)
class Reading:
    """Content read in an encoding."""

    encoding: str
    cost: float
    """Sum over the characters beyond ASCII: 0 if all are letters or signs of the languages."""
    text: str

    @property
    def line(self) -> str:
        """The line that shows the encoding best, around the first letter that is not ASCII."""
        line = max(self.text.split("\n"), key=lambda line: len({char for char in line if char > "\x7f"}))
        place = next((place for place, char in enumerate(line) if char > "\x7f"), 0)
        shown = line[max(place - _SHOWN // 2, 0) :][:_SHOWN].replace("\t", " ")
        hidden = ("Cc", "Cf", "Cn", "Co", "Zl", "Zp")
        return "".join("\ufffd" if unicodedata.category(char) in hidden else char for char in shown).strip()


def candidates(content: bytes, languages: Collection[str]) -> list[Reading]:
    """Return the likely encodings of content, the likeliest first; only one if no other comes near.

    Parameters
    ----------
    content
        Whole lines that are not valid UTF-8.
    languages
        Codes of its possible languages; none if they are not known.
    """
    readings = ranked(content, languages)
    if not readings:
        return []
    best, *others = readings
    near = [each for each in others if each.cost - best.cost < _CLEAR * _apart(best.text, each.text)]
    return [best, *near][:_AT_MOST]


def ranked(content: bytes, languages: Collection[str]) -> list[Reading]:
    """Return content read in each possible encoding, the likeliest first, and one of encodings that read alike."""
    if found := ESCAPED.search(content):
        name = _ISO_2022.get(found[1], "iso2022_jp")
        return [Reading(name, 0.0, content.decode(name, "replace"))]
    sample = _sample(content)
    readings: dict[str, Reading] = {}
    for encoding in _in_order(languages):
        try:
            content.decode(encoding)
        except UnicodeDecodeError:
            continue
        text = sample.decode(encoding)
        if text in readings:
            continue
        beside_ascii = sum(byte > 127 for byte in sample)
        rare = 0.0 if _usual(encoding, languages) else min(_RARE * beside_ascii, _RARE_AT_MOST)
        cost = min(_cost(text, each) for each in _groups(languages))
        readings[text] = Reading(encoding, cost + rare, text)
    return sorted(readings.values(), key=lambda each: each.cost)


def _apart(one: str, other: str) -> int:
    """Return the number of characters that differ between two readings of the same bytes."""
    if len(one) == len(other):
        return sum(a != b for a, b in zip(one, other, strict=True))
    return max((Counter(one) - Counter(other)).total(), (Counter(other) - Counter(one)).total())


def languages_of(path: Path, content: bytes) -> set[str]:
    """Return the languages of a file: those in its name, else those in its cells, else those of its folders."""
    lines = content[:_SAMPLE_BYTES].splitlines()
    cells = Counter(cell.decode() for line in lines for cell in {*_CELL.findall(line)})
    frequent = [cell for cell, count in cells.items() if 2 * count >= len(lines) - 1]
    folders = [path.parent.parent.name, path.parent.name]
    return _named(path.name.split(".")) or _named(frequent) or _named(folders)


def _named(parts: Iterable[str]) -> set[str]:
    """Return the languages among parts of a name: ``es``, ``pt-BR``, or two with a hyphen, ``en-es``."""
    return {
        language_code(tag)
        for part in parts
        for tags in ([part], part.split("-"))
        if are_languages(tags)
        for tag in tags
    }


def _sample(content: bytes) -> bytes:
    """Return lines that are not ASCII: the first ones, and those with a byte that no earlier line has."""
    lines: list[bytes] = []
    seen: set[int] = set()
    size = 0
    for line in content.split(b"\n"):
        high = {byte for byte in line if byte > 127}
        if high and (size < _SAMPLE_BYTES or not high <= seen):
            lines.append(line)
            size += len(line)
            seen |= high
    return b"\n".join(lines)


def _in_order(languages: Collection[str]) -> list[str]:
    """Return all encodings, those of the languages first."""
    first = [encoding for encoding in _HOME if _at_home(encoding, languages)]
    return list(dict.fromkeys([*first, *_ENCODINGS]))


def _usual(encoding: str, languages: Collection[str]) -> bool:
    """Return whether text in these languages is mostly in this encoding if it is not UTF-8."""
    homeless = not all(any(_at_home(each, [code]) for each in _HOME) for code in languages)
    return _at_home(encoding, languages) or (homeless and encoding in _WESTERN_ENCODINGS)


def _at_home(encoding: str, languages: Collection[str]) -> bool:
    return not {*languages}.isdisjoint(_HOME.get(encoding, "").split())


def _groups(languages: Collection[str]) -> Iterable[tuple[str, ...]]:
    """Return the languages that may occur together: the given ones, else each known one with English."""
    import langcodes

    known = [langcodes.Language.get(code).maximize().script in _SCRIPTS for code in languages]
    return [tuple(sorted(languages))] if known and all(known) else [(code, "en") for code in _LETTERS]


def _cost(text: str, languages: tuple[str, ...]) -> float:
    """Return the sum of penalties in a text, for letters of other languages, rare signs, and wrong places of either."""
    expected, scripts = _expected(languages)
    total = 0.0
    for (before, char, after), count in Counter(_AROUND.findall(f"\n{text}\n")).items():
        total += count * (_unlikely(char, expected, scripts) + _misplaced(before, char, after))
    for (before, char), count in Counter(_LETTER_AFTER.findall(text)).items():
        total += count * _ill_joined(before, char) * before.isalpha()
    return total


@lru_cache(maxsize=256)
def _expected(languages: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the characters and the scripts of languages."""
    import langcodes

    letters = "".join(_LETTERS.get(code, "") for code in languages)
    written = [langcodes.Language.get(code).maximize().script or "Latn" for code in languages]
    scripts = " ".join(_SCRIPTS.get(script, "") for script in [*written, "Latn"]).split()
    return frozenset(letters + letters.upper()), frozenset(scripts)


@lru_cache(maxsize=1 << 16)
def _unlikely(char: str, expected: frozenset[str], scripts: frozenset[str]) -> float:
    if char in expected or char in _PUNCTUATION:
        return 0.0
    category = unicodedata.category(char)
    if category[0] == "C" and char not in _WITHIN_WORDS:
        return 3.0
    if category[0] in "LM" and char not in _SIGNS:
        script = script_of_letter(char)
        if script not in scripts:
            return 1.5
        if script in ("CJK", "HANGUL", "HIRAGANA", "KATAKANA"):
            return 0.5 if script == "CJK" else 0.2
        return 0.3 if char.lower() in _WESTERN else 0.7
    return 0.15 if char in _SIGNS or unicodedata.east_asian_width(char) in "FW" else 0.6


def _misplaced(before: str, char: str, after: str) -> float:
    if char in _RAISED or char in _OPENING:
        return 0.35 if (after if char in _RAISED else before).isalpha() else 0.0
    if not char.isalpha():
        sign = char not in _WITHIN_WORDS and unicodedata.category(char)[0] in "PS"
        return 0.35 if sign and before.isalpha() and after.isalpha() else 0.0
    return _ill_joined(before, char) if before.isalpha() else 0.0


def _ill_joined(before: str, char: str) -> float:
    """Return the penalty of two adjacent letters in a word."""
    scripts = {script_of_letter(before), script_of_letter(char)}
    if len(scripts) == 2 and scripts <= _SPACED:
        return 0.7
    # A capital within a word: small letters of cp1251 are capitals in koi8-r.
    return (0.5 if before.islower() else 0.3) if char.isupper() else 0.0
