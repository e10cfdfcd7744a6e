"""Translation units of TMX, XLIFF and PO become pairs; what XML can be made to do does not happen."""

from __future__ import annotations

import gettext
import shutil
import socket
import subprocess
import threading
from collections import Counter
from contextlib import suppress
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lingualign.errors import InputError
from lingualign.pairs import PAIR_SCHEMA, prepare_pairs, read_source
from lingualign.pairs.formats.po import MANY, forms_for_one_and_many
from lingualign.pairs.formats.tmx import stream_tmx
from lingualign.pairs.formats.xliff import stream_xliff

TMX = """<?xml version="1.0"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<!-- a memory with one of everything -->
<tmx version="1.4">
<header creationtool="hand" creationtoolversion="1" segtype="sentence" o-tmf="x" adminlang="EN-US"
        srclang="EN-US" datatype="html"><note>about</note><prop type="RTFPreamble">{\\rtf1}</prop></header>
<body>
<tu tuid="0001" datatype="text"><note>not text</note>
  <tuv xml:lang="FR-CA"><prop type="corpus">no</prop><seg>Données &amp; texte&#x202F;: <![CDATA[a < b]]></seg></tuv>
  <tuv xml:lang="EN-US"><seg>Data &amp; text: a &lt; b</seg></tuv>
</tu>
<tu><tuv lang="en"><seg>The <bpt i="1" x="1">{\\b <sub>note</sub></bpt>big<ept i="1">}</ept> <hi type="term">black
cat</hi><ph x="2">&lt;br></ph>.<it pos="begin">{\\i</it><ut>{\\cs}</ut></seg></tuv>
  <tuv lang="fr"><seg>Le gros <hi>chat <hi>noir</hi></hi>.</seg></tuv></tu>
<tu srclang="*all*"><prop type="corpus">talks</prop>
  <tuv xml:lang="ko"><seg>하나</seg></tuv><tuv xml:lang="en-GB"><seg>One</seg></tuv>
  <tuv xml:lang="fr"><seg>Un</seg></tuv><tuv xml:lang="fr-BE"><seg>Une</seg></tuv></tu>
<tu><tuv xml:lang="en-GB"><seg>Colour</seg></tuv><tuv xml:lang="en-US"><seg>Color</seg></tuv></tu>
<tu><tuv xml:lang="fr"><seg>Seul</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>Right to left:\u200f\u202b</seg></tuv><tuv xml:lang="ar"><seg/></tuv></tu>
</body></tmx>
"""

XLIFF1 = """<?xml version="1.0" encoding="utf-8"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2" xmlns:m="urn:of-a-tool">
<file original="a.html" source-language="en-US" target-language="fr-FR" datatype="html">
<header><note>source and target</note></header>
<body><group id="g"><trans-unit id="1">
  <source>Read <g id="1">the <mrk mtype="term">manual</mrk></g><x id="2"/>: <ph id="3">{0}</ph>!</source>
  <seg-source><mrk mtype="seg" mid="1">Read</mrk></seg-source>
  <target state="translated">Lisez <g id="1">le manuel</g><x id="2"/><bpt id="4">&lt;b><sub>x</sub></bpt>
!</target>
  <alt-trans><source>Read.</source><target>Lisez.</target></alt-trans>
  <m:target>of a tool</m:target></trans-unit></group>
<trans-unit id="2"><source>Untranslated</source></trans-unit>
<trans-unit id="3"><source>New</source><target state="new">New</target></trans-unit>
<trans-unit id="4"><source xml:lang="de">Katze</source><target xml:lang="ko">고양이</target></trans-unit>
</body></file>
<file original="b" source-language="en" target-language="ja"><body>
<trans-unit id="1"><source>cat</source><target>猫</target></trans-unit></body></file>
</xliff>
"""

XLIFF2 = """<?xml version="1.0"?>
<xliff version="2.1" srcLang="en" trgLang="fr-CA" xmlns="urn:oasis:names:tc:xliff:document:2.0"
       xmlns:mtc="urn:oasis:names:tc:xliff:matches:2.0">
<file id="f"><group id="g"><unit id="u">
<mtc:matches><mtc:match ref="#1"><source>Hi</source><target>Salut</target></mtc:match></mtc:matches>
<notes><note>a note</note></notes><originalData><data id="d">&lt;br/></data></originalData>
<segment id="1" state="final"><source>Press <pc id="1"><mrk id="m" type="term">OK</mrk></pc><ph id="2"/>
now.<cp hex="001A"/></source><target>Appuyez sur <sc id="3"/>OK<ec startRef="3"/>.</target></segment>
<ignorable><source> </source><target> </target></ignorable>
<segment><source>Not yet.</source></segment></unit></group></file></xliff>
"""

