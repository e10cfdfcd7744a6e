"""The extended student: what it keeps of its encoder, and where new tokens begin."""

from __future__ import annotations

import copy
import subprocess
import sys

import numpy as np
import pytest
import tiny_encoders as tiny
import torch

from lingualign.errors import InputError
from lingualign.student import extend_vocabulary, extended_student, static_start
from lingualign.student.tokenizer import as_longest_matches, build_tokenizer

PLAIN = """
import sys
sys.modules['lingualign'] = None  # an import of it would fail
import numpy as np
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1] + '/student', device='cpu')
np.save(sys.argv[1] + '/vectors.npy', model.encode(np.load(sys.argv[1] + '/texts.npy').tolist()))
"""


@pytest.fixture(scope="module")
def few(sentences) -> dict[str, list[str]]:
    return {code: texts[:300] + texts[-300:] for code, texts in sentences.items()}


@pytest.fixture(scope="module")
def extension(minilm, few):
    return extend_vocabulary(minilm, few, anchor="en", vocabulary=1000)


@pytest.fixture(scope="module")
def extended(minilm, extension):
    return extended_student(copy.deepcopy(minilm), extension, static_start(extension, seed=3))


@pytest.mark.data
def test_what_the_encoder_knows_stays(minilm, extension, extended) -> None:
    theirs = minilm[0].model.get_input_embeddings().weight
    ours = extended[0].model.get_input_embeddings().weight
    assert torch.equal(ours[extension.rows], theirs[extension.encoder_rows])
    assert len(extension.rows) > 0.94 * len(minilm.tokenizer)
    for token in minilm.tokenizer.all_special_tokens:
        row = extended.tokenizer.convert_tokens_to_ids(token)
        assert torch.equal(ours[row], theirs[minilm.tokenizer.convert_tokens_to_ids(token)])
    for (name, one), (other_name, other) in zip(
        minilm.named_parameters(), extended.named_parameters(), strict=True
    ):
        assert name == other_name
        assert "word_embeddings" in name or torch.equal(one, other)
    assert extended.max_seq_length == minilm.max_seq_length
    assert extended.tokenizer.special_tokens_map == minilm.tokenizer.special_tokens_map
    for arguments in (("dog",), ("dog", "cat")):
        tokens = [model.tokenizer(*arguments).tokens() for model in (minilm, extended)]
        assert [token.replace("▁", "") for token in tokens[1]] == tokens[0]
    config = extended[0].model.config
    assert config.vocab_size == len(ours) == len(extended.tokenizer)
    assert config.pad_token_id == extended.tokenizer.pad_token_id


@pytest.mark.data
def test_most_english_is_cut_as_before_and_has_its_vector(minilm, extension, extended, sentences) -> None:
    # Of sentences that the frequencies were not counted on.
    texts = [text for text in sentences["en"][300:-300:40] if text.isascii()]
    theirs = dict(zip(extension.rows.tolist(), extension.encoder_rows.tolist(), strict=True))
    same = [
        text
        for text in texts
        if [theirs.get(row) for row in extended.tokenizer(text)["input_ids"]]
        == minilm.tokenizer(text)["input_ids"]
    ]
    assert len(same) > 0.7 * len(texts)
    np.testing.assert_allclose(extended.encode(same[:30]), minilm.encode(same[:30]), rtol=0, atol=1e-5)


@pytest.mark.data
def test_a_new_token_begins_among_its_nearest_known_ones(minilm, extension, few) -> None:
    static = static_start(extension, seed=3)
    learnt, encoder_rows = extension.rows[::2], extension.encoder_rows[::2]
    with torch.no_grad():
        moves = torch.randn(len(learnt), 384, generator=torch.Generator().manual_seed(5))
        static[0].embedding.weight[learnt] += 0.05 * moves
    student = extended_student(copy.deepcopy(minilm), extension, static)
    vectors = static[0].embedding.weight.detach().double()
    ours = student[0].model.get_input_embeddings().weight.detach()
    new = sorted(set(range(len(vectors))) - set(extension.rows.tolist()))
    assert len(new) > 1000
    theirs = minilm[0].model.get_input_embeddings().weight.detach().double()
    for row in new[::200]:
        cosines = torch.cosine_similarity(vectors[row], vectors[learnt])
        nearest = cosines.argsort()[-10:]
        weights = (cosines[nearest] / 0.1).exp()
        expected = weights @ theirs[encoder_rows[nearest]] / weights.sum()
        torch.testing.assert_close(ours[row].double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.data
def test_a_saved_student_loads_without_this_package(extended, few, tmp_path) -> None:
    texts = [text for found in few.values() for text in found[::200]] + ["", "😀 ᚠᛇᚻ [SEP]"]
    extended.save_pretrained(str(tmp_path / "student"))
    np.save(tmp_path / "texts.npy", np.array(texts))
    subprocess.run([sys.executable, "-c", PLAIN, str(tmp_path)], check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "vectors.npy"), extended.encode(texts), rtol=0, atol=1e-5)


