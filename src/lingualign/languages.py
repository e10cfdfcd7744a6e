"""Language codes: everything is keyed by the shortest ISO 639 code (``en``, ``ko``, ``ceb``)."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# ISO 639 codes that name no language: undetermined, several, no linguistic content, uncoded, "artificial",
# and the range left to private use.
_NO_LANGUAGE = re.compile(r"und|mul|zxx|mis|art|q[a-t][a-z]")

# The CLDR folds every other predominant member of a macrolanguage (cmn into zh, arb into ar); corpora name
# Bokmål by both codes, while Nynorsk (nn) is a written standard of its own.
_MACROLANGUAGE = {"nb": "no"}

# Codes of small languages that name columns, files and their parts in everyday English and in programs: `src` is
# Logudorese Sardinian, `old` is Mochica, `set` is Sentani. With a script, as `src_Latn`, they are languages.
_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        abc act add ads age ago aid aim air ale all alt amp and ans ant any ape api app apr arc are arr
        ash ask asr ate aud aug axe bad bag bat bay bed bee bet bid big bin bio bit bkp bow box boy bpe
        buf bus but buy bye cab can cap car cfg chg cid cli cnt cob cod cow cpy cry cst csv ctl cup cur
        cut dad dam day dec def del den dep des dev dic did dig dim dir doc dot dry due dup ego emb emu end
        env era err eve ext fan far fat fer fit fly for fox fun gap gas gay gbp gel gem gid gig git god
        gui gum gun gut gym had hag ham hap has hay hem hid him hit hoe hop hot how hub hue hug hum ids
        ill inn inp int iso its jan jar jet jig job jog jul jun key kid kim kit lab lag lam lap law lay lea
        led leg len les let lex lib lid lie lip lob log lot low lst man map mas mat med mel mem men mid mil
        mix mod mom moo mot mse msg mud mug nab nag neb neg net neu new nib nil nix nli nmt nod not now
        npy nub nul num nun nut oar old one opt ore pac pad pah pat paw pax pay pca pea peg phi pic pid pie
        pig pin pip pit pix pkg png pod pop pos pot pre pro pry psi pst ptr pub pug pup put rad rag raj ram
        ran rap rat raw ray ree rei rem res ret rim rms rnd rob rod roe row rub rug rut sab sac sad sae sal
        sam sap sau saw sax say sdk sea sec see seg sel sen sep seq ser set sew she shy sid sim sip sir sit
        six ski sky sly smt sob sod son sow soy spk spm spy src sri std stm str sts stt sty sub sue sum sys
        tab tad tag tan tap tar taw tax tea ted tee ten tfi tgt the thu thy tic tid tie til tip tmp toc toe
        tog tom too top tow toy trg tri trn tru try tst tsv tts tub tue tug tup tut two txt typ ulu uni url
        urn val van var vas ver vid vig vis wad wan was wat wav wax way wed wet wig win wit won wrd wry www
        xls xml yak yam yap yen yes yet yip zag zap zax zoo
        """,
    )
)