PO = r"""# A catalogue
msgid ""
msgstr ""
"Project-Id-Version: hand 1\n"
"Language: pt_BR\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\n"

#. of the menu
#: src/menu.c:12
#, c-format
msgctxt "menu"
msgid "Open \"%s\"\n"
"at once"
msgstr ""
"Abrir \"%s\"\n"
"agora"

#, fuzzy
#| msgid "Closed"
msgid "Close"
msgstr "Fechado"

msgid "Not yet"
msgstr ""

msgid "One file"
msgid_plural "%d files"
msgstr[0] "Um arquivo"
msgstr[1] "%d arquivos"

#~ msgid "Gone"
#~ msgstr "Ido"
"""

PO_OF_MSGFMT = (
    r"""#comment without a blank
#File: menu.c, line: 3
#= workflow, c-format
domain "app"
msgid""msgstr
"Language: fr\n"
"Content-Type: text/plain; "
"charset=UTF-8\n" "Plural-Forms: nplurals=2; plural=(n > 1);\n"

#, c-format
#| msgctxt "old"
#| msgid "Old "
#| "leaf"
msgctxt
"tree"
msgid
"Leaf" "\n"

"x"
msgstr"Feuille"
"\n" "x"

#,c-format fuzzy, no-wrap
msgid "Close" msgstr "Ouvrir"
#~ msgid "Gone"
#~ "for good"
#~ msgstr "Parti"
msgid "%d tree" msgid_plural "%d trees"
msgstr [ 0 ]
"%d arbre"
msgstr[
1]"%d " "arbres"
msgid "Bell\a\b\f\v\t\r \101\x41g \"q\" \\n \303\251\
 end"
msgstr "Cloche\a\b\f\v\t\r \101\x41g \"q\" \\n \xc3\xa9\
 fin"
#~| msgid "Before"
#~ msgid "Old"
#~ msgstr "Vieux\""""
    + '"\n'
)

XLIFF_SEGMENTS = """<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
<file original="a" source-language="en" target-language="fr"><body>
<trans-unit id="1"><source>One. Two. Three.</source><seg-source><mrk mtype="seg" mid="1">One.</mrk> <g id="g"><mrk
 mtype="seg" mid="2">Two <mrk mtype="term">a</mrk>.</mrk></g> <mrk mtype="seg" mid="3">Three.</mrk></seg-source>
 <target><mrk mtype="seg" mid="3">Trois.</mrk> <mrk mtype="seg" mid="1">Un.</mrk> <mrk mtype="seg" mid="2"> </mrk> <mrk
 mtype="seg" mid="4">De trop.</mrk></target></trans-unit>
<trans-unit id="2"><source><mrk mtype="seg" mid="0">A.</mrk> <mrk mtype="seg" mid="1">B.</mrk></source>
 <target><mrk mtype="seg" mid="0">C.</mrk> <mrk mtype="seg" mid="1">D.</mrk></target></trans-unit>
<trans-unit id="3"><source>E. F.</source><seg-source><mrk mtype="seg" mid="0">E.</mrk> <mrk mtype="seg"
 mid="1">F.</mrk></seg-source><target>G. H.</target></trans-unit></body></file></xliff>
"""

Rows = list[tuple[str, ...]]


