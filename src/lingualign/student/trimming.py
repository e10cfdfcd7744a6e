"""A large multilingual encoder without the part of its vocabulary that the languages at hand do not use.

Two thirds of such an encoder and more are the rows of its tokens. Those in the scripts of the languages stay, whether a
sentence uses them or not: a few thousand sentences meet a fraction of a language's words. Text in these scripts is cut
as before and has the same vectors to the last bit; what spells any other text stays too.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from lingualign.embedding.models import prompt_of
from lingualign.errors import InputError
from lingualign.pairs.characters import script_of_letter
from lingualign.student.vocabulary import (
    parse,
    post_processor,
    replace_vocabulary,
    token_embeddings,
    with_pad_in_place,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_CURE = "leave student.trim out"
_BATCH = 8_192
_SCRIPT_SHARE = 0.01
"""Share of a language's letters from which on a script is one of its own, and no stray name or formula."""
_SCRIPTS = {"COMBINING": "", "IDEOGRAPHIC": "CJK"}
"""First words of character names that name no script."""


@dataclass(frozen=True)
class Trimmed:
    """What trimming has come to: tokens, and parameters of the whole model."""

    tokens_before: int
    tokens: int
    parameters_before: int
    parameters: int
    held_out: int
    """Number of distinct held-out sentences."""
    cut_differently: int
    """Number of these that are cut into other tokens than before."""


def trim_vocabulary(
    encoder: SentenceTransformer,
    sentences: Sequence[str] | Mapping[str, Sequence[str]],
    *,
    prompt: str | None = None,
    held_out: Sequence[str] = (),
) -> Trimmed:
    """Keep the tokens of the scripts that sentences are written in, and all others that they use, in place.

    A script counts where it makes up 1% of the letters of a language. Special tokens, bytes and single characters stay
    as well, and pieces with a character that has no token of its own: what could be spelled before can be spelled
    still, if in smaller pieces.

    Parameters
    ----------
    encoder
        A transformer with a fast unigram, byte-pair or WordPiece tokenizer.
    sentences
        Sentences by language, or those of one language. Each is cut into the same tokens as before, which is checked.
    prompt
        Text put before each. None takes the model's own default prompt, ``""`` is no prompt.
    held_out
        Other sentences of these languages, to count how many are cut into other tokens than before; no token is kept
        for their sake.

    Raises
    ------
    InputError
        If the tokenizer is of another kind, or would cut a sentence differently. The encoder is then as it was.
    """
    from tokenizers import Tokenizer

    rows = token_embeddings(encoder, "student.trim", _CURE)
    described = parse(encoder.tokenizer)
    before = Tokenizer.from_str(json.dumps(described))
    prompt = prompt_of(encoder, prompt)
    by_language = sentences if isinstance(sentences, Mapping) else {"": sentences}
    kept = _with_parts(described["model"], _kept(encoder, before, described, by_language, prompt))
    # Tokens that were added to the model's own follow them, here as there.
    size = before.get_vocab_size(with_added_tokens=False)
    ids = before.get_vocab()
    order = sorted(kept, key=lambda token: (ids[token] >= size, ids[token]))
    order = with_pad_in_place(order, encoder.tokenizer.pad_token, encoder.tokenizer.pad_token_id)
    old = torch.tensor([ids[token] for token in order])
    after = _trimmed(described, order)
    if [after.token_to_id(token) for token in order] != list(range(len(order))):
        raise InputError(f"student.trim: its tokenizer numbers its tokens in a way of its own; {_CURE}")
    for of_language in by_language.values():
        for text in _cut_differently(before, after, of_language, prompt):
            raise InputError(
                f"student.trim: its tokenizer would cut {text[:80]!r} differently after trimming; {_CURE}"
            )
    others = list(dict.fromkeys(held_out))
    differently = sum(1 for _ in _cut_differently(before, after, others, prompt))
    parameters = sum(parameter.numel() for parameter in encoder.parameters())
    replace_vocabulary(encoder, after, rows[old])
    return Trimmed(
        before.get_vocab_size(),
        len(order),
        parameters,
        sum(parameter.numel() for parameter in encoder.parameters()),
        len(others),
        differently,
    )


def _kept(
    encoder: SentenceTransformer,
    tokenizer: Tokenizer,
    described: dict[str, Any],
    sentences: Mapping[str, Sequence[str]],
    prompt: str,
) -> set[str]:
    """Name the tokens of the languages, and those without which other text could not be spelled."""
    model = described["model"]
    if model["type"] not in ("Unigram", "WordPiece", "BPE"):
        raise InputError(
            f"student.trim: its tokenizer is a {model['type']} one; Unigram, WordPiece and BPE can be trimmed, "
            f"{_CURE}"
        )
    if model.get("dropout"):
        raise InputError(
            f"student.trim: its tokenizer cuts at random (BPE dropout {model['dropout']}); {_CURE}"
        )
    used: set[int] = set()
    for of_language in sentences.values():
        for batch in _batches(of_language, prompt):
            for encoding in tokenizer.encode_batch(batch):
                used.update(encoding.ids)
    module: Any = encoder[0]
    config = module.model.config.get_text_config().to_dict()
    used.update(
        value for key, value in config.items() if key.endswith("_token_id") and isinstance(value, int)
    )
    kept = {token for identity in used if (token := tokenizer.id_to_token(identity)) is not None}
    kept |= {token["content"] for token in described["added_tokens"]} | set(
        encoder.tokenizer.all_special_tokens
    )
    names = list(tokenizer.get_vocab(with_added_tokens=False))
    if model["type"] == "Unigram":
        # The score of what is unknown is measured from the lowest.
        kept.add(min(model["vocab"], key=lambda entry: entry[1])[0])
        kept.add(model["vocab"][model["unk_id"]][0] if model["unk_id"] is not None else names[0])
    elif model["unk_token"] is not None:
        kept.add(model["unk_token"])
    own = {name for name in names if len(_parts(name, model)) == 1}
    return (
        kept
        | own
        | {f"<0x{byte:02X}>" for byte in range(256)} & set(names)
        | {name for name in names if not own.issuperset(_parts(name, model))}
        | _written_in(_scripts(sentences), names, described)
    )