@pytest.mark.data
def test_no_sentence_becomes_unknown_and_new_languages_get_shorter(minilm, extended, few) -> None:
    for code, texts in few.items():
        ids = extended.tokenizer(texts)["input_ids"]
        assert not any(extended.tokenizer.unk_token_id in sentence for sentence in ids)
        if code not in (
            "en",
            "ja",
        ):  # of Japanese, the encoder's own tokenizer leaves out what it does not know
            assert sum(map(len, ids)) < 0.85 * sum(map(len, minilm.tokenizer(texts)["input_ids"]))


def test_a_known_piece_is_never_cut_and_long_beginnings_come_first() -> None:
    pieces = {"▁s": -2.0, "ens": -3.0, "▁sen": -9.0, "s": -2.0, "▁rare": -15.0, "▁ra": -2.0, "re": -2.0}
    longest = build_tokenizer(as_longest_matches(pieces, ["▁rare"]))
    plain = build_tokenizer(pieces)
    assert plain.encode("sens rare").tokens == ["▁s", "ens", "▁ra", "re"]
    assert longest.encode("sens rare").tokens == ["▁sen", "s", "▁rare"]


@pytest.mark.data
@pytest.mark.parametrize("kind", ["unigram", "byte_pairs"])
def test_encoders_of_other_kinds_keep_their_special_tokens_in_place(kind, few) -> None:
    backend = getattr(tiny, kind)(few["en"][:300], 800)
    encoder = tiny.encoder(backend)
    before = encoder.tokenizer("the day", "the man").tokens()
    extension = extend_vocabulary(encoder, {"en": few["en"], "ru": few["ru"]}, anchor="en", vocabulary=500)
    student = extended_student(copy.deepcopy(encoder), extension, static_start(extension))
    after = student.tokenizer("the day", "the man").tokens()
    special = set(encoder.tokenizer.all_special_tokens)
    assert [token for token in after if token in special] == [token for token in before if token in special]
    # XLM-R counts positions from the padding token's id.
    assert student.tokenizer.pad_token_id == encoder.tokenizer.pad_token_id == 1
    np.testing.assert_allclose(
        student.encode(["the", few["ru"][0]]),
        [student.encode(["the"])[0], student.encode([few["ru"][0]])[0]],
        rtol=0,
        atol=1e-5,
    )


def test_encoders_that_cannot_be_extended_are_refused(few_words) -> None:
    from test_static import tiny as static_model

    with pytest.raises(InputError, match=r"student\.model: StaticEmbedding has no token embeddings"):
        extend_vocabulary(static_model(), {"en": ["a"], "fr": ["b"]}, anchor="en")

    encoder = copy.deepcopy(few_words)
    encoder[0].model.set_input_embeddings(torch.nn.Embedding(3, 16))
    with pytest.raises(InputError, match=r"3 learned token embeddings for the 4 tokens"):
        extend_vocabulary(encoder, {"en": ["a"], "fr": ["b"]}, anchor="en")

    encoder[0].model.set_input_embeddings(torch.nn.Linear(3, 16))
    with pytest.raises(InputError, match=r"0 learned token embeddings"):
        extend_vocabulary(encoder, {"en": ["a"], "fr": ["b"]}, anchor="en")

    from transformers.tokenization_python import PythonBackend

    class Slow(PythonBackend):
        vocab_size = 4

        def get_vocab(self) -> dict[str, int]:
            return {}

    encoder[0].processor = Slow(pad_token="<pad>")
    with pytest.raises(InputError, match=r"tokenizer \(Slow\) is not a fast one"):
        extend_vocabulary(encoder, {"en": ["a"], "fr": ["b"]}, anchor="en")


@pytest.fixture
def few_words():
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {word: i for i, word in enumerate(["<unk>", "<pad>", "a", "b"])}
    backend = Tokenizer(models.WordLevel(words, "<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return tiny.encoder(backend, {"unk_token": "<unk>", "pad_token": "<pad>"})
