"""Fast encoding on a processor, for any model: kernels, and several batches at once.

Torch computes fp32 products with MKL, at less than half of oneDNN's rate on processors of other makers. oneDNN lays a
weight out anew in each call, unless the caller has laid it out. Torch's attention takes twice as long in bf16 as in
fp32 for texts as short as sentences. The operations of a small model on a batch of sentences are short: threads that
share each of them wait for each other a third of the time.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from lingualign.environment import prepare_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from torch import Tensor


@cache
def has_onednn(dtype: torch.dtype = torch.float32) -> bool:
    """Return whether torch and this processor have oneDNN's products in a dtype, with right results."""
    prepare_environment()
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    generator = torch.Generator().manual_seed(0)
    one, two, three = (
        torch.randn(shape, generator=generator).to(dtype) for shape in ((70, 33), (17, 33), (17,))
    )
    with torch.autocast("cpu", enabled=False):
        expected = torch.nn.functional.linear(one, two, three)
    try:
        found = linear(one, lay_out(two, len(one)), three)
    except (RuntimeError, AttributeError, NotImplementedError, TypeError):
        return False
    tolerance = 1e-4 if dtype == torch.float32 else 0.05
    return torch.allclose(found, expected, rtol=tolerance, atol=tolerance)


def lay_out(weight: Tensor, rows: int) -> Tensor:
    """Lay out a weight, (m, d), for inputs of about ``rows`` rows."""
    laid_out: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    return laid_out


def linear(given: Tensor, laid_out: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply an input, (..., d), with a weight laid out, and add the bias: (..., m)."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(given, laid_out, bias, "none", [], "")
    return product


_ROWS_THAT_REPAY = 64
"""Rows of an input at which laying a weight out saves time."""
_ROWS = 2_048
"""Rows that a weight is laid out for, whatever batch comes first: the sums are then the same on every run."""
_LAID_OUT_BYTES = 2 << 30
"""Maximum memory for copies of fp32 weights; further weights are not laid out."""
_LONGEST = 128
"""Tokens up to which attention is computed in fp32 while the rest is in bf16."""


def cpu_kernels(model: torch.nn.Module, device: torch.device) -> AbstractContextManager[Any]:
    """Return the context in which a model runs; it changes nothing if these kernels do not exist.

    Within it the model's weights must not change, and no gradients are available.
    """
    compiled = any(module._compiled_call_impl is not None for module in model.modules())
    return CpuKernels() if device.type == "cpu" and not compiled and has_onednn() else nullcontext()


class CpuKernels(TorchFunctionMode):
    """Replaces the calls of linear layers and attention in this thread, if a kernel fits.

    The results are those of torch up to rounding, in the dtype of torch, autocast included.
    """

    def __init__(self) -> None:
        super().__init__()
        # The weight is held as well: while it lives no other tensor has its id.
        self._laid_out: dict[tuple[int, torch.dtype], tuple[Tensor, Tensor]] = {}
        self._bytes = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a kernel of this module, or the function itself."""
        kwargs = kwargs or {}
        if func is functional.linear:
            return self._linear(*args, **kwargs)
        if func is functional.scaled_dot_product_attention:
            return _attention(*args, **kwargs)
        return func(*args, **kwargs)

    def _linear(self, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:  # noqa: A002
        dtype = _autocast_dtype() or weight.dtype
        kernel = (
            dtype in (torch.float32, torch.bfloat16)
            and has_onednn(dtype)
            and input.dtype in (torch.float32, dtype)
            and weight.dtype in (torch.float32, dtype)
            and input.ndim > 1
            and input.numel() > 0
        )
        laid_out = self._lay_out(weight, dtype, input.numel() // input.shape[-1]) if kernel else None
        if laid_out is None:
            return functional.linear(input, weight, bias)
        return linear(input.to(dtype), laid_out, None if bias is None else bias.to(dtype))

    def _lay_out(self, weight: Tensor, dtype: torch.dtype, rows: int) -> Tensor | None:
        """Return a weight's copy for oneDNN, from the cache or new; None if it does not pay."""
        key = (id(weight), dtype)
        if key in self._laid_out:
            return self._laid_out[key][0]
        # Only parameters stay the same from batch to batch; tensors computed from them do not.
        if type(weight) is not torch.nn.Parameter or rows < _ROWS_THAT_REPAY:
            return None
        size = weight.numel() * dtype.itemsize
        if dtype == torch.float32 and self._bytes + size > _LAID_OUT_BYTES:
            return None
        self._bytes += size
        laid_out = lay_out(weight.detach().to(dtype), _ROWS)
        self._laid_out[key] = (laid_out, weight)
        return laid_out


def _attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, *args: Any, **kwargs: Any
) -> Tensor:
    attend = functional.scaled_dot_product_attention
    dtype = _autocast_dtype() or query.dtype
    if dtype != torch.bfloat16 or query.shape[-2] > _LONGEST:
        return attend(query, key, value, attn_mask, *args, **kwargs)
    mask = attn_mask.float() if attn_mask is not None and attn_mask.is_floating_point() else attn_mask
    with torch.autocast("cpu", enabled=False):
        return attend(query.float(), key.float(), value.float(), mask, *args, **kwargs).to(dtype)


def _autocast_dtype() -> torch.dtype | None:
    return torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else None


_MOST = 8
"""Maximum number of lanes: more would wait for Python's lock."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def lanes_of(device: torch.device) -> int:
    """Return the number of batches to encode at once."""
    return min(torch.get_num_threads(), _MOST) if device.type == "cpu" else 1


def in_lanes(
    work: Callable[[Item], Result], groups: Iterable[Sequence[Item]], lanes: int
) -> Iterator[list[Result]]:
    """Work on groups of items, and fetch each group while the previous one is worked on.

    Parameters
    ----------
    work
        Function called in threads that share those of torch. It sets by itself what torch holds per thread (autocast,
        function modes, gradients). An item alone in its group runs in the caller's thread, with all threads of torch.
    groups
        Groups, fetched in the thread of the caller.
    lanes
        Number of items to work on at once.

    Yields
    ------
    list
        Results of a group, in order.
    """
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(
        lanes, "lane", initializer=torch.set_num_threads, initargs=(max(1, threads // lanes),)
    ) as pool:
        try:
            before = None
            for group in groups:
                alone = len(group) == 1
                started = [partial(work, item) if alone else pool.submit(work, item).result for item in group]
                if before is not None:
                    yield [result() for result in before]
                before = started
            if before is not None:
                yield [result() for result in before]
        finally:
            pool.shutdown(cancel_futures=True)
            # The lanes' setting also applies to new threads.
            torch.set_num_threads(threads)
