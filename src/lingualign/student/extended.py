"""A monolingual sentence encoder whose vocabulary is extended to new languages.

The layers and the token vectors that the encoder has learnt stay. Its tokenizer becomes a unigram model that keeps
the encoder's pieces and adds pieces for each new language. The new pieces' vectors do not start at random: a static
student over the same pieces, which trains in minutes, finds where each belongs among the encoder's own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lingualign.errors import InputError
from lingualign.student.static import static_model
from lingualign.student.vocabulary import (
    parse,
    post_processor,
    replace_vocabulary,
    special_tokens,
    token_embeddings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer


_CURE = "use an encoder with a tokenizer.json and an embedding of its tokens, or student.kind: static"
_NEIGHBOURS = 10
_TEMPERATURE = 0.1
# Tokens whose similarities to all known ones are held at a time.
_BLOCK = 4_096


@dataclass(frozen=True)
class Extension:
    """An encoder's vocabulary with pieces of new languages.

    Attributes
    ----------
    tokenizer
        With the encoder's special tokens, put around a sentence as the encoder has them.
    rows, encoder_rows
        Ids of the tokens that the encoder knows, here and in the encoder, ``(known,)`` each.
    embeddings
        The encoder's input embedding, ``(tokens, D)``.
    """

    tokenizer: Tokenizer
    rows: Tensor
    encoder_rows: Tensor
    embeddings: Tensor


def extend_vocabulary(
    encoder: SentenceTransformer,
    sentences: Mapping[str, Sequence[str]],
    *,
    anchor: str,
    vocabulary: int = 20_000,
) -> Extension:
    """Find pieces of new languages and add them to an encoder's; the encoder stays as it is.

    Parameters
    ----------
    encoder
        A transformer with a fast tokenizer, such as ``load_model("minilm")``.
    sentences
        Language code to sentences: what the pieces are found in.
    anchor
        The encoder's own language. It adds no pieces.
    vocabulary
        Pieces to add for each other language, at most.

    Raises
    ------
    InputError
        If the encoder's tokenizer or token embeddings cannot be extended.
    """
    from tokenizers import AddedToken, Tokenizer

    from lingualign.student.tokenizer import UNKNOWN, as_longest_matches, build_tokenizer, extend_pieces

    embeddings = token_embeddings(encoder, "student.model", _CURE)
    pieces, ids = extend_pieces(encoder.tokenizer, sentences, anchor=anchor, vocabulary=vocabulary)
    if not ids:
        raise InputError(
            f"student.model: none of its tokens can be spelled in an extended student's tokenizer; {_CURE}"
        )
    special = special_tokens(encoder)
    unknown = encoder.tokenizer.unk_token or UNKNOWN
    tokenizer = build_tokenizer(
        as_longest_matches(pieces, ids), special if unknown in special else [*special, unknown], unknown
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    described = json.loads(tokenizer.to_str())
    described["post_processor"] = post_processor(
        parse(encoder.tokenizer)["post_processor"], tokenizer.token_to_id
    )
    tokenizer = Tokenizer.from_str(json.dumps(described))
    known = ids | {token: encoder.tokenizer.convert_tokens_to_ids(token) for token in special}
    rows = [tokenizer.token_to_id(piece) for piece in known]
    return Extension(tokenizer, torch.tensor(rows), torch.tensor(list(known.values())), embeddings)


def static_start(extension: Extension, *, seed: int = 0) -> SentenceTransformer:
    """Make the static student over an extension's tokens, to be trained against the teacher.

    Its rows start as the encoder's, those of new pieces small and random.
    """
    from tokenizers import Tokenizer

    # Its own copy: the host's wrapper sets truncation and padding on the one that it is given.
    tokenizer = Tokenizer.from_str(extension.tokenizer.to_str())
    return static_model(tokenizer, extension.embeddings, extension.rows, extension.encoder_rows, seed=seed)


def extended_student(
    encoder: SentenceTransformer, extension: Extension, static: SentenceTransformer
) -> SentenceTransformer:
    """Give an encoder the extended vocabulary, in place.

    A new token starts at the mean of the encoder's vectors of the tokens nearest to it in the static student, weighted
    by the softmax of their similarities (as in WECHSEL, Minixhofer et al., 2022): among what the layers know how to
    read. `benchmarks/extended_initialisation.py` compares it with other starts.

    Parameters
    ----------
    encoder
        The one that was extended. Its layers and the vectors of its own tokens stay.
    extension
        From `extend_vocabulary`.
    static
        From `static_start`, trained.

    Returns
    -------
    SentenceTransformer
        The encoder.
    """
    module: Any = static[0]
    weights = _placed(module.embedding.weight.detach().float().cpu(), extension)
    weights[extension.rows] = extension.embeddings[extension.encoder_rows]
    replace_vocabulary(encoder, extension.tokenizer, weights)
    return encoder


def _placed(static: Tensor, extension: Extension) -> Tensor:
    """Average, for each token, the encoder's vectors of the known tokens nearest to it in the static student."""
    directions = torch.nn.functional.normalize(static, dim=1)
    known, embeddings = static[extension.rows], extension.embeddings[extension.encoder_rows]
    # Tokens that no pair uses stay where they were, which is no place among those that have learnt.
    learnt = (known != embeddings).any(1)
    if learnt.any():
        known, embeddings = known[learnt], embeddings[learnt]
    known = torch.nn.functional.normalize(known, dim=1)
    neighbours = min(_NEIGHBOURS, len(known))
    placed = torch.empty(len(static), embeddings.shape[1])
    for start in range(0, len(static), _BLOCK):
        similarities, nearest = (directions[start : start + _BLOCK] @ known.T).topk(neighbours)
        weights = torch.softmax(similarities / _TEMPERATURE, dim=1)
        placed[start : start + _BLOCK] = (weights[:, None] @ embeddings[nearest]).squeeze(1)
    return placed
