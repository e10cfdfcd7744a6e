"""Products of oneDNN with a matrix that it has laid out beforehand, which torch keeps for its compiler."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch

from lingualign.environment import prepare_environment

if TYPE_CHECKING:
    from torch import Tensor


@cache
def has_onednn(dtype: torch.dtype = torch.float32) -> bool:
    """Whether this build of torch and this processor have these products in a dtype, and they are right."""
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
    """Lay out a weight, (m, d), for inputs of about so many rows."""
    laid_out: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    return laid_out


def linear(given: Tensor, laid_out: Tensor, bias: Tensor | None = None) -> Tensor:
    """Multiply an input, (..., d), with a weight laid out, and add the bias: (..., m)."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(given, laid_out, bias, "none", [], "")
    return product
