"""The encoding of a text file: its own word, then UTF-8, then the user's; a guess shows how a line reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from lingualign.errors import InputError
from lingualign.pairs import read_source
from lingualign.pairs.formats.legacy import candidates, languages_of, ranked

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "sentence1\tsentence2\n"
TEXTS = {
    ("es", "cp1252"): "¿Dónde está el niño? Mañana iré a la montaña.",
    ("pt", "cp1252"): "A estação não é longe; amanhã começa a reunião.",
    ("da", "cp1252"): "Børnene løb ned på stranden, før æblerne faldt.",
    ("it", "mac_roman"): "La città è più bella, perché c'è meno traffico.",
    ("de", "cp850"): "Die schönen Mädchen grüßen während der Führung.",
    ("cs", "iso8859_2"): "Žluťoučký kůň úpěl ďábelské ódy, řekl šéf.",
    ("pl", "cp1250"): "Zażółć gęślą jaźń, powiedział źrebak w środę.",
    ("lv", "cp1257"): "Šodien ģimene ēda ķiršus un rūgušpienu mežā.",
    ("tr", "cp1254"): "Çocuklar bugün güneşin altında ağaçlara çıktı.",
    ("ru", "koi8_r"): "Сегодня дети шли по лесу и пели старые песни.",
    ("ru", "cp1251"): "Сегодня дети шли по лесу и пели старые песни.",
    ("el", "cp1253"): "Τα παιδιά παίζουν στην όμορφη αυλή του σχολείου.",
    ("he", "cp1255"): "הילדים משחקים היום בחצר של בית הספר.",
    ("ar", "cp1256"): "يلعب الأطفال اليوم في ساحة المدرسة الجديدة.",
    ("th", "cp874"): "เด็กๆ เล่นอยู่ในสนามหญ้าของโรงเรียน",
    ("ja", "shift_jis"): "子供たちは今日、学校の庭で遊んでいます。",
    ("ja", "euc_jp"): "子供たちは今日、学校の庭で遊んでいます。",
    ("ja", "iso2022_jp"): "子供たちは今日、学校の庭で遊んでいます。",
    ("ko", "euc_kr"): "아이들은 오늘 학교 운동장에서 놀고 있습니다.",
    ("ko", "iso2022_kr"): "아이들은 오늘 학교 운동장에서 놀고 있습니다.",
    ("zh", "gbk"): "孩子们今天在学校的院子里玩，他们都很高兴。",
    ("zh", "big5"): "孩子們今天在學校的院子裡玩，他們都很高興。",
}


@pytest.mark.parametrize(("language", "encoding"), TEXTS)
def test_one_line_tells_its_encoding_where_the_name_tells_its_language(
    tmp_path: Path, language: str, encoding: str
) -> None:
    text = TEXTS[language, encoding]
    path = tmp_path / f"old.en-{language}.tsv"
    path.write_bytes(f"{HEAD}A sentence.\t{text}\n".encode(encoding))
    with pytest.raises(InputError, match=r"line [12]: not valid UTF-8") as caught:
        read_source(path)
    assert text[-20:] in str(caught.value) or text[:20] in str(caught.value)
    named = re.search(r"(?:seems to be in|likeliest first:) (\w+)", str(caught.value))
    assert named
    [read], _ = read_source(path, encoding=named[1])
    assert read.table["sentence2"].to_pylist() == [text]


def test_where_it_is_not_certain_each_reading_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "old.en-en.tsv"
    content = "It costs £5.\n".encode("cp437")
    readings = candidates(content, {"en"})
    assert len(readings) > 1
    assert "It costs £5." in {each.line for each in readings}
    path.write_bytes(HEAD.encode() + b"a\t" + content)
    with pytest.raises(InputError, match=r"is not certain, the likeliest first: \w+ \(a It costs .*£5\.\)"):
        read_source(path)


def test_languages_come_from_the_name_else_from_the_cells(tmp_path: Path) -> None:
    rows = b"sentence1\tsentence2\tlang1\tlang2\n" + b"a\tb\ten\tes\n" * 4
    assert languages_of(tmp_path / "x.en-pl.tsv", rows) == {"en", "pl"}
    assert languages_of(tmp_path / "corpus.tsv", rows) == {"en", "es"}
    assert languages_of(tmp_path / "corpus.tsv", b"a\tb\n") == set()


def test_without_languages_all_are_tried() -> None:
    text = "Zażółć gęślą jaźń, powiedział źrebak w środę. " * 3
    assert text in [each.text for each in ranked(text.encode("cp1250"), set())[:3]]


@pytest.mark.parametrize("encoding", ["cp1252", "shift_jis", "utf-16-le", "koi8_r"])
def test_the_option_is_for_files_that_declare_none_and_are_not_utf8(tmp_path: Path, encoding: str) -> None:
    unit = "<tu><tuv xml:lang='en'><seg>School</seg></tuv><tuv xml:lang='fr'><seg>L’école</seg></tuv></tu>"
    tmx = f"<tmx version='1.4'><header/><body>{unit}</body></tmx>"
    po = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "School"\nmsgstr "L’école"\n'
    table = f"{HEAD}School\tL’école\n"
    files = {
        "a.tmx": f'<?xml version="1.0" encoding="UTF-8"?>{tmx}'.encode(),
        "b.tmx": tmx.encode(),
        "c.tmx": f'<?xml version="1.0" encoding="windows-1252"?>{tmx}'.encode("cp1252"),
        "fr.po": po.encode(),
        "d.en-fr.tsv": table.encode(),
        "e.en-fr.tsv": table.encode("utf-16"),
        "f.en-fr.csv": table.replace("\t", ",").encode("utf-8-sig"),
        "g.en-fr.jsonl": '{"sentence1": "School", "sentence2": "L’école"}\n'.encode(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    read, _ = read_source(tmp_path, encoding=encoding)
    assert [each.table["sentence2"].to_pylist() for each in read] == [["L’école"]] * len(files)


def test_the_option_reads_what_is_not_utf8_though_it_begins_so(tmp_path: Path) -> None:
    path = tmp_path / "x.en-fr.tsv"
    rows = "".join(f"row {row}\tligne {row}\n" for row in range(200_000))
    path.write_bytes(f"{HEAD}{rows}end\tété\n".encode("cp1252"))
    [read], _ = read_source(path, encoding="cp1252")
    assert read.table["sentence2"][-1].as_py() == "été"


def test_one_damaged_line_does_not_make_a_file_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "x.en-fr.tsv"
    path.write_bytes(f"{HEAD}".encode() + "a\tété à l’école\n".encode() * 9 + b"b\tt\xe9\n")
    for options in ({}, {"encoding": "cp1252"}):
        with pytest.raises(
            InputError, match=r"line 11: not valid UTF-8 \(byte 0xe9\), though the rest of the file is; mend"
        ):
            read_source(path, **options)


def test_a_declaration_that_is_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.en-fr.tmx"
    unit = "<tu><tuv xml:lang='en'><seg>a</seg></tuv><tuv xml:lang='fr'><seg>été déjà</seg></tuv></tu>"
    declared = f'<?xml version="1.0" encoding="UTF-8"?><tmx><body>{unit}</body></tmx>'
    path.write_bytes(declared.encode("cp1252"))
    for options in ({}, {"encoding": "cp1252"}):
        with pytest.raises(InputError, match=r"seems to be in cp1252: .*or mend its declaration"):
            read_source(path, **options)


def test_colours_of_a_terminal_are_text(tmp_path: Path) -> None:
    path = tmp_path / "x.en-fr.tsv"
    path.write_text(f"{HEAD}\x1b[31mred\x1b(B\x1b[m\trouge\n")
    assert read_source(path)[0][0].table["sentence1"].to_pylist() == ["\x1b[31mred\x1b(B\x1b[m"]
