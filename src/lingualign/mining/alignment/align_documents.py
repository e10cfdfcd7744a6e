"""Align the sentences of documents, from two files or two folders, and write the links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lingualign.embedding.options import ModelOptions
from lingualign.errors import InputError
from lingualign.mining.alignment.align_vectors import SKIP, align_vectors, check_skip
from lingualign.mining.corpus import encode_chunks
from lingualign.mining.encode_folder import EncodeJob, describe
from lingualign.mining.encoded_text import MANIFEST, StackedRows
from lingualign.mining.engines import Here
from lingualign.mining.parts import hold_parts, staged, was_written
from lingualign.mining.sentences import STANDARD_INPUT, chunks, read_sentences
from lingualign.pairs.characters import columns, each_run
from lingualign.pairs.formats.compression import without_compression
from lingualign.pairs.formats.writers import check_output, format_of, write_pairs
from lingualign.progress import progress_bar

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import numpy.typing as npt
    from sentence_transformers import SentenceTransformer

    from lingualign.embedding.options import Pooling, Precision
    from lingualign.mining.alignment.align_vectors import Links


# Chinese and Japanese have no blank between sentences.
_JOINT = re.compile(
    r"(?<=[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef])\n(?=[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef])"
)


class Document:
    """The sentences of a document and their line numbers; blank lines are skipped.

    Parameters
    ----------
    name
        Name of the document in messages.
    lines
        All lines.

    Raises
    ------
    InputError
        If all lines are blank.
    """

    def __init__(self, name: str, lines: Sequence[str]) -> None:
        self.lines = len(lines)
        self.sentences = [line for line in lines if line.strip()]
        self.numbers = [number for number, line in enumerate(lines, start=1) if line.strip()]
        if not self.sentences:
            raise InputError(f"{name}: there is nothing to align in it, for all of its lines are blank")

    def runs(self, sentences: int) -> list[str]:
        """Join every ``sentences`` consecutive sentences; empty for a shorter document."""
        starts = range(len(self.sentences) - sentences + 1)
        return [joined(self.sentences[start : start + sentences]) for start in starts]


@dataclass(frozen=True, slots=True)
class DocumentPair:
    """Two documents that follow the same order."""

    name: str
    source: Document
    target: Document


def joined(sentences: Sequence[str]) -> str:
    """Join sentences to one text, with a blank between them if the script has blanks."""
    if len(sentences) == 1:
        return sentences[0]
    return _JOINT.sub("", "\n".join(sentence.replace("\n", " ") for sentence in sentences)).replace("\n", " ")


def read_documents(source: str, target: str, column: str | None = None) -> list[DocumentPair]:
    """Read two files, or the files with the same names in two folders, at any depth.

    Parameters
    ----------
    source, target
        Files that `lingualign.mining.sentences.read_sentences` can read, or folders of them. Names are compared
        without ``.gz``, ``.xz`` and ``.zst``; hidden files are ignored.
    column
        Column to read from files with columns.

    Raises
    ------
    InputError
        If a file cannot be read, holds no sentence, or has no partner.
    """
    folders = [side != STANDARD_INPUT and Path(side).is_dir() for side in (source, target)]
    if not any(folders):
        if source == target == STANDARD_INPUT:
            raise InputError(
                "source and target are both -, but only one of them can come from standard input"
            )
        return [DocumentPair("", *(_document(side, column) for side in (source, target)))]
    if not all(folders):
        folder, file = (source, target) if folders[0] else (target, source)
        raise InputError(f"{folder!r} is a folder and {file!r} is none; give two files or two folders")
    ours, theirs = (_files(side) for side in (source, target))
    for folder, alone in ((source, ours.keys() - theirs.keys()), (target, theirs.keys() - ours.keys())):
        if alone:
            other = target if folder == source else source
            raise InputError(
                f"{folder!r}: {min(alone)!r} is not in {other!r}, nor are {len(alone) - 1} more; "
                "each document needs its partner of the same name"
            )
    return [
        DocumentPair(name, _document(str(ours[name]), column), _document(str(theirs[name]), column))
        for name in ours
    ]


def _files(folder: str) -> dict[str, Path]:
    root = Path(folder)
    if (root / MANIFEST).is_file():
        raise InputError(
            f"{folder!r} is an encoded text, but alignment encodes joined sentences too: give the text itself"
        )
    files: dict[str, Path] = {}
    for path in sorted(root.rglob("*")):
        within = path.relative_to(root)
        if not path.is_file() or any(part.startswith(".") for part in within.parts):
            continue
        name = without_compression(within.as_posix())
        if name in files:
            raise InputError(f"{str(path)!r} and {str(files[name])!r} are one document by name; remove one")
        files[name] = path
    if not files:
        raise InputError(f"{folder!r}: there is no document in it")
    return files


def _document(source: str, column: str | None) -> Document:
    return Document(source, [line for chunk in read_sentences(source, column) for line in chunk])


MOST = 2
_LARGEST_MOST = 8
# Mean cost of a document's sentences; a random link and a sentence without a partner cost 1. Unrelated news measured
# 0.91 or more, translations 0.4 to 0.75.
_UNRELATED = 0.9
_FEWEST_TO_JUDGE = 20


@dataclass(frozen=True, slots=True)
class AlignReport:
    """Counts of an alignment."""

    documents: int
    links: int
    """Links with sentences on both sides"""
    source: tuple[int, int, int]
    """Lines, blank lines, sentences without a partner"""
    target: tuple[int, int, int]
    unrelated: tuple[str, ...] = ()
    """Documents whose sentences cost about as much as random links; for two files, the source's name"""


