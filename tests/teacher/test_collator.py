from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator

from lingualign.embedding import load_model
from lingualign.errors import InputError
from lingualign.teacher import TeacherCollator, TeacherStore

PAIRS = {
    "english": ["A cat sleeps.", "Two dogs run.", "It rains.", "The door is open."],
    "french": ["Un chat dort.", "Deux chiens courent.", "Il pleut.", "La porte est ouverte."],
}


@pytest.fixture(scope="module")
def store(tiny, tmp_path_factory):
    store = TeacherStore.for_model(tmp_path_factory.mktemp("store"), tiny)
    store.add([*PAIRS["english"], *PAIRS["french"]])
    return store


def features(**columns):
    return list(Dataset.from_dict(PAIRS | columns))


@pytest.mark.parametrize("views", [1, 2])
def test_adds_the_vectors_of_the_leading_columns_to_the_usual_batch(tiny, store, views):
    batch = TeacherCollator(preprocess_fn=tiny.preprocess, store=store, views=views)(features())
    label = batch.pop("label")
    assert label.dtype == torch.float32
    expected = np.stack(
        [tiny.encode(PAIRS[name], normalize_embeddings=True) for name in PAIRS][:views], axis=1
    )
    np.testing.assert_allclose(label, expected, atol=2e-3)
    plain = SentenceTransformerDataCollator(preprocess_fn=tiny.preprocess)(features())
    assert list(batch) == list(plain)
    for key, value in plain.items():
        assert torch.equal(batch[key], value) if isinstance(value, torch.Tensor) else batch[key] == value


def test_given_rows_take_the_place_of_looking_up(tiny, store):
    one = TeacherCollator(preprocess_fn=tiny.preprocess, store=store)
    given = features(row=store.rows(PAIRS["english"]).tolist())
    assert torch.equal(one(given)["label"], one(features())["label"])
    assert "row" in given[0]
    two = TeacherCollator(preprocess_fn=tiny.preprocess, store=store, views=2)
    rows = np.stack([store.rows(PAIRS[name]) for name in PAIRS], axis=1)
    assert torch.equal(two(features(row=rows.tolist()))["label"], two(features())["label"])
    assert not any(key.startswith("row") for key in two(features(row=rows.tolist())))
    with pytest.raises(InputError, match="views is 2, but the column 'row' has 1 rows a pair"):
        two(given)


def test_what_cannot_be_collated_is_said(tiny, store):
    collator = TeacherCollator(preprocess_fn=tiny.preprocess, store=store)
    with pytest.raises(InputError, match="label column 'score'"):
        collator(features(score=[1.0] * 4))
    with pytest.raises(InputError, match="no vector for 1 of 1 sentences, first 'new'"):
        collator([{"english": "new", "french": "nouveau"}])
    with pytest.raises(InputError, match="views is 3"):
        TeacherCollator(preprocess_fn=tiny.preprocess, store=store, views=3)


class Recorder(torch.nn.Module):
    """A loss that pulls anchors to their labels, and keeps what it was given."""

    def __init__(self, model: SentenceTransformer) -> None:
        super().__init__()
        self.model = model
        self.labels: list[torch.Tensor] = []

    def forward(self, features, labels):
        self.labels.append(labels.detach().clone())
        anchors = torch.nn.functional.normalize(self.model(dict(features[0]))["sentence_embedding"], dim=1)
        return (anchors - labels[:, 0]).square().sum(dim=1).mean()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("split", [False, True])
def test_works_in_the_plain_trainer(tiny, store, tmp_path, workers, split):
    model = load_model(str(tiny.folder), device="cpu")
    pairs = (
        Dataset.from_dict(PAIRS | {"row": store.rows(PAIRS["english"]).tolist()})
        if split
        else Dataset.from_dict(PAIRS)
    )
    loss = Recorder(model)
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            output_dir=str(tmp_path),
            per_device_train_batch_size=2,
            max_steps=2,
            dataloader_num_workers=workers,
            report_to="none",
            save_strategy="no",
            use_cpu=True,
            disable_tqdm=True,
        ),
        train_dataset=DatasetDict({"en-fr": pairs, "fr-en": pairs}) if split else pairs,
        loss=loss,
        data_collator=TeacherCollator(preprocess_fn=model.preprocess, store=store, views=1),
    )
    trainer.train()
    assert [tuple(labels.shape) for labels in loss.labels] == [(2, 1, 16)] * 2
    known = torch.from_numpy(store[store.rows(PAIRS["english"])].astype(np.float32))
    for labels in loss.labels:
        assert all((known == vector).all(dim=1).any() for vector in labels[:, 0])
