"""Hard negatives are what a full matrix and sets of sentences give, on real pairs and on odd ones."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from tiny_runs import run, tiny_run, weights

from lingualign.errors import InputError
from lingualign.neighbours import unit_rows
from lingualign.teacher import TeacherStore
from lingualign.training import LossConfig, hard_negatives, train
from lingualign.training.checkpoints import checkpoints
from lingualign.training.data import pair_batches
from lingualign.training.hard_negatives import (
    SAME_MEANING,
    Translations,
    mine_hard_negatives,
    mine_negatives,
    similarity_limit,
)


def translations_of(pairs):
    """Each sentence's translations, both ways, as sets."""
    known = {}
    for x, y in pairs:
        known.setdefault(x, set()).add(y)
        known.setdefault(y, set()).add(x)
    return known


def plain_limit(cosine):
    others = cosine[~np.eye(len(cosine), dtype=bool)]
    unrelated = others.mean() if len(others) else 0
    return unrelated + SAME_MEANING * (1 - unrelated)


def plain(pairs, known, cosine, limit, others):
    """All negatives of each anchor, nearest first; ``others`` is how many neighbours to look at."""
    anchors = sorted({x for x, _ in pairs})
    offered = dict(reversed(pairs))  # the first of each
    found = {}
    for row, x in enumerate(anchors):
        found[x] = []
        for column in np.argsort(-cosine[row], kind="stable")[: others + 1]:
            other, y = anchors[column], offered[anchors[column]]
            if other == x or known[x] & known[other] or known[x] & known[y] or y in found[x]:
                continue
            if cosine[row, column] <= limit:
                found[x].append(y)
    return found


def cosines_of(vectors):
    unit = unit_rows(vectors).astype(np.float64)
    return (unit @ unit.T).astype(np.float32)


@st.composite
def corpora(draw):
    """Pairs of 40 anchors at most with few translations, further pairs of these with a third language, and vectors."""
    sizes = draw(st.integers(1, 40)), draw(st.integers(1, 30))
    number = st.tuples(st.integers(0, sizes[0] - 1), st.integers(100, 100 + sizes[1]))
    pairs = draw(st.lists(number, min_size=1, max_size=80))
    third = st.tuples(st.one_of(st.integers(0, sizes[0] - 1), st.integers(100, 120)), st.integers(200, 210))
    elsewhere = draw(st.lists(third, max_size=10))
    # Whole numbers and few of them, so that ties abound.
    anchors = len({x for x, _ in pairs})
    vectors = np.random.default_rng(draw(st.integers(0, 99))).integers(-2, 3, size=(anchors, 5))
    return pairs, elsewhere, vectors.astype(np.float32)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(corpora(), st.integers(1, 4))
def test_no_negative_is_a_translation_and_none_nearer_is_left_out(monkeypatch, corpus, count):
    monkeypatch.setattr(hard_negatives, "NEAR", 1)
    monkeypatch.setattr(hard_negatives, "FURTHER", 3)
    pairs, elsewhere, vectors = corpus
    columns = tuple(np.array(pairs).T)
    mined = mine_hard_negatives(
        columns, vectors, Translations(*np.array(pairs + elsewhere).T), count=count, seed=3
    )
    cosine, known = cosines_of(vectors), translations_of(pairs + elsewhere)
    assert mined.limit == pytest.approx(plain_limit(cosine), abs=1e-6)
    near, further, all_of_them = (
        plain(pairs, known, cosine, mined.limit, others) for others in (count, 3 * count, len(vectors))
    )
    tally = np.zeros(4, np.int64)
    for (x, y), row in zip(pairs, mined.sentences.tolist(), strict=True):
        found = further[x][:count]
        assert row[: len(found)] == found
        drawn = [sentence for sentence in row[len(found) :] if sentence != y]
        assert row == found + drawn + [y] * (count - len(found) - len(drawn))
        assert set(drawn) <= set(all_of_them[x]) - set(found)
        assert len(set(drawn)) == len(drawn)
        first = min(len(near[x]), count)
        tally += [first, len(found) - first, len(drawn), count - len(found) - len(drawn)]
    assert [mined.near, mined.further, mined.random, mined.missing] == tally.tolist()


@given(corpora())
def test_a_shared_translation_is_found_from_either_sentence(corpus):
    pairs, elsewhere, _ = corpus
    known = translations_of(pairs + elsewhere)
    one, other = np.meshgrid(sorted(known), sorted(known))
    shared = Translations(*np.array(pairs + elsewhere).T).share(one.ravel(), other.ravel())
    wanted = [bool(known[a] & known[b]) for a, b in zip(one.ravel(), other.ravel(), strict=True)]
    assert shared.tolist() == wanted


def test_a_large_language_pair_is_mined_in_parts(monkeypatch):
    monkeypatch.setattr(hard_negatives, "PART", 50)
    vectors = np.random.default_rng(0).normal(size=(120, 8))
    columns = np.arange(120), np.arange(120) + 200
    mined = mine_hard_negatives(columns, vectors, Translations(*columns), count=3, seed=0)
    limit = similarity_limit(vectors)
    for part in range(3):
        own = np.arange(part, 120, 3)
        pairs = [(int(x), int(x) + 200) for x in own]
        known = translations_of(pairs)
        wanted = plain(pairs, known, cosines_of(vectors[own]), limit, len(own))
        assert mined.sentences[own].tolist() == [wanted[x][:3] for x, _ in pairs]


