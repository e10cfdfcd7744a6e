"""Throw random bytes and mutated files at every reader: an `InputError` that names the file is all that may come out.

As a script: ``python tests/pairs/fuzz_readers.py [CPU_SECONDS [SEED [ENDING ...]]]``, ten minutes and all by default.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).parents[1]))  # as a script it finds nothing above its own folder
from fuzzing import fuzz_for, mutated
from lingualign.errors import InputError
from lingualign.pairs import PAIR_SCHEMA, read_source
from lingualign.pairs.formats.compression import compressed

ROWS = {"sentence1": ["The cat.", "A <b>dog</b> & co"], "sentence2": ["Le chat.", "Un chien"]}
TABLE = pa.table({**ROWS, "lang1": ["en", "en-US"], "lang2": ["fr", "ko"]})

TOKENS = [
    b"\0", b"\xff", b"\xed\xa0\x80", b"\xff\xfe", b"\n", b"\t", b'"', b"\\", b"<", b">", b"&", b"]]>", b"&#xD800;",
    b"<![CDATA[", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"<!ENTITY % a SYSTEM 'file:///etc/passwd'>", b"&a;", b"<tu>",
    b"</tu>", b"<tuv>", b"<seg>", b"</seg>", b"<source>", b"<target/>", b"<segment>", b"<ph>", b"</ph>",
    b'encoding="utf-16"', b'encoding="cp037"', b"msgid", b"msgstr[9]", b'"Language: xx\\n"', b"#~ ", b"#| ",
    b"#, fuzzy", b"charset=hz", b"nplurals=9; plural=n/0;", b"{", b"}", b"[", b"null", b"\\ud800", b"1e999", b"../",
    b"PK\x01\x02", b"PAR1", b"A" * 3000, b"&#x1F;", b"&#", b"\x1f", b"\xef\xb7\x90#x1;", b"<br/>", b"</mrk>",
    b'<mrk mtype="seg" mid="1">', b"<seg-source>", b'<x ctype="lb"/>', b'<pc dispStart="\\n" dataRefEnd="d">', b"</pc>",
    b'state="initial" subState="a:new"', b'translate="no"', b"msgctxt", b'msgid_plural "x"', b"domain ", b"#= ",
    b"\\101\\xff\\303", b"\\\n", b"nplurals=3; plural=!n?(n%(n-1)):-n||((((0;",
    b'""', b"\t\"", b";", b"sep=;\n", b"\x1b$B", b"\xe9\xf1", b"1.5\ta\tb\n", b'{"a": {}}',
]  # fmt: skip


def archive(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return packed.getvalue()


def stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


@cache
def seeds() -> dict[str, bytes]:
    """Give valid files by the names that they have in a folder."""
    from test_units import PO, PO_OF_MSGFMT, TMX, XLIFF1, XLIFF2, XLIFF_SEGMENTS

    rows = TABLE.to_pylist()
    lines = ["\t".join(TABLE.column_names), *("\t".join(row.values()) for row in rows)]
    tsv = "\n".join(lines).encode()
    state = {"_data_files": [{"filename": "data.arrow"}]}
    endings = (".gz", ".zst", ".xz", ".bz2", ".zip")
    return {
        "x.tsv": tsv,
        "x.csv": tsv.replace(b"\t", b","),
        "q.en-fr.tsv": b'"sentence1"\t"sentence2"\n"a ""b"" c"\t"d\te\nf"\n',
        "s.en-fr.csv": b'sentence1;sentence2\n"a;b";c\n',
        "mined.en-fr.tsv": b"1.250000\ta\tb\n",
        "x.jsonl": "\n".join(map(json.dumps, rows)).encode(),
        "n.jsonl": b'{"id": "1", "translation": {"en": "a", "fr": "b"}}\n',
        "n.parquet": parquet(pa.table({"translation": [{"en": "a", "fr": "b"}]})),
        "x.parquet": parquet(TABLE),
        "x.tmx": TMX.encode(),
        "y.tmx": TMX.replace('"1.0"', '"1.0" encoding="utf-16"').encode("utf-16"),
        "x.xlf": XLIFF1.encode(),
        "x.xliff": XLIFF2.encode(),
        "s.xlf": XLIFF_SEGMENTS.encode(),
        "x.po": PO.encode(),
        "y.po": PO_OF_MSGFMT.encode(),
        "m.en-fr.en": b"a\nb\nc\n",
        "m.en-fr.txt.zip": archive(**{"m.en-fr.en": b"a\nb", "m.en-fr.fr": b"c\nd", "README": b"about"}),
        **{f"x.tsv{ending}": compressed(tsv, Path(f"x.tsv{ending}")) for ending in endings},
        "saved/data.arrow": stream(TABLE),
        "saved/state.json": json.dumps(state).encode(),
        "saved/dataset_info.json": b"{}",
        "splits/dataset_dict.json": b'{"splits": ["train"]}',
    }  # fmt: skip


@st.composite
def files(draw: st.DrawFn, endings: tuple[str, ...] = ("",)) -> tuple[str, bytes]:
    """A file's name and what is in it: mutated, in compression as well, or anything at all."""
    valid = {name: content for name, content in seeds().items() if name.endswith(endings)}
    name = draw(st.sampled_from(sorted(valid)))
    content = draw(st.binary(max_size=300) | mutated(valid[name], TOKENS) | mutated(valid[name], TOKENS))
    if draw(st.integers(0, 4)) == 0 and "/" not in name and name[-3:] in ("tsv", "csv", "tmx", "xlf", ".po"):
        return f"{name}.gz", gzip.compress(content)
    return name, content


def check(folder: Path, name: str, content: bytes, encoding: str | None) -> None:
    """Read one file; raises whatever is no `InputError` about it."""
    shutil.rmtree(folder, ignore_errors=True)
    path = folder / name
    source = path.parent if "/" in name else path
    source.parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(exist_ok=True)
    if name == "m.en-fr.en":
        (folder / "m.en-fr.fr").write_bytes(b"a\nb\nc\n")
    if "/" in name:
        for beside, valid in seeds().items():
            if Path(beside).parent == Path(name).parent:
                (folder / beside).write_bytes(valid)
    path.write_bytes(content)
    try:
        read, _ = read_source(source, encoding=encoding)
    except InputError as error:
        if str(source) not in str(error):
            raise AssertionError(f"the message does not name the file: {error}") from error
        return
    for file in read:
        file.table.validate(full=True)
        assert file.table.schema.equals(PAIR_SCHEMA)


def fuzz(seconds: float, first_seed: int = 0, endings: tuple[str, ...] = ("",)) -> int:
    """Fuzz files of some endings for that much processor time; gives the number of files read."""
    encodings = st.sampled_from([None, None, "cp1252", "euc_kr", "utf-16-le"])
    with tempfile.TemporaryDirectory() as scratch:

        def read(file: tuple[str, bytes], encoding: str | None) -> None:
            check(Path(scratch) / "files", *file, encoding)

        return fuzz_for(seconds, first_seed, 500, read, files(endings), encodings)


if __name__ == "__main__":
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    first_seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    endings = tuple(sys.argv[3:]) or ("",)
    print(f"{fuzz(seconds, first_seed, endings):,} files read in {seconds:.0f} CPU seconds")
