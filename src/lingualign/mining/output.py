"""Mined pairs in the formats that other tools read."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.compute as pc

from lingualign._version import __version__
from lingualign.errors import InputError
from lingualign.files import write_atomically
from lingualign.languages import is_language
from lingualign.mining.parquet import write_parquet
from lingualign.mining.retrieval import FOUND_BY
from lingualign.pairs.compression import without_compression
from lingualign.pairs.discovery import language_pair

if TYPE_CHECKING:
    from lingualign.mining.corpus import Corpus
    from lingualign.mining.retrieval import Pairs

FORMATS = ".tsv, .parquet, .tmx named as in mined.en-fr.tmx, or Moses text named as in mined.en-fr"


def check_output(output: Path, *, overwrite: bool) -> None:
    """Refuse an output that could not be written, before any work.

    Raises
    ------
    InputError
        If its kind is unknown, it exists, or its folder does not.
    """
    if _kind(output) is None:
        raise InputError(f"output {str(output)!r}: not a known kind of file; give {FORMATS}")
    check_place(*output_files(output), overwrite=overwrite)


def check_place(*files: Path, overwrite: bool) -> None:
    """Refuse to write files that exist, unless they are to be replaced, or whose folder does not."""
    for path in files:
        if path.is_dir() or (path.exists() and not overwrite):
            raise InputError(f"output {str(path)!r} exists; give another name, or --overwrite it")
        if not path.parent.is_dir():
            raise InputError(f"output {str(path)!r}: its folder does not exist")


def output_files(output: Path) -> list[Path]:
    """List the files that are written: two for Moses text."""
    if _kind(output) == "moses":
        return [output.with_name(f"{output.name}.{language}") for language in languages_of(output)]
    return [output]


def write_pairs(pairs: Pairs, source: Corpus, target: Corpus, output: Path) -> None:
    """Write mined pairs in the order given, by the output's ending.

    - ``.tsv`` (also ``.gz``, ``.xz``, ``.zst``): score, source, target, no header, LASER's order. A tab or line break
      within a sentence is written as a blank.
    - ``.parquet``: ``score``, ``cosine``, ``direction``, ``source``, ``target``, and ``source_lines`` and
      ``target_lines``, the numbers from 1 of all lines that hold the sentence.
    - ``NAME.en-fr.tmx``: translation memory exchange 1.4.
    - ``NAME.en-fr``: Moses text, ``NAME.en-fr.en`` and ``NAME.en-fr.fr``.
    """
    sides = source.sentences.take(pa.array(pairs.source)), target.sentences.take(pa.array(pairs.target))
    kind = _kind(output)
    if kind == "parquet":
        _write_parquet(pairs, source, target, output)
    elif kind == "tmx":
        texts = sides[0].to_pylist(), sides[1].to_pylist()
        write_atomically(output, tmx("score", pairs.score.tolist(), texts, languages_of(output)))
    elif kind == "moses":
        for path, side in zip(output_files(output), sides, strict=True):
            write_atomically(path, _text(one_line(side)))
    else:
        scores = pa.array([f"{score:.6f}" for score in pairs.score.tolist()], pa.large_string())
        lines = pc.binary_join_element_wise(scores, *map(one_line, sides), pa.scalar("\t", pa.large_string()))
        write_atomically(output, compressed(_text(lines), output.suffix))


def _kind(output: Path) -> str | None:
    if Path(without_compression(output.name)).suffix == ".tsv":
        return "tsv"
    if output.suffix == ".parquet":
        return "parquet"
    if output.suffix == ".tmx":
        return "tmx" if language_pair(output.name) else None
    languages = output.suffix[1:].split("-")
    return "moses" if len(languages) == 2 and all(map(is_language, languages)) else None


def languages_of(output: Path) -> list[str]:
    """Read the two languages off the name of TMX or Moses text."""
    return output.name.removesuffix(".tmx").rpartition(".")[2].split("-")


def _write_parquet(pairs: Pairs, source: Corpus, target: Corpus, output: Path) -> None:
    direction = pa.DictionaryArray.from_arrays(pa.array(pairs.direction), pa.array(FOUND_BY))
    table = pa.table(
        {
            "score": pairs.score,
            "cosine": pairs.cosine,
            "direction": direction,
            "source": source.sentences.take(pa.array(pairs.source)),
            "target": target.sentences.take(pa.array(pairs.target)),
            "source_lines": source.lines_of(pairs.source),
            "target_lines": target.lines_of(pairs.target),
        }
    )
    write_parquet(table, output)


def one_line(sentences: pa.Array) -> pa.Array:
    """Put a blank for each tab and line break."""
    return pc.replace_substring_regex(sentences, r"[\t\r\n]", " ")


def _text(lines: pa.Array) -> bytes:
    return "".join(f"{line}\n" for line in lines.to_pylist()).encode()


def compressed(content: bytes, ending: str) -> bytes:
    """Compress by the ending of a file's name; other endings leave the content as it is."""
    if ending == ".gz":
        return gzip.compress(content, mtime=0)
    if ending == ".xz":
        return lzma.compress(content)
    if ending == ".zst":
        import zstandard

        return zstandard.ZstdCompressor().compress(content)
    return content


def tmx(name: str, scores: list[float], sides: tuple[list[str], list[str]], languages: list[str]) -> str:
    """Put pairs with their scores, as a property of that name, into translation memory exchange 1.4."""
    units = []
    for score, *texts in zip(scores, *sides, strict=True):
        variants = "".join(
            f'<tuv xml:lang="{language}"><seg>{_xml(text)}</seg></tuv>'
            for language, text in zip(languages, texts, strict=True)
        )
        units.append(f'<tu><prop type="{name}">{score:.6f}</prop>{variants}</tu>\n')
    head = (
        f'<header creationtool="lingualign" creationtoolversion="{__version__}" segtype="sentence" '
        f'o-tmf="plain" adminlang="en" srclang="{languages[0]}" datatype="plaintext"/>'
    )
    start = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx version="1.4">\n'
    return f"{start}{head}\n<body>\n{''.join(units)}</body>\n</tmx>\n"


def _xml(text: str) -> str:
    """Escape, and leave out control characters, which XML cannot hold."""
    return escape("".join(char for char in text if char >= " " or char in "\t\n\r"))
