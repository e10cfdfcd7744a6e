"""A multilingual tokenizer that keeps the teacher's vocabulary and adds pieces for the other languages.

One unigram model over all languages. Its pieces are the teacher's own, so that the teacher's token vectors
can be taken over, and for each other language those of a unigram model trained on that language's sentences
alone, so that a small corpus gets its share. Characters that no piece covers fall back to their bytes: no
sentence becomes one unknown token.

A piece that begins a word carries the mark ``▁`` in scripts that put spaces between words. Scripts that do
not (Japanese, Chinese, Thai, ...) are left unmarked and unsplit, and the unigram model finds the words.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from transformers import PreTrainedTokenizerBase

UNKNOWN = "[UNK]"
WORD = "▁"
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_SPACED = rf"[[\p{{L}}\p{{M}}\p{{N}}]&&[^{_UNSPACED}]]"
_LONGEST_PIECE = 16
# Pieces of a language are found in seconds from this many sentences, and more hardly change them.
_SENTENCES = 100_000
# Of a word's first piece: of the words that MiniLM cuts in several pieces, 85% are cut as it does, without it 76%.
_PER_CHARACTER = 4.0
# By how much a piece that is kept whole outdoes its parts: above the rounding of a long sum of scores.
_WHOLE = 1e-3
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")


def _blank_tokenizer(model: models.Model) -> Tokenizer:
    """Put the pipeline around the pieces: NFKC, lower case, word marks; split at blanks and punctuation."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(rf"(?<!{_SPACED})(?={_SPACED})"), WORD),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("isolated")]
    )
    tokenizer.decoder = decoders.Metaspace(replacement=WORD, prepend_scheme="never")
    return tokenizer


def train_pieces(sentences: Sequence[str], size: int) -> dict[str, float]:
    """Find at most ``size`` pieces of one language: piece to log probability.

    Byte-pair merges find the candidates, in seconds even where a whole clause is one unbroken string of
    characters; their frequencies in the sentences make them a unigram model. Merges that were only steps on
    the way to longer pieces never occur and drop out. Of more than 100,000 sentences an even sample is read.
    """
    sentences = _sample(sentences)
    tokenizer = _blank_tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(vocab_size=size, max_token_length=_LONGEST_PIECE, show_progress=False)
    tokenizer.train_from_iterator(sentences, trainer=trainer)
    counts: Counter[str] = Counter()
    for batch in _batches(sentences, 8192):
        for encoding in tokenizer.encode_batch(batch):
            counts.update(encoding.tokens)
    total = sum(counts.values())
    return {piece: math.log(count / total) for piece, count in sorted(counts.items())}


def teacher_pieces(
    tokenizer: PreTrainedTokenizerBase, sentences: Sequence[str]
) -> tuple[dict[str, float], dict[str, int]]:
    """Spell the teacher's vocabulary for this tokenizer.

    Parameters
    ----------
    tokenizer
        The teacher's.
    sentences
        Sentences in the teacher's language, from which the pieces' frequencies are counted (an even sample of
        at most 100,000).

    Returns
    -------
    tuple of dict
        Piece to log probability (add-one smoothed), and piece to the teacher's token id.
    """
    spellings = _spellings(tokenizer)
    # A token that normalisation changes ("№" to "no", "The" to "the") yields to the one that is spelled so.
    ids: dict[str, int] = {}
    for identity, (piece, _) in sorted(spellings.items(), key=lambda entry: (entry[1][1], entry[0])):
        ids.setdefault(piece, identity)
    counts: Counter[str] = Counter()
    for batch in _batches(_sample(sentences), 4096):
        encoded = tokenizer(batch, add_special_tokens=False, truncation=True, max_length=512)
        for token_ids in encoded["input_ids"]:
            counts.update(spellings[identity][0] for identity in token_ids if identity in spellings)
    total = sum(counts.values()) + len(ids)
    return {piece: math.log((counts[piece] + 1) / total) for piece in ids}, ids


