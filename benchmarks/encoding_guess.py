"""How often the guess of a legacy encoding is right, on text in many languages.

Of each language the first rows that an encoding can hold are written in it and guessed, once all together and once row
by row; the guess knows the language and English, as it does from a file's name. It is right where it reads the text as
it was written. Encodings of single languages are tried on all languages that they can hold.

    python benchmarks/encoding_guess.py NTREX-128    # a folder of text files named as in newstest2019-ref.fra.txt
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from lingualign.errors import InputError
from lingualign.languages import language_code
from lingualign.pairs.formats.legacy import candidates
from machine import save_result

ENCODINGS = (
    "cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp874 iso8859_1 iso8859_2 iso8859_3 iso8859_4 "
    "iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 iso8859_10 iso8859_13 iso8859_14 iso8859_15 iso8859_16 koi8_r "
    "koi8_u koi8_t kz1048 mac_roman mac_cyrillic mac_greek cp437 cp850 cp852 cp866 shift_jis cp932 euc_jp iso2022_jp "
    "cp949 euc_kr iso2022_kr gbk gb18030 big5 cp950"
)
OF_ONE_SCRIPT = {"gb18030": ("zh", "yue")}
"""Encodings that hold all of Unicode, by the languages that are written in them."""
ROWS = 400


def language_of(path: Path) -> str:
    """Read the language off a name such as ``newstest2019-ref.aze-Latn.txt``."""
    tag = path.name.split(".")[-2]
    try:
        return language_code(tag)
    except InputError:
        return language_code(tag.partition("-")[0])


def encoded_rows(rows: list[str], encoding: str) -> list[bytes]:
    """Encode the first rows that an encoding can hold."""
    encoded: list[bytes] = []
    for row in rows:
        try:
            encoded.append(row.encode(encoding))
        except UnicodeEncodeError:
            continue
        if len(encoded) == ROWS:
            break
    return encoded


def judge(counts: Counter[tuple[str, str]], encoding: str, content: bytes, language: str, kind: str) -> None:
    """Guess the encoding of content and count how that went."""
    text = content.decode(encoding)
    readings = [
        content.decode(each.encoding, "replace") == text for each in candidates(content, {"en", language})
    ]
    counts[encoding, f"{kind} tried"] += 1
    counts[encoding, f"{kind} right"] += readings[:1] == [True]
    counts[encoding, f"{kind} shown"] += any(readings)
    counts[encoding, f"{kind} wrong and alone"] += readings == [False]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--single-rows", type=int, default=5, help="rows that are guessed alone, of each file"
    )
    given = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    languages = set()
    for path in sorted(given.folder.glob("*.txt")):
        rows = path.read_text(encoding="utf-8").split("\n")
        language = language_of(path)
        for encoding in ENCODINGS.split():
            encoded = encoded_rows(rows, encoding)
            content = b"\n".join(encoded) + b"\n"
            seven_bits = content.isascii() and not encoding.startswith("iso2022")
            if len(encoded) < ROWS or seven_bits or content == content.decode(encoding).encode():
                continue
            if language not in OF_ONE_SCRIPT.get(encoding, (language,)):
                continue
            languages.add(path.name)
            judge(counts, encoding, content, language, "rows")
            some = [row for row in encoded if not row.isascii() or b"\x1b" in row][: given.single_rows]
            for row in some:
                judge(counts, encoding, row, language, "row")
    kinds = list(dict.fromkeys(kind for _, kind in counts))
    total = Counter({kind: sum(counts[encoding, kind] for encoding in ENCODINGS.split()) for kind in kinds})
    table = {encoding: {kind: counts[encoding, kind] for kind in kinds} for encoding in ENCODINGS.split()}
    save_result(
        "encodings", {"files": len(languages), "rows": ROWS, "total": dict(total), "encodings": table}
    )
    print("| encoding |", " | ".join(kinds), "|")
    for encoding, figures in {**table, "all": total}.items():
        print(f"| {encoding} |", " | ".join(f"{figures[kind]:,}" for kind in kinds), "|")


if __name__ == "__main__":
    main()
