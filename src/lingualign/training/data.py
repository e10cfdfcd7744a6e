"""The pairs of a run: prepared, held out, in more than two languages where a sentence has several translations.

Pairs of one English sentence with its French, its Japanese and its Korean translation are one piece of content in four
languages. A batch of such pieces holds each sentence once and is compared over all six language pairs.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lingualign.errors import InputError
from lingualign.languages import language_code
from lingualign.store import cache_folder
from lingualign.training.distributed import together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

    from lingualign.pairs import PreparedPairs
    from lingualign.teacher import TeacherStore
    from lingualign.training.batches import PairBatches
    from lingualign.training.config import RunConfig

Columns = tuple["NDArray[np.int64]", ...]
"""``(n,)`` sentence numbers of each language; row i of one column translates row i of the others."""

# A set of languages is a number of 64 bits.
_MOST_LANGUAGES = 62


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
    """Choose the held-out pairs that the metric of `EarlyStoppingConfig` names; returns them and the name."""
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


def by_language(pairs: pa.Table) -> dict[str, list[str]]:
    """Collect the distinct sentences of each language."""
    sentences: dict[str, list[str]] = {}
    for language, sentence in (("lang1", "sentence1"), ("lang2", "sentence2")):
        codes = pairs[language].to_numpy()
        for code in np.unique(codes):
            of_language = pairs[sentence].filter(pa.array(codes == code))
            sentences.setdefault(str(code), []).extend(of_language.unique().to_pylist())
    return {code: list(dict.fromkeys(found)) for code, found in sentences.items()}


def numbered(pairs: pa.Table) -> tuple[list[str], dict[str, Columns]]:
    """Return the distinct sentences, and for each language pair the numbers of both sides among them."""
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


@together()
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
    from lingualign.training.tokens import TokenIds

    sentences, groups = numbered(pairs)
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


def join_translations(pairs: Mapping[str, Columns], least: int) -> dict[str, Columns]:
    """Join the pairs of one anchor sentence with several languages.

    Parameters
    ----------
    pairs
        By a name such as ``en-fr``, the anchor's language first: the sentence numbers of both sides.
    least
        Pieces of content with the same languages that there must be, or they stay pairs: a batch of them, usually.

    Returns
    -------
    dict
        What has been joined, by a name such as ``en-fr-ja``, and the pairs that have not. A sentence with two
        translations into one language is joined with the first. Where so few pairs of two languages have not been
        joined that they fill no batch, as many that have been stand beside them.

    Raises
    ------
    InputError
        If one language is paired with more than 62 others.
    """
    left = {name: np.stack(columns) for name, columns in pairs.items()}
    joined: dict[str, Columns] = {}
    anchored: dict[str, list[str]] = {}
    for name in pairs:
        anchored.setdefault(name.split("-")[0], []).append(name)
    # The language with the most pairs first: its sentences hold the others together.
    for anchor, names in sorted(
        anchored.items(), key=lambda entry: -sum(left[name].shape[1] for name in entry[1])
    ):
        found = _join(anchor, {name.split("-")[1]: left[name] for name in names}, least)
        for name, columns in found.items():
            joined[name] = columns
            _remove_covered(left, name.split("-"), columns)
    rest: dict[str, Columns] = {}
    for name, both in left.items():
        if both.shape[1]:
            source, target = _filled_up(both, np.stack(pairs[name]), least)
            rest[name] = (source, target)
    return {**joined, **rest}


def _filled_up(left: NDArray[np.int64], pairs: NDArray[np.int64], least: int) -> NDArray[np.int64]:
    """Add to the pairs that are left others of the same languages: in a batch of a few they teach nothing."""
    wanted = min(least, pairs.shape[1]) - left.shape[1]
    if wanted <= 0:
        return left
    others = pairs[:, ~np.isin(_as_one(pairs), _as_one(left))]
    return np.concatenate([left, others[:, :wanted]], axis=1)


def _as_one(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Two numbers as one: sentence numbers are far below the square root of an int64."""
    numbers: NDArray[np.int64] = pairs[0] << 32 | pairs[1]
    return numbers


def _join(anchor: str, translations: Mapping[str, NDArray[np.int64]], least: int) -> dict[str, Columns]:
    """Join the pairs of one anchor language, by the languages in which each sentence has a translation."""
    languages = list(translations)
    if len(languages) > _MOST_LANGUAGES:
        raise InputError(
            f"training.n_way: {anchor} is paired with {len(languages)} languages; at most {_MOST_LANGUAGES} can be "
            "joined. Choose fewer with pairs.languages, or set it to false"
        )
    anchors = np.unique(np.concatenate([both[0] for both in translations.values()]))
    table = np.full((len(anchors), len(languages)), -1)
    for column, both in enumerate(translations.values()):
        sentences, first = np.unique(both[0], return_index=True)
        table[np.searchsorted(anchors, sentences), column] = both[1][first]
    sets = (table >= 0) @ (1 << np.arange(len(languages)))
    found = {}
    for languages_of_set, count in zip(*np.unique(sets, return_counts=True), strict=True):
        there = [place for place in range(len(languages)) if languages_of_set >> place & 1]
        if len(there) > 1 and count >= least:
            rows = np.flatnonzero(sets == languages_of_set)
            name = "-".join([anchor, *(languages[place] for place in there)])
            found[name] = (anchors[rows], *(table[rows, place] for place in there))
    return found


def _remove_covered(left: dict[str, NDArray[np.int64]], languages: list[str], columns: Columns) -> None:
    """Take the pairs of any two sentences that have been joined out of what is left."""
    for a, first in enumerate(languages):
        for b, second in enumerate(languages):
            name = f"{first}-{second}"
            if a != b and name in left:
                covered = _as_one(np.stack([columns[a], columns[b]]))
                left[name] = left[name][:, ~np.isin(_as_one(left[name]), covered)]
