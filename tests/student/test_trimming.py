"""Trimmed vocabularies of every kind: the same vectors for the languages kept, and nothing lost for the others."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import tiny_encoders as tiny
from tokenizers import Tokenizer, models, pre_tokenizers

from lingualign.embedding.models import fingerprint
from lingualign.errors import InputError
from lingualign.student import trim_vocabulary

KINDS = {
    "unigram": (tiny.unigram, tiny.ROBERTA),
    "byte pairs": (tiny.byte_pairs, tiny.ROBERTA),
    "character pairs": (tiny.character_pairs, tiny.ROBERTA),
    "word pieces": (tiny.word_pieces, tiny.BERT),
}


@pytest.fixture(scope="module", params=KINDS)
def pair(request, sentences):
    """An encoder of five languages, and what trimming to two of them has made of it."""
    train, special = KINDS[request.param]
    texts = [text for code in sentences for text in sentences[code][:300]]
    whole = tiny.encoder(train(texts, 3000), special)
    trimmed = copy.deepcopy(whole)
    kept = sentences["en"][:300] + sentences["ja"][:300]
    return whole, trimmed, kept, trim_vocabulary(trimmed, kept, prompt="query: ")


@pytest.mark.data
def test_vectors_of_the_languages_that_stay_are_the_same_to_the_bit(pair) -> None:
    whole, trimmed, kept, _ = pair
    for prompt in ("query: ", None):
        texts = kept if prompt else kept[::7]
        np.testing.assert_array_equal(
            trimmed.encode(texts, prompt=prompt), whole.encode(texts, prompt=prompt), strict=True
        )


@pytest.mark.data
def test_parameters_go_and_are_counted(pair) -> None:
    whole, trimmed, _, counts = pair
    assert counts.tokens_before == len(whole.tokenizer)
    assert counts.tokens == len(trimmed.tokenizer) == trimmed[0].model.config.vocab_size
    assert counts.parameters_before == sum(p.numel() for p in whole.parameters())
    assert counts.parameters == sum(p.numel() for p in trimmed.parameters())
    removed = whole[0].model.get_input_embeddings().num_embeddings - counts.tokens
    assert removed > 500
    assert counts.parameters_before - counts.parameters == removed * 16


@pytest.mark.data
def test_text_of_the_languages_that_went_is_still_spelled(pair, sentences) -> None:
    whole, trimmed, _, _ = pair
    for code in sentences:
        for text in sentences[code][300:900:3]:
            unknown = [
                model.tokenizer(text)["input_ids"].count(model.tokenizer.unk_token_id)
                for model in (whole, trimmed)
            ]
            assert unknown[1] <= unknown[0], text


@pytest.mark.data
def test_special_tokens_and_settings_stay_in_a_saved_model(pair, tmp_path) -> None:
    from sentence_transformers import SentenceTransformer

    whole, trimmed, kept, _ = pair
    trimmed.save_pretrained(str(tmp_path))
    loaded = SentenceTransformer(str(tmp_path), device="cpu")
    assert fingerprint(loaded) == fingerprint(trimmed)
    np.testing.assert_array_equal(loaded.encode(kept[:50]), whole.encode(kept[:50]))
    assert loaded.max_seq_length == whole.max_seq_length
    assert loaded.tokenizer.special_tokens_map == whole.tokenizer.special_tokens_map
    for one, other in (("a", None), ("a", "b")):
        tokens = [model.tokenizer(one, other).tokens() for model in (whole, loaded)]
        assert tokens[0] == tokens[1]
    old, new = whole[0].model.config, loaded[0].model.config
    for key, value in old.to_dict().items():
        if key.endswith("_token_id") and value is not None:
            token = whole.tokenizer.convert_ids_to_tokens(value)
            assert getattr(new, key) == loaded.tokenizer.convert_tokens_to_ids(token)


def test_a_piece_whose_character_has_none_of_its_own_stays() -> None:
    vocabulary = [
        ("<unk>", 0.0),
        ("<pad>", 0.0),
        ("a", -1.0),
        ("b", -2.0),
        ("ab", -2.0),
        ("az", -3.0),
        ("low", -9.0),
    ]
    backend = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    student = tiny.encoder(backend, {"unk_token": "<unk>", "pad_token": "<pad>"})
    trim_vocabulary(student, ["ba"])
    assert set(student.tokenizer.get_vocab()) == {"<unk>", "<pad>", "a", "b", "az", "low"}


def test_what_cannot_be_trimmed_rightly_is_refused_and_left_alone() -> None:
    words = {word: i for i, word in enumerate(["<unk>", "<pad>", "a", "b"])}
    backends = {
        "is a WordLevel one": models.WordLevel(words, "<unk>"),
        r"cuts at random \(BPE dropout 0\.1": models.BPE(words, [], unk_token="<unk>", dropout=0.1),
    }
    for message, model in backends.items():
        backend = Tokenizer(model)
        backend.pre_tokenizer = pre_tokenizers.Whitespace()
        student = tiny.encoder(backend, {"unk_token": "<unk>", "pad_token": "<pad>"})
        before = fingerprint(student)
        with pytest.raises(InputError, match=message):
            trim_vocabulary(student, ["a"])
        assert fingerprint(student) == before