def merge_pieces(vocabularies: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Join vocabularies in their order; a piece that several languages know takes its highest probability."""
    merged: dict[str, float] = {}
    for vocabulary in vocabularies:
        for piece, score in vocabulary.items():
            merged[piece] = max(score, merged.get(piece, score))
    return merged


def extend_pieces(
    tokenizer: PreTrainedTokenizerBase,
    sentences: Mapping[str, Sequence[str]],
    *,
    anchor: str,
    vocabulary: int,
) -> tuple[dict[str, float], dict[str, int]]:
    """Add pieces of the other languages to those of a teacher.

    Parameters
    ----------
    tokenizer
        The teacher's.
    sentences
        Language code to sentences.
    anchor
        The language of the teacher's own vocabulary, which adds no pieces.
    vocabulary
        Pieces to add for each other language, at most.

    Returns
    -------
    tuple of dict
        Piece to log probability, of all of them, and piece to the teacher's token id, of the teacher's.
    """
    scores, ids = teacher_pieces(tokenizer, sentences.get(anchor, ()))
    others = [train_pieces(sentences[code], vocabulary) for code in sorted(sentences) if code != anchor]
    return merge_pieces([scores, *others]), ids


def as_longest_matches(pieces: Mapping[str, float], own: Collection[str]) -> dict[str, float]:
    """Score pieces so that words are cut more as WordPiece cuts them: the longest piece first, and so on.

    Pieces that begin a word gain with their length, and none of a teacher's own pieces is ever cut, however rare it
    is and however frequent its parts.

    Parameters
    ----------
    pieces
        Piece to log probability.
    own
        The teacher's.
    """
    scores = {
        piece: score + _PER_CHARACTER * (len(piece) - 1) * piece.startswith(WORD)
        for piece, score in pieces.items()
    }
    longest = max(map(len, scores), default=0)
    for piece in sorted(own, key=len):
        best = [0.0, *[-math.inf] * len(piece)]
        for end in range(1, len(piece) + 1):
            for start in range(max(0, end - longest), end):
                part = scores.get(piece[start:end]) if end - start < len(piece) else None
                if part is not None:
                    best[end] = max(best[end], best[start] + part)
        scores[piece] = max(scores[piece], best[-1] + _WHOLE)
    return scores


def build_tokenizer(
    pieces: Mapping[str, float], special: Sequence[str] = (UNKNOWN,), unknown: str = UNKNOWN
) -> Tokenizer:
    """Make the tokenizer of these pieces; token ids follow their order, after special tokens and the 256 bytes."""
    if not pieces:
        raise ValueError("a tokenizer needs at least one piece")
    lowest = min(pieces.values())
    others = [*special, *(f"<0x{byte:02X}>" for byte in range(256))]
    vocabulary = [*((token, lowest) for token in others), *pieces.items()]
    return _blank_tokenizer(models.Unigram(vocabulary, unk_id=others.index(unknown), byte_fallback=True))


def _spellings(tokenizer: PreTrainedTokenizerBase) -> dict[int, tuple[str, bool]]:
    """Spell the teacher's tokens as this tokenizer would: lower case, with ``▁`` where a word begins.

    Token id to its spelling and whether that differs from the teacher's. Special tokens, bytes, parts of
    characters and tokens that the splits here would cut are left out.
    """
    pipeline = _blank_tokenizer(models.Unigram())
    special = set(tokenizer.all_special_tokens)
    begins_word = _word_spelling(tokenizer)
    spellings = {}
    for token, identity in tokenizer.get_vocab().items():
        if token in special or token.startswith("[unused") or _BYTE.fullmatch(token):
            continue
        word, text = begins_word(token)
        # The normaliser marks every beginning of a word; whether the first is one is for the teacher to say.
        piece = str(pipeline.normalizer.normalize_str(text))
        if not word:
            piece = piece.removeprefix(WORD)
        whole = [part for part, _ in pipeline.pre_tokenizer.pre_tokenize_str(piece)] == [piece]
        if whole and "\ufffd" not in piece:
            spellings[identity] = piece, piece.replace(WORD, "") != text
    return spellings


def _word_spelling(tokenizer: PreTrainedTokenizerBase) -> Callable[[str], tuple[bool, str]]:
    """How the teacher tells words: a function from a token to whether it begins one, and its text."""
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    model = description["model"]
    if model["type"] in ("WordPiece", "WordLevel"):
        prefix = model.get("continuing_subword_prefix")

        def begins_word(token: str) -> tuple[bool, str]:
            continued = bool(prefix) and token.startswith(prefix) and token != prefix
            return not continued, token[len(prefix) :] if continued else token

    elif "ByteLevel" in json.dumps([description["pre_tokenizer"], description["decoder"]]):

        def begins_word(token: str) -> tuple[bool, str]:
            text = tokenizer.convert_tokens_to_string([token])
            return text.startswith(" "), text.removeprefix(" ")

    else:

        def begins_word(token: str) -> tuple[bool, str]:
            return token.startswith(WORD), token.removeprefix(WORD)

    return begins_word


def _sample(sentences: Sequence[str]) -> Sequence[str]:
    """Take every n-th sentence, so that no more than `_SENTENCES` remain and every corpus keeps its share."""
    step = -(-len(sentences) // _SENTENCES)
    return sentences if step <= 1 else [sentences[i] for i in range(0, len(sentences), step)]


def _batches(sentences: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(sentences)
    while batch := list(islice(iterator, size)):
        yield batch
