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
    with_pad_in_place,
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
    pad, pad_id = encoder.tokenizer.pad_token, encoder.tokenizer.pad_token_id
    special = with_pad_in_place(special_tokens(encoder), pad, pad_id)
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
    counted_from = getattr(getattr(encoder[0].model, "embeddings", None), "padding_idx", None)
    if counted_from is not None and tokenizer.token_to_id(pad) != counted_from:
        raise InputError(
            f"student.model: it counts positions from the id of its padding token, {counted_from}, which does not fit "
            f"an extended vocabulary; {_CURE}"
        )
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
    vectors = module.embedding.weight.detach().float().cpu()
    weights = torch.empty_like(vectors)
    weights[extension.rows] = extension.embeddings[extension.encoder_rows]
    new = torch.ones(len(weights), dtype=torch.bool)
    new[extension.rows] = False
    weights[new] = _among_nearest(vectors[new], vectors[extension.rows], weights[extension.rows])
    replace_vocabulary(encoder, extension.tokenizer, weights)
    return encoder


def _among_nearest(new: Tensor, known: Tensor, embeddings: Tensor) -> Tensor:
    """Average, for each new token, the encoder's embeddings of the known ones nearest to it in the static student."""
    # Those that no pair uses have stayed where they were, which is no place among those that have learnt.
    learnt = (known != embeddings).any(1)
    if learnt.any():
        known, embeddings = known[learnt], embeddings[learnt]
    new, known = (torch.nn.functional.normalize(vectors, dim=1) for vectors in (new, known))
    placed = torch.empty(len(new), embeddings.shape[1])
    for start in range(0, len(new), _BLOCK):
        block = slice(start, start + _BLOCK)
        similarities, nearest = (new[block] @ known.T).topk(min(_NEIGHBOURS, len(known)))
        weights = torch.softmax(similarities / _TEMPERATURE, dim=1)
        placed[block] = (weights[:, None] @ embeddings[nearest]).squeeze(1)
    return placed