def read(path: Path, content: str | bytes, **options: str) -> tuple[Rows, set[str]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    files, skipped = read_source(path, **options)
    [file] = files
    assert file.table.schema.equals(PAIR_SCHEMA)
    assert {each.file for each in skipped} <= {str(path)}
    return [tuple(row.values()) for row in file.table.to_pylist()], {each.reason for each in skipped}


def test_tmx_gives_every_pair_of_a_unit(tmp_path: Path) -> None:
    rows, left_out = read(tmp_path / "memory.tmx", TMX)
    assert rows == [
        ("Data & text: a < b", "Données & texte\u202f: a < b", "en", "fr", "memory"),
        ("The big black\ncat.", "Le gros chat noir.", "en", "fr", "memory"),
        ("하나", "One", "ko", "en", "talks"),
        ("하나", "Un", "ko", "fr", "talks"),
        ("하나", "Une", "ko", "fr", "talks"),
        ("One", "Un", "en", "fr", "talks"),
        ("One", "Une", "en", "fr", "talks"),
        ("Right to left:\u200f\u202b", "", "en", "ar", "memory"),
    ]
    assert left_out == {"units in one language alone: 2"}


def test_xliff_takes_text_and_leaves_tags(tmp_path: Path) -> None:
    rows, left_out = read(tmp_path / "app.xlf", XLIFF1)
    assert rows == [
        ("Read the manual: !", "Lisez le manuel\n!", "en", "fr", "app"),
        ("Katze", "고양이", "de", "ko", "app"),
        ("cat", "猫", "en", "ja", "app"),
    ]
    assert left_out == {"units without a target: 1", "units whose target waits for its translation: 1"}
    rows, left_out = read(tmp_path / "v2.xliff", XLIFF2)
    assert rows == [("Press OK\nnow.", "Appuyez sur OK.", "en", "fr", "v2")]
    assert left_out == {"units without a target: 1"}
    bare = XLIFF2.replace(' trgLang="fr-CA"', "")
    assert read(tmp_path / "app.en-fr.xlf", bare)[0][0][2:] == ("en", "fr", "app")
    with pytest.raises(InputError, match=r"line \d+: the language of the target is not known; write"):
        read(tmp_path / "app.xlf", bare)


def test_po_leaves_out_what_nobody_has_confirmed(tmp_path: Path) -> None:
    rows, left_out = read(tmp_path / "django.po", PO)
    expected = [
        ('Open "%s"\nat once', 'Abrir "%s"\nagora', "en", "pt", "django"),
        ("One file", "Um arquivo", "en", "pt", "django"),
        ("%d files", "%d arquivos", "en", "pt", "django"),
    ]
    assert rows == expected
    assert left_out == {"obsolete messages: 1", "fuzzy messages: 1", "messages without a translation: 1"}
    for name, header, languages in (
        ("fr.po", "", ("en", "fr")),
        ("ko/LC_MESSAGES/app.po", "", ("en", "ko")),
        ("app.de-fr.po", "", ("de", "fr")),
        (
            "any.po",
            r'"Language: sr@latin\n" "X-Source-Language: de_AT\n"'.replace('" "', '"\n"'),
            ("de", "sr"),
        ),
    ):
        content = PO.replace(r'"Language: pt_BR\n"', header or '""')
        rows, _ = read(tmp_path / "names" / name, content)
        assert [row[:2] for row in rows] == [row[:2] for row in expected]
        assert {row[2:4] for row in rows} == {languages}
    with pytest.raises(InputError, match=r"django\.po: the language is not known; write it into the header"):
        read(tmp_path / "django.po", PO.replace(r'"Language: pt_BR\n"', '""'))


def test_arabic_plurals_pair_the_form_for_one(tmp_path: Path) -> None:
    forms = (
        "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5;"
    )
    header = f'msgid ""\nmsgstr ""\n"Language: ar\\n"\n"Plural-Forms: {forms}\\n"\n\n'
    message = "".join(
        f'msgstr[{i}] "{word}"\n' for i, word in enumerate(["لا", "واحد", "اثنان", "٣", "١١", "١٠٠"])
    )
    rows, _ = read(tmp_path / "x.po", header + 'msgid "one"\nmsgid_plural "many"\n' + message)
    assert [row[:2] for row in rows] == [("one", "واحد"), ("many", "١٠٠")]


def test_po_is_read_as_msgfmt_reads_it(tmp_path: Path) -> None:
    rows, left_out = read(tmp_path / "x.po", PO_OF_MSGFMT)
    controls = "\a\b\f\v\t\r AAg"
    assert rows == [
        ("Leaf\nx", "Feuille\nx", "en", "fr", "x"),
        ("%d tree", "%d arbre", "en", "fr", "x"),
        ("%d trees", "%d arbres", "en", "fr", "x"),
        (f'Bell{controls} "q" \\n é end', f'Cloche{controls} "q" \\n é fin', "en", "fr", "x"),
    ]
    assert left_out == {"fuzzy messages: 1", "obsolete messages: 2"}
    assert read(tmp_path / "crlf" / "x.po", PO_OF_MSGFMT.replace("\n", "\r\n")) == (rows, left_out)
    assert read(tmp_path / "mark" / "x.po", "\ufeff" + PO_OF_MSGFMT) == (rows, left_out)
    narrow = PO_OF_MSGFMT.replace("charset=UTF-8", "charset=iso-8859-1").replace("\\303\\251", "\\351")
    narrow = narrow.replace("\\xc3\\xa9", "é")
    assert read(tmp_path / "narrow" / "x.po", narrow.encode("latin-1")) == (rows, left_out)


def test_po_of_other_tools_is_read_beyond_what_msgfmt_accepts(tmp_path: Path) -> None:
    header = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=CHARSET\\n"\n'
    rows, left_out = read(
        tmp_path / "sr@latin.po",
        r"""msgid "b"   # a remark
# another
msgstr "B"
msgid "b"
msgstr "twice"
msgid "C:\\dir\z \xff"
msgstr "\%d"
msgid ""
msgid_plural ""
msgstr[0] "empty"
msgid "nul\0"
msgstr "nul"
msgid "one"
msgid_plural "many"
msgstr[1] "M"
msgstr[0] "O"
"""
        + header,
    )
    assert [row[:2] for row in rows] == [
        ("b", "B"), ("b", "twice"), (r"C:\dir\z \xff", r"\%d"), ("", "empty"), ("one", "O"), ("many", "M"),
    ]  # fmt: skip
    assert {row[2:] for row in rows} == {("en", "sr", tmp_path.name)}
    assert left_out == {
        "messages with a NUL: 1",
        "plurals paired by their first and last form, for want of a valid Plural-Forms: 1",
    }


PO_WORDS = st.sampled_from([
    "msgid", "msgstr", "msgctxt", "msgid_plural", "msgstr[0]", "msgstr[1]", "msgstr [ 0 ]", "# c\n", "#: f:1\n",
    "#, fuzzy\n", '#| msgid "o"\n', "\n", " ", "\t", '"a"', '"b"', '""', r'"\n\"\\"', r'"\101\x42 \303\251"', '"é"',
])  # fmt: skip
MESSAGE = st.tuples(st.sampled_from("abcdefgh"), st.lists(PO_WORDS, max_size=4), st.booleans()).map(
    lambda drawn: (
        f'msgid "{drawn[0]}"{"".join(drawn[1])}\n'
        + ('msgid_plural "p"\nmsgstr[0] "f"\nmsgstr[1]"g"\n' if drawn[2] else 'msgstr "t"\n')
    )
)


@pytest.mark.skipif(shutil.which("msgfmt") is None, reason="msgfmt of gettext is the reference")
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(MESSAGE | PO_WORDS, max_size=6))
def test_po_gives_what_msgfmt_compiles(tmp_path: Path, parts: list[str]) -> None:
    path, compiled = tmp_path / "x.po", tmp_path / "x.mo"
    header = 'msgid ""\nmsgstr "Language: fr\\nContent-Type: text/plain; charset=UTF-8\\n'
    path.write_text(header + 'Plural-Forms: nplurals=2; plural=n>1;\\n"\n' + "".join(parts))
    if subprocess.run(["msgfmt", "-o", compiled, path], capture_output=True).returncode:
        return
    with compiled.open("rb") as file:
        catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    expected = Counter()
    for message, text in catalogue.items():
        sentence = message[0] if isinstance(message, tuple) else message
        form = message[1] if isinstance(message, tuple) else None
        if sentence:
            sentence = sentence.rpartition("\x04")[2]
            expected["p" if form == 1 else sentence, text] += 1
    rows, _ = read(path, path.read_bytes())
    assert Counter(row[:2] for row in rows) == expected


