"""Sentences in a script that their language is not written in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lingualign.pairs.characters import Characters, CharacterTable, each_run
from lingualign.pairs.cleaning.judging import by_language

if TYPE_CHECKING:
    import numpy.typing as npt
    import pyarrow as pa

    from lingualign.pairs.selection import Mask

_WRITTEN_WITH = {
    "Jpan": ("Hira", "Kana", "Hani"),
    "Kore": ("Hang", "Hani"),
    "Hans": ("Hani", "Bopo"),
    "Hant": ("Hani", "Bopo"),
    "Hira": ("Hira", "Kana", "Hani"),
}
"""Writing systems that mix Unicode scripts, by their ISO 15924 code."""

_ALSO_WRITES = {
    "Adlm": "ff fuf",
    "Arab": (
        "aa ace ady ak az be bem ber bex bjn bm btv crh dag dje doi dyo dyu ff ffm fue fuf fuh fuv gaa gba "
        "gjn ha inh kaa kab kdh kfr kk kr ku kum ky lbe lez lg lgg mad maw mdh mgh min ms mur nup om pa rhg "
        "rif sav shi shk smp snk so srr sus swc tg ti tig tk tly tmh tsg tt ttt tzm uz vmw wbq wo xco yao zag "
        "zlm zza"
    ),
    "Bali": "ban sas",
    "Beng": "brx ccp kha kru mni sat sck",
    "Bugi": "bug mak mdr",
    "Cans": "chp cr den ikt iu oj scs",
    "Cham": "cja",
    "Cyrl": "az bgn bs crh drh gag krl ku lad pnt rom se sh sms tg tk tkr tly ttt udi ug uz vot",
    "Deva": "doi dcc esg gju gon hif kok ks lif lmn mai mki nnp sa sat saz sck sd skr taj tdg unr unx wsg",
    "Ethi": "aa om sid ssy",
    "Geor": "ab lzz",
    "Grek": "cop gag",
    "Gujr": "bhb gjk kfr kxp",
    "Guru": "sd skr",
    "Hani": "nan nxq vi za",
    "Hebr": "aeb lad smp",
    "Hmng": "hmd hmn hnj mww",
    "Java": "ban jv mad sas",
    "Khmr": "jra kdt kxm",
    "Knda": "bfq kok lmn",
    "Lana": "khb",
    "Laoo": "blt hnj kdt mww",
    "Latn": (
        "ab abq ady aeb apd ar bal be bcq bej bft bgx bji blt brh brx bsq bst byn ccp cdo chm chr cja cjm cop "
        "cr crh crj crk crl ctd dgl egy ett fia fub gan ggn glk gmv gof grt gvr hak hdy hif hmd hnj hoc ii "
        "inh iu kaa kby kjg kk koi kok kqy ks ktb kum kxc ky lad lah lbe lis mde mdf mdx mfa mni mro mww mym "
        "nan nnp nsk nst oj osa pnt raj rhg rif sa sat sga shi shu sr srb swb syl tg tig tt udi udm ug unr uz "
        "vai wal wni yi zdj zgh"
    ),
    "Limb": "lif",
    "Mend": "men",
    "Mong": "alt bua mn oui",
    "Mtei": "mni",
    "Mymr": "rhg shn",
    "Nkoo": "bm dyu man",
    "Orya": "hoc sat srb unr unx",
    "Osma": "so",
    "Plrd": "hnj mww",
    "Sinh": "sa",
    "Sund": "su",
    "Syrc": "arc tru",
    "Taml": "saz",
    "Telu": "esg gon hoc saz srb wsg",
    "Tfng": "ber kab rif shi taq tmh tzm",
    "Thai": "eky hnj kjg mfa mww nod shn",
    "Tibt": "bft lep taj tdg xsr",
    "Vaii": "vai",
    "Wara": "hoc",
}
"""Languages that are written today in a script besides their likeliest one, by that script.

Sources: CLDR 48 (languageData, likelySubtags), SIL's langtags for languages with few texts, and the scripts in the
names of FLORES-200. Former scripts of a language with many texts (Turkish in Arabic letters) are left out, and so are
romanisations except that of Arabic in FLORES-200.
"""

_FITS, _OTHER_LETTER = 1, 2


@dataclass(frozen=True)
class Script:
    """Pairs with a side in which too small a share of letters belongs to a script of its language.

    A side without letters is not judged, nor is one in a language of unknown scripts.
    """

    least: float
    reason = "script"

    def __call__(self, pairs: pa.Table) -> Mask:
        """Say which pairs to drop."""
        return by_language(pairs, self._other_script)

    def _other_script(self, sentences: pa.LargeStringArray, language: str, _: str) -> Mask:
        scripts = scripts_of(language)
        if not scripts:
            return np.zeros(len(sentences), np.bool_)
        return np.asarray(share_of_letters(sentences, scripts) < self.least, np.bool_)


def share_of_letters(sentences: pa.LargeStringArray, scripts: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """Return the share of each sentence's letters in scripts, ISO 15924 codes; NaN without letters."""
    table = _letters_of(scripts)

    def measure(characters: Characters) -> npt.NDArray[np.float64]:
        letter = table(characters.points)
        counts = characters.count(letter > 0)
        share: npt.NDArray[np.float64] = np.full(len(counts), np.nan)
        return np.divide(characters.count(letter == _FITS), counts, out=share, where=counts > 0)

    return np.asarray(each_run(sentences, measure), np.float64)


@lru_cache(maxsize=512)
def scripts_of(language: str) -> tuple[str, ...]:
    """Return the Unicode scripts that a language is written in, as ISO 15924 codes; none if they are not known.

    Parameters
    ----------
    language
        Code of `lingualign.languages.language_code`.
    """
    likely = likely_script(language)
    if likely is None:
        return ()
    also = [script for script, languages in _ALSO_WRITES.items() if language in languages.split()]
    return unicode_scripts(likely, *also)


def likely_script(language: str) -> str | None:
    """Return CLDR's likely script of a language, as an ISO 15924 code; None if CLDR has none."""
    from langcodes.data_dicts import LIKELY_SUBTAGS

    # `maximize` answers Latin for a language that it does not know.
    return str(LIKELY_SUBTAGS[language]).split("-")[1] if language in LIKELY_SUBTAGS else None


def unicode_scripts(*systems: str) -> tuple[str, ...]:
    """Return the Unicode scripts of writing systems, both as ISO 15924 codes."""
    return tuple(
        dict.fromkeys(script for system in systems for script in _WRITTEN_WITH.get(system, (system,)))
    )


@lru_cache(maxsize=64)
def _letters_of(scripts: tuple[str, ...]) -> CharacterTable:
    import regex

    properties = "".join(rf"\p{{scx={script}}}" for script in scripts)
    try:
        fits = regex.compile(f"[{properties}]")
    except regex.error:  # a script that Unicode has not encoded yet
        fits = regex.compile(".")
    # Letters of no script, such as the ª of Romance languages, do not count.
    letter = regex.compile(r"[\p{L}--\p{sc=Common}]", regex.VERSION1)
    return CharacterTable(
        lambda char: (
            _FITS if fits.match(char) and letter.match(char) else _OTHER_LETTER * bool(letter.match(char))
        )
    )