def _scripts(sentences: Mapping[str, Sequence[str]]) -> set[str]:
    """Name the scripts that languages are written in."""
    scripts = {""}
    for of_language in sentences.values():
        characters: Counter[str] = Counter()
        for sentence in of_language:
            characters.update(sentence)
        letters: Counter[str] = Counter()
        for character, count in characters.items():
            letters[_script(character)] += count
        del letters[""]
        scripts |= {script for script, count in letters.items() if count >= _SCRIPT_SHARE * letters.total()}
    return scripts


def _script(character: str) -> str:
    """Name the script of a letter or mark; empty for any other character."""
    if unicodedata.category(character)[0] not in "LM":
        return ""
    script = script_of_letter(character)
    return _SCRIPTS.get(script, script)


def _written_in(scripts: Collection[str], names: Sequence[str], described: dict[str, Any]) -> set[str]:
    """Choose the tokens whose letters are all of some scripts; tokens without letters are of any."""
    from tokenizers import decoders

    # As in `student.tokenizer`: tokens of bytes, a letter for each, which may be parts of a character.
    of_bytes = "ByteLevel" in json.dumps([described["pre_tokenizer"], described["decoder"]])
    spell = decoders.ByteLevel()
    script_of = {}
    kept = set()
    for name in names:
        text = spell.decode([name]) if of_bytes else _stem(name, described["model"])
        for character in text:
            if character not in script_of:
                script_of[character] = _script(character)
        if all(script_of[character] in scripts for character in text):
            kept.add(name)
    return kept


def _stem(token: str, model: dict[str, Any]) -> str:
    """Return a token without the marks of its place in a word."""
    prefix, suffix = model.get("continuing_subword_prefix") or "", model.get("end_of_word_suffix") or ""
    return token.removeprefix(prefix).removesuffix(suffix) or token


def _parts(token: str, model: dict[str, Any]) -> list[str]:
    """Spell a token by its characters, as the tokenizer would write each alone at its place in a word."""
    prefix, suffix = model.get("continuing_subword_prefix") or "", model.get("end_of_word_suffix") or ""
    continued = prefix and token.startswith(prefix) and token != prefix
    ends = suffix and token.endswith(suffix) and token != suffix
    text = token[len(prefix) if continued else 0 : -len(suffix) if ends else None]
    parts = [f"{prefix if place or continued else ''}{character}" for place, character in enumerate(text)]
    return [*parts[:-1], f"{parts[-1]}{suffix if ends else ''}"] if parts else [token]


def _with_parts(model: dict[str, Any], kept: set[str]) -> set[str]:
    """Add to the tokens of a byte-pair model all that they are merged from."""
    if model["type"] != "BPE":
        return kept
    merges: dict[str, list[tuple[str, str]]] = {}
    for left, right in model["merges"]:
        merges.setdefault(_merged(left, right, model), []).append((left, right))
    waiting, whole = list(kept), set(kept)
    while waiting:
        for pair in merges.get(waiting.pop(), ()):
            waiting += (new := set(pair) - whole)
            whole |= new
    return whole


def _merged(left: str, right: str, model: dict[str, Any]) -> str:
    return left + right.removeprefix(model.get("continuing_subword_prefix") or "")


def _trimmed(described: dict[str, Any], order: list[str]) -> Tokenizer:
    """Make the tokenizer of some of the tokens, numbered in their order."""
    from tokenizers import Tokenizer

    ids = {token: place for place, token in enumerate(order)}
    model = dict(described["model"])
    if model["type"] == "Unigram":
        scores = dict(model["vocab"])
        if model["unk_id"] is not None:
            model["unk_id"] = ids[model["vocab"][model["unk_id"]][0]]
        model["vocab"] = [[token, scores[token]] for token in order if token in scores]
    else:
        model["vocab"] = {token: ids[token] for token in order if token in model["vocab"]}
    if model["type"] == "BPE":
        # Merges that go had no part in any of the sentences, so the others take their turns as before.
        model["merges"] = [
            (left, right) for left, right in model["merges"] if _merged(left, right, model) in ids
        ]
    added = [{**token, "id": ids[token["content"]]} for token in described["added_tokens"]]
    processor = post_processor(described["post_processor"], ids.__getitem__)
    return Tokenizer.from_str(
        json.dumps({**described, "model": model, "added_tokens": added, "post_processor": processor})
    )


def _cut_differently(
    before: Tokenizer, after: Tokenizer, sentences: Sequence[str], prompt: str
) -> Iterator[str]:
    for batch in _batches(sentences, prompt):
        for text, one, other in zip(
            batch, before.encode_batch(batch), after.encode_batch(batch), strict=True
        ):
            if one.tokens != other.tokens:
                yield text


def _batches(sentences: Sequence[str], prompt: str) -> Iterator[list[str]]:
    for start in range(0, len(sentences), _BATCH):
        yield [prompt + sentence for sentence in sentences[start : start + _BATCH]]