PLURALS = {
    "en": ("n != 1", 0, 1),
    "ja": ("0", 0, 0),
    "fr": ("(n==0 || n==1) ? 0 : n != 0 && n % 1000000 == 0 ? 1 : 2", 0, 2),
    "ru": ("n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2", 0, 2),
    "ru of four": ("n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<12||n%100>14) ? 1 : n%10==0"
                   " || n%10>=5 && n%10<=9 || n%100>=11 && n%100<=14 ? 2 : 3", 0, 2),
    "sr": ("n==1? 3 : n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10||n%100>=20) ? 1 : 2", 3, 2),
    "pl": ("n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2", 0, 2),
    "cs of four": ("(n == 1 && n % 1 == 0) ? 0 : (n >= 2 && n <= 4 && n % 1 == 0) ? 1: (n % 1 != 0 ) ? 2 : 3", 0, 3),
    "sl": ("n%100==1 ? 1 : n%100==2 ? 2 : n%100==3 || n%100==4 ? 3 : 0", 1, 0),
    "lt": ("n%10==1 && n%100!=11 ? 0 : n%10>=2 && (n%100<10 || n%100>=20) ? 1 : 2", 0, 2),
    "lv": ("n%10==1 && n%100!=11 ? 0 : n != 0 ? 1 : 2", 0, 1),
    "ro": ("n==1 ? 0 : n==0 || (n%100>0 && n%100<20) ? 1 : 2", 0, 2),
    "cy": ("(n==1) ? 0 : (n==2) ? 1 : (n != 8 && n != 11) ? 2 : 3", 0, 2),
    "ga": ("n==1 ? 0 : n==2 ? 1 : n<7 ? 2 : n<11 ? 3 : 4", 0, 4),
    "mt": ("n==1 ? 0 : n==0 || ( n%100>1 && n%100<11) ? 1 : (n%100>10 && n%100<20 ) ? 2 : 3", 0, 3),
    "ar": ("n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5", 1, 5),
    "fil": ("n != 1 && n != 2 && n != 3 && (n % 10 == 4 || n % 10 == 6 || n % 10 == 9)", 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", PLURALS)
def test_plurals_go_with_the_forms_of_one_and_of_many(tmp_path: Path, name: str) -> None:
    formula, one, many = PLURALS[name]
    header = f"Language: {name[:3].strip()}\\nPlural-Forms: nplurals=6; plural={formula};\\n"
    forms = "".join(f'msgstr[{form}] "{form}"\n' for form in range(6))
    rows, left_out = read(
        tmp_path / "x.po", f'msgid ""\nmsgstr "{header}"\nmsgid "one"\nmsgid_plural "many"\n{forms}'
    )
    expected = [("one", str(one)), ("many", str(many))]
    assert [row[:2] for row in rows] == expected[one == many :]
    assert not left_out
    # Many numbers take the form of many, so that it is not the form of an exact number.
    assert sum(int(gettext.c2py(formula)(n)) == many for n in range(1001)) >= 25  # type: ignore[attr-defined]


NUMBERS = st.sampled_from(["n", "0", "1", "2", "10", "11", "100"])
SIGNS = st.sampled_from(["+", "-", "*", "/", "%", "<", "<=", ">", ">=", "==", "!="])
FORMULAS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, SIGNS, inner).map("".join),
        st.tuples(inner, st.just("?"), inner, st.just(":"), inner).map("".join),
        inner.map("({})".format),
        # Python binds ! more loosely than C, and && and || have the value of an operand.
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map("".join).map("(({})!=0)".format),
        inner.map("(!({}))".format),
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(FORMULAS)
def test_formulas_are_evaluated_as_c_does(formula: str) -> None:
    result = forms_for_one_and_many(f"nplurals=999; plural={formula};")
    try:
        expected = tuple(int(gettext.c2py(formula)(n)) for n in (1, MANY))  # type: ignore[attr-defined]
    except (ZeroDivisionError, ValueError):
        return  # in Python a part that does not count may fail, and deep ones do
    if "-" not in formula:
        assert result == (expected if max(expected) < 999 else None)


@pytest.mark.parametrize(
    "formula",
    ["", "n n", "n+", "(n", "n?1", "n/0", "-n", "x", "n**2", "__import__('os')", "(" * 900 + "n" + ")" * 900,
     "!" * 5000 + "n", "n?" * 900, "1" * 900, "7", "n=1", "n;;", "EXPRESSION"],
)  # fmt: skip
def test_what_is_no_formula_leaves_first_and_last(tmp_path: Path, formula: str) -> None:
    assert forms_for_one_and_many(f"nplurals=2; plural={formula};") is None or formula == "n;;"
    assert forms_for_one_and_many(f"plural={formula}") is None


def test_po_holds_any_line_separator_within_a_message(tmp_path: Path) -> None:
    odd = "a\u2028b\u0085c\u000bd"
    rows, _ = read(tmp_path / "fr.po", f'msgid "{odd}"\nmsgstr "{odd[::-1]}"\n')
    assert rows == [(odd, odd[::-1], "en", "fr", tmp_path.name)]


def xliff2(content: str, unit: str = "", segment: str = "") -> str:
    return (
        f'<xliff version="2.0" srcLang="en" trgLang="fr"><file id="f"><unit id="1" {unit}><originalData><data id="br">'
        '&lt;br/></data><data id="b">&lt;b></data></originalData>'
        f"<segment {segment}>{content}</segment></unit></file></xliff>"
    )


def xliff1(content: str, unit: str = "", file: str = 'target-language="fr"') -> str:
    return (
        f'<xliff version="1.2"><file source-language="en" {file}><body><group><trans-unit id="1" {unit}>{content}'
        "</trans-unit></group></body></file></xliff>"
    )


BOTH = "<source>Save</source><target>Sauver</target>"
WAITS = "units whose target waits for its translation: 1"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (xliff2(BOTH), None),
        (xliff2(BOTH, segment='state="translated"'), None),
        (xliff2(BOTH, segment='state="reviewed" subState="my:checked"'), None),
        (xliff2(BOTH, segment='state="initial"'), WAITS),
        (xliff2(BOTH, segment='state="needs-translation"'), WAITS),
        (xliff2(BOTH, segment='state="New"'), WAITS),
        (xliff2(BOTH, segment='state="translated" subState="my:needs-translation"'), WAITS),
        (xliff2(BOTH, unit='translate="no"'), "units that are not to be translated: 1"),
        (xliff2("<target>Sauver</target>"), "units without a source: 1"),
        (xliff1(BOTH), None),
        (xliff1(BOTH, 'approved="no"'), None),
        (xliff1(BOTH.replace("<target", '<target state="needs-review-translation"')), None),
        (xliff1(BOTH.replace("<target", '<target state="needs-l10n"')), WAITS),
        (xliff1(BOTH.replace("<target", '<target state="x-untranslated"')), WAITS),
        (xliff1(BOTH, 'translate="no"'), "units that are not to be translated: 1"),
        (xliff1(BOTH).replace("<group>", '<group translate="no">'), "units that are not to be translated: 1"),
        (xliff1(BOTH, 'translate="yes"').replace("<group>", '<group translate="no">'), None),
    ],
)
def test_a_unit_gives_a_pair_when_it_is_translated(tmp_path: Path, content: str, reason: str | None) -> None:
    rows, left_out = read(tmp_path / "x.xlf", content)
    assert [row[:2] for row in rows] == ([] if reason else [("Save", "Sauver")])
    assert left_out == ({reason} if reason else set())


