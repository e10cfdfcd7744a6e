"""A new multilingual static student: one vector a token, a sentence is their mean.

It trains in minutes on a CPU and encodes tens of thousands of sentences a second. Its English starts from the
teacher's own token embeddings; the pieces of the other languages start small and random and find their place
in training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lingualign.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sentence_transformers import SentenceTransformer

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
        Of the new pieces' vectors.

    Returns
    -------
    SentenceTransformer
        `StaticEmbedding` and `Normalize`, on the CPU.

    Raises
    ------
    InputError
        If the teacher has no fast tokenizer, no token embeddings or no token of use here.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.normalize import Normalize
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    from lingualign.student.tokenizer import build_tokenizer, merge_pieces, teacher_pieces, train_pieces

    embeddings = _token_embeddings(teacher)
    scores, teacher_ids = teacher_pieces(teacher.tokenizer, sentences.get(anchor, ()))
    if not teacher_ids:
        raise InputError(
            "teacher: none of its tokens can be spelled in a static student's tokenizer; use another teacher, or "
            "student.kind: encoder"
        )
    others = [train_pieces(sentences[code], vocabulary) for code in sorted(sentences) if code != anchor]
    tokenizer = build_tokenizer(merge_pieces([scores, *others]))
    ids = tokenizer.get_vocab()

    generator = torch.Generator().manual_seed(seed)
    spread = _NEW_PIECE_SCALE * embeddings.std()
    weights = torch.randn(tokenizer.get_vocab_size(), embeddings.shape[1], generator=generator) * spread
    known = [(ids[piece], identity) for piece, identity in teacher_ids.items()]
    here, there = (torch.tensor(column) for column in zip(*known, strict=True))
    weights[here] = embeddings[there]
    return SentenceTransformer(
        modules=[StaticEmbedding(tokenizer, embedding_weights=weights), Normalize()], device="cpu"
    )


def _token_embeddings(teacher: SentenceTransformer) -> Tensor:
    """Copy the teacher's input embedding of each token id, float32."""
    transformer = getattr(teacher[0], "model", None)
    if transformer is None or not hasattr(transformer, "get_input_embeddings"):
        raise InputError(
            f"teacher: {type(teacher[0]).__name__} has no token embeddings to start a static student from; "
            "use a transformer teacher, or student.kind: encoder"
        )
    if not getattr(teacher.tokenizer, "is_fast", False):
        raise InputError(
            f"teacher: its tokenizer ({type(teacher.tokenizer).__name__}) is not a fast one, so its vocabulary "
            "cannot be taken over; use a teacher with a tokenizer.json, or student.kind: encoder"
        )
    weight: Tensor = transformer.get_input_embeddings().weight
    return weight.detach().float().cpu()


class RowwiseEmbeddingBag(nn.EmbeddingBag):
    """An embedding bag whose gradient holds only the rows that a batch has touched, each once.

    The same vectors and gradients as `torch.nn.EmbeddingBag`, with a sparse gradient whose rows are in order: an
    optimizer that updates rows then does work in proportion to the batch and not to the vocabulary.
    """

    @classmethod
    def sharing(cls, bag: nn.EmbeddingBag) -> RowwiseEmbeddingBag:
        """Make one with the very parameter of another bag. DDP tells from ``sparse`` how to reduce it."""
        shared = cls(bag.num_embeddings, bag.embedding_dim, mode=bag.mode, sparse=True, _weight=bag.weight)
        shared.weight = bag.weight
        return shared.train(bag.training)

    def forward(
        self,
        input: Tensor,  # noqa: A002 (the name of the class that is overridden)
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:
        """Reduce the rows of each bag: flat ids ``(T,)`` and starts ``(N,)`` to ``(N, D)``."""
        if not (torch.is_grad_enabled() and self.weight.requires_grad):
            return super().forward(input, offsets, per_sample_weights)
        touched, place = torch.unique(input, return_inverse=True)
        rows: Tensor = _Rows.apply(self.weight, touched)  # type: ignore[no-untyped-call]
        return nn.functional.embedding_bag(
            place, rows, offsets, mode=self.mode, per_sample_weights=per_sample_weights
        )


class _Rows(torch.autograd.Function):
    """Select distinct rows; the gradient is a sparse tensor of those rows, in their order."""

    @staticmethod
    def forward(ctx, weight: Tensor, rows: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(rows)
        ctx.shape = weight.shape
        return weight.index_select(0, rows)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[no-untyped-def]
        (rows,) = ctx.saved_tensors
        sparse = torch.sparse_coo_tensor(
            rows[None], gradient, ctx.shape, is_coalesced=True, check_invariants=False
        )
        return sparse, None


def train_rowwise(student: SentenceTransformer) -> bool:
    """Give a static student's embedding row-wise gradients; returns whether the student is a static one.

    The parameter, its name and what is saved stay as they are.
    """
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    static = student[0]
    if not isinstance(static, StaticEmbedding):
        return False
    static.embedding = RowwiseEmbeddingBag.sharing(static.embedding)
    return True
