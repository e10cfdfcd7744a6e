"""Broken content, made of valid content by a seed, for as long as asked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@st.composite
def mutated(draw: st.DrawFn, content: bytes, tokens: Sequence[bytes]) -> bytes:
    """Cut, overwrite, repeat and insert here and there."""
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(start + draw(st.sampled_from([0, 1, 2, 4, 40, 1 << 20])), len(content))
        put = draw(st.sampled_from(tokens) | st.binary(max_size=8) | st.just(content[start:end] * 2))
        content = content[:start] + put + content[end:]
    return content


def fuzz_for(
    seconds: float,
    first_seed: int,
    at_once: int,
    check: Callable[..., None],
    *strategies: st.SearchStrategy[Any],
) -> int:
    """Call a check with examples of strategies for that much processor time; returns the number of examples."""
    end = time.process_time() + seconds
    count = 0
    while time.process_time() < end:

        @seed(first_seed + count)
        @settings(
            max_examples=at_once,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        )
        @given(st.tuples(*strategies))
        def some(example: tuple[Any, ...]) -> None:
            check(*example)

        some()
        count += at_once
    return count