def test_xliff_segments_go_by_their_mid(tmp_path: Path) -> None:
    rows, left_out = read(tmp_path / "x.xlf", XLIFF_SEGMENTS)
    assert [row[:2] for row in rows] == [
        ("One.", "Un."), ("Three.", "Trois."), ("A.", "C."), ("B.", "D."), ("E. F.", "G. H."),
    ]  # fmt: skip
    assert left_out == {"segments without a target: 1", "segments without a source: 1"}


@pytest.mark.parametrize(
    ("inline", "expected"),
    [
        ('a<x id="1" ctype="lb"/>b', "a b"),
        ('a<x id="1" ctype="x-br"/>b', "a b"),
        ('a<x id="1" ctype="image"/>b', "ab"),
        ('a<x id="1" equiv-text="&lt;br />"/>b', "a b"),
        ('a<x id="1" equiv-text="&#10;"/>b', "a b"),
        ('a<x id="1" equiv-text="{{name}}"/>b', "ab"),
        ('a <x id="1" ctype="lb"/> b', "a  b"),
        ('a<x id="1" ctype="lb"/>\nb', "a\nb"),
        ('<x id="1" ctype="lb"/>a<x id="2" ctype="lb"/>', "a"),
        ('a<x id="1" ctype="lb"/><x id="2" ctype="lb"/>b', "a b"),
        ('a<x id="1" ctype="lb"/>.', "a."),
        ('a.<x id="1" ctype="lb"/>(b)', "a. (b)"),
        ("a<ph id='1'>&lt;br/></ph>b", "a b"),
        ("a<ph id='1'>&amp;nbsp;</ph>b", "a b"),
        ("a<ph id='1'>{\\line }</ph>b", "a b"),
        (r"a<ph id='1'>\n</ph>b", "a b"),
        (r"a<ph id='1'>\name</ph>b", "ab"),
        ("a<ph id='1'><sub>&lt;br/></sub>%d</ph>b", "ab"),
        ("a<ph id='1'>&lt;br/>" + "x" * 500 + "</ph>b", "ab"),
        ("a<it pos='begin'>&lt;w:br/></it>b", "a b"),
        ("a<bpt id='1'>&lt;p class='x'></bpt>b<ept id='1'>&lt;/p></ept>c", "a b c"),
        ("un<bpt id='1'>&lt;b></bpt>believ<ept id='1'>&lt;/b></ept>able", "unbelievable"),
        ("a<g id='1' ctype='x-html-li'>b</g>c", "a b c"),
        ("a<g id='1' ctype='bold'>b</g>c", "abc"),
        ("a<ut>\\par</ut>b", "a b"),
        ('a<ph id="1" type="fmt" subType="xlf:lb"/>b', "a b"),
        ('a<ph id="1" disp="&lt;br/>" equiv="LINE_BREAK"/>b', "a b"),
        ('a<ph id="1" equiv="LINE_BREAK_1"/>b', "a b"),
        ('a<ph id="1" dataRef="br"/>b', "a b"),
        ('a<ph id="1" dataRef="b"/>b', "ab"),
        ('a<sc id="1" dataRef="br"/>b<ec startRef="1" equiv="x"/>c', "a bc"),
        ('a<pc id="1" dataRefStart="b" dispEnd="&lt;/p>">b</pc>c', "a b c"),
        ('a<pc id="1" type="fmt" subType="xlf:i">b</pc>c', "abc"),
        ('a<cp hex="000B"/>b', "a b"),
        ('a<cp hex="001A"/>b', "ab"),
        ("a<![CDATA[<br/>]]>b", "a<br/>b"),
    ],
)
def test_inline_line_breaks_are_blanks(tmp_path: Path, inline: str, expected: str) -> None:
    content = f"<source>{inline}</source><target>x</target>"
    for kind in (xliff1, xliff2):
        if kind is xliff2 or "dataRef" not in inline:
            assert read(tmp_path / "x.xlf", kind(content))[0][0][0] == expected
    tmx = unit("en", "fr").replace(">a<", f">{inline}<")
    if "dataRef" not in inline:
        assert read(tmp_path / "x.tmx", tmx)[0][0][0] == expected


