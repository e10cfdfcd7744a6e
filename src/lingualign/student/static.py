"""A new multilingual static student: one vector a token, a sentence is their mean.

It trains in minutes on a CPU and encodes tens of thousands of sentences a second. Its English starts from the
teacher's own token embeddings; the pieces of the other languages start small and random and find their place
in training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from lingualign.errors import InputError
from lingualign.student.vocabulary import token_embeddings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer
    from torch import Tensor

# Against the teacher's own spread: new pieces must be able to move, and say nothing until they have.
_NEW_PIECE_SCALE = 0.2


def static_student(
    teacher: SentenceTransformer,
    sentences: Mapping[str, Sequence[str]],
    *,
    anchor: str,
    vocabulary: int = 20_000,
    seed: int = 0,
) -> SentenceTransformer:
    """Make an untrained static student from a teacher and the sentences of each language.

    Parameters
    ----------
    teacher
        A transformer with a fast tokenizer; its vocabulary and token embeddings are taken over.
    sentences
        Language code to sentences: what the tokenizer's pieces are found in.
    anchor
        The language of the teacher's own vocabulary. It adds no pieces; its sentences say how frequent the
        teacher's are.
    vocabulary
        Pieces to add for each other language, at most.
    seed
        Seed of the new pieces' vectors.

    Returns
    -------
    SentenceTransformer
        `StaticEmbedding` and `Normalize`, on the CPU.

    Raises
    ------
    InputError
        If the teacher has no fast tokenizer, no token embeddings or no token of use here.
    """
    from lingualign.student.tokenizer import build_tokenizer, extend_pieces

    embeddings = token_embeddings(
        teacher, "teacher", "use a transformer teacher with a tokenizer.json, or student.kind: encoder"
    )
    pieces, teacher_ids = extend_pieces(teacher.tokenizer, sentences, anchor=anchor, vocabulary=vocabulary)
    if not teacher_ids:
        raise InputError(
            "teacher: none of its tokens can be spelled in a static student's tokenizer; use another teacher, or "
            "student.kind: encoder"
        )
    tokenizer = build_tokenizer(pieces)
    ids = tokenizer.get_vocab()
    rows = torch.tensor([ids[piece] for piece in teacher_ids])
    return static_model(tokenizer, embeddings, rows, torch.tensor(list(teacher_ids.values())), seed=seed)


def static_model(
    tokenizer: Tokenizer, embeddings: Tensor, rows: Tensor, known: Tensor, *, seed: int
) -> SentenceTransformer:
    """Make a static model whose ``rows`` start as ``embeddings[known]``, and the others small and random."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.normalize import Normalize
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    generator = torch.Generator().manual_seed(seed)
    spread = _NEW_PIECE_SCALE * embeddings.std()
    weights = torch.randn(tokenizer.get_vocab_size(), embeddings.shape[1], generator=generator) * spread
    weights[rows] = embeddings[known]
    return SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_weights=weights), Normalize()], device="cpu"
    )
