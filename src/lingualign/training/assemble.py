"""The parts of a run, made from its configuration: pairs, models, teacher vectors, batches, loss."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lingualign.errors import InputError
from lingualign.files import cache_folder
from lingualign.languages import language_code
from lingualign.training.config import given
from lingualign.training.kinds import LAYER_SETTINGS, LOSSES, STUDENTS, needs_teacher
from lingualign.training.processes import is_first, is_first_here, together

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from rich.console import Console
    from sentence_transformers import SentenceTransformer
    from torch import nn

    from lingualign.pairs import PreparedPairs
    from lingualign.student.trimming import Trimmed
    from lingualign.teacher import TeacherStore
    from lingualign.training.batches import PairBatches
    from lingualign.training.config import RunConfig
    from lingualign.training.kinds import LossConfig, StudentConfig
    from lingualign.training.n_way import Columns


def prepare(config: RunConfig) -> PreparedPairs:
    """Prepare the training pairs and the held-out ones, or take those that are prepared."""
    from lingualign.pairs import prepared_pairs
    from lingualign.pairs.prepare import is_prepared, prepare_in_memory
    from lingualign.pairs.recipe import Recipe

    if any(map(is_prepared, config.pairs.sources)):
        return prepared_pairs(config.pairs, config.decontaminate)
    prefer = (language_code(config.teacher.language),)
    return prepare_in_memory(Recipe(config.pairs, config.decontaminate, prefer, config.training.seed))


def validation_pairs(held_out: pa.Table, config: RunConfig) -> tuple[pa.Table, str]:
    """Choose the held-out pairs that the metric of `EarlyStoppingConfig` names; gives them and what they are."""
    table, name = held_out, "validation"
    if config.training.early_stopping.metric == "tatoeba":
        corpus = pc.cast(table["corpus"], pa.string())
        of_tatoeba = table.filter(pc.match_substring(corpus, "tatoeba", ignore_case=True))
        if of_tatoeba.num_rows:
            table, name = of_tatoeba, "tatoeba"
    languages = list(zip(table["lang1"].to_pylist(), table["lang2"].to_pylist(), strict=True))
    counts = Counter(languages)
    if max(counts.values(), default=0) < 2:
        raise InputError(
            f"pairs.validation is {config.pairs.validation!r} and leaves {table.num_rows} pairs to validate on; a "
            "language pair needs 2 at least to tell a good model from a bad one. Raise it, or give more pairs"
        )
    return table.filter(pa.array([counts[pair] > 1 for pair in languages])), name


def digest(pairs: pa.Table) -> str:
    """Name a table of pairs by its sentences, in their order."""
    digest = hashlib.sha256()
    for column in ("sentence1", "sentence2"):
        for start in range(0, pairs.num_rows, 65_536):
            digest.update("\n".join(pairs[column].slice(start, 65_536).to_pylist()).encode())
    return digest.hexdigest()


def load_models(config: RunConfig) -> tuple[SentenceTransformer | None, SentenceTransformer | None]:
    """Load the teacher, where the run needs it, and the student, where it exists; refuse two that do not fit."""
    from lingualign.embedding import load_model
    from lingualign.embedding.models import MINILM
    from lingualign.student import encoder_student

    teacher = None
    if needs_teacher(config.loss, config.student):
        teacher = load_model(config.teacher.model, revision=config.teacher.revision)
    if not STUDENTS[config.student.kind].takes_encoder:
        return teacher, None
    student = encoder_student(config.student.model or MINILM, revision=config.student.revision)
    if student.transformers_model is None:
        for name, value in given(config, (*LAYER_SETTINGS, "loss.mini_batch_size")).items():
            raise InputError(
                f"{name} is {value}, but student.model {config.student.model!r} is no transformer; leave it out"
            )
    if LOSSES[config.loss.kind].one_dimension and teacher is not None:
        have, want = student.get_embedding_dimension(), teacher.get_embedding_dimension()
        if have != want:
            raise InputError(
                f"loss.kind: {config.loss.kind} needs student and teacher of one dimension, but student "
                f"{config.student.model or MINILM!r} has {have} and teacher {config.teacher.model!r} has {want}. "
                "Use loss.kind: soft, which compares similarities, or another teacher"
            )
    return teacher, student


def teacher_store(
    config: RunConfig,
    teacher: SentenceTransformer,
    pairs: pa.Table,
    views: Sequence[str],
    console: Console,
    progress: bool,
) -> TeacherStore:
    """Embed what the teacher has not embedded before, and give the store of its vectors."""
    from lingualign.teacher import TeacherStore

    root = Path(config.teacher.store) if config.teacher.store else cache_folder("teacher")
    store = TeacherStore.for_model(root, teacher, prompt=config.teacher.prompt)
    # The first process of all embeds; then those of other machines what their own stores lack, if they share none.
    for taking_turn in (is_first(), is_first_here() and not is_first()):
        with together():
            for view in views if taking_turn else ():
                added = store.add(pairs[view].to_pylist(), progress=progress)
                console.print(f"{view}: {added.new:,} sentences embedded, {added.known:,} known already")
    console.print(f"vectors in {store.folder}")
    return TeacherStore(store.folder)  # without the teacher that `store` holds


def by_language(pairs: pa.Table) -> dict[str, list[str]]:
    """Collect the distinct sentences of each language."""
    sentences: dict[str, list[str]] = {}
    for language, sentence in (("lang1", "sentence1"), ("lang2", "sentence2")):
        codes = pairs[language].to_numpy()
        for code in np.unique(codes):
            of_language = pairs[sentence].filter(pa.array(codes == code))
            sentences.setdefault(str(code), []).extend(of_language.unique().to_pylist())
    return {code: list(dict.fromkeys(found)) for code, found in sentences.items()}


@dataclass(frozen=True)
class Materials:
    """What a student is made of."""

    student: StudentConfig
    teacher: SentenceTransformer | None
    """For a kind with ``takes_teacher``."""
    encoder: SentenceTransformer | None
    """For a kind with ``takes_encoder``: the model that ``student.model`` names."""
    sentences: Callable[[], dict[str, list[str]]]
    """Gives the distinct training sentences of each language."""
    anchor: str
    """Code of the language of ``teacher.language``."""
    seed: int
    align: Callable[[SentenceTransformer], None]
    """Trains a static model on the run's pairs for a few minutes at most, in place."""
    say: Callable[[str], None]
    """Prints a line."""