def test_a_line_break_of_a_memory_is_told_by_its_type(tmp_path: Path) -> None:
    tmx = unit("en", "fr").replace(">a<", ">one<ph type='lb'/>two<ph x='1' type='fnote'>*</ph>s<")
    assert read(tmp_path / "x.tmx", tmx)[0][0][0] == "one twos"


def test_characters_that_xml_forbids_cost_their_unit_alone(tmp_path: Path) -> None:
    good = "<tu><tuv xml:lang='en'><seg>good &#9;&#xA0;</seg></tuv><tuv xml:lang='fr'><seg>bon</seg></tuv></tu>\n"
    for bad, name in (
        ("&#x1F;", "&#x1F;"), ("&#0;", "&#0;"), ("&#0011;", "&#0011;"), ("&#xfffe;", "&#xfffe;"), ("\x1f", "&#x1F;"),
        ("\x0b", "&#xB;"), ("\uffff", "&#xFFFF;"),
    ):  # fmt: skip
        spoilt = good.replace("good", f"wo{bad}rd")
        rows, left_out = read(tmp_path / "x.tmx", f"<tmx>\n{good}{spoilt}{good}{spoilt}</tmx>")
        assert [row[:2] for row in rows] == [("good \t\xa0", "bon")] * 2
        assert left_out == {
            f"units with a control character, which XML forbids (first {name} in line 3; take them out): 2"
        }
        harmless = [f"<![CDATA[{bad}]]>"] if bad.startswith("&") else []
        for inside in (*harmless, f"<ph>{bad}</ph>", f"<ph x='{bad}'/>"):
            rows, left_out = read(
                tmp_path / "x.tmx", f"<tmx>{good.replace('good', 'a' + inside + 'b')}</tmx>"
            )
            assert rows[0][0].startswith(f"a{bad}b" if "CDATA" in inside else "ab")
            assert not left_out
        rows, left_out = read(tmp_path / "x.xlf", xliff1(BOTH.replace("Sau", bad)) + "\n")
        assert not rows
        assert len(left_out) == 1
    # Wherever the file is cut into blocks, a reference is found.
    many = "".join(good.replace("good", f"{'x' * (i % 97)}&#x0000001F;") for i in range(30_000))
    rows, left_out = read(tmp_path / "y.tmx", f"<tmx>\n{many}{good}</tmx>")
    assert len(rows) == 1
    assert {reason.rpartition(": ")[2] for reason in left_out} == {"30,000"}