@pytest.fixture(scope="module")
def real(tmp_path_factory, minilm, data):
    """Pairs of children's stories with two languages, and the teacher's vectors of the English sentences."""
    files = [data / "train" / "storybooks" / f"en-{language}.parquet" for language in ("fr", "ko")]
    pairs = pa.concat_tables([pq.read_table(file).slice(0, 120) for file in files])
    # As pairs are that several corpora have, in other words.
    again = pairs.slice(3, 20).set_column(0, "sentence1", pairs["sentence1"].slice(90, 20))
    pairs = pa.concat_tables([pairs, again])
    store = TeacherStore.for_model(tmp_path_factory.mktemp("store"), minilm)
    store.add(pairs["sentence1"].to_pylist())
    return pairs, store


@pytest.mark.data
def test_negatives_of_real_pairs_are_those_of_the_whole_matrix(real, models, tmp_path):
    pairs, store = real
    config = replace(tiny_run(tmp_path, models), loss=LossConfig(kind="ranking"))
    mined = mine_negatives(config, pairs, store, Console(quiet=True))
    # The numbers are places among the distinct sentences, in their order.
    sentences = list(dict.fromkeys([*pairs["sentence1"].to_pylist(), *pairs["sentence2"].to_pylist()]))
    rows = list(zip(*(pairs[name].to_pylist() for name in ("sentence1", "sentence2", "lang2")), strict=True))
    place = {sentence: number for number, sentence in enumerate(sentences)}
    known = translations_of((place[x], place[y]) for x, y, _ in rows)
    assert mined.keys() == {"en-fr", "en-ko"}
    for name, negatives in mined.items():
        numbered = [(place[x], place[y]) for x, y, language in rows if name == f"en-{language}"]
        anchors = [sentences[x] for x in sorted({x for x, _ in numbered})]
        cosine = cosines_of(store[store.rows(anchors)])
        wanted = plain(numbered, known, cosine, plain_limit(cosine), len(anchors))
        assert negatives.tolist() == [wanted[x][:3] for x, _ in numbered]


@pytest.mark.data
def test_negatives_stand_beside_their_own_pair_in_a_batch(real, models, tmp_path, minilm):
    pairs, store = real
    config = replace(tiny_run(tmp_path, models), loss=LossConfig(kind="ranking", hard_negatives=2))
    mined = mine_negatives(config, pairs, store, Console(quiet=True))
    batches = pair_batches(config, pairs, minilm, None, (), False, mined)
    sentences = list(dict.fromkeys([*pairs["sentence1"].to_pylist(), *pairs["sentence2"].to_pylist()]))

    def tokens(batch, column):
        ids, mask = (batch[f"sentence{column}_{part}"] for part in ("input_ids", "attention_mask"))
        return [tuple(row[kept.bool()].tolist()) for row, kept in zip(ids, mask, strict=True)]

    text = [
        tuple(minilm.tokenizer(sentence, truncation=True, max_length=256)["input_ids"])
        for sentence in sentences
    ]
    rows = {}
    for x, y, language in zip(
        *(pairs[n].to_pylist() for n in ("sentence1", "sentence2", "lang2")), strict=True
    ):
        place = len(rows.setdefault(f"en-{language}", []))
        negatives = mined[f"en-{language}"][place]
        rows[f"en-{language}"].append(
            tuple(text[n] for n in [sentences.index(x), sentences.index(y), *negatives])
        )
    for number in range(len(batches)):
        batch = batches[number]
        assert "label" not in batch
        assert "sentence5_input_ids" not in batch
        found = zip(*(tokens(batch, column) for column in range(1, 5)), strict=True)
        assert set(found) <= set(rows[batch["dataset_name"]])


@pytest.mark.parametrize("damaged", [False, True])
def test_a_resumed_run_has_the_same_negatives_and_ends_with_the_same_weights(
    damaged, models, tmp_path, processes
):
    config = replace(tiny_run(tmp_path, models, "encoder"), loss=LossConfig(kind="ranking", hard_negatives=2))

    def finish(config, resume=False):
        process = processes.Process(target=run, args=(config, resume))
        process.start()
        process.join(60)
        assert process.exitcode == 0

    finish(config)
    disturbed = replace(config, output=str(tmp_path / "disturbed"))
    shutil.copytree(config.output, disturbed.output)
    (tmp_path / "disturbed" / "modules.json").unlink()
    last = checkpoints(tmp_path / "disturbed" / "checkpoints")[-1]
    shutil.rmtree(last)
    kept = tmp_path / "disturbed" / "checkpoints" / "hard-negatives"
    if damaged:
        (kept / "en-fr.npy").write_bytes(b"")
    written = kept.stat().st_ino
    finish(disturbed, resume=True)
    # Those that were kept are read; damaged ones are mined again.
    assert (kept.stat().st_ino == written) != damaged
    assert weights(tmp_path / "disturbed") == weights(Path(config.output))
    assert weights(last) == weights(Path(config.output, "checkpoints", last.name))


def test_a_teacher_that_cannot_read_the_anchors_mines_nothing(models, tmp_path):
    config = tiny_run(tmp_path, models, "encoder", max_steps=1)
    foreign = replace(config.pairs, priority=["fr", "ja", "en"])
    teacher = replace(config.teacher, language="ko")
    config = replace(config, pairs=foreign, teacher=teacher, loss=LossConfig(kind="ranking"))
    with pytest.raises(InputError, match=r"understands 'ko'.* or loss\.hard_negatives to 0"):
        train(config, progress=False)
    assert not (tmp_path / "run").exists()
    none = replace(config, loss=LossConfig(kind="ranking", hard_negatives=0))
    assert train(replace(none, teacher=replace(teacher, model="/no/such/teacher")), progress=False).steps == 1