def new_student(
    config: RunConfig,
    teacher: SentenceTransformer | None,
    encoder: SentenceTransformer | None,
    pairs: pa.Table,
    store: TeacherStore | None,
    views: Sequence[str],
    console: Console,
    progress: bool,
) -> SentenceTransformer:
    """Make the student that training begins with."""
    from lingualign.training.static_stage import align_static

    materials = Materials(
        config.student,
        teacher,
        encoder,
        sentences=lambda: by_language(pairs),
        anchor=language_code(config.teacher.language),
        seed=config.training.seed,
        align=lambda static: align_static(static, config, pairs, store, views, console, progress),
        say=console.print,
    )
    student: SentenceTransformer = resolve_name(STUDENTS[config.student.kind].make)(materials)
    return student


def make_static(of: Materials) -> SentenceTransformer:
    """Make a static student from the teacher's vocabulary and each language's sentences."""
    from lingualign.student import static_student

    assert of.teacher is not None
    with together():
        return static_student(
            of.teacher, of.sentences(), anchor=of.anchor, vocabulary=of.student.vocabulary, seed=of.seed
        )


def make_extended(of: Materials) -> SentenceTransformer:
    """Extend the encoder to the languages of the pairs; a static student finds the new pieces their place."""
    from lingualign.student import extend_vocabulary, extended_student, static_start

    assert of.encoder is not None
    with together():
        extension = extend_vocabulary(
            of.encoder, of.sentences(), anchor=of.anchor, vocabulary=of.student.vocabulary
        )
    of.say(
        f"{extension.tokenizer.get_vocab_size():,} tokens, {len(extension.rows):,} of them the encoder's own"
    )
    static = static_start(extension, seed=of.seed)
    of.align(static)
    return extended_student(of.encoder, extension, static)


def make_encoder(of: Materials) -> SentenceTransformer:
    """Take the encoder as it is."""
    assert of.encoder is not None
    return of.encoder


def trim(student: SentenceTransformer, pairs: PreparedPairs, console: Console) -> Trimmed:
    """Remove from the student's vocabulary, in place, what the languages of the training pairs do not use."""
    from lingualign.student import trim_vocabulary

    held_out = [text for side in ("sentence1", "sentence2") for text in pairs.validation[side].to_pylist()]
    trimmed = trim_vocabulary(student, by_language(pairs.train), held_out=held_out)
    console.print(
        f"vocabulary trimmed: {trimmed.tokens_before:,} tokens to {trimmed.tokens:,}, "
        f"{trimmed.parameters_before / 1e6:,.1f} million parameters to {trimmed.parameters / 1e6:,.1f} million; "
        f"{trimmed.cut_differently:,} of {trimmed.held_out:,} held-out sentences are cut differently than before"
    )
    return trimmed


