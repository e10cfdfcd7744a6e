"""A new multilingual static student: one vector a token, a sentence is their mean.

It trains in minutes on a CPU and encodes tens of thousands of sentences a second. Its English starts from the
teacher's own token embeddings; the pieces of the other languages start small and random and find their place
in training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lingualign.errors import InputError
from lingualign.student.vocabulary import token_embeddings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

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
        trained = torch.is_grad_enabled() and self.weight.requires_grad
        if not trained or offsets is None or per_sample_weights is not None:
            return super().forward(input, offsets, per_sample_weights)
        bags: Tensor = _Bags.apply(self.weight, input, offsets, self.mode)  # type: ignore[no-untyped-call]
        return bags


class _Bags(torch.autograd.Function):
    """Sum or average the rows of each bag; the gradient is a sparse tensor of the distinct rows, in their order."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor, offsets: Tensor, mode: str) -> Tensor:
        ctx.save_for_backward(ids, offsets)
        ctx.shape, ctx.mode = weight.shape, mode
        return nn.functional.embedding_bag(ids, weight, offsets, mode=mode)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        ids, offsets = ctx.saved_tensors
        lengths = torch.diff(offsets, append=offsets.new_tensor([len(ids)]))
        if ctx.mode == "mean":
            gradient = gradient / lengths.clamp_min(1)[:, None]
        # The same sum the other way round: each distinct row is a bag of the sentences that it stands in. Half the
        # time of autograd's own, which adds row by row.
        ordered, order = torch.sort(ids.int(), stable=True)
        rows, counts = torch.unique_consecutive(ordered, return_counts=True)
        sentences = torch.repeat_interleave(lengths)[order]
        values = nn.functional.embedding_bag(sentences, gradient, counts.cumsum(0) - counts, mode="sum")
        sparse = torch.sparse_coo_tensor(
            rows.long()[None], values, ctx.shape, is_coalesced=True, check_invariants=False
        )
        return sparse, None, None, None


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