def align_documents(
    model: str | SentenceTransformer,
    source: str,
    target: str,
    output: str | os.PathLike[str],
    *,
    most: int = MOST,
    skip: float = SKIP,
    column: str | None = None,
    prompt: str | None = None,
    pooling: Pooling | None = None,
    device: str | None = None,
    precision: Precision = ModelOptions.precision,
    overwrite: bool = False,
    progress: bool = False,
) -> AlignReport:
    """Link the sentences of two documents that follow the same order, and write every sentence in its link.

    A folder ``OUTPUT.parts`` holds vectors until the output is written. After an interruption the same call resumes
    from it.

    Parameters
    ----------
    model
        A hub id, a folder, ``minilm``, ``me5``, or a loaded model.
    source, target
        Two files, or two folders of files with the same names: see
        `lingualign.mining.alignment.align_documents.read_documents`. Blank lines are counted, but not linked.
    output
        See `write_links`.
    most
        Largest number of sentences on each side of a link.
    skip
        Extra cost of leaving out two sentences over typically linking them, where a random link costs 1. A lower
        value leaves out more.
    column
        Column to read from files with columns.
    prompt, pooling, device, precision
        Options of the encoding: see `lingualign.embedding.encoders.open_encoder`.
    overwrite
        Replace the output.
    progress
        Show progress bars.

    Raises
    ------
    InputError
        If an argument is invalid.
    """
    if not 1 <= most <= _LARGEST_MOST:
        raise InputError(f"most is {most}; it must be a number of sentences from 1 to {_LARGEST_MOST}")
    check_skip(skip)
    output = Path(output)
    check_output(output, overwrite=overwrite or was_written(output, [output]), languages=False)
    documents = read_documents(source, target, column)

    place: dict[str, int] = {}
    for pair in documents:
        for document in (pair.source, pair.target):
            for sentences in range(1, most + 1):
                for run in document.runs(sentences):
                    place.setdefault(run, len(place))
    with hold_parts(output) as parts:
        job = EncodeJob(model, ModelOptions(prompt, pooling, device, precision))
        with Here().start(job) as workers:
            describe(workers)
            with progress_bar("Encoding", len(place), enabled=progress) as advance:
                text = encode_chunks(workers, chunks(place), parts / "runs", advance)

        def vectors(document: Document) -> list[StackedRows]:
            runs = (document.runs(sentences) for sentences in range(1, most + 1))
            return [
                StackedRows(text.vectors, np.array([place[run] for run in each], np.int64)) for each in runs
            ]

        links = []
        with progress_bar(
            "Aligning", sum(pair.source.lines for pair in documents), enabled=progress
        ) as advance:
            for pair in documents:
                lengths = _lengths(pair.source, most), _lengths(pair.target, most)
                links.append(
                    align_vectors(vectors(pair.source), vectors(pair.target), lengths=lengths, skip=skip)
                )
                advance(pair.source.lines)
        with staged(parts, [output]) as folder:
            write_links(documents, links, folder / output.name)
    both = [(each.source_count > 0) & (each.target_count > 0) for each in links]
    alone = [
        sum(int(count[~paired].sum()) for count, paired in zip(side, both, strict=True))
        for side in ([each.source_count for each in links], [each.target_count for each in links])
    ]
    sides = [[pair.source for pair in documents], [pair.target for pair in documents]]
    counts = [
        (sum(each.lines for each in side), sum(each.lines - len(each.sentences) for each in side), left)
        for side, left in zip(sides, alone, strict=True)
    ]
    unrelated = tuple(
        pair.name or source
        for pair, each, paired in zip(documents, links, both, strict=True)
        if _cost_of_sentences(each, paired) >= _UNRELATED
    )
    return AlignReport(
        len(documents), sum(int(paired.sum()) for paired in both), counts[0], counts[1], unrelated
    )


