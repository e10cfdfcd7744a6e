"""Translation units of TMX, XLIFF and PO become pairs; what XML can be made to do does not happen."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from lingualign.errors import InputError
from lingualign.pairs import PAIR_SCHEMA, prepare_pairs, read_source
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


def test_po_holds_any_line_separator_within_a_message(tmp_path: Path) -> None:
    odd = "a\u2028b\u0085c\u000bd"
    rows, _ = read(tmp_path / "fr.po", f'msgid "{odd}"\nmsgstr "{odd[::-1]}"\n')
    assert rows == [(odd, odd[::-1], "en", "fr", tmp_path.name)]


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
