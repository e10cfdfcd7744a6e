"""Training in proportion to the rows that a batch touches, for large embeddings: sparse gradients, and AdamW on them.

A batch of a thousand sentences touches a tenth of a multilingual vocabulary or less. `torch.optim.AdamW`
rewrites every row and its two moments each step; `torch.optim.SparseAdam` passes several sparse tensors of
the same rows through generic sparse arithmetic. Here the touched rows are gathered, updated by torch's fused
kernel, which reads and writes each number once, and put back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw
from torch.optim.optimizer import Optimizer, ParamsT

if TYPE_CHECKING:
    from collections.abc import Callable

    from sentence_transformers import SentenceTransformer


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


class RowwiseAdamW(Optimizer):
    """AdamW (Loshchilov and Hutter, 2019) on the rows a sparse gradient holds, or on all of a dense one.

    A row that no sentence of a batch has touched is left as it is: its moments do not fade and its weights do
    not decay (lazily, as in `torch.optim.SparseAdam`). The step count of the bias correction is the
    parameter's own. Where every row is touched at every step this is exactly `torch.optim.AdamW`.

    Parameters
    ----------
    params
        Parameters or parameter groups. Those with sparse gradients (`RowwiseEmbeddingBag`) and with dense
        ones may be mixed.
    lr
        Learning rate.
    betas
        Decay of the first and the second moment.
    eps
        Added to the root of the second moment after its bias correction.
    weight_decay
        Decoupled weight decay: at each step a touched row shrinks by ``lr * weight_decay`` of itself.

    Raises
    ------
    ValueError
        For a setting out of its range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        for name, value in (("lr", lr), ("eps", eps), ("weight_decay", weight_decay)):
            if not value >= 0:
                raise ValueError(f"{name} is {value}; it must be at least 0")
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas are {betas}; each must lie in [0, 1)")
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Update every parameter that has a gradient; returns the closure's loss, if one is given."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = torch.zeros((), device=parameter.device)
                    state["exp_avg"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
                    state["exp_avg_sq"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
                held = (parameter, state["exp_avg"], state["exp_avg_sq"])
                gradient, rows = parameter.grad, None
                if gradient.is_sparse:
                    rows, gradient = _rows(gradient)
                weight, mean, square = held if rows is None else (each.index_select(0, rows) for each in held)
                adamw(
                    [weight],
                    [gradient],
                    [mean],
                    [square],
                    [],
                    [state["step"]],
                    fused=True,
                    amsgrad=False,
                    beta1=beta1,
                    beta2=beta2,
                    lr=group["lr"],
                    weight_decay=group["weight_decay"],
                    eps=group["eps"],
                    maximize=False,
                )
                if rows is not None:
                    for whole, updated in zip(held, (weight, mean, square), strict=True):
                        whole.index_copy_(0, rows, updated)
        return loss


def _rows(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distinct rows of a sparse gradient, and their values."""
    if gradient.sparse_dim() != 1:
        raise ValueError(
            f"a gradient is sparse in {gradient.sparse_dim()} dimensions; RowwiseAdamW updates whole rows"
        )
    rows, values = gradient._indices()[0], gradient._values()
    # Autograd forgets that a gradient was coalesced: rows in order need no second pass over their values.
    if not (rows[1:] > rows[:-1]).all():
        gradient = gradient.coalesce()
        rows, values = gradient.indices()[0], gradient.values()
    return rows, values