def _cost_of_sentences(links: Links, paired: npt.NDArray[np.bool_]) -> float:
    """Return the mean cost of a sentence of both documents: its link's, or 1 without a link; 0 if too few to judge."""
    sentences = links.source_count + links.target_count
    if sentences.sum() < _FEWEST_TO_JUDGE:
        return 0.0
    return float(np.average(np.where(paired, links.cost, 1.0), weights=sentences))


def _lengths(document: Document, most: int) -> list[npt.NDArray[np.int64]]:
    runs = (pa.array(document.runs(sentences), pa.large_string()) for sentences in range(1, most + 1))
    return [each_run(each, columns) for each in runs]


def write_links(documents: Sequence[DocumentPair], links: Sequence[Links], output: Path) -> None:
    """Write the links of all documents in their order, in the format of the output's ending.

    - ``.tsv``, ``.jsonl`` (also ``.gz``, ``.xz``, ``.zst``), ``.parquet``: ``document``, if documents have names;
      ``source_lines`` and ``target_lines``, numbers from 1, empty on a side without a partner; ``cost``; and the joined
      texts, ``sentence1`` and ``sentence2``, the columns of a pair table.
    - ``NAME.en-fr.tmx``: translation memory exchange 1.4, only links with both sides.
    """
    table = pa.concat_tables([_table(pair, linked) for pair, linked in zip(documents, links, strict=True)])
    output_format = format_of(output)
    if output_format is not None and output_format.by_name:
        filled = pc.and_(*(pc.not_equal(table[side], "") for side in ("sentence1", "sentence2")))
        table = table.filter(filled).select(["cost", "sentence1", "sentence2"])
    elif not documents[0].name:
        table = table.drop_columns("document")
    write_pairs(table, output)


def _table(pair: DocumentPair, links: Links) -> pa.Table:
    sides = [
        _side(pair.source, links.source.tolist(), links.source_count.tolist()),
        _side(pair.target, links.target.tolist(), links.target_count.tolist()),
    ]
    lines, texts = zip(*sides, strict=True)
    return pa.table(
        {
            "document": pa.array([pair.name] * len(links), pa.large_string()),
            "source_lines": lines[0],
            "target_lines": lines[1],
            "cost": pa.array(links.cost),
            "sentence1": texts[0],
            "sentence2": texts[1],
        }
    )


def _side(document: Document, starts: list[int], counts: list[int]) -> tuple[pa.Array, pa.Array]:
    spans = [slice(start, start + count) for start, count in zip(starts, counts, strict=True)]
    lines = pa.array([document.numbers[span] for span in spans], pa.list_(pa.int64()))
    return lines, pa.array([joined(document.sentences[span]) for span in spans], pa.large_string())
