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
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from transformers import PreTrainedTokenizerBase

UNKNOWN = "[UNK]"
WORD = "▁"
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_SPACED = rf"[[\p{{L}}\p{{M}}\p{{N}}]&&[^{_UNSPACED}]]"
_LONGEST_PIECE = 16


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
    the way to longer pieces never occur and drop out.
    """
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
    tokenizer: PreTrainedTokenizerBase, sentences: Iterable[str]
) -> tuple[dict[str, float], dict[str, int]]:
    """Spell the teacher's vocabulary for this tokenizer.

    Parameters
    ----------
    tokenizer
        The teacher's.
    sentences
        Sentences in the teacher's language, from which the pieces' frequencies are counted.

    Returns
    -------
    tuple of dict
        Piece to log probability (add-one smoothed), and piece to the teacher's token id.
    """
    ids: dict[str, int] = {}
    special = set(tokenizer.all_special_tokens)
    spellings = _spellings(tokenizer)
    for token, identity in sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1]):
        if token not in special and not token.startswith("[unused"):
            ids.setdefault(spellings(token), identity)
    ids.pop("", None)
    counts: Counter[int] = Counter()
    for batch in _batches(sentences, 4096):
        for encoding in tokenizer(batch, add_special_tokens=False, truncation=True, max_length=512)[
            "input_ids"
        ]:
            counts.update(encoding)
    total = sum(counts.values()) + len(ids)
    scores = {piece: math.log((counts[identity] + 1) / total) for piece, identity in ids.items()}
    return scores, ids


def merge_pieces(vocabularies: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Join vocabularies in their order; a piece that several languages know takes its highest probability."""
    merged: dict[str, float] = {}
    for vocabulary in vocabularies:
        for piece, score in vocabulary.items():
            merged[piece] = max(score, merged.get(piece, score))
    return merged


def build_tokenizer(pieces: Mapping[str, float]) -> Tokenizer:
    """Make the tokenizer of these pieces; token ids follow their order, after ``[UNK]`` and the 256 bytes."""
    if not pieces:
        raise ValueError("a tokenizer needs at least one piece")
    lowest = min(pieces.values())
    vocabulary = [(UNKNOWN, lowest), *((f"<0x{byte:02X}>", lowest) for byte in range(256)), *pieces.items()]
    return _blank_tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))


def _spellings(tokenizer: PreTrainedTokenizerBase) -> Callable[[str], str]:
    """How the teacher's tokens are spelled here: lower case, with ``▁`` where a word begins."""
    description = json.loads(tokenizer.backend_tokenizer.to_str())
    kind = description["model"]["type"]
    if kind == "WordPiece":
        prefix = description["model"]["continuing_subword_prefix"]

        def spell(token: str) -> str:
            return token[len(prefix) :] if token.startswith(prefix) else WORD + token

    elif kind == "BPE" and "ByteLevel" in json.dumps([description["pre_tokenizer"], description["decoder"]]):

        def spell(token: str) -> str:
            text = tokenizer.convert_tokens_to_string([token])
            return WORD + text[1:] if text.startswith(" ") else text

    else:

        def spell(token: str) -> str:
            return token

    marks = _blank_tokenizer(models.Unigram()).normalizer

    def spelling(token: str) -> str:
        text = spell(token)
        # The normaliser knows which characters carry a mark; whether this piece begins a word is the
        # teacher's word.
        normalised = marks.normalize_str(text.removeprefix(WORD))
        return normalised if text.startswith(WORD) else normalised.removeprefix(WORD)

    return spelling


def _batches(sentences: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(sentences)
    while batch := list(islice(iterator, size)):
        yield batch
