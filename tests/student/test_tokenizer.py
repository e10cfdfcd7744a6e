"""The tokenizer on real text in five languages, and on teachers of every kind of vocabulary."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from lingualign.student.tokenizer import (
    UNKNOWN,
    WORD,
    build_tokenizer,
    merge_pieces,
    teacher_pieces,
    train_pieces,
)

TEXT = [
    "the unhappy dog sees the house, unhappily",
    "The dogs see houses; the cat is unhappy.",
    "New houses for cats and dogs!",
] * 5


def fast(backend: Tokenizer, **special):
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=backend, **special)


def is_byte(piece: str) -> bool:
    return piece.startswith("<0x")


@pytest.mark.data
def test_every_teacher_piece_is_kept_with_its_vector(minilm, student):
    # Tokens that are left out: special and unused ones, and those no text can give (parts of a character).
    vocabulary = student.tokenizer.get_vocab()
    _, ids = teacher_pieces(minilm.tokenizer, [])
    assert len(ids) > 0.94 * len(minilm.tokenizer)
    theirs = minilm[0].model.get_input_embeddings().weight
    ours = student[0].embedding.weight
    rows = [vocabulary[piece] for piece in ids]
    assert (ours[rows] == theirs[list(ids.values())]).all()
    assert ids[f"{WORD}no"] == minilm.tokenizer.get_vocab()["no"]  # and not that of "№"
    assert ids["ing"] == minilm.tokenizer.get_vocab()["##ing"]
    assert ids[f"{WORD}ing"] == minilm.tokenizer.get_vocab()["ing"]
    assert ids["一"] == minilm.tokenizer.get_vocab()["一"]
    assert ids["!"] == minilm.tokenizer.get_vocab()["!"]


@pytest.mark.data
def test_english_is_cut_as_the_teacher_cuts_it(minilm, sentences):
    scores, ids = teacher_pieces(minilm.tokenizer, sentences["en"])
    piece_of = {identity: piece for piece, identity in ids.items()}
    tokenizer = build_tokenizer(scores)
    shared, total = 0, 0
    for sentence in sentences["en"][::10]:
        theirs = Counter(
            piece_of.get(identity)
            for identity in minilm.tokenizer(sentence, add_special_tokens=False)["input_ids"]
        )
        shared += (theirs & Counter(tokenizer.encode(sentence).tokens)).total()
        total += theirs.total()
    # Longest match first and most probable pieces agree but for rare words cut in three.
    assert shared / total > 0.97


@pytest.mark.data
def test_no_sentence_becomes_unknown(student, sentences):
    tokenizer = student.tokenizer
    for code, texts in sentences.items():
        encodings = tokenizer.encode_batch(texts)
        pieces = Counter(piece for encoding in encodings for piece in encoding.tokens)
        assert all(encoding.tokens for encoding in encodings)
        assert UNKNOWN not in pieces
        # Bytes are for what the corpus has hardly ever; text of the languages themselves does with pieces.
        assert sum(pieces[piece] for piece in pieces if is_byte(piece)) < 0.005 * pieces.total(), code


@pytest.mark.data
def test_pieces_say_the_whole_sentence(student, sentences):
    tokenizer = student.tokenizer
    for texts in sentences.values():
        for text in texts[::50]:
            said = tokenizer.normalizer.normalize_str(text)
            pieces = tokenizer.encode(text).tokens
            if not any(map(is_byte, pieces)):
                assert "".join(pieces) == "".join(said.split())


@pytest.mark.data
def test_japanese_is_cut_into_words_and_not_into_characters_or_clauses(student, sentences):
    lengths = Counter()
    for encoding in student.tokenizer.encode_batch(sentences["ja"]):
        lengths.update(len(piece) for piece in encoding.tokens if not is_byte(piece))
    mean = sum(length * count for length, count in lengths.items()) / lengths.total()
    # A Japanese word or particle is one to three characters long (dictionaries of short units average about
    # 1.6 in running text). 1.0 would be shredding; the clauses between punctuation marks average over 10.
    assert 1.3 < mean < 3.0
    assert lengths[1] < 0.75 * lengths.total()
    assert sum(count for length, count in lengths.items() if length > 6) < 0.05 * lengths.total()


@pytest.mark.data
def test_each_language_gets_pieces_that_shorten_it(minilm, student, sentences):
    alone = build_tokenizer(teacher_pieces(minilm.tokenizer, sentences["en"])[0])
    for code in ("fr", "ja", "ko", "ru"):
        texts = sentences[code][::20]
        before = sum(len(encoding.ids) for encoding in alone.encode_batch(texts))
        after = sum(len(encoding.ids) for encoding in student.tokenizer.encode_batch(texts))
        assert after < 0.75 * before, code


@pytest.mark.data
@pytest.mark.parametrize("text", ["ཨོཾ་མ་ཎི", "ᚠᛇᚻ", "😀🦥", "ሰላም ለዓለም", "𝄞"])
def test_scripts_never_seen_fall_back_to_their_bytes(student, text):
    pieces = student.tokenizer.encode(text).tokens
    assert UNKNOWN not in pieces
    said = b"".join(
        bytes([int(piece[3:5], 16)]) if is_byte(piece) else piece.encode() for piece in pieces
    ).decode()
    normalised = student.tokenizer.normalizer.normalize_str(text)
    assert said == "".join(normalised.split())


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_text_of_nothing_is_no_pieces(text):
    assert build_tokenizer({f"{WORD}a": -1.0}).encode(text).tokens == []


def test_case_width_and_composition_do_not_matter():
    tokenizer = build_tokenizer(train_pieces(["Café ガラス"] * 3, 500))
    expected = tokenizer.encode("café ガラス").ids
    for text in ("CAFÉ ガラス", "Cafe\u0301 ガラス", "ｃａｆé ｶﾞﾗｽ", "  café\tガラス "):
        assert tokenizer.encode(text).ids == expected


@pytest.mark.data
def test_the_same_sentences_make_the_same_tokenizer_in_every_process(sentences, tmp_path):
    program = (
        "import hashlib, json, sys\n"
        "from lingualign.student.tokenizer import build_tokenizer, merge_pieces, train_pieces\n"
        "texts = json.load(open(sys.argv[1]))\n"
        "pieces = merge_pieces([train_pieces(texts[code], 2000) for code in sorted(texts)])\n"
        "print(hashlib.sha256(build_tokenizer(pieces).to_str().encode()).hexdigest())\n"
    )
    import json

    file = tmp_path / "sentences.json"
    file.write_text(json.dumps({code: sentences[code][:1000] for code in ("ja", "ru")}))
    digests = {
        subprocess.run(
            [sys.executable, "-c", program, str(file)],
            env={**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed, threads in (("1", "1"), ("2", "2"))
    }
    assert len(digests) == 1


def test_of_many_sentences_an_even_sample_is_read(monkeypatch):
    monkeypatch.setattr("lingualign.student.tokenizer._SENTENCES", 10)
    texts = ["first"] * 50 + ["second"] * 50
    pieces = train_pieces(texts, 100)
    assert pieces[f"{WORD}first"] == pieces[f"{WORD}second"]
    assert pieces == train_pieces(texts[::10], 100)


def test_a_piece_of_several_languages_takes_its_highest_probability():
    assert merge_pieces([{"a": -3.0, "b": -1.0}, {"a": -2.0, "c": -4.0}]) == {"a": -2.0, "b": -1.0, "c": -4.0}


# Teachers of other kinds: the same words, spelled in each kind's own way.


def wordpiece(cased: bool):
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=not cased)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=90, special_tokens=["[PAD]", "[UNK]"], show_progress=False)
    backend.train_from_iterator([*TEXT, "東京", "№ ½"], trainer=trainer)
    return fast(backend, unk_token="[UNK]", pad_token="[PAD]")


def byte_level():
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=["<s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(TEXT, trainer=trainer)
    return fast(backend, bos_token="<s>")


def unigram():
    pieces = ["<unk>", "<s>", "▁", "▁the", "▁The", "▁dog", "s", "▁un", "happy", "ly", *"thedoguns"]
    backend = Tokenizer(models.Unigram([(piece, -1.0 - i) for i, piece in enumerate(pieces)], unk_id=0))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    return fast(backend, unk_token="<unk>", bos_token="<s>")


def byte_fallback():
    letters = [f"<0x{byte:02X}>" for byte in range(256)] + [
        "▁",
        *"thedog",
        "▁t",
        "▁th",
        "▁the",
        "og",
        "dog",
        "▁dog",
    ]
    merges = [("▁", "t"), ("▁t", "h"), ("▁th", "e"), ("o", "g"), ("d", "og"), ("▁", "dog")]
    backend = Tokenizer(models.BPE({piece: i for i, piece in enumerate(letters)}, merges, byte_fallback=True))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    return fast(backend)


def word_level():
    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "the": 1, "dog": 2, "unhappy": 3, "!": 4}, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return fast(backend, unk_token="[UNK]")


TEACHERS = {
    "WordPiece": lambda: wordpiece(cased=False),
    "cased WordPiece": lambda: wordpiece(cased=True),
    "byte-level BPE": byte_level,
    "Unigram": unigram,
    "BPE with bytes": byte_fallback,
    "words": word_level,
}


@pytest.mark.parametrize("kind", TEACHERS)
def test_teachers_of_every_kind_are_spelled_alike(kind):
    tokenizer = TEACHERS[kind]()
    vocabulary = tokenizer.get_vocab()
    scores, ids = teacher_pieces(tokenizer, TEXT)
    assert f"{WORD}the" in ids
    assert {identity: token for token, identity in vocabulary.items()}[ids[f"{WORD}the"]].strip("▁Ġ") == "the"
    assert not any(piece in tokenizer.all_special_tokens or is_byte(piece) for piece in ids)
    assert all(piece == piece.lower() and "##" not in piece and not piece.startswith("Ġ") for piece in ids)
    assert all("\ufffd" not in piece and not set(piece) & set(" \t\n") for piece in ids)
    assert len(set(ids.values())) == len(ids)
    # Each can be had: text of the piece alone, or after a letter, is split so that the piece stays whole.
    built = build_tokenizer(scores)
    assert set(ids) <= set(built.get_vocab())
    for piece in ids:
        parts = built.pre_tokenizer.pre_tokenize_str(piece)
        assert [part for part, _ in parts] == [piece]
    # Frequent words of the teacher come back as the teacher's own pieces.
    assert built.encode("the dog").tokens[0] == f"{WORD}the"


def test_a_word_and_its_continuation_stay_two_pieces():
    vocabulary = [
        "[UNK]",
        "The",
        "the",
        "##the",
        "NO",
        "№",
        "##É",
        "é",
        "京",
        "##京",
        "-",
        "##-",
        "…",
        "x",
        "#",
    ]
    backend = Tokenizer(models.WordPiece({token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    _, ids = teacher_pieces(fast(backend, unk_token="[UNK]"), [])
    spelled = {piece: vocabulary[identity] for piece, identity in ids.items()}
    assert spelled == {
        "▁the": "the",  # exact before folded, though "The" has the lower id
        "the": "##the",
        "▁no": "NO",  # of two folded ones the first
        "é": "##É",
        "▁é": "é",
        "京": "京",  # scripts without spaces know no beginning of a word
        "-": "-",
        "▁x": "x",
        "#": "#",
    }


def test_frequencies_of_folded_tokens_add_up():
    vocabulary = {token: i for i, token in enumerate(["[UNK]", "the", "The", "dog"])}
    backend = Tokenizer(models.WordLevel(vocabulary, "[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    scores, _ = teacher_pieces(fast(backend, unk_token="[UNK]"), ["The dog the dog The dog"])
    assert scores["▁the"] == scores["▁dog"]