# Codes that are words as well, of languages that corpora hold: such a one is a language beside another that is no word.
_ALSO_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
        arg arm bak ban bar bug cat cop cos fin fur geo got hat her ice jam kin lad lat mac mad mag mar max
        may min mon nan nap nob pan per rom rue run sag sat sun ton vec war
        """,
    )
)

# Indonesian, Norwegian and Southern Ndebele in the name of a file, but keys and numbers in that of a column.
_KEYS = frozenset(("id", "no", "nr"))


# What files put for a tag: BCP 47's subtags in any order and number, registered or not, also as the name of a POSIX
# locale. A subtag of one character must introduce something.
_LOOSE_TAG = re.compile(
    r"([a-z]{2,3}(?:[-_][a-z0-9]{1,8}){0,8}(?<![-_].))(?:\.[a-z0-9-]{1,16})?(?:@[a-z0-9]{1,16})?",
    re.IGNORECASE,
)
_LONGEST_TAG = 100


@lru_cache(maxsize=4096)
def language_code(tag: str) -> str:
    """Reduce a language tag to its primary code.

    A tag that is not valid is cut from its end until what remains is, as RFC 4647 looks tags up: ``ET-01`` is ``et``,
    ``sr-SP-Latn`` is ``sr``, ``es-ES_tradnl`` is ``es``.

    Parameters
    ----------
    tag
        ``en``, ``eng``, ``eng_Latn``, ``en-US``, ``ko_KR``: any BCP 47 tag, ISO 639-3 code, FLORES name, or name of a
        locale (``sr@latin``, ``de_DE.UTF-8``).

    Returns
    -------
    str
        The ISO 639-1 code where the language has one, else the ISO 639-3 code. The language that a
        macrolanguage's code stands for in practice takes that code: Mandarin (``cmn``) is ``zh``, Standard
        Arabic (``arb``) is ``ar``, Bokmål (``nob``) is ``no``; Cantonese (``yue``) stays itself.

    Raises
    ------
    InputError
        If the tag names no language; the special codes (``und``, ``mul``, ``zxx``, ``mis``, ``art``, the
        private ``qaa`` to ``qtz``) name none, nor do private tags (``x-none``, ``x-default``).

    Examples
    --------
    >>> language_code("kor_Hang"), language_code("en-US"), language_code("cmn_Hans"), language_code("ET-01")
    ('ko', 'en', 'zh', 'et')
    """
    code = _code_of_valid(tag)
    loose = _LOOSE_TAG.fullmatch(tag) if code is None else None
    shorter = re.split("[-_]", loose[1]) if loose else []
    while code is None and shorter:
        code = _code_of_valid("-".join(shorter))
        shorter.pop()
    if code is None or _NO_LANGUAGE.fullmatch(code):
        raise InputError(
            f"unknown language code {tag[:_LONGEST_TAG]!r}{_meant(tag)}: expected an ISO 639 code such as 'en' or "
            "'kor', a BCP 47 tag such as 'en-US', or a FLORES name such as 'kor_Hang'"
        )
    return code


def _meant(name: str) -> str:
    """Give the code of the language that has this English name, or one like it; empty where none has."""
    lines = Path(__file__).with_name("language_names.tsv").read_text(encoding="utf-8").splitlines()
    codes = {known.lower(): (known, code) for known, code in (line.split("\t") for line in lines)}
    close = get_close_matches(name.lower(), codes, n=1, cutoff=0.8)
    if not close:
        return ""
    known, code = codes[close[0]]
    return f" ({known} is {code!r})"


def _code_of_valid(tag: str) -> str | None:
    """Return the code of a valid tag, which may be one that names no language."""
    import langcodes  # 0.1 s that `lingualign --help` does not need

    try:
        if len(tag) > _LONGEST_TAG or not langcodes.tag_is_valid(tag):
            return None
        code = langcodes.Language.get(tag).prefer_macrolanguage().language
    except ValueError:
        return None
    # A tag that begins with x- or i- may have no code at all.
    return _MACROLANGUAGE.get(code, code) if code and re.fullmatch("[a-z]{2,3}", code) else None


@lru_cache(maxsize=4096)
def is_language(name: str) -> bool:
    """Whether a name is the tag of a language, valid as it stands.

    Files and columns are recognised by it, so it accepts less than `language_code`, which makes Tongan of ``to_train``.
    """
    code = _code_of_valid(name)
    return code is not None and not _NO_LANGUAGE.fullmatch(code)


def are_languages(names: Collection[str]) -> bool:
    """Whether names that stand together, such as the two in a file's name, are all languages and not mere words.

    Three letters may be the code of a small language and a word: ``dev``, ``old``, ``src``. Such a word is not a
    language. ``cat`` (Catalan), ``war`` (Waray) and other well-known ones are, beside a code that is not a word.

    Parameters
    ----------
    names
        Language tags, or words.

    Examples
    --------
    >>> are_languages(["en", "ceb"]), are_languages(["war", "eng"]), are_languages(["old", "new"])
    (True, True, False)
    """
    lower = {name.lower() for name in names}
    return all(map(is_language, names)) and not lower & _WORDS and not lower <= _ALSO_WORDS


def is_language_column(name: str) -> bool:
    """Whether a column's name is a language's and no everyday one; see `language_columns`."""
    return name.lower() not in _WORDS and name.lower() not in _KEYS and is_language(name)


def looks_like_language(part: str) -> bool:
    """Whether a part of a file's name is a language's tag and hardly a word: ``fr``, ``pt_BR``, not ``app`` (Apma)."""
    tag = part.partition("@")[0]  # of a POSIX locale: sr@latin
    return bool(re.fullmatch(r"[A-Za-z]{2}|[A-Za-z]{2,3}[-_][\w-]+", tag)) and is_language(tag)


def language_columns(names: Iterable[str], origin: object) -> list[str]:
    """Find the columns of a table that are named after the language of their sentences.

    A language's code may also be an everyday name of a column: ``id`` is Indonesian, ``no`` Norwegian, ``src``
    Logudorese Sardinian. Such a name never counts as a language, and beside columns that are languages it is
    refused, since either reading could be meant. ``ind``, ``ind_Latn`` and ``nor`` are languages and nothing else.
    Columns that are all both languages and words, ``cat`` and ``sun``, are not languages: see `are_languages`.

    Parameters
    ----------
    names
        The names of the columns, in any order.
    origin
        Where they come from, for the message.

    Returns
    -------
    list of str
        The names that are language tags, in the given order.

    Raises
    ------
    InputError
        If a name may be a language or an identifier, beside one that is a language for sure.
    """
    tags = [name for name in names if is_language(name)]
    languages = [name for name in tags if is_language_column(name)]
    if not are_languages(languages):
        return []
    if languages and languages != tags:
        name = next(name for name in tags if not is_language_column(name))
        raise InputError(
            f"{origin}: the column {name!r} beside {languages[0]!r} may hold sentences or identifiers; if it holds "
            f"sentences name it {_in_full(name)!r}, else leave it out"
        )
    return languages


def _in_full(code: str) -> str:
    """Write a code as FLORES does, which no other column is named by: ``id`` as ``ind_Latn``."""
    import langcodes

    language = langcodes.Language.get(code)
    return f"{language.to_alpha3()}_{language.maximize().script or 'Latn'}"