def mine_negatives(
    config: RunConfig, pairs: pa.Table, store: TeacherStore, console: Console, progress: bool
) -> dict[str, NDArray[np.int64]]:
    """Mine the hard negatives of each language pair, sentence numbers as `pair_batches` gives them."""
    from lingualign.training.hard_negatives import SomeRows, Translations, mine_hard_negatives

    sentences, groups = _numbered(pairs)
    translations = Translations(*(np.concatenate(side) for side in zip(*groups.values(), strict=True)))
    negatives = {}
    for name, columns in groups.items():
        anchors = [sentences[number] for number in np.unique(columns[0])]
        mined = mine_hard_negatives(
            columns,
            SomeRows(store, store.rows(anchors)),
            translations,
            count=config.loss.hard_negatives,
            seed=config.training.seed,
            progress=progress,
            name=name,
        )
        console.print(
            f"hard negatives of {name}: {mined.near:,} among the nearest sentences below a similarity of "
            f"{mined.limit:.2f}, {mined.further:,} further off, {mined.random:,} at random, {mined.missing:,} missing"
        )
        negatives[name] = mined.sentences
    return negatives


def _numbered(pairs: pa.Table) -> tuple[list[str], dict[str, Columns]]:
    """Give the distinct sentences, and for each language pair the numbers of both sides among them."""
    both = pa.chunked_array([*pairs["sentence1"].chunks, *pairs["sentence2"].chunks])
    encoded = both.combine_chunks().dictionary_encode()
    places = encoded.indices.to_numpy().astype(np.int64)
    sides = places[: pairs.num_rows], places[pairs.num_rows :]

    names = pc.binary_join_element_wise(
        pc.cast(pairs["lang1"], pa.string()), pc.cast(pairs["lang2"], pa.string()), "-"
    ).to_numpy(zero_copy_only=False)
    groups: dict[str, Columns] = {}
    for name in np.unique(names):
        of_pair = np.flatnonzero(names == name)
        groups[str(name)] = (sides[0][of_pair], sides[1][of_pair])
    return encoded.dictionary.to_pylist(), groups


def pair_batches(
    config: RunConfig,
    pairs: pa.Table,
    student: SentenceTransformer,
    store: TeacherStore | None,
    views: Sequence[str],
    progress: bool,
    negatives: Mapping[str, NDArray[np.int64]] | None = None,
) -> PairBatches:
    """Give each distinct sentence its token ids and lay out the pairs by language pair.

    Without a store, batches have no label. Hard negatives, ``(n, count)`` of each language pair, are further columns.
    """
    from lingualign.losses.gather import world
    from lingualign.training.batches import PairBatches, ParallelRows
    from lingualign.training.n_way import join_translations
    from lingualign.training.tokens import TokenIds

    sentences, groups = _numbered(pairs)
    labelled = [column for columns in groups.values() for column in columns[: len(views)]]
    if negatives is not None:
        groups = {name: (*columns, *negatives[name].T) for name, columns in groups.items()}
    if config.training.n_way:
        groups = join_translations(groups, least=config.training.batch_size)

    embedded: NDArray[np.int64] | None = None
    if store is not None:
        embedded = np.full(len(sentences), -1)
        used = np.unique(np.concatenate(labelled))
        embedded[used] = store.rows([sentences[place] for place in used])
    rank, processes = world()
    return PairBatches(
        {
            name: ParallelRows(columns, None if embedded is None else embedded[_labelled(columns, views)])
            for name, columns in groups.items()
        },
        TokenIds(
            student,
            sentences,
            folder=cache_folder("tokens"),
            progress=progress,
        ),
        store,
        batch_size=config.training.batch_size,
        power=config.training.sampling_power,
        seed=config.training.seed,
        rank=rank,
        processes=processes,
    )


def _labelled(columns: Columns, views: Sequence[str]) -> NDArray[np.int64]:
    """``(n, V)``: the sentences whose teacher vectors the label takes: the anchor's, or those of all languages."""
    return np.stack(columns if len(views) > 1 else columns[:1], axis=1)


def make_loss(loss: LossConfig, student: SentenceTransformer, batches: PairBatches) -> nn.Module:
    """Make the loss that a configuration names, for these batches."""
    row = LOSSES[loss.kind]
    arguments = {name: getattr(loss, name) for name in row.settings} | dict(row.fixed)
    if loss.anchor_weight:
        from lingualign.training.anchor import anchor_projection

        dimensions = student.get_embedding_dimension()
        assert dimensions is not None
        # More vectors hardly turn the directions of a projection.
        arguments["anchor_projection"] = anchor_projection(batches.teacher_sample(20_000), dimensions)
    made: nn.Module = resolve_name(row.loss)(student, **arguments)
    return made
