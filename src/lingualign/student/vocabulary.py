"""An encoder's vocabulary: its tokenizer and the rows of its input embedding, which change together or not at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer


def token_embeddings(encoder: SentenceTransformer, name: str, cure: str) -> Tensor:
    """Copy an encoder's input embedding, ``(tokens, D)``, float32, on the CPU.

    Parameters
    ----------
    encoder
        Its first module is asked.
    name, cure
        Name of the setting that chose the encoder, and what to choose instead, for the message.

    Raises
    ------
    InputError
        If there is no learned embedding of a fast tokenizer's tokens.
    """
    transformer = getattr(encoder[0], "model", None)
    if transformer is None or not hasattr(transformer, "get_input_embeddings"):
        raise InputError(
            f"{name}: {type(encoder[0]).__name__} has no token embeddings to start a student from; {cure}"
        )
    if not getattr(encoder.tokenizer, "is_fast", False):
        raise InputError(
            f"{name}: its tokenizer ({type(encoder.tokenizer).__name__}) is not a fast one, so its vocabulary "
            f"cannot be taken over; {cure}"
        )
    try:
        embedding = transformer.get_input_embeddings()
    except NotImplementedError:
        embedding = None
    rows = embedding.num_embeddings if isinstance(embedding, nn.Embedding) else 0
    if rows < len(encoder.tokenizer):
        raise InputError(
            f"{name}: {type(transformer).__name__} has {rows:,} learned token embeddings for the "
            f"{len(encoder.tokenizer):,} tokens of its tokenizer; {cure}"
        )
    weight: Tensor = embedding.weight
    return weight.detach().float().cpu().clone()


def special_tokens(encoder: SentenceTransformer) -> list[str]:
    """List the tokens that are no text, in the order of their ids."""
    tokenizer = encoder.tokenizer
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in tokenizer.all_special_tokens}
    return sorted(ids, key=lambda token: ids[token])


def with_pad_in_place(tokens: list[Any], pad: Any, place: int | None) -> list[Any]:
    """Put the padding token where the encoder had it: some count positions from its id."""
    if place is None or place >= len(tokens):
        return tokens
    others = [token for token in tokens if token != pad]
    return [*others[:place], pad, *others[place:]]


def post_processor(
    description: dict[str, Any] | None, new_id: Callable[[str], int | None]
) -> dict[str, Any] | None:
    """Renumber the special tokens that a tokenizer's description (its JSON) puts around a sentence."""
    if description is None:
        return None
    description = dict(description)
    if "processors" in description:
        description["processors"] = [post_processor(part, new_id) for part in description["processors"]]
    if description["type"] == "TemplateProcessing":
        description["special_tokens"] = {
            name: {**entry, "ids": [new_id(token) for token in entry["tokens"]]}
            for name, entry in description["special_tokens"].items()
        }
    for side in ("cls", "sep"):
        if side in description:
            description[side] = [description[side][0], new_id(description[side][0])]
    return description


def replace_vocabulary(encoder: SentenceTransformer, tokenizer: Tokenizer, weights: Tensor) -> None:
    """Give an encoder another tokenizer and the rows that belong to it, in place.

    Parameters
    ----------
    encoder
        A `Transformer` with a fast tokenizer; its special tokens, longest input and sides stay as they are.
    tokenizer
        Has the encoder's special tokens and puts them around a sentence.
    weights
        A row for each of its ids, ``(tokens, D)``.
    """
    from transformers import PreTrainedTokenizerFast

    module: Any = encoder[0]
    transformer, old = module.model, encoder.tokenizer
    ids = {token: tokenizer.token_to_id(token) for token in old.get_vocab()}
    named = {name: str(token) for name, token in old.special_tokens_map.items() if isinstance(token, str)}
    module.processor = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=old.model_max_length,
        padding_side=old.padding_side,
        truncation_side=old.truncation_side,
        model_input_names=old.model_input_names,
        **named,
    )
    before = transformer.get_input_embeddings()
    # Where the encoder has a row of zeros for padding that never learns, it keeps one.
    padding = None if before.padding_idx is None else encoder.tokenizer.pad_token_id
    tokens, dimensions = weights.shape
    embedding = nn.Embedding(tokens, dimensions, padding_idx=padding, _weight=weights.to(before.weight))
    transformer.set_input_embeddings(embedding.requires_grad_(before.weight.requires_grad))
    config = transformer.config.get_text_config()
    for key, value in config.to_dict().items():
        if key.endswith("_token_id") and isinstance(value, int):
            setattr(config, key, ids.get(old.convert_ids_to_tokens(value)))
    config.vocab_size = len(weights)
    transformer.tie_weights()


def parse(tokenizer: Any) -> dict[str, Any]:
    """Describe a fast tokenizer as its JSON does, without what the last call has left of padding and truncation."""
    description: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return {**description, "padding": None, "truncation": None}