def test_variants_without_a_segment_are_counted_as_such(tmp_path: Path) -> None:
    bare = "<tmx><tu><tuv xml:lang='en-US'>Text</tuv><tuv xml:lang='ca'>Text</tuv></tu></tmx>"
    assert read(tmp_path / "x.tmx", bare) == ([], {"variants without a segment: 2"})
    half = bare.replace(">Text<", "><seg>Text</seg><", 1)
    expected = {"variants without a segment: 1", "units in one language alone: 1"}
    assert read(tmp_path / "x.tmx", half) == ([], expected)


def test_the_tags_of_other_tools_are_languages(tmp_path: Path) -> None:
    tags = ["EN-GB", "ET-01", "sr-SP-Latn", "es-ES_tradnl", "no-NO-NY"]
    rows, _ = read(tmp_path / "x.tmx", unit(*tags))
    assert [row[2:4] for row in rows] == list(combinations(["en", "et", "sr", "es", "no"], 2))
    with pytest.raises(InputError, match=r"line 1: unknown language code 'x-none'"):
        read(tmp_path / "x.tmx", unit("en", "x-none"))


def test_xliff_takes_the_language_of_its_name(tmp_path: Path) -> None:
    bare = xliff1(BOTH, file="")
    for name, corpus in (("messages.fr.xlf", "messages"), ("fr.xliff", tmp_path.name), ("x.pt_BR.xlf", "x")):
        rows, _ = read(tmp_path / name, bare)
        language = "pt" if "pt" in name else "fr"
        assert rows == [("Save", "Sauver", "en", language, corpus)]
    assert read(tmp_path / "x.ko.xlf", xliff1(BOTH))[0][0][2:4] == ("en", "fr")
    with pytest.raises(InputError, match=r"the language of the source is not known; write source-language"):
        read(tmp_path / "messages.fr.xlf", bare.replace('source-language="en"', ""))
    with pytest.raises(InputError, match=r"language of the target is not known; .* as in NAME\.fr\.xlf"):
        read(tmp_path / "messages.xlf", bare)


def test_what_gave_no_pair_is_in_the_report(tmp_path: Path) -> None:
    (tmp_path / "memory.tmx").write_text(TMX)
    report = prepare_pairs(tmp_path, validation=0).report
    assert [(Path(each.file).name, each.reason) for each in report.skipped] == [
        ("memory.tmx", "units in one language alone: 2")
    ]
    assert report.total.read == 8
    assert report.total.dropped == {"empty side": 1}


