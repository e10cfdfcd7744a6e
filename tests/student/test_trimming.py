"""Trimmed vocabularies of every kind: the same vectors in the scripts kept, and nothing lost for the others."""

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
    few = {code: sentences[code][:100] for code in ("en", "ja")}
    held_out = sentences["en"][300:600] + sentences["ja"][300:600]
    counts = trim_vocabulary(trimmed, few, prompt="query: ", held_out=held_out)
    return whole, trimmed, [*few["en"], *few["ja"]], counts


@pytest.mark.data
def test_text_in_the_scripts_of_the_languages_is_cut_as_before(pair, sentences) -> None:
    whole, trimmed, _, counts = pair
    assert (counts.held_out, counts.cut_differently) == (
        len(set(sentences["en"][300:600] + sentences["ja"][300:600])),
        0,
    )
    # Of French, not a sentence was given.
    for code in ("en", "fr", "ja"):
        for text in sentences[code][300:1500:5]:
            assert trimmed.tokenizer.tokenize(text) == whole.tokenizer.tokenize(text)


@pytest.mark.data
def test_sentences_that_are_cut_differently_are_counted(pair, sentences) -> None:
    whole, *_ = pair
    encoder = copy.deepcopy(whole)
    held_out = sentences["ru"][:200] + sentences["en"][:50]
    counts = trim_vocabulary(encoder, sentences["en"][:300], held_out=held_out)
    differ = [
        t for t in dict.fromkeys(held_out) if encoder.tokenizer.tokenize(t) != whole.tokenizer.tokenize(t)
    ]
    assert counts.cut_differently == len(differ) > 100


def test_a_stray_name_brings_no_script_and_each_language_its_own() -> None:
    from lingualign.student.trimming import _scripts

    english = ["The letter α is Greek."] + ["Not a letter of it here, 2 + 2 = 4!"] * 20
    few_in_hindi = {"en": english * 1000, "hi": ["नमस्ते दुनिया, यह एक वाक्य है।"]}
    assert _scripts({"en": english}) == {"", "LATIN"}
    assert _scripts(few_in_hindi) == {"", "LATIN", "DEVANAGARI"}
    assert _scripts({"ja": ["人々はカレーを食べました。", "東京タワーに登る。"]}) == {
        "",
        "CJK",
        "HIRAGANA",
        "KATAKANA",
    }
    assert _scripts({"sr": ["Ovo je rečenica.", "Ово је реченица."]}) == {"", "LATIN", "CYRILLIC"}
    assert _scripts({"en": ["1234", ""], "fr": []}) == {""}


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
    assert removed > 100
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
        ("ж", -4.0),
        ("у", -4.0),
        ("жу", -3.0),
        ("low", -9.0),
    ]
    backend = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    student = tiny.encoder(backend, {"unk_token": "<unk>", "pad_token": "<pad>"})
    trim_vocabulary(student, ["ba"])
    assert set(student.tokenizer.get_vocab()) == {"<unk>", "<pad>", "a", "b", "ab", "az", "ж", "у", "low"}


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