def unit(*sides: str) -> str:
    tuvs = "".join(f'<tuv xml:lang="{lang}"><seg>a</seg></tuv>' for lang in sides)
    return f"<tmx><body><tu>{tuvs}</tu></body></tmx>"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.tmx", "", r"line 1: not well-formed XML: no element found"),
        ("x.tmx", "<html/>", r"line 1: the first element is <html>, not <tmx>"),
        ("x.xlf", "<tmx/>", r"the first element is <tmx>, not <xliff>"),
        ("x.tmx", TMX[:900], r"line \d+: not well-formed XML"),
        ("x.tmx", "<tmx>\n<a></b></tmx>", r"line 2: not well-formed XML: mismatched tag"),
        ("x.tmx", unit("en", "klingon"), r"line 1: unknown language code 'klingon'"),
        ("x.tmx", unit("en", ""), r"a variant \(tuv\) that does not say its language"),
        ("x.tmx", "<tmx><tuv lang='en'><seg>a</seg></tuv></tmx>", r"a segment outside of a translation unit"),
        ("x.tmx", unit(*["en"] * 1001), r"a unit with more than 1,000 variants"),
        ("x.tmx", "<tmx>" + "<a>" * 300, r"elements within elements, 256 deep"),
        (
            "x.tmx",
            unit("en").replace(">a<", ">" + "a" * (10 << 20) + "<"),
            r"a text longer than 1,048,576 char",
        ),
        ("x.tmx", unit("en").replace(">a<", ">\0<"), r"not well-formed XML: invalid token"),
        ("x.tmx", unit("en").replace(">a<", ">&#xD800;<"), r"reference to invalid character number"),
        (
            "x.tmx",
            unit("en").encode().replace(b">a<", b">\xed\xa0\x80<"),
            r"line 1: not valid UTF-8 \(byte 0xed\)",
        ),
        (
            "x.tmx",
            '<?xml version="1.0" encoding="no-such"?><tmx/>',
            r"declares its encoding: 'no-such' is no enc",
        ),
        ("x.tmx", '<!DOCTYPE tmx SYSTEM "t.dtd"><tmx>&nbsp;</tmx>', r"&nbsp; is none of XML's own entities"),
        ("fr.po", 'msgid "a\nmsgstr "b"\nnonsense\n', r"line 1: not a valid PO file \(a string does not end"),
        (
            "fr.po",
            'msgid "a"\nmsgstr "b"\nnonsense\n',
            r"line 3: not a valid PO file \(unknown keyword 'nonsense'",
        ),
        ("fr.po", 'msgid "a"\n\nmsgid "b"\n', r"line 3: not a valid PO file \(msgid stands after msgid\)"),
        (
            "fr.po",
            'msgid "a"\nmsgstr "b"\n\nmsgid "a"',
            r"line 4: not a valid PO file \(the file ends after msgid",
        ),
        ("fr.po", 'msgid "a"\nmsgstr\n', r"line 3: not a valid PO file \(the file ends after msgstr"),
        ("fr.po", 'msgid\nmsgstr "a"\n', r"line 2: not a valid PO file \(msgid without a string\)"),
        (
            "fr.po",
            'msgid "a"\nmsgstr[0] "b"\n',
            r"line 2: not a valid PO file \(msgstr\[0\] stands after msgid",
        ),
        ("fr.po", '"a"\n', r"line 1: not a valid PO file \(a string without a keyword\)"),
        ("fr.po", 'msgid "a"\nmsgstr "b" ;\n', r"line 2: not a valid PO file \(unexpected ';'\)"),
        ("fr.po", 'msgid "a"\n' + '"b"\n' * (1 << 19), r"line 524289: not .*a text longer than 1,048,576"),
        (
            "fr.po",
            'msgid "a"\nmsgid_plural "b"\n' + "".join(f'msgstr[{i}] "c"\n' for i in range(200)),
            r"line 103: not a valid PO file \(more than 100 plural forms\)",
        ),
        ("x.tmx", unit("en").replace(">a<", ">\n&#xD800;<"), r"line 2: .* number &#xD800;; take it out"),
        (
            "fr.po",
            'msgid "a"b"\nmsgstr "b"\n',
            r"line 1: not a valid PO file \(unescaped double quote found\)",
        ),
        ("x.po", 'msgid ""\nmsgstr "Language: tlh-x\\n"\n', r"the header's language: unknown language code"),
    ],
)
def test_bad_units_are_explained(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path / name, content)
    assert str(tmp_path / name) in str(caught.value)


BOMB = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "boom"}">' for i in range(10))


@pytest.mark.parametrize(
    "declared",
    [
        BOMB,
        '<!ENTITY e9 "small">',
        '<!ENTITY e9 SYSTEM "{secret}">',
        '<!ENTITY e9 SYSTEM "http://127.0.0.1:{port}/e">',
        '<!ENTITY % e9 SYSTEM "http://127.0.0.1:{port}/e"> %e9;',
    ],
)
def test_entities_are_refused_and_nothing_is_fetched(tmp_path: Path, declared: str) -> None:
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)

        def listen() -> None:
            with suppress(TimeoutError):
                asked.append(server.accept())

        listener = threading.Thread(target=listen)
        listener.start()
        (tmp_path / "secret").write_text("secret")
        declared = declared.format(port=server.getsockname()[1], secret=(tmp_path / "secret").as_uri())
        for root, name in (("tmx", "x.tmx"), ("xliff", "x.xlf")):
            content = f"<!DOCTYPE {root} [{declared}]>\n<{root}>&e9;</{root}>"
            with pytest.raises(
                InputError, match=r"line 1: declares the entity 'e[09]'; entities can be made"
            ):
                read(tmp_path / name, content)
        external = f'<!DOCTYPE tmx SYSTEM "http://127.0.0.1:{server.getsockname()[1]}/tmx14.dtd">'
        assert read(tmp_path / "y.tmx", external + unit("en", "fr"))[0]
        listener.join()
    assert not asked


@pytest.mark.parametrize("kind", ["tmx", "xlf"])
def test_units_are_streamed(tmp_path: Path, kind: str) -> None:
    start, each, end, stream = {
        "tmx": ("<tmx><body>", unit("en", "fr")[11:-13], "</body></tmx>", stream_tmx),
        "xlf": (
            '<xliff srcLang="en" trgLang="fr">',
            "<segment><source>a</source><target>b</target></segment>",
            "</xliff>",
            stream_xliff,
        ),
    }[kind]
    path = tmp_path / f"long.{kind}"
    path.write_text(start + each * 90_000 + end.replace("<", "<<", 1))
    tables = stream(path, left_out=Counter())
    assert [next(tables).num_rows for _ in range(2)] == [1 << 15, 1 << 15]
    with pytest.raises(InputError, match="not well-formed XML"):
        next(tables)
